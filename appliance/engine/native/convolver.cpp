#include "convolver.hpp"

#include "convolution.hpp"

namespace appliance {

Convolver::Convolver(const float* taps, int count, int max_frames)
    : head_taps_(kPartition, 0.0f),
      partitions_(std::max(0, (count - 1) / kPartition)),
      filters_(static_cast<size_t>(partitions_) * 2 * kStride, 0.0f),
      inputs_(static_cast<size_t>(partitions_) * 2 * kStride, 0.0f),
      sum_(2 * kStride, 0.0f),
      real_(2 * kPartition, 0.0f),
      imaginary_(2 * kPartition, 0.0f),
      recent_(2 * kPartition, 0.0f),
      tail_(kPartition, 0.0f),
      fft_(2 * kPartition),
      history_(1, kPartition - 1, max_frames),
      row_(round_up(max_frames, kTileFrames) + kTileFrames, 0.0f) {
  for (int tap = 0; tap < std::min(count, kPartition); ++tap) head_taps_[kPartition - 1 - tap] = taps[tap];
  for (int partition = 0; partition < partitions_; ++partition) {
    const int first = (partition + 1) * kPartition;
    std::fill(real_.begin(), real_.end(), 0.0f);
    std::fill(imaginary_.begin(), imaginary_.end(), 0.0f);
    std::copy_n(taps + first, std::min(kPartition, count - first), real_.data());
    fft_.forward(real_.data(), imaginary_.data());
    float* filter = filters_.data() + static_cast<size_t>(partition) * 2 * kStride;
    // The inverse transform's 1/size is folded in here.
    for (int bin = 0; bin < kBins; ++bin) {
      filter[bin] = real_[bin] / (2 * kPartition);
      filter[kStride + bin] = imaginary_[bin] / (2 * kPartition);
    }
  }
}

void Convolver::reset() noexcept {
  std::fill(inputs_.begin(), inputs_.end(), 0.0f);
  std::fill(sum_.begin(), sum_.end(), 0.0f);
  std::fill(recent_.begin(), recent_.end(), 0.0f);
  std::fill(tail_.begin(), tail_.end(), 0.0f);
  history_.reset();
  newest_ = 0;
  summed_ = 1;
  filled_ = 0;
}

void Convolver::process(const float* in, float* out, int frames) noexcept {
  history_.begin(frames);
  std::copy_n(in, frames, history_.now());
  run_head(history_.now(), row_.data(), frames);
  if (partitions_ == 0) {
    std::copy_n(row_.data(), frames, out);
  } else {
    for (int done = 0; done < frames;) {
      const int chunk = std::min(frames - done, kPartition - filled_);
      std::copy_n(history_.now() + done, chunk, recent_.data() + kPartition + filled_);
      for (int t = 0; t < chunk; ++t) out[done + t] = row_[done + t] + tail_[filled_ + t];
      done += chunk;
      filled_ += chunk;
      add_products(1 + (partitions_ - 1) * filled_ / kPartition);
      if (filled_ == kPartition) finish_partition();
    }
  }
  history_.end(frames);
}

void Convolver::run_head(const float* in, float* out, int frames) noexcept {
  constexpr int V = vectors_for(1);
  for (int t = 0; t < frames; t += V * kLanes) {
    Vec acc[1][V] = {};
    convolve_tile<1, V, 1>(acc, head_taps_.data(), in + t, 0, 1, kPartition, 1);
    for (int v = 0; v < V; ++v) store(out + t + v * kLanes, acc[0][v]);
  }
}

// Brings sum_ up to partition `upto`: filter p meets the input p blocks before the newest-to-be.
void Convolver::add_products(int upto) noexcept {
  float* __restrict sum_r = sum_.data();
  float* __restrict sum_i = sum_.data() + kStride;
  for (; summed_ < upto; ++summed_) {
    const float* __restrict filter = filters_.data() + static_cast<size_t>(summed_) * 2 * kStride;
    const int age = summed_ - 1;
    const int slot = (newest_ + partitions_ - age) % partitions_;
    const float* __restrict input = inputs_.data() + static_cast<size_t>(slot) * 2 * kStride;
    for (int bin = 0; bin < kStride; ++bin) {
      const float fr = filter[bin], fi = filter[kStride + bin];
      const float xr = input[bin], xi = input[kStride + bin];
      sum_r[bin] += fr * xr - fi * xi;
      sum_i[bin] += fr * xi + fi * xr;
    }
  }
}

// The block is complete: transform it, add the youngest partition, and turn the sum into the next block's tail.
void Convolver::finish_partition() noexcept {
  add_products(partitions_);
  std::copy_n(recent_.data(), 2 * kPartition, real_.data());
  std::fill(imaginary_.begin(), imaginary_.end(), 0.0f);
  fft_.forward(real_.data(), imaginary_.data());
  newest_ = (newest_ + 1) % partitions_;
  float* input = inputs_.data() + static_cast<size_t>(newest_) * 2 * kStride;
  std::copy_n(real_.data(), kBins, input);
  std::copy_n(imaginary_.data(), kBins, input + kStride);
  for (int bin = 0; bin < kBins; ++bin) {
    const float fr = filters_[bin], fi = filters_[kStride + bin];
    real_[bin] = sum_[bin] + fr * input[bin] - fi * input[kStride + bin];
    imaginary_[bin] = sum_[kStride + bin] + fr * input[kStride + bin] + fi * input[bin];
  }
  for (int bin = 1; bin < kPartition; ++bin) {
    real_[2 * kPartition - bin] = real_[bin];
    imaginary_[2 * kPartition - bin] = -imaginary_[bin];
  }
  fft_.forward(imaginary_.data(), real_.data());  // parts exchanged: the inverse
  std::copy_n(real_.data() + kPartition, kPartition, tail_.data());
  std::copy_n(recent_.data() + kPartition, kPartition, recent_.data());
  std::fill(sum_.begin(), sum_.end(), 0.0f);
  summed_ = 1;
  filled_ = 0;
}

}  // namespace appliance
