#include "recurrent_weights.hpp"

#include <algorithm>

#include "model.hpp"

namespace appliance {

RecurrentWeights RecurrentWeights::read(BlobReader& blob, Cell cell, int expected_inputs) {
  RecurrentWeights layer;
  layer.inputs = blob.integer("layer inputs", 1, kMaxHidden);
  layer.hidden = blob.integer("hidden units", 1, kMaxHidden);
  if (layer.inputs != expected_inputs)
    throw BadBlob("prepared model: the width of a layer does not fit the one before");
  const size_t rows = static_cast<size_t>(gates_of(cell)) * layer.hidden;
  layer.weight_ih = blob.floats(rows * layer.inputs);
  layer.weight_hh = blob.floats(rows * layer.hidden);
  layer.bias_ih = blob.floats(rows);
  layer.bias_hh = blob.floats(rows);
  layer.initial_h = blob.floats(layer.hidden);
  layer.initial_c = blob.floats(layer.hidden);
  return layer;
}

RecurrentWeights side_by_side(const std::vector<RecurrentWeights>& layers) {
  constexpr int kGates = gates_of(Cell::kLstm);
  RecurrentWeights all;
  all.inputs = layers.front().inputs;
  for (const RecurrentWeights& layer : layers) all.hidden += layer.hidden;
  const size_t rows = static_cast<size_t>(kGates) * all.hidden;
  all.weight_ih.assign(rows * all.inputs, 0.0f);
  all.weight_hh.assign(rows * all.hidden, 0.0f);
  all.bias_ih.assign(rows, 0.0f);
  all.bias_hh.assign(rows, 0.0f);
  int first = 0, first_below = 0;
  for (const RecurrentWeights& layer : layers) {
    for (int gate = 0; gate < kGates; ++gate)
      for (int unit = 0; unit < layer.hidden; ++unit) {
        const size_t from = static_cast<size_t>(gate) * layer.hidden + unit;
        const size_t to = static_cast<size_t>(gate) * all.hidden + first + unit;
        float* own = &all.weight_hh[to * all.hidden];
        float* below = first == 0 ? &all.weight_ih[to * all.inputs] : own + first_below;
        std::copy_n(&layer.weight_ih[from * layer.inputs], layer.inputs, below);
        std::copy_n(&layer.weight_hh[from * layer.hidden], layer.hidden, own + first);
        all.bias_ih[to] = layer.bias_ih[from];
        all.bias_hh[to] = layer.bias_hh[from];
      }
    all.initial_h.insert(all.initial_h.end(), layer.initial_h.begin(), layer.initial_h.end());
    all.initial_c.insert(all.initial_c.end(), layer.initial_c.begin(), layer.initial_c.end());
    first_below = first;
    first += layer.hidden;
  }
  return all;
}

}  // namespace appliance
