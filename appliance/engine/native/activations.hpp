// Activation functions on vectors, exact to 5e-7.
#pragma once

#include "blob.hpp"
#include "simd.hpp"

namespace appliance {

// In the order of engine/packing.py.
enum class Act : int {
  kLinear,
  kTanh,
  kHardtanh,
  kRelu,
  kLeakyRelu,
  kSigmoid,
  kSilu,
  kHardswish,
  kSoftsign,
  kSoftsigmoid,
  kPrelu,
  kLeakyHardtanh
};
constexpr int kActCount = 12;

struct Activation {
  Act kind = Act::kLinear;
  float slope = 0.0f;
  std::vector<float> slopes;  // kPrelu: one per channel
  float minimum = -1.0f;      // kLeakyHardtanh
  float maximum = 1.0f;
  float minimum_slope = 0.0f;
  float maximum_slope = 0.0f;

  static Activation read(BlobReader& blob) {
    Activation activation;
    activation.kind = static_cast<Act>(blob.integer("activation", 0, kActCount - 1));
    activation.slope = blob.f32();
    if (activation.kind == Act::kPrelu) {
      activation.slopes = blob.floats(blob.integer("slopes", 1, 1 << 16));
    } else if (activation.kind == Act::kLeakyHardtanh) {
      activation.minimum = blob.f32();
      activation.maximum = blob.f32();
      activation.minimum_slope = blob.f32();
      activation.maximum_slope = blob.f32();
    }
    return activation;
  }

  // Throws BadBlob unless it can be applied to so many channels.
  void expect_channels(int channels) const {
    if (kind == Act::kPrelu && slopes.size() != static_cast<size_t>(channels))
      throw BadBlob("prepared model: an activation has " + std::to_string(slopes.size()) + " slopes for " +
                    std::to_string(channels) + " channels");
  }
};

// Rational x·P(x²)/Q(x²), our own minimax fit on |x| ≤ 7.95, beyond which tanh rounds to ±1: largest error 3.0e-7.
APPLIANCE_INLINE Vec tanh_exact(Vec x) {
  x = clamped(x, 7.95f);
  const Vec u = x * x;
  Vec p = u * 2.331997579e-11f - 1.461834798e-08f;
  p = p * u + 9.846382800e-06f;
  p = p * u + 2.982026332e-03f;
  p = p * u + 1.297552580e-01f;
  p = p * u + 9.999999182e-01f;
  Vec q = u * 2.366913571e-04f + 2.401184972e-02f;
  q = q * u + 4.630882544e-01f;
  q = q * u + 1.0f;
  return quotient(x * p, q);
}

APPLIANCE_INLINE Vec sigmoid_exact(Vec x) {
  return tanh_exact(x * 0.5f) * 0.5f + 0.5f;
}

APPLIANCE_INLINE Vec magnitude(Vec x) {
  return larger(x, -x);
}

template <Act kind>
APPLIANCE_INLINE Vec activate(Vec x, float slope) {
  const Vec zero{};
  switch (kind) {
    case Act::kLinear:
      return x;
    case Act::kTanh:
      return tanh_exact(x);
    case Act::kHardtanh:
      return clamped(x, 1.0f);
    case Act::kRelu:
      return larger(x, zero);
    case Act::kLeakyRelu:
      return x > zero ? x : x * slope;
    case Act::kSigmoid:
      return sigmoid_exact(x);
    case Act::kSilu:
      return x * sigmoid_exact(x);
    case Act::kHardswish:
      return x * smaller(larger(x + 3.0f, zero), splat(6.0f)) * (1.0f / 6.0f);
    case Act::kSoftsign:
      return quotient(x, magnitude(x) + 1.0f);
    case Act::kSoftsigmoid:
      return quotient(x, magnitude(x) + 1.0f) * 0.5f + 0.5f;
    case Act::kPrelu:
      return x > zero ? x : x * slope;
    case Act::kLeakyHardtanh:  // has more parameters: below
      break;
  }
  return x;
}

APPLIANCE_INLINE Vec leaky_hardtanh(Vec x, const Activation& activation) {
  const Vec low = splat(activation.minimum);
  const Vec high = splat(activation.maximum);
  const Vec below = smaller(x - low, Vec{}) * activation.minimum_slope;
  const Vec above = larger(x - high, Vec{}) * activation.maximum_slope;
  return larger(smaller(x, high), low) + below + above;
}

// The same, chosen when running: for shapes without a kernel of their own. One branch for `count` vectors of one
// channel, or of any channels where the activation treats all alike.
inline void activate_all(const Activation& activation, Vec* values, int count, int channel = 0) {
  const auto each = [&](auto function) {
    for (int i = 0; i < count; ++i) values[i] = function(values[i]);
  };
  const float slope = activation.slope;
  switch (activation.kind) {
    case Act::kLinear:
      return;
    case Act::kTanh:
      return each([&](Vec x) { return activate<Act::kTanh>(x, slope); });
    case Act::kHardtanh:
      return each([&](Vec x) { return activate<Act::kHardtanh>(x, slope); });
    case Act::kRelu:
      return each([&](Vec x) { return activate<Act::kRelu>(x, slope); });
    case Act::kLeakyRelu:
      return each([&](Vec x) { return activate<Act::kLeakyRelu>(x, slope); });
    case Act::kSigmoid:
      return each([&](Vec x) { return activate<Act::kSigmoid>(x, slope); });
    case Act::kSilu:
      return each([&](Vec x) { return activate<Act::kSilu>(x, slope); });
    case Act::kHardswish:
      return each([&](Vec x) { return activate<Act::kHardswish>(x, slope); });
    case Act::kSoftsign:
      return each([&](Vec x) { return activate<Act::kSoftsign>(x, slope); });
    case Act::kSoftsigmoid:
      return each([&](Vec x) { return activate<Act::kSoftsigmoid>(x, slope); });
    case Act::kPrelu: {
      const float own = activation.slopes[channel];
      return each([&](Vec x) { return activate<Act::kPrelu>(x, own); });
    }
    case Act::kLeakyHardtanh:
      return each([&](Vec x) { return leaky_hardtanh(x, activation); });
  }
}

// Rows of `vectors` vectors, one row a channel.
inline void activate_rows(const Activation& activation, Vec* values, int rows, int vectors) {
  if (activation.kind != Act::kPrelu) return activate_all(activation, values, rows * vectors);
  for (int row = 0; row < rows; ++row) activate_all(activation, values + row * vectors, vectors, row);
}

}  // namespace appliance
