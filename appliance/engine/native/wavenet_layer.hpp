// One layer of a WaveNet: what it is, what a kernel is given, and the pieces that kernels share.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "activations.hpp"
#include "convolution.hpp"
#include "history.hpp"
#include "wavenet_extras.hpp"

namespace appliance {

enum class Gating : int { kNone, kGated, kBlended };

struct Layer {
  int channels = 0;    // C: residual width
  int bottleneck = 0;  // B: width after the activation
  Activation activation;
  Activation gate;
  Gating gating = Gating::kNone;
  PackedConvolution convolution;        // C → Z, Z = 2B when gated or blended, else B
  std::vector<float> mixin;             // [Z][conditions]
  PackedConvolution residual;           // B → C, one tap
  History history;                      // of what the convolution reads: this layer's input
  std::unique_ptr<LayerExtras> extras;  // null for most models

  // Where this layer's input is written: the history, but for a layer that modulates what its convolution reads.
  History& input() { return extras && extras->modulates_input() ? extras->input : history; }
  const History& input() const { return extras && extras->modulates_input() ? extras->input : history; }
};

// What a layer's kernel works on in one block.
struct Job {
  const Layer* layer;
  const float* const* conditions;
  int condition_count;
  float* head;  // rows of the head sum
  int head_stride;
  float* next;  // rows of the next layer's input; null when nobody hears them
  int next_stride;
  int frames;
  History* history;  // the layer's own, to be written where it modulates its input
  Vec* scratch;      // room of the general path
};

using LayerKernel = void (*)(const Job&);

// What a kernel for short blocks works on: all layers of an array, one vector of time at most.
struct ShortJob {
  Layer* layers;
  int layer_count;
  const float* const* conditions;
  int condition_count;
  float* head;  // rows of the head sum
  int head_stride;
  float* next;  // rows of what the last layer gives; null when nobody hears them
  int next_stride;
};

using ShortKernel = void (*)(const ShortJob&);

// Kernels that were compiled for a shape.
struct FixedShape {
  int channels;
  Act activation;
  LayerKernel kernel;
  int rows;
  ShortKernel short_kernel;  // null where it would gain nothing
};

// The kernel for a layer's shape, if there is one (wavenet_fixed.cpp).
std::optional<FixedShape> find_fixed(const Layer& layer);

// Any shape (wavenet_general.cpp), and how many vectors of scratch it takes.
void general_layer(const Job& job);
size_t general_scratch(const Layer& layer, int conditions);

// acc = bias + weight·c for rows of a matrix [..][conditions] whose first is given.
template <int N, int V>
APPLIANCE_INLINE void condition_rows(Vec (&acc)[N][V], const float* weight, const float* bias,
                                     const float* const* conditions, int count, int t) {
  for (int row = 0; row < N; ++row)
    for (int v = 0; v < V; ++v) acc[row][v] = splat(bias[row]);
  for (int condition = 0; condition < count; ++condition) {
    const float* source = conditions[condition] + t;
    for (int v = 0; v < V; ++v) {
      const Vec x = load(source + v * kLanes);
      for (int row = 0; row < N; ++row) acc[row][v] += weight[row * count + condition] * x;
    }
  }
}

// acc = bias + mix-in of the layer's rows from `first_row` on.
template <int Rows, int V>
APPLIANCE_INLINE void start_tile(Vec (&acc)[Rows][V], const float* const* conditions, int count, const Layer& layer,
                                 int first_row, int t) {
  const float* mixin = layer.mixin.data() + static_cast<ptrdiff_t>(first_row) * count;
  condition_rows(acc, mixin, layer.convolution.bias.data() + first_row, conditions, count, t);
}

template <int Rows, int V>
APPLIANCE_INLINE void add_to_head(const Vec (&values)[Rows][V], const Job& job, int first_row, int t) {
  float* head = job.head + static_cast<ptrdiff_t>(first_row) * job.head_stride + t;
  for (int row = 0; row < Rows; ++row)
    for (int v = 0; v < V; ++v) {
      float* at = head + static_cast<ptrdiff_t>(row) * job.head_stride + v * kLanes;
      store(at, load(at) + values[row][v]);
    }
}

// residual: activated [B][V] as rows of V·kLanes → next = input + bias + W·activated, for one group of channels.
template <int Rows, int V, int Inputs>
APPLIANCE_INLINE const float* residual_tile(const Job& job, const float* weights, const Vec* activated, int first_row,
                                            int t) {
  const Layer& layer = *job.layer;
  const ptrdiff_t stride = layer.history.stride();
  const float* input = layer.history.now() + first_row * stride + t;
  const float* bias = layer.residual.bias.data() + first_row;
  Vec acc[Rows][V];
  for (int row = 0; row < Rows; ++row)
    for (int v = 0; v < V; ++v) acc[row][v] = load(input + row * stride + v * kLanes) + bias[row];
  weights = convolve_tile<Rows, V, Inputs>(acc, weights, reinterpret_cast<const float*>(activated), V * kLanes,
                                           layer.bottleneck, 1, 0);
  for (int row = 0; row < Rows; ++row)
    for (int v = 0; v < V; ++v)
      store(job.next + static_cast<ptrdiff_t>(first_row + row) * job.next_stride + t + v * kLanes, acc[row][v]);
  return weights;
}

}  // namespace appliance
