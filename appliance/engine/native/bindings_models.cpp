// Models alone, and what they can be told about: for rendering, benches and tests.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "peak.hpp"
#include "played_model.hpp"
#include "recurrent.hpp"
#include "simd.hpp"

using namespace appliance;

namespace {

// A model alone, with knobs as Python gives them: (knobs,) held, or (knobs, frames).
class PyModel {
 public:
  PyModel(nb::bytes blob, int max_block_frames, int session_rate_hz, int oversample)
      : model_(blob.c_str(), blob.size(), max_block_frames, session_rate_hz, oversample) {}

  Block process(const Audio& audio, std::optional<nb::ndarray<const float, nb::c_contig, nb::device::cpu>> knobs) {
    const auto frames = static_cast<int>(audio.shape(0));
    const size_t count = model_.knob_count();
    std::vector<float> rows(count * audio.shape(0), 0.0f);
    if (knobs) {
      const bool held = knobs->ndim() == 1;
      if (knobs->shape(0) != count || knobs->ndim() > 2 || (!held && knobs->shape(1) != audio.shape(0)))
        throw nb::value_error("knobs must have the shape (knobs,) or (knobs, frames)");
      for (size_t knob = 0; knob < count; ++knob)
        for (int t = 0; t < frames; ++t)
          rows[knob * frames + t] = held ? knobs->data()[knob] : knobs->data()[knob * frames + t];
    }
    const float* pointers[kMaxKnobs];
    for (size_t knob = 0; knob < count; ++knob) pointers[knob] = rows.data() + knob * frames;
    Block out = new_block(audio.shape(0));
    const FlushDenormals flush;
    model_.process(audio.data(), pointers, out.data(), frames);
    return out;
  }

  // Nanoseconds each of `repeats` blocks took, measured here so that the cost of crossing from Python is left out.
  std::vector<int64_t> time_blocks(const Audio& audio, int repeats) {
    const auto frames = static_cast<int>(audio.shape(0));
    const std::vector<float> knob(frames, 0.5f);
    const std::vector<const float*> pointers(kMaxKnobs, knob.data());
    std::vector<float> out(frames);
    std::vector<int64_t> taken(repeats);
    const FlushDenormals flush;
    for (int64_t& ns : taken) {
      const auto start = std::chrono::steady_clock::now();
      model_.process(audio.data(), pointers.data(), out.data(), frames);
      ns = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
    }
    return taken;
  }

  PlayedModel model_;
};

nb::dict rate_plan(int kind, int model_rate_hz, int session_rate_hz, int oversample) {
  const RatePlan plan = plan_rates(static_cast<ModelKind>(kind), model_rate_hz, session_rate_hz, oversample);
  nb::dict told;
  told["method"] = static_cast<int>(plan.method);
  told["oversample"] = plan.oversample;
  told["stretch"] = plan.stretch;
  told["latency_frames"] = plan.latency_frames;
  return told;
}

std::string cpu_features() {
  return std::to_string(kLanes) + " lanes, " + std::to_string(kRegisters) + " registers";
}

}  // namespace

void bind_models(nb::module_& module) {
  module.attr("RECURRENT_SETTLE_FRAMES") = kRecurrentSettleFrames;
  module.def("cpu_features", &cpu_features);
  module.def("rate_plan", &rate_plan, nb::arg("kind"), nb::arg("model_rate_hz"), nb::arg("session_rate_hz"),
             nb::arg("oversample"));
  module.def("peak_gflops", &peak_gflops);
  nb::class_<PyModel>(module, "Model")
      .def(nb::init<nb::bytes, int, int, int>(), nb::arg("blob"), nb::arg("max_block_frames") = Model::kChunkFrames,
           nb::arg("session_rate_hz") = 0, nb::arg("oversample") = 1)
      .def_prop_ro("knob_count", [](PyModel& self) { return self.model_.knob_count(); })
      .def_prop_ro("latency_frames", [](PyModel& self) { return self.model_.latency_frames(); })
      .def_prop_ro("receptive_field_frames", [](PyModel& self) { return self.model_.receptive_field(); })
      .def("process", &PyModel::process, nb::arg("audio"), nb::arg("knobs") = nb::none())
      .def("time_blocks", &PyModel::time_blocks, nb::arg("audio"), nb::arg("repeats"))
      .def("reset", [](PyModel& self) { self.model_.reset(); });
}
