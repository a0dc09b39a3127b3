// Portable SIMD: one vector type from GCC/Clang vector extensions, as wide as the machine the build is for.
// NEON and SSE give 4 lanes, AVX 8, AVX-512 16. Lanes run over time (WaveNets) or over hidden units (recurrent nets).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <xmmintrin.h>
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
APPLIANCE_INLINE Vec smaller(Vec a, Vec b) {
  return a < b ? a : b;
}
APPLIANCE_INLINE Vec larger(Vec a, Vec b) {
  return a > b ? a : b;
}

// a / b for ordinary b. The A53 and the A72 divide four floats in 20 to 40 cycles and nothing else meanwhile: there an
// approximate reciprocal and two Newton steps, off by two units in the last place together, are quicker. Cores of
// ARMv8.2 on, told by their dot product, divide quickly.
APPLIANCE_INLINE Vec quotient(Vec a, Vec b) {
#if defined(__aarch64__) && !defined(__ARM_FEATURE_DOTPROD)
  float32x4_t reciprocal = vrecpeq_f32(b);
  reciprocal *= vrecpsq_f32(b, reciprocal);
  reciprocal *= vrecpsq_f32(b, reciprocal);
  return a * reciprocal;
#else
  return a / b;
#endif
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
