// Convolution with an impulse response (cabinet, Linear model) without added latency.
#pragma once

#include <vector>

#include "fft.hpp"
#include "history.hpp"

namespace appliance {

// The first `kPartition` taps run directly on the samples; the rest is cut into partitions of the same length and runs
// in the frequency domain (overlap-save). A block of input is transformed when it is complete, and only taps at least
// one partition old read it: so the split adds no delay. The products of older partitions are spread over the block, so
// that short periods share the work.
class Convolver {
 public:
  static constexpr int kPartition = 64;

  Convolver(const float* taps, int count, int max_frames);

  // in and out may be the same; in must be readable and out writable up to `frames`. Real-time safe.
  void process(const float* in, float* out, int frames) noexcept;
  void reset() noexcept;

 private:
  static constexpr int kBins = kPartition + 1;
  static constexpr int kStride = round_up(kBins, 16);  // of one spectrum's real (or imaginary) part

  void run_head(const float* in, float* out, int frames) noexcept;
  void add_products(int upto) noexcept;
  void finish_partition() noexcept;

  std::vector<float> head_taps_;  // oldest first, kPartition of them
  int partitions_;                // behind the head
  std::vector<float> filters_;    // [partition][real kStride, imaginary kStride]
  std::vector<float> inputs_;     // ring of input spectra, the same layout
  int newest_ = 0;                // in the ring
  std::vector<float> sum_;        // products so far, real then imaginary
  int summed_ = 1;                // partitions already in sum_ (the first waits for the newest input)
  std::vector<float> real_, imaginary_;
  std::vector<float> recent_;  // the last two partitions of input
  std::vector<float> tail_;    // what the partitions add to the current block
  int filled_ = 0;             // frames of the current block so far
  Fft fft_;
  History history_;
  std::vector<float> row_;  // padded output row of the head
};

}  // namespace appliance
