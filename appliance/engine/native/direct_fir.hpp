// Convolution as its definition says: what the cabinet's convolver is compared with (`bench cabinet`). Nothing plays
// it.
#pragma once

#include <vector>

#include "history.hpp"
#include "simd.hpp"

namespace appliance {

class DirectFir {
 public:
  DirectFir(const float* taps, int count, int max_frames);

  // As Convolver::process.
  void process(const float* in, float* out, int frames) noexcept;

 private:
  static constexpr int kVectors = 4;  // of output side by side

  int count_;
  std::vector<float> taps_;  // oldest first
  History history_;
  std::vector<float> row_;  // padded output
};

}  // namespace appliance
