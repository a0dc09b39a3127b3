// gain · tanh(x) + offset by short chains of operations: a step of a recurrent net waits for two of them.
#pragma once

#include "simd.hpp"

#if defined(__AVX512F__)
#include <cmath>
#endif

namespace appliance {

// The same fit as tanh_exact, its polynomials evaluated in pairs (Estrin), the gain taken in while they are.
APPLIANCE_INLINE Vec scaled_tanh(Vec x, Vec gain, Vec offset) {
  x = clamped(x, 7.95f);
  const Vec u = x * x;
  const Vec u2 = u * u;
  const Vec q = (u * 2.366913571e-04f + 2.401184972e-02f) * u2 + (u * 4.630882544e-01f + 1.0f);
  const Vec p01 = u * 1.297552580e-01f + 9.999999182e-01f;
  const Vec p23 = u * 9.846382800e-06f + 2.982026332e-03f;
  const Vec p45 = u * 2.331997579e-11f - 1.461834798e-08f;
  const Vec p = (p45 * u2 + p23) * u2 + p01;
  return quotient(x * gain * p, q) + offset;
}

// The same, sooner where a vector holds a table of 32, but with more work: for whoever only waits for it.
#if defined(__AVX512F__)

using Bits = uint32_t __attribute__((vector_size(4 * kLanes)));

// tanh on 32 pieces of 0 … 8, cut by exponent and two bits of mantissa, so that the bits of a number say which piece it
// is in; each a polynomial of degree 5 round its middle. Within 3e-7 (beyond 8 it stays at tanh 8).
struct TanhPieces {
  static constexpr int kPieces = 32;
  static constexpr uint32_t kFirst = 0x3D000000;  // 2^-5: the first piece, which reaches down to 0
  static constexpr uint32_t kLast = 0x40FFFFFF;   // just below 8
  static constexpr int kPieceBits = 32 - 11;      // what follows sign, exponent and two bits of mantissa

  alignas(64) float coefficient[6][kPieces];

  TanhPieces() {
    for (int piece = 0; piece < kPieces; ++piece) {
      const double octave = std::ldexp(1.0, piece / 4 - 5);
      const double reach = piece == 0 ? octave * 9 / 8 : octave / 8;
      double a[7] = {std::tanh(octave * (1 + piece % 4 / 4.0 + 1 / 8.0))};
      for (int n = 0; n < 6; ++n) {  // Taylor's coefficients, from y' = 1 - y²
        double next = n == 0;
        for (int k = 0; k <= n; ++k) next -= a[k] * a[n - k];
        a[n + 1] = next / (n + 1);
      }
      // In place of the sixth power the lower even ones that come nearest to it within reach (Chebyshev).
      const double r2 = reach * reach;
      a[4] += a[6] * r2 * 3 / 2;
      a[2] -= a[6] * r2 * r2 * 9 / 16;
      a[0] += a[6] * r2 * r2 * r2 / 32;
      const uint32_t place = ((kFirst >> kPieceBits) + piece) % kPieces;
      for (int n = 0; n < 6; ++n) coefficient[n][place] = static_cast<float>(a[n]);
    }
  }
};
inline const TanhPieces kTanhPieces;

APPLIANCE_INLINE Vec scaled_tanh_soon(Vec x, Vec gain, Vec offset) {
  constexpr uint32_t kSign = 0x80000000u;
  const Bits bits = reinterpret_cast<Bits>(x);
  const __m512i size =
      _mm512_maskz_min_epu32(kAll, reinterpret_cast<__m512i>(bits & ~kSign), _mm512_set1_epi32(TanhPieces::kLast));
  const Bits raised = reinterpret_cast<Bits>(_mm512_maskz_max_epu32(kAll, size, _mm512_set1_epi32(TanhPieces::kFirst)));
  const __m512i piece = reinterpret_cast<__m512i>(raised >> TanhPieces::kPieceBits);
  const auto coefficient = [&](int power) {
    const float* table = kTanhPieces.coefficient[power];
    return static_cast<Vec>(_mm512_permutex2var_ps(_mm512_load_ps(table), piece, _mm512_load_ps(table + kLanes)));
  };
  constexpr uint32_t kHalfPiece = 1u << (TanhPieces::kPieceBits - 1);
  const Bits middle = (raised & ~(2 * kHalfPiece - 1)) | kHalfPiece;
  const Vec t = reinterpret_cast<Vec>(size) - reinterpret_cast<Vec>(middle);
  const Vec t2 = t * t;
  const Vec signed_gain = reinterpret_cast<Vec>(reinterpret_cast<Bits>(gain) ^ (bits & kSign));
  const Vec low = (coefficient(1) * t + coefficient(0)) * signed_gain + offset;
  const Vec high = (coefficient(5) * t + coefficient(4)) * t2 + (coefficient(3) * t + coefficient(2));
  return high * (t2 * signed_gain) + low;
}

#else

APPLIANCE_INLINE Vec scaled_tanh_soon(Vec x, Vec gain, Vec offset) {
  return scaled_tanh(x, gain, offset);
}

#endif

}  // namespace appliance
