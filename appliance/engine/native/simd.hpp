// Portable SIMD: one vector type from GCC/Clang vector extensions, as wide as the machine the build is for.
// NEON and SSE give 4 lanes, AVX 8, AVX-512 16. Lanes run over time (WaveNets) or over hidden units (recurrent nets).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace appliance {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
constexpr int kRegisters = 32;
#elif defined(__AVX__)
constexpr int kLanes = 8;
constexpr int kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kLanes = 4;
constexpr int kRegisters = 32;
#else
constexpr int kLanes = 4;
constexpr int kRegisters = 16;
#endif

// Blocks are worked off in tiles of at most this many frames; rows are padded to it.
constexpr int kTileFrames = 64;

using Vec = float __attribute__((vector_size(4 * kLanes)));
using VecAnywhere = float __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

constexpr int vectors_of(int values) {
  return (values + kLanes - 1) / kLanes;
}

#define APPLIANCE_INLINE inline __attribute__((always_inline))

APPLIANCE_INLINE Vec load(const float* from) {
  return *reinterpret_cast<const VecAnywhere*>(from);
}
APPLIANCE_INLINE void store(float* to, Vec value) {
  *reinterpret_cast<VecAnywhere*>(to) = value;
}
APPLIANCE_INLINE Vec splat(float value) {
  return value - Vec{};
}

// The three operations that compilers don't find by themselves in vector arithmetic: minimum and maximum become a
// comparison and a blend, and a division stalls its unit for many cycles where an estimate and a Newton step or two do
// (to 2e-7). The dividend joins before the last step, which it need not wait for.
#if defined(__AVX512F__)
constexpr __mmask16 kAll = 0xFFFF;  // the unmasked intrinsics make GCC 12 warn of its own undefined operand
APPLIANCE_INLINE Vec smaller(Vec a, Vec b) {
  return _mm512_maskz_min_ps(kAll, a, b);
}
APPLIANCE_INLINE Vec larger(Vec a, Vec b) {
  return _mm512_maskz_max_ps(kAll, a, b);
}
APPLIANCE_INLINE Vec quotient(Vec a, Vec b) {
  const Vec estimate = _mm512_maskz_rcp14_ps(kAll, b);
  return a * estimate * (2.0f - b * estimate);
}
#elif defined(__AVX__)
APPLIANCE_INLINE Vec smaller(Vec a, Vec b) {
  return _mm256_min_ps(a, b);
}
APPLIANCE_INLINE Vec larger(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
APPLIANCE_INLINE Vec quotient(Vec a, Vec b) {
  const Vec estimate = _mm256_rcp_ps(b);
  return a * estimate * (2.0f - b * estimate);
}
#elif defined(__x86_64__)
APPLIANCE_INLINE Vec smaller(Vec a, Vec b) {
  return _mm_min_ps(a, b);
}
APPLIANCE_INLINE Vec larger(Vec a, Vec b) {
  return _mm_max_ps(a, b);
}
APPLIANCE_INLINE Vec quotient(Vec a, Vec b) {
  const Vec estimate = _mm_rcp_ps(b);
  return a * estimate * (2.0f - b * estimate);
}
#elif defined(__aarch64__)
APPLIANCE_INLINE Vec smaller(Vec a, Vec b) {
  return vminq_f32(a, b);
}
APPLIANCE_INLINE Vec larger(Vec a, Vec b) {
  return vmaxq_f32(a, b);
}
APPLIANCE_INLINE Vec quotient(Vec a, Vec b) {
  Vec estimate = vrecpeq_f32(b);
  estimate = vmulq_f32(estimate, vrecpsq_f32(b, estimate));
  return vmulq_f32(vmulq_f32(a, estimate), vrecpsq_f32(b, estimate));
}
#else
APPLIANCE_INLINE Vec smaller(Vec a, Vec b) {
  return a < b ? a : b;
}
APPLIANCE_INLINE Vec larger(Vec a, Vec b) {
  return a > b ? a : b;
}
APPLIANCE_INLINE Vec quotient(Vec a, Vec b) {
  return a / b;
}
#endif

// x kept within ±limit; and what lies `frames` (0 … kLanes) before `now`, `before` being the vector before it.
#if defined(__AVX512DQ__)
APPLIANCE_INLINE Vec clamped(Vec x, float limit) {
  return _mm512_maskz_range_ps(kAll, x, splat(limit), 0b0010);  // the lesser magnitude, with the sign of x
}
APPLIANCE_INLINE Vec delayed(Vec before, Vec now, int frames) {
  const __m512i lane = _mm512_set_epi32(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16);
  return _mm512_permutex2var_ps(before, _mm512_sub_epi32(lane, _mm512_set1_epi32(frames)), now);
}
#else
APPLIANCE_INLINE Vec clamped(Vec x, float limit) {
  return larger(smaller(x, splat(limit)), splat(-limit));
}
APPLIANCE_INLINE Vec delayed(Vec before, Vec now, int frames) {
  float both[2 * kLanes];
  store(both, before);
  store(both + kLanes, now);
  return load(both + kLanes - frames);
}
#endif

template <int width, int... lane>
APPLIANCE_INLINE Vec folded(Vec a, Vec b, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(a, b, (lane / width * 2 * width + lane % width)...) +
         __builtin_shufflevector(a, b, (lane / width * 2 * width + lane % width + width)...);
}

// Lane i: the sum of row i. Halves of vectors are added to halves, rows side by side, until each row is one lane.
template <int rows = kLanes>
APPLIANCE_INLINE Vec sums(const Vec* row) {
  if constexpr (rows == 1)
    return *row;
  else
    return folded<kLanes / rows>(sums<rows / 2>(row), sums<rows / 2>(row + rows / 2),
                                 std::make_integer_sequence<int, kLanes>{});
}

APPLIANCE_INLINE float sum(Vec value) {
  float total = 0.0f;
  for (int lane = 0; lane < kLanes; ++lane) total += value[lane];
  return total;
}

constexpr int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Denormals cost up to a hundred times a normal operation on x86; amps decay into them at every pause.
// Flushes them to zero for the life of the object, then puts the thread's mode back.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(saved_ | (1u << 24)));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  uint64_t saved_;
#else
  FlushDenormals() {}
#endif

 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace appliance
