#include "direct_fir.hpp"

namespace appliance {

DirectFir::DirectFir(const float* taps, int count, int max_frames)
    : count_(round_up(count, 2)),
      taps_(count_, 0.0f),
      history_(1, count_ - 1, max_frames),
      row_(round_up(max_frames, kVectors * kLanes)) {
  std::reverse_copy(taps, taps + count, taps_.end() - count);
}

void DirectFir::process(const float* in, float* out, int frames) noexcept {
  history_.begin(frames);
  std::copy_n(in, frames, history_.now());
  const float* oldest = history_.now() - (count_ - 1);
  for (int t = 0; t < frames; t += kVectors * kLanes) {
    Vec even[kVectors] = {}, odd[kVectors] = {};
    for (int tap = 0; tap < count_; tap += 2)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        even[v] += taps_[tap] * load(oldest + t + tap + v * kLanes);
        odd[v] += taps_[tap + 1] * load(oldest + t + tap + 1 + v * kLanes);
      }
    for (int v = 0; v < kVectors; ++v) store(row_.data() + t + v * kLanes, even[v] + odd[v]);
  }
  std::copy_n(row_.data(), frames, out);
  history_.end(frames);
}

}  // namespace appliance
