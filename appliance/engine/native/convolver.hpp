// Convolution with an impulse response (cabinet, Linear model) without added latency.
#pragma once

#include <vector>

#include "history.hpp"
#include "partitions.hpp"

namespace appliance {

// Three parts, each for what the one before leaves (sizes in taps, chosen by measuring: docs/loop.md):
//   the first 128 directly, sample by sample;
//   128 … 1023 in partitions of 64;
//   from 1024 on in partitions of 512.
class Convolver {
 public:
  Convolver(const float* taps, int count, int max_frames);

  // in and out may be the same; in must be readable and out writable up to `frames`. Real-time safe.
  void process(const float* in, float* out, int frames) noexcept;
  void reset() noexcept;

 private:
  using Near = Partitions<64>;
  using Far = Partitions<512>;
  static constexpr int kHeadTaps = Near::kFirstTap;

  void run_head(const float* in, float* out, int frames) noexcept;

  std::vector<float> head_taps_;  // oldest first, kHeadTaps of them
  Near near_;
  Far far_;
  History history_;
  std::vector<float> row_;  // padded output row of the head
};

}  // namespace appliance
