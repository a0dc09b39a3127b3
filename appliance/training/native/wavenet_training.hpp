// Forward and backward pass of a WaveNet over a batch, for training on a CPU.
//
// Audio goes through all layers in tiles of time, so that what a layer writes is still in the cache when the next one
// reads it. Of the forward pass only the activations are kept; the backward pass, in tiles from the last to the first,
// gets the layers' inputs back from them. Each item of the batch has its own sums of gradients: the result doesn't
// depend on the number of threads.
#pragma once

#include <cstddef>
#include <utility>

#include "plan.hpp"

namespace appliance::training {

class WaveNetTraining {
 public:
  explicit WaveNetTraining(Plan plan) : plan_(std::move(plan)) {}

  const Plan& plan() const { return plan_; }

  // Floats that `saved` needs for one item of so many frames of audio.
  size_t saved_size(int audio_frames) const;

  // audio [items][audio_frames] → output [items][audio_frames - past]. weights: one flat vector for all items, or
  // `weight_stride` floats further on for each. saved: room for the backward pass, null when there won't be one.
  // Throws std::bad_alloc.
  void forward(const float* weights, size_t weight_stride, const float* audio, int items, int audio_frames,
               float* output, float* saved, int threads) const;

  // gradient [items][audio_frames - past] of the output → weight_gradients [items][weights], each item's own.
  // Throws std::bad_alloc.
  void backward(const float* weights, size_t weight_stride, const float* audio, int items, int audio_frames,
                const float* saved, const float* gradient, float* weight_gradients, int threads) const;

 private:
  Plan plan_;
};

}  // namespace appliance::training
