// Layers of a stack that look at one frame only: scale, PReLU, ELU, softmax, activations, LSTM gates.
#include <algorithm>

#include "activations.hpp"
#include "stack.hpp"

namespace appliance {

namespace {

// For x ≤ 0 both follow from t = tanh(x / 2) without an exponential; the error stays that of tanh.
APPLIANCE_INLINE Vec exp_of_negative(Vec x) {
  const Vec t = tanh_exact(x * 0.5f);
  return (t + 1.0f) / (1.0f - t);
}

APPLIANCE_INLINE Vec exp_minus_one_of_negative(Vec x) {
  const Vec t = tanh_exact(x * 0.5f);
  return t * 2.0f / (1.0f - t);
}

// function(x, channel) on every vector of every row.
template <class Function>
APPLIANCE_INLINE void for_each(RowBlock rows, int channels, int frames, Function function) {
  for (int channel = 0; channel < channels; ++channel) {
    float* row = rows.row(channel);
    for (int t = 0; t < frames; t += kLanes) store(row + t, function(load(row + t), channel));
  }
}

class Pointwise : public StackLayer {
 public:
  explicit Pointwise(int channels) : channels_(channels) {}
  bool in_place() const noexcept override { return true; }
  int outputs() const noexcept override { return channels_; }

 protected:
  int channels_;
};

class Scale final : public Pointwise {
 public:
  Scale(BlobReader& blob, int channels)
      : Pointwise(channels), scale_(blob.floats(channels)), shift_(blob.floats(channels)) {}

  void process(RowBlock in, RowBlock, int frames) noexcept override {
    for_each(in, channels_, frames, [&](Vec x, int channel) { return x * scale_[channel] + shift_[channel]; });
  }

 private:
  std::vector<float> scale_, shift_;
};

class PRelu final : public Pointwise {
 public:
  PRelu(BlobReader& blob, int channels) : Pointwise(channels), slopes_(blob.floats(channels)) {}

  void process(RowBlock in, RowBlock, int frames) noexcept override {
    for_each(in, channels_, frames, [&](Vec x, int channel) { return activate<Act::kLeakyRelu>(x, slopes_[channel]); });
  }

 private:
  std::vector<float> slopes_;
};

class Elu final : public Pointwise {
 public:
  Elu(BlobReader& blob, int channels) : Pointwise(channels), alpha_(blob.f32()) {}

  void process(RowBlock in, RowBlock, int frames) noexcept override {
    const Vec zero{};
    for_each(in, channels_, frames,
             [&](Vec x, int) { return x > zero ? x : exp_minus_one_of_negative(smaller(x, zero)) * alpha_; });
  }

 private:
  float alpha_;
};

class Softmax final : public Pointwise {
 public:
  using Pointwise::Pointwise;

  void process(RowBlock in, RowBlock, int frames) noexcept override {
    for (int t = 0; t < frames; t += kLanes) {
      Vec most = load(in.row(0) + t);
      for (int channel = 1; channel < channels_; ++channel) most = larger(most, load(in.row(channel) + t));
      Vec total{};
      for (int channel = 0; channel < channels_; ++channel) {
        const Vec power = exp_of_negative(load(in.row(channel) + t) - most);
        store(in.row(channel) + t, power);
        total += power;
      }
      const Vec share = 1.0f / total;
      for (int channel = 0; channel < channels_; ++channel)
        store(in.row(channel) + t, load(in.row(channel) + t) * share);
    }
  }
};

class Activate final : public Pointwise {
 public:
  Activate(BlobReader& blob, int channels) : Pointwise(channels), activation_(Activation::read(blob)) {
    activation_.expect_channels(channels);
  }

  void process(RowBlock in, RowBlock, int frames) noexcept override {
    Vec tile[kTileFrames / kLanes];
    for (int channel = 0; channel < channels_; ++channel)
      for (int t = 0; t < frames; t += kTileFrames) {
        float* row = in.row(channel) + t;
        const int vectors = (std::min(frames - t, kTileFrames) + kLanes - 1) / kLanes;
        for (int v = 0; v < vectors; ++v) tile[v] = load(row + v * kLanes);
        activate_all(activation_, tile, vectors, channel);
        for (int v = 0; v < vectors; ++v) store(row + v * kLanes, tile[v]);
      }
  }

 private:
  Activation activation_;
};

// LSTM units that start from nothing at every frame: rows [i, g, o] → σ(o) · tanh(σ(i) · tanh(g)).
class LstmStep final : public StackLayer {
 public:
  LstmStep(BlobReader& blob, int inputs) : units_(blob.integer("units", 1, kMaxStackWidth)) {
    if (inputs != 3 * units_) throw BadBlob("prepared model: the gates do not fit the units");
  }

  int outputs() const noexcept override { return units_; }

  void process(RowBlock in, RowBlock out, int frames) noexcept override {
    for (int unit = 0; unit < units_; ++unit) {
      const float* input = in.row(unit);
      const float* candidate = in.row(units_ + unit);
      const float* output = in.row(2 * units_ + unit);
      for (int t = 0; t < frames; t += kLanes) {
        const Vec cell = sigmoid_exact(load(input + t)) * tanh_exact(load(candidate + t));
        store(out.row(unit) + t, sigmoid_exact(load(output + t)) * tanh_exact(cell));
      }
    }
  }

 private:
  int units_;
};

}  // namespace

std::unique_ptr<StackLayer> make_pointwise(StackKind kind, BlobReader& blob, int inputs) {
  switch (kind) {
    case StackKind::kScale:
      return std::make_unique<Scale>(blob, inputs);
    case StackKind::kPRelu:
      return std::make_unique<PRelu>(blob, inputs);
    case StackKind::kElu:
      return std::make_unique<Elu>(blob, inputs);
    case StackKind::kSoftmax:
      return std::make_unique<Softmax>(inputs);
    case StackKind::kActivate:
      return std::make_unique<Activate>(blob, inputs);
    default:
      return std::make_unique<LstmStep>(blob, inputs);
  }
}

}  // namespace appliance
