// A model that is just an impulse response.
#include "convolver.hpp"
#include "model.hpp"

namespace appliance {

namespace {

class LinearNetwork final : public Network {
 public:
  LinearNetwork(std::vector<float> taps, float bias, int max_frames)
      : convolver_(taps.data(), static_cast<int>(taps.size()), max_frames),
        bias_(bias),
        receptive_field_(static_cast<int>(taps.size())) {}

  int receptive_field() const noexcept override { return receptive_field_; }
  void reset() noexcept override { convolver_.reset(); }

  void process(const float* const* inputs, float* out, int frames) noexcept override {
    convolver_.process(inputs[0], out, frames);
    for (int t = 0; t < frames; ++t) out[t] += bias_;
  }

 private:
  Convolver convolver_;
  float bias_;
  int receptive_field_;
};

}  // namespace

std::unique_ptr<Network> make_linear(BlobReader& blob, int inputs, int max_frames) {
  if (inputs != 1) throw BadBlob("prepared model: a Linear model has no knobs");
  const int taps = blob.integer("taps", 1, kMaxReceptiveField);
  std::vector<float> values = blob.floats(taps);
  const float bias = blob.f32();
  if (const int stretch = blob.whole_stretch(); stretch > 1) {
    // Zeros between the taps: the same response up to half the model's own rate, and no delay.
    if (static_cast<int64_t>(taps) * stretch > kMaxReceptiveField)
      throw BadBlob("prepared model: the receptive field is too long");
    std::vector<float> spread((static_cast<size_t>(taps) - 1) * stretch + 1, 0.0f);
    for (int tap = 0; tap < taps; ++tap) spread[static_cast<size_t>(tap) * stretch] = values[tap];
    values.swap(spread);
  }
  return std::make_unique<LinearNetwork>(std::move(values), bias, max_frames);
}

}  // namespace appliance
