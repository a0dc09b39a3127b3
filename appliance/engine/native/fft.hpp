// The transform behind the cabinet's convolution, cut into units of about equal work so that it can be spread over
// time.
//
// Blocks of N real samples are multiplied as polynomials modulo z^N = i ("right-angle" convolution): a product of two
// of them has 2N - 1 terms, and modulo z^N = i its low half comes out as the real part and its high half as the
// imaginary part. With the substitution z = exp(iπ/2N)·u this is a cyclic convolution of N complex points: half the
// size that padding with zeros would need, and N is a multiple of every vector width.
//
// Spectra are only ever multiplied point by point, so their order does not matter: the forward transform leaves it
// scrambled (decimation in frequency) and the inverse starts from there (decimation in time). Half-way the data are
// transposed once, so that the innermost loop of every pass is long and contiguous.
#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "simd.hpp"

namespace appliance {

// Calls body(std::integral_constant<int, value>) for a power of two up to Most.
template <int Most, class Body>
APPLIANCE_INLINE void with_power_of_two(int value, Body body) {
  if (value == Most)
    body(std::integral_constant<int, Most>{});
  else if constexpr (Most > 1)
    with_power_of_two<Most / 2>(value, body);
}

constexpr int log2_of(int power) {
  return power == 1 ? 0 : 1 + log2_of(power / 2);
}

// Vectors of 4, 8 or 16 floats (GCC takes no size that depends on a template's argument).
template <int Width>
struct LanesOf;
template <>
struct LanesOf<4> {
  using Type = float __attribute__((vector_size(16)));
};
template <>
struct LanesOf<8> {
  using Type = float __attribute__((vector_size(32)));
};
template <>
struct LanesOf<16> {
  using Type = float __attribute__((vector_size(64)));
};

// A spectrum is 2N floats: real parts, then imaginary parts.
template <int N>
class RightAngleTransform {
 public:
  // Either direction is this many units: the twist exp(±iπn/2N), the passes (both in pieces), and the transposition in
  // four parts.
  static constexpr int kPieces = N > 64 ? 2 : 1;
  static constexpr int kUnits = kPieces * (1 + log2_of(N)) + 4;

  RightAngleTransform() : turns_r_(N), turns_i_(N), twist_r_(N), twist_i_(N), scratch_(2 * N) {
    // The turns of butterflies `span` apart are at span … 2·span - 1: exp(-iπj / span).
    for (int span = 1; span < N; span *= 2)
      for (int j = 0; j < span; ++j) {
        turns_r_[span + j] = static_cast<float>(std::cos(M_PI * j / span));
        turns_i_[span + j] = static_cast<float>(-std::sin(M_PI * j / span));
      }
    for (int n = 0; n < N; ++n) {
      twist_r_[n] = static_cast<float>(std::cos(M_PI * n / (2 * N)));
      twist_i_[n] = static_cast<float>(std::sin(M_PI * n / (2 * N)));
    }
  }

  // N samples → spectrum, after units 0 … kUnits - 1 in this order.
  void forward(int unit, const float* samples, float* spectrum) noexcept {
    const int piece = unit % kPieces;
    if (unit < kTransposition) {
      if (unit < kPieces) return twist(piece, samples);
      const int span = N >> (unit / kPieces);
      with_power_of_two<N / 2>(span, [&](auto fixed) { wide_pass<fixed, false>(piece, scratch_.data()); });
    } else if (unit < kTransposition + 4) {
      transpose<kRows, kColumns>(unit - kTransposition, scratch_.data(), spectrum);
    } else {
      const int span = N >> ((unit - 4) / kPieces);
      with_power_of_two<N / 2>(span, [&](auto fixed) { narrow_pass<fixed, false>(piece, spectrum); });
    }
  }

  // Spectrum (overwritten) → the product's low and high half, N samples each, times N: the same steps backwards.
  // The last kPieces units write low and high, from front to back.
  void inverse(int unit, float* spectrum, float* low, float* high) noexcept {
    const int mirrored = kUnits - 1 - unit;
    const int piece = unit % kPieces;
    if (mirrored >= kTransposition + 4) {
      const int span = N >> ((mirrored - 4) / kPieces);
      with_power_of_two<N / 2>(span, [&](auto fixed) { narrow_pass<fixed, true>(piece, spectrum); });
    } else if (mirrored >= kTransposition) {
      transpose<kColumns, kRows>(mirrored - kTransposition, spectrum, scratch_.data());
    } else {
      if (mirrored < kPieces) return untwist(piece, low, high);
      const int span = N >> (mirrored / kPieces);
      with_power_of_two<N / 2>(span, [&](auto fixed) { wide_pass<fixed, true>(piece, scratch_.data()); });
    }
  }

 private:
  // Butterflies closer than kColumns apart run after the transposition, on rows of kRows.
  static constexpr int kNarrowPasses = log2_of(N) / 2;
  static constexpr int kWidePasses = log2_of(N) - kNarrowPasses;
  static constexpr int kColumns = 1 << kNarrowPasses;
  static constexpr int kRows = N / kColumns;
  static constexpr int kTransposition = kPieces * (1 + kWidePasses);  // its first unit when going forward
  static_assert(kColumns / 2 % kPieces == 0 && kTransposition % kPieces == 0);

  // Vectors are written out: left to itself the compiler vectorises some of these loops the wrong way round.
  static constexpr int kWidth = kLanes < kColumns ? kLanes : kColumns;
  using Lanes = typename LanesOf<kWidth>::Type;
  using Four = LanesOf<4>::Type;

  template <class Vector>
  static APPLIANCE_INLINE Vector get(const float* from) noexcept {
    Vector value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  template <class Vector>
  static APPLIANCE_INLINE void put(float* to, Vector value) noexcept {
    std::memcpy(to, &value, sizeof value);
  }

  void twist(int piece, const float* samples) noexcept {
    float* to = scratch_.data();
    for (int n = piece * N / kPieces; n < (piece + 1) * N / kPieces; n += kWidth) {
      const auto x = get<Lanes>(samples + n);
      put<Lanes>(to + n, x * get<Lanes>(&twist_r_[n]));
      put<Lanes>(to + N + n, x * get<Lanes>(&twist_i_[n]));
    }
  }

  void untwist(int piece, float* low, float* high) noexcept {
    const float* from = scratch_.data();
    for (int n = piece * N / kPieces; n < (piece + 1) * N / kPieces; n += kWidth) {
      const auto r = get<Lanes>(from + n), i = get<Lanes>(from + N + n);
      const auto turn_r = get<Lanes>(&twist_r_[n]), turn_i = get<Lanes>(&twist_i_[n]);
      put<Lanes>(low + n, r * turn_r + i * turn_i);
      put<Lanes>(high + n, i * turn_r - r * turn_i);
    }
  }

  // Butterflies between kWidth numbers at a and as many at b.
  template <bool Inverse>
  static APPLIANCE_INLINE void butterflies(float* a, float* b, Lanes turn_r, Lanes turn_i) noexcept {
    const auto ar = get<Lanes>(a), ai = get<Lanes>(a + N);
    const auto br = get<Lanes>(b), bi = get<Lanes>(b + N);
    if constexpr (Inverse) {
      const Lanes tr = br * turn_r + bi * turn_i;
      const Lanes ti = bi * turn_r - br * turn_i;
      put<Lanes>(a, ar + tr);
      put<Lanes>(a + N, ai + ti);
      put<Lanes>(b, ar - tr);
      put<Lanes>(b + N, ai - ti);
    } else {
      const Lanes dr = ar - br, di = ai - bi;
      put<Lanes>(a, ar + br);
      put<Lanes>(a + N, ai + bi);
      put<Lanes>(b, dr * turn_r - di * turn_i);
      put<Lanes>(b + N, dr * turn_i + di * turn_r);
    }
  }

  // Butterflies at least kColumns apart: neighbours are neighbours in time.
  template <int Span, bool Inverse>
  void wide_pass(int piece, float* data) noexcept {
    if constexpr (Span >= kColumns) {
      constexpr int kEach = N / 2 / kPieces;
      for (int n = piece * kEach; n < (piece + 1) * kEach; n += kWidth) {
        const int j = n % Span;
        float* a = data + 2 * (n - j) + j;
        butterflies<Inverse>(a, a + Span, get<Lanes>(&turns_r_[Span + j]), get<Lanes>(&turns_i_[Span + j]));
      }
    }
  }

  // The others, on transposed data: rows of kRows that all turn alike.
  template <int Span, bool Inverse>
  void narrow_pass(int piece, float* data) noexcept {
    if constexpr (Span < kColumns) {
      constexpr int kEach = kColumns / 2 / kPieces;
      for (int pair = piece * kEach; pair < (piece + 1) * kEach; ++pair) {
        const int j = pair % Span;
        const Lanes turn_r = turns_r_[Span + j] - Lanes{};
        const Lanes turn_i = turns_i_[Span + j] - Lanes{};
        float* row = data + (2 * (pair - j) + j) * kRows;
        for (float* a = row; a < row + kRows; a += kWidth) butterflies<Inverse>(a, a + Span * kRows, turn_r, turn_i);
      }
    }
  }

  // A quarter of it: half the columns of the real or imaginary parts. In squares of four by four: pairs change places
  // within the rows, then between them.
  template <int Rows, int Columns>
  static void transpose(int quarter, const float* from, float* to) noexcept {
    from += quarter / 2 * N;
    to += quarter / 2 * N;
    const int begin = quarter % 2 * (Columns / 2);
    for (int column = begin; column < begin + Columns / 2; column += 4)
      for (int row = 0; row < Rows; row += 4) {
        const float* source = from + row * Columns + column;
        float* target = to + column * Rows + row;
        Four r[4], s[4];
        for (int k = 0; k < 4; ++k) r[k] = get<Four>(source + k * Columns);
        s[0] = __builtin_shufflevector(r[0], r[1], 0, 4, 2, 6);
        s[1] = __builtin_shufflevector(r[0], r[1], 1, 5, 3, 7);
        s[2] = __builtin_shufflevector(r[2], r[3], 0, 4, 2, 6);
        s[3] = __builtin_shufflevector(r[2], r[3], 1, 5, 3, 7);
        put<Four>(target, __builtin_shufflevector(s[0], s[2], 0, 1, 4, 5));
        put<Four>(target + Rows, __builtin_shufflevector(s[1], s[3], 0, 1, 4, 5));
        put<Four>(target + 2 * Rows, __builtin_shufflevector(s[0], s[2], 2, 3, 6, 7));
        put<Four>(target + 3 * Rows, __builtin_shufflevector(s[1], s[3], 2, 3, 6, 7));
      }
  }

  std::vector<float> turns_r_, turns_i_;  // exp(-iπj / span) at span + j
  std::vector<float> twist_r_, twist_i_;  // exp(iπn / 2N)
  std::vector<float> scratch_;
};

}  // namespace appliance
