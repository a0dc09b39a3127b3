// The Python face of the engine (types: ../_native.pyi): the chain, and the module itself.
#include "bindings.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "pedal.hpp"

using namespace appliance;

namespace {

// A Python engine inside the chain. Holds the interpreter lock: offline use.
class PythonModel final : public OutsideModel {
 public:
  PythonModel(nb::object process, int receptive_field)
      : process_(std::move(process)), receptive_field_(receptive_field) {}

  int receptive_field() const override { return receptive_field_; }

  // The chain may not throw: an error waits here until the call is back in Python.
  void process(float* audio, const float* const* knobs, int knob_count, int frames) override {
    if (error_) return;
    try {
      call(audio, knobs, knob_count, frames);
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void rethrow() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void call(float* audio, const float* const* knobs, int knob_count, int frames) {
    const auto n = static_cast<size_t>(frames);
    Block in = new_block(n);
    std::copy_n(audio, n, in.data());
    auto* rows = new float[std::max<size_t>(1, knob_count * n)];
    nb::capsule owner(rows, [](void* pointer) noexcept { delete[] static_cast<float*>(pointer); });
    for (int knob = 0; knob < knob_count; ++knob) std::copy_n(knobs[knob], n, rows + knob * n);
    const nb::ndarray<nb::numpy, float, nb::ndim<2>> knob_rows(rows, {static_cast<size_t>(knob_count), n}, owner);
    const nb::object result = knob_count > 0 ? process_(in, knob_rows) : process_(in);
    const auto out = nb::cast<Audio>(result);
    if (out.shape(0) != n) throw nb::value_error("the engine returned another number of frames than it was given");
    std::copy_n(out.data(), n, audio);
  }

  nb::object process_;
  int receptive_field_;
  std::exception_ptr error_;
};

template <class T>
T* shared_block(nb::handle object, std::unique_ptr<Bytes>& keep, bool writable, size_t wanted, const char* what) {
  if (object.is_none()) return nullptr;
  keep = std::make_unique<Bytes>(object, writable);
  if (keep->size() < wanted)
    throw nb::value_error((std::string(what) + " is " + std::to_string(keep->size()) + " bytes, wanted " +
                           std::to_string(wanted) + ": written by another version")
                              .c_str());
  return reinterpret_cast<T*>(keep->data());
}

PcmFormat pcm_format(const std::string& name) {
  if (name == "S16_LE") return PcmFormat::kS16;
  if (name == "S24_3LE") return PcmFormat::kS24Packed;
  if (name == "S24_LE") return PcmFormat::kS24;
  if (name == "S32_LE") return PcmFormat::kS32;
  if (name == "FLOAT_LE") return PcmFormat::kFloat;
  throw nb::value_error(("sample format " + name + " is not one of S16_LE, S24_3LE, S24_LE, S32_LE, FLOAT_LE").c_str());
}

ControlsPayload payload_of(nb::handle payload) {
  const Bytes bytes(payload, false);
  if (bytes.size() != sizeof(ControlsPayload)) throw nb::value_error("a controls payload has another size");
  ControlsPayload copy;
  std::memcpy(&copy, bytes.data(), sizeof copy);
  return copy;
}

class PyPedal {
 public:
  PyPedal(int sample_rate_hz, int period_frames, nb::handle controls, nb::handle status, nb::handle tap) {
    if (sample_rate_hz < 8000 || sample_rate_hz > 384000) throw nb::value_error("sample rate: 8000 to 384000 Hz");
    if (period_frames < 1 || period_frames > 8192) throw nb::value_error("period: 1 to 8192 frames");
    const auto* controls_memory =
        shared_block<const ControlsMemory>(controls, controls_, false, sizeof(ControlsMemory), "the controls memory");
    auto* status_block = shared_block<StatusBlock>(status, status_, true, sizeof(StatusBlock), "the status memory");
    auto* tap_block = shared_block<void>(tap, tap_, true, kTapBytes, "the tap memory");
    pedal_ = std::make_unique<Pedal>(sample_rate_hz, period_frames, controls_memory, status_block, tap_block);
  }

  void configure_io(const std::string& capture_format, int capture_channels, int capture_channel,
                    const std::string& playback_format, int playback_channels) {
    if (capture_channels < 1 || playback_channels < 1 || capture_channels > 64 || playback_channels > 64)
      throw nb::value_error("channels: 1 to 64");
    if (capture_channel < 0 || capture_channel >= capture_channels)
      throw nb::value_error("the guitar's channel is not one of the capture channels");
    pedal_->configure_io({pcm_format(capture_format), capture_channels, capture_channel, pcm_format(playback_format),
                          playback_channels});
  }

  void process(nb::handle capture, nb::handle playback) {
    const Bytes in(capture, false);
    const Bytes out(playback, true);
    const int frames = pedal_->frames_in(in.size());
    if (frames < 0 || frames > pedal_->period_frames())
      throw nb::value_error("capture: not a whole number of frames, or more than a period");
    if (out.size() < pedal_->playback_bytes(frames)) throw nb::value_error("playback: too small for the period");
    pedal_->process(in.data(), out.data(), frames);
  }

  Block process_float(const Audio& audio) {
    Block out = new_block(audio.shape(0));
    pedal_->process_float(audio.data(), out.data(), static_cast<int>(audio.shape(0)));
    rethrow();
    return out;
  }

  void load_patch(nb::bytes patch, nb::object model, int receptive_field) {
    auto* python_model = model.is_none() ? nullptr : new PythonModel(std::move(model), receptive_field);
    std::unique_ptr<OutsideModel> outside(python_model);
    pedal_->load_patch(patch.c_str(), patch.size(), std::move(outside));
    python_model_ = python_model;  // owned by the pedal
    rethrow();
  }

  void swap_patch(nb::bytes patch) {
    pedal_->swap_patch(patch.c_str(), patch.size());
    python_model_ = nullptr;  // goes with the patch that fades out
  }

  void begin_with(nb::bytes patch, nb::handle payload) {
    pedal_->begin_with(patch.c_str(), patch.size(), payload_of(payload));
  }

  void set_controls(nb::handle payload) { pedal_->set_controls(payload_of(payload)); }

  Pedal& pedal() { return *pedal_; }

 private:
  std::unique_ptr<Bytes> controls_, status_, tap_;  // held as long as the pedal: declared before it
  void rethrow() {
    if (python_model_ != nullptr) python_model_->rethrow();
  }

  std::unique_ptr<Pedal> pedal_;
  PythonModel* python_model_ = nullptr;
};

#define FIELD(Struct, name) fields[#name] = offsetof(Struct, name)

nb::dict shared_memory_layout() {
  nb::dict layout;
  {
    nb::dict fields;
    fields["size"] = sizeof(ControlsPayload);
    FIELD(ControlsPayload, generation);
    FIELD(ControlsPayload, flags);
    FIELD(ControlsPayload, input_gain_db);
    FIELD(ControlsPayload, gate_threshold_db);
    FIELD(ControlsPayload, level_db);
    FIELD(ControlsPayload, bass_db);
    FIELD(ControlsPayload, middle_db);
    FIELD(ControlsPayload, treble_db);
    FIELD(ControlsPayload, knob_count);
    FIELD(ControlsPayload, knobs);
    FIELD(ControlsPayload, patch_path);
    layout["payload"] = fields;
  }
  {
    nb::dict fields;
    fields["size"] = sizeof(ControlsBlock);
    FIELD(ControlsBlock, magic);
    FIELD(ControlsBlock, version);
    FIELD(ControlsBlock, sequence);
    FIELD(ControlsBlock, checksum);
    FIELD(ControlsBlock, payload);
    layout["controls"] = fields;
  }
  {
    nb::dict fields;
    fields["size"] = sizeof(PreparedBlock);
    FIELD(PreparedBlock, sequence);
    FIELD(PreparedBlock, checksum);
    FIELD(PreparedBlock, patches);
    layout["prepared"] = fields;
  }
  {
    nb::dict fields;
    fields["size"] = sizeof(ControlsMemory);
    FIELD(ControlsMemory, controls);
    FIELD(ControlsMemory, prepared);
    layout["controls_memory"] = fields;
  }
  {
    nb::dict fields;
    fields["size"] = sizeof(StatusBlock);
    FIELD(StatusBlock, magic);
    FIELD(StatusBlock, version);
    FIELD(StatusBlock, sequence);
    FIELD(StatusBlock, pid);
    FIELD(StatusBlock, periods);
    FIELD(StatusBlock, frames);
    FIELD(StatusBlock, state);
    FIELD(StatusBlock, generation);
    FIELD(StatusBlock, failed_generation);
    FIELD(StatusBlock, sample_rate_hz);
    FIELD(StatusBlock, period_frames);
    FIELD(StatusBlock, xruns);
    FIELD(StatusBlock, late_periods);
    FIELD(StatusBlock, recoveries);
    FIELD(StatusBlock, bad_blocks);
    FIELD(StatusBlock, swaps);
    FIELD(StatusBlock, input_peak);
    FIELD(StatusBlock, input_rms);
    FIELD(StatusBlock, output_peak);
    FIELD(StatusBlock, output_rms);
    FIELD(StatusBlock, gate_gain);
    FIELD(StatusBlock, limiter_gain);
    FIELD(StatusBlock, busy_us);
    FIELD(StatusBlock, busy_us_max);
    FIELD(StatusBlock, load);
    FIELD(StatusBlock, reserved);
    FIELD(StatusBlock, message);
    layout["status"] = fields;
  }
  {
    nb::dict fields;
    fields["size"] = sizeof(TapHeader);
    FIELD(TapHeader, magic);
    FIELD(TapHeader, version);
    FIELD(TapHeader, capacity_frames);
    FIELD(TapHeader, sample_rate_hz);
    FIELD(TapHeader, written_frames);
    layout["tap"] = fields;
  }
  return layout;
}

}  // namespace

Pedal& pedal_of(nb::handle python_pedal) {
  return nb::cast<PyPedal&>(python_pedal).pedal();
}

NB_MODULE(_native, module) {
  module.doc() = "The compiled engine: models and the chain.";
  module.def("shared_memory_layout", &shared_memory_layout);
  bind_models(module);
  nb::class_<PyPedal>(module, "Pedal")
      .def(nb::init<int, int, nb::handle, nb::handle, nb::handle>(), nb::arg("sample_rate_hz"),
           nb::arg("period_frames"), nb::arg("controls") = nb::none(), nb::arg("status") = nb::none(),
           nb::arg("tap") = nb::none())
      .def("configure_io", &PyPedal::configure_io, nb::arg("capture_format"), nb::arg("capture_channels"),
           nb::arg("capture_channel"), nb::arg("playback_format"), nb::arg("playback_channels"))
      .def("process", &PyPedal::process, nb::arg("capture"), nb::arg("playback"))
      .def("process_float", &PyPedal::process_float, nb::arg("audio"))
      .def("start_loader", [](PyPedal& self) { self.pedal().start_loader(); })
      .def("stop_loader", [](PyPedal& self) { self.pedal().stop_loader(); })
      .def("load_patch", &PyPedal::load_patch, nb::arg("patch"), nb::arg("model") = nb::none(),
           nb::arg("receptive_field") = 0)
      .def("swap_patch", &PyPedal::swap_patch, nb::arg("patch"))
      .def("begin_with", &PyPedal::begin_with, nb::arg("patch"), nb::arg("payload"))
      .def("set_controls", &PyPedal::set_controls, nb::arg("payload"))
      .def("fade_out", [](PyPedal& self) { self.pedal().fade_out(); })
      .def("set_state", [](PyPedal& self, uint32_t state) { self.pedal().set_state(state); })
      .def("count_xrun", [](PyPedal& self) { self.pedal().count_xrun(); })
      .def("count_recovery", [](PyPedal& self) { self.pedal().count_recovery(); })
      .def_prop_ro("last_engine_ns", [](PyPedal& self) { return self.pedal().last_engine_ns(); })
      .def_prop_ro("latency_frames", [](PyPedal& self) { return self.pedal().latency_frames(); })
      .def_prop_ro("is_fading", [](PyPedal& self) { return self.pedal().is_fading(); })
      .def("reset", [](PyPedal& self) { self.pedal().reset(); });

  bind_demo_card(module);
  bind_convolutions(module);
}
