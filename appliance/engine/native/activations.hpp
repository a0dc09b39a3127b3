// Activation functions on vectors, exact to 5e-7.
#pragma once

#include "blob.hpp"
#include "simd.hpp"

namespace appliance {

// In the order of engine/packing.py.
enum class Act : int { kLinear, kTanh, kHardtanh, kRelu, kLeakyRelu, kSigmoid, kSilu, kHardswish, kSoftsign };
constexpr int kActCount = 9;

struct Activation {
  Act kind = Act::kLinear;
  float slope = 0.0f;

  static Activation read(BlobReader& blob) {
    Activation activation;
    activation.kind = static_cast<Act>(blob.integer("activation", 0, kActCount - 1));
    activation.slope = blob.f32();
    return activation;
  }
};

// Rational x·P(x²)/Q(x²), our own minimax fit on |x| ≤ 7.95, beyond which tanh rounds to ±1: largest error 3.0e-7.
APPLIANCE_INLINE Vec tanh_exact(Vec x) {
  x = larger(smaller(x, splat(7.95f)), splat(-7.95f));
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
      return larger(smaller(x, splat(1.0f)), splat(-1.0f));
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
      return x / (magnitude(x) + 1.0f);
  }
  return x;
}

// The same, chosen when running: for shapes without a kernel of their own. One branch for `count` vectors.
inline void activate_all(Activation activation, Vec* values, int count) {
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
  }
}

}  // namespace appliance
