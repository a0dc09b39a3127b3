// One layer over one tile of time, forward and backward, for widths known when compiling.
//
// Lanes run over time. Rows are channels, `stride` floats apart. A convolution's taps come as pointers to rows that are
// already shifted by the tap's delay, so that a kernel knows nothing of the buffers behind them.
#pragma once

#include "plan.hpp"
#include "simd.hpp"

namespace appliance::training {

struct ForwardJob {
  const LayerPlan* layer;
  const float* weights;      // the flat vector
  const float* const* taps;  // [taps] the layer's input, delayed; the last is not delayed
  int stride;                // of the input's rows
  const float* audio;
  float* heard;  // [channels] rows: the activations
  int heard_stride;
  float* head;  // [channels] rows of the head sum; null when nobody listens
  int head_stride;
  bool head_begins;  // the sum begins here: store, don't add
  float* next;       // [channels] rows of the residual after this layer; null when nobody listens
  int next_stride;
  int frames;
  float slope;
};

// The residual path alone, to get the layers' inputs back from the saved activations.
struct ResidualJob {
  const LayerPlan* layer;
  const float* weights;
  const float* input;
  int input_stride;
  const float* heard;
  int heard_stride;
  float* head;  // as in ForwardJob
  int head_stride;
  bool head_begins;
  float* next;
  int next_stride;
  int frames;
};

// Sums over time: each a vector, so that lanes are added up only once, at the end.
struct BackwardJob {
  const LayerPlan* layer;
  const float* weights;
  const float* audio;
  const float* input;  // [channels] rows: the layer's input
  int input_stride;
  const float* heard;
  int heard_stride;
  const float* head_gradient;  // [channels] rows; null: zero
  float* gradient;             // [channels] rows: of the residual after the layer in, of its input out
  int gradient_stride;         // of the two above
  bool residual_heard;         // false: the gradient that comes in is zero and `out` isn't trained
  bool activations_heard;      // false: the layer's activations come before the first frame that means something
  float* z;                    // [channels] rows: where this tile's gradient of the pre-activation is written
  const float* const* taps;    // [taps] the same rows, each as far ahead as its tap delays
  int z_stride;
  void (*wrote_z)(void* buffer, int start);  // called between writing z and reading the taps
  void* z_buffer;
  int start;
  Vec* sums;  // one for each weight of the flat vector
  int frames;
  float slope;
};

struct LayerKernels {
  void (*forward)(const ForwardJob&);
  void (*residual)(const ResidualJob&);
  void (*backward)(const BackwardJob&);
};

// Null for widths and activations that nothing was compiled for.
const LayerKernels* find_kernels(int channels, Act activation);

// out[o][t] (+)= bias[o] + Σ weights[i][o]·in[i][t], any width; bias may be null. The few rows between arrays.
void mix_rows(const float* weights, const float* bias, const float* in, int in_stride, int inputs, float* out,
              int out_stride, int outputs, int frames, bool add);

// out[i][t] (+)= Σ weights[i][o]·gradient[o][t], and the sums of the weights' gradients.
void mix_rows_back(const float* weights, const float* gradient, int gradient_stride, int outputs, float* out,
                   int out_stride, int inputs, int frames, bool add);
void mix_sums(const float* in, int in_stride, int inputs, const float* gradient, int gradient_stride, int outputs,
              Vec* sums, int frames);
void row_sums(const float* rows, int stride, int count, Vec* sums, int frames);

}  // namespace appliance::training
