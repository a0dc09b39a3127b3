// The weights of recurrent layers as they are written in a prepared model, and layers made into one.
#pragma once

#include <vector>

#include "blob.hpp"

namespace appliance {

enum class Cell : int { kLstm, kGru };

constexpr int gates_of(Cell cell) {
  return cell == Cell::kLstm ? 4 : 3;
}

// One layer. Gates i, f, g, o or r, z, n as in the file.
struct RecurrentWeights {
  int inputs = 0;
  int hidden = 0;
  std::vector<float> weight_ih;             // [gates · hidden][inputs]
  std::vector<float> weight_hh;             // [gates · hidden][hidden]
  std::vector<float> bias_ih, bias_hh;      // [gates · hidden]
  std::vector<float> initial_h, initial_c;  // [hidden]

  // Throws BadBlob, also when the layer does not take so many inputs.
  static RecurrentWeights read(BlobReader& blob, Cell cell, int expected_inputs);
};

// LSTM layers, one above the other, are one layer in which each works a frame behind the one below it: all it needs is
// then in the last state. Layer by layer a frame waits for every layer in turn; so it waits once. The hidden units of
// all layers lie side by side, the first layer's first.
//
// Not for GRUs, whose reset gate treats what comes from below and their own state differently, nor for nets that reach
// back more than one frame (state_delay.hpp).
RecurrentWeights side_by_side(const std::vector<RecurrentWeights>& layers);

}  // namespace appliance
