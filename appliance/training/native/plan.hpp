// What the training kernels know of a WaveNet: its layers, where each weight lies in the flat vector, and which frames
// each layer has to work out. The order of the vector is that of training/networks/wavenet_shape.py.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "activations.hpp"

namespace appliance::training {

constexpr int kMaxTaps = 64;

// A shape that there are no kernels for: the caller takes PyTorch's operations instead.
struct UnknownShape : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

struct LayerPlan {
  int channels = 0;
  int taps = 0;
  int dilation = 0;
  int past = 0;       // frames that the convolution looks back
  int first = 0;      // first frame (of the audio) at which this layer's output means something
  int first_row = 0;  // of this layer's activations among those of all layers
  size_t conv = 0;    // offsets: [taps][in][out]
  size_t bias = 0;
  size_t mixin = 0;
  size_t out = 0;  // [in][out]
  size_t out_bias = 0;
};

struct ArrayPlan {
  int inputs = 0;
  int channels = 0;
  int head_size = 0;
  int head_taps = 0;
  bool has_head_bias = false;
  int head_first = 0;    // first frame at which the head sum is listened to
  size_t rechannel = 0;  // [in][out]
  size_t head = 0;       // [taps][in][out]
  size_t head_bias = 0;
  std::vector<LayerPlan> layers;

  int head_past() const { return head_taps - 1; }
};

struct Plan {
  std::vector<ArrayPlan> arrays;
  Act activation = Act::kTanh;
  float slope = 0.0f;
  float head_scale = 1.0f;
  int past = 0;         // frames of audio before the first output
  int rows = 0;         // channels of all layers together
  size_t weights = 0;   // in the flat vector
  int tile_frames = 0;  // frames that go through all layers before the next ones do

  // layout: for each array channels, head size, head taps, head bias (0 or 1), number of layers, then taps and dilation
  // of each layer. Throws UnknownShape for one that the kernels aren't made for.
  static Plan make(const std::vector<int>& layout, Act activation, float slope, float head_scale);
};

}  // namespace appliance::training
