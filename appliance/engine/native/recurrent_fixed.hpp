// Recurrent layers whose width is known when compiling: the widths people use.
//
// The gates of all units lie side by side without padding, so that 40 units of an LSTM fill ten vectors of 16 lanes
// where gates padded one by one would take twelve. After the activations the gates are cut apart again by shifting
// lanes.
#pragma once

#include <vector>

#include "recurrent_weights.hpp"
#include "simd.hpp"

namespace appliance {

// A layer's weights, packed.
struct PackedRecurrent {
  int inputs = 0;
  std::vector<Vec> input_columns;   // [input][vector]
  std::vector<Vec> hidden_columns;  // [unit][vector]
  std::vector<Vec> bias;            // [vector]
  std::vector<Vec> hidden_bias;     // [vector of a gate]: GRU's recurrent bias of n, inside the reset gate
  std::vector<Vec> gain, offset;    // [vector]: what makes the gate of tanh: tanh itself or a sigmoid

  static PackedRecurrent pack(Cell cell, const RecurrentWeights& weights);
};

// Runs a layer over a block. x: rows [frame][x_stride]; h and c: the state, in vectors of units (lanes behind the last
// unit hold anything finite); out: h after each frame. Real-time safe.
using RecurrentKernel = void (*)(const PackedRecurrent& layer, Vec* h, Vec* c, const float* x, int x_stride, Vec* out,
                                 int frames);

// The kernel for a width, or null.
RecurrentKernel find_recurrent_kernel(Cell cell, int hidden);

}  // namespace appliance
