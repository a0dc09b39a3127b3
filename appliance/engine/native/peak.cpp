#include "peak.hpp"

#include <algorithm>
#include <chrono>

#include "simd.hpp"

namespace appliance {

namespace {

// Independent chains enough to keep every multiply-add unit busy, few enough to stay in registers.
constexpr int kChains = kRegisters / 2;
constexpr int kRounds = 20000;

}  // namespace

double peak_gflops() {
  using Clock = std::chrono::steady_clock;
  Vec chains[kChains];
  for (int i = 0; i < kChains; ++i) chains[i] = splat(1.0f + 0.001f * static_cast<float>(i));
  Vec factor = splat(0.999f);
  Vec addend = splat(0.001f);
  double best = 0.0;
  for (int run = 0; run < 40; ++run) {
    asm volatile("" : "+m"(factor), "+m"(addend));  // values the compiler can't know
    const Vec f = factor;
    const Vec a = addend;
    const auto start = Clock::now();
    for (int round = 0; round < kRounds; ++round)
#pragma GCC unroll 16
      for (int i = 0; i < kChains; ++i) chains[i] = chains[i] * f + a;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    asm volatile("" : : "m"(chains));
    best = std::max(best, 2.0 * kLanes * kChains * kRounds / seconds * 1e-9);
  }
  return best;
}

}  // namespace appliance
