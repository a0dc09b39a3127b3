// Forward and backward pass of one recurrent layer with its linear head, over a batch: truncated back-propagation
// through time. Lanes run over the items of the batch, which all take the same step together.
#pragma once

#include <cstddef>

namespace appliance::training {

enum class RecurrentCell { kLstm, kGru };

// A unit has four rows of weights. LSTM: i, f, g, o. GRU: r, z, the input's share of n, the hidden state's share of n.
// A row's columns: hidden units, inputs (audio first, then knobs), bias.
struct RecurrentShape {
  RecurrentCell cell;
  int hidden;
  int inputs;

  int columns() const { return hidden + inputs + 1; }
  size_t weights() const { return static_cast<size_t>(4) * hidden * columns(); }
};

// All arrays are row-major and packed. state: h, then c for an LSTM; null starts from nothing.
struct RecurrentPass {
  const float* weights;  // [4 · hidden][columns], the rows of a unit side by side
  const float* head;     // [hidden + 1]; the last is the bias
  const float* audio;    // [items][frames]
  const float* knobs;    // [items][inputs - 1]
  int items;
  int frames;
};

// Values that `forward` saves for `backward`.
size_t saved_size(const RecurrentShape& shape, int items, int frames);

// state [2][items][hidden] is read (unless `fresh`) and written; output [items][frames]. `saved` is always needed.
void forward(const RecurrentShape& shape, const RecurrentPass& pass, bool fresh, float* state, float* output,
             float* saved, int threads);

// gradient [items][frames] of the output → weight_gradient as `weights`, head_gradient as `head`. What was saved is
// used up. The sums are the same to the last bit for any number of threads.
void backward(const RecurrentShape& shape, const RecurrentPass& pass, const float* gradient, float* saved,
              float* weight_gradient, float* head_gradient, int threads);

}  // namespace appliance::training
