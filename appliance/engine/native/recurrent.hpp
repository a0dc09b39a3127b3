// Recurrent units without a head, for stacks that go on behind them. The kernels are those of recurrent.cpp.
#pragma once

#include <memory>

#include "blob.hpp"

namespace appliance {

class RecurrentUnits {
 public:
  virtual ~RecurrentUnits() = default;

  // inputs: one row per input, readable up to `frames`. out: hidden() rows, `stride` floats apart. Real-time safe.
  virtual void process_hidden(const float* const* inputs, float* out, int stride, int frames) noexcept = 0;
  virtual void reset() noexcept = 0;
  virtual int hidden() const noexcept = 0;
};

std::unique_ptr<RecurrentUnits> make_recurrent_units(BlobReader& blob, int inputs, int max_frames);

// Frames of silence that settle recurrent units: they never wholly forget; half a second is what players run.
constexpr int kRecurrentSettleFrames = 24000;

}  // namespace appliance
