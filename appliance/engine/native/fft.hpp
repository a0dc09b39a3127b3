// A small complex FFT for the cabinet: power-of-two sizes, split real and imaginary parts, no allocation when running.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace appliance {

// Stockham's self-sorting radix-2 transform: every pass reads and writes with unit stride, so the compiler vectorises
// it.
class Fft {
 public:
  explicit Fft(int size) : size_(size), scratch_(2 * static_cast<size_t>(size)) {
    // Twiddles of the pass with m butterflies per group are at m … 2m-1: exp(-2πi k / 2m) spread over the group.
    cosine_.resize(size);
    sine_.resize(size);
    for (int m = 1; m < size; m *= 2)
      for (int k = 0; k < m; ++k) {
        const double angle = -M_PI * k / m;
        cosine_[m + k] = static_cast<float>(std::cos(angle));
        sine_[m + k] = static_cast<float>(std::sin(angle));
      }
  }

  int size() const { return size_; }

  // In place. Inverse is forward() with real and imaginary parts exchanged, times 1/size.
  void forward(float* real, float* imaginary) noexcept {
    float* from_r = real;
    float* from_i = imaginary;
    float* to_r = scratch_.data();
    float* to_i = scratch_.data() + size_;
    const int half = size_ / 2;
    // Pass with 2m-point results: group j of `span` interleaved sequences.
    for (int m = 1, span = half; m < size_; m *= 2, span /= 2) {
      for (int k = 0; k < m; ++k) {
        const float wr = cosine_[m + k];
        const float wi = sine_[m + k];
        const float* even_r = from_r + 2 * k * span;
        const float* even_i = from_i + 2 * k * span;
        const float* odd_r = even_r + span;
        const float* odd_i = even_i + span;
        float* low_r = to_r + k * span;
        float* low_i = to_i + k * span;
        float* high_r = low_r + half;
        float* high_i = low_i + half;
#pragma GCC ivdep
        for (int s = 0; s < span; ++s) {
          const float xr = odd_r[s] * wr - odd_i[s] * wi;
          const float xi = odd_r[s] * wi + odd_i[s] * wr;
          low_r[s] = even_r[s] + xr;
          low_i[s] = even_i[s] + xi;
          high_r[s] = even_r[s] - xr;
          high_i[s] = even_i[s] - xi;
        }
      }
      std::swap(from_r, to_r);
      std::swap(from_i, to_i);
    }
    if (from_r != real) {
      std::copy_n(from_r, size_, real);
      std::copy_n(from_i, size_, imaginary);
    }
  }

 private:
  int size_;
  std::vector<float> scratch_;
  std::vector<float> cosine_;
  std::vector<float> sine_;
};

}  // namespace appliance
