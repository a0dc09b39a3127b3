// The part of a convolution that lies at least two blocks in the past, in the frequency domain and spread over time.
#pragma once

#include <algorithm>
#include <vector>

#include "fft.hpp"

namespace appliance {

// Taps from 2N on, cut into partitions of N. A block of N input samples is complete at its last sample; what it adds to
// the output begins two blocks after its first sample. That leaves the time of one whole block for transforming it,
// multiplying and transforming back, and this class does as much of it in each call as the call has frames: no period
// is more expensive than another, and nothing is late.
template <int N>
class Partitions {
 public:
  static constexpr int kFirstTap = 2 * N;

  // taps: the whole impulse response; those from kFirstTap to `end` are taken.
  Partitions(const float* taps, int end)
      : count_(std::max(0, (end - kFirstTap + N - 1) / N)),
        units_(count_ * kSlices + 2 * Transform::kUnits),
        filters_(static_cast<size_t>(count_) * kSpectrum),
        inputs_(static_cast<size_t>(count_) * kSpectrum),
        sum_(kSpectrum),
        collected_(N),
        complete_(N),
        low_(N),
        carried_(N),
        high_(N) {
    for (int partition = 0; partition < count_; ++partition) {
      const int first = kFirstTap + partition * N;
      std::vector<float> block(N, 0.0f);
      // The inverse transform's factor N is taken out here.
      for (int n = 0; n < std::min(N, end - first); ++n) block[n] = taps[first + n] / N;
      for (int unit = 0; unit < Transform::kUnits; ++unit) transform_.forward(unit, block.data(), filter(partition));
    }
  }

  bool empty() const { return count_ == 0; }

  // How many samples may be given to `process` at once: to the end of the block.
  int room() const { return N - filled_; }

  // Takes `frames` samples of input (at most room()) and adds to as many of output. Real-time safe.
  void process(const float* in, float* out, int frames) noexcept {
    std::copy_n(in, frames, collected_.data() + filled_);
    const float* low = low_.data() + filled_;
    const float* carried = carried_.data() + filled_;
    for (int t = 0; t < frames; ++t) out[t] += low[t] + carried[t];
    filled_ += frames;
    for (const int due = units_ * filled_ / N; done_ < due; ++done_) work(done_);
    if (filled_ == N) next_block();
  }

  void reset() noexcept {
    for (auto* buffer : {&inputs_, &sum_, &collected_, &complete_, &low_, &high_, &carried_})
      std::fill(buffer->begin(), buffer->end(), 0.0f);
    newest_ = filled_ = done_ = 0;
  }

 private:
  using Transform = RightAngleTransform<N>;
  static constexpr int kSpectrum = 2 * N;
  // Products are cut up further, so that a unit of them is about as much work as one of the transform.
  static constexpr int kSliceBins = N < 128 ? N : 128;
  static constexpr int kSlices = N / kSliceBins;

  float* filter(int partition) { return filters_.data() + static_cast<size_t>(partition) * kSpectrum; }
  float* input(int slot) { return inputs_.data() + static_cast<size_t>(slot) * kSpectrum; }

  void work(int unit) noexcept {
    if (unit < Transform::kUnits)
      transform_.forward(unit, complete_.data(), input(newest_));
    else if (unit < units_ - Transform::kUnits)
      multiply((unit - Transform::kUnits) / kSlices, (unit - Transform::kUnits) % kSlices);
    else  // The last units run at the very end of the block: what they overwrite has been heard.
      transform_.inverse(unit - (units_ - Transform::kUnits), sum_.data(), low_.data(), carried_.data());
  }

  // Partition p meets the input of p blocks before the newest.
  void multiply(int partition, int slice) noexcept {
    const int slot = newest_ >= partition ? newest_ - partition : newest_ - partition + count_;
    const float* h = filter(partition) + slice * kSliceBins;
    const float* x = input(slot) + slice * kSliceBins;
    float* sum = sum_.data() + slice * kSliceBins;
    for (int bin = 0; bin < kSliceBins; bin += kLanes) {
      const Vec hr = load(h + bin), hi = load(h + N + bin);
      const Vec xr = load(x + bin), xi = load(x + N + bin);
      const Vec real = hr * xr - hi * xi, imaginary = hr * xi + hi * xr;
      store(sum + bin, partition == 0 ? real : load(sum + bin) + real);
      store(sum + N + bin, partition == 0 ? imaginary : load(sum + N + bin) + imaginary);
    }
  }

  // What was computed is heard now: the low half of it, and the high half of what was computed a block before.
  void next_block() noexcept {
    carried_.swap(high_);
    complete_.swap(collected_);
    newest_ = newest_ + 1 == count_ ? 0 : newest_ + 1;
    filled_ = done_ = 0;
  }

  int count_;
  int units_;                                // of work in a block
  std::vector<float> filters_;               // spectra, by partition
  std::vector<float> inputs_;                // spectra, a ring
  int newest_ = 0;                           // in the ring
  std::vector<float> sum_;                   // spectrum of what will be heard
  std::vector<float> collected_, complete_;  // input of this block and of the one before
  std::vector<float> low_;                   // heard in this block, with
  std::vector<float> carried_;               // the high half of the block before
  std::vector<float> high_;                  // heard in the next
  int filled_ = 0;                           // frames of the block so far
  int done_ = 0;                             // units so far
  Transform transform_;
};

}  // namespace appliance
