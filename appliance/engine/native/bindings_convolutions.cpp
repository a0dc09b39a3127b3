// Convolutions alone: for the cabinet's bench and tests.
#include <nanobind/stl/vector.h>

#include <chrono>
#include <optional>
#include <vector>

#include "bindings.hpp"
#include "convolver.hpp"
#include "direct_fir.hpp"
#include "model.hpp"
#include "simd.hpp"

using namespace appliance;

namespace {

template <class Convolution>
class PyConvolution {
 public:
  PyConvolution(const Audio& taps, int max_frames) {
    if (taps.shape(0) < 1 || taps.shape(0) > kMaxReceptiveField || max_frames < 1 || max_frames > 8192)
      throw nb::value_error("an impulse response of 1 to 2097152 taps and periods of 1 to 8192 frames");
    max_frames_ = max_frames;
    convolution_.emplace(taps.data(), static_cast<int>(taps.shape(0)), max_frames);
  }

  Block process(const Audio& audio) {
    Block out = new_block(audio.shape(0));
    const FlushDenormals flush;
    for (size_t done = 0; done < audio.shape(0);) {
      const auto chunk = static_cast<int>(std::min<size_t>(max_frames_, audio.shape(0) - done));
      convolution_->process(audio.data() + done, out.data() + done, chunk);
      done += chunk;
    }
    return out;
  }

  // Nanoseconds of each period of `audio`, cut into whole periods.
  std::vector<int64_t> time_periods(const Audio& audio) {
    std::vector<int64_t> taken(audio.shape(0) / max_frames_);
    std::vector<float> out(max_frames_);
    const FlushDenormals flush;
    const float* in = audio.data();
    for (int64_t& ns : taken) {
      const auto start = std::chrono::steady_clock::now();
      convolution_->process(in, out.data(), max_frames_);
      ns = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
      in += max_frames_;
    }
    return taken;
  }

 private:
  int max_frames_ = 0;
  std::optional<Convolution> convolution_;
};

template <class Convolution>
void bind_convolution(nb::module_& module, const char* name) {
  using Bound = PyConvolution<Convolution>;
  nb::class_<Bound>(module, name)
      .def(nb::init<const Audio&, int>(), nb::arg("taps"), nb::arg("period_frames"))
      .def("process", &Bound::process, nb::arg("audio"))
      .def("time_periods", &Bound::time_periods, nb::arg("audio"));
}

}  // namespace

void bind_convolutions(nb::module_& module) {
  bind_convolution<Convolver>(module, "Convolver");
  bind_convolution<DirectFir>(module, "DirectFir");
}
