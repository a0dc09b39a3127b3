// LSTM and GRU (Wright et al. 2019): inputs [audio, knobs…], layers, a linear head.
//
// Lanes run over hidden units. The weights are kept column by column (one column per input or hidden unit, its gates
// side by side), so a step is: accumulators = bias; for every column: accumulators += column · value. Padding units
// have zero weights and stay at zero.
#include "recurrent.hpp"

#include <algorithm>
#include <cmath>

#include "activations.hpp"
#include "model.hpp"

namespace appliance {

namespace {

using Rows = std::vector<Vec>;  // vectors, so that the storage is aligned

enum class Cell : int { kLstm, kGru };

struct Layer {
  int inputs = 0;
  int hidden = 0;
  int vectors = 0;      // per gate
  Rows input_columns;   // [input][gate][vector]
  Rows hidden_columns;  // [unit][gate][vector]
  Rows input_bias;      // [gate][vector]
  Rows hidden_bias;     // [vector]: GRU's recurrent bias of n; unused in LSTM (added into input_bias)
  Rows initial_h, initial_c;
  Rows h, c;  // state
};

constexpr int gates_of(Cell cell) {
  return cell == Cell::kLstm ? 4 : 3;
}

// Below this many accumulators one chain of additions waits for itself: run two side by side.
constexpr int kChains = 8;

template <int Count>
APPLIANCE_INLINE void add_columns(Vec (&acc)[Count], const Vec* columns, const float* values, int count) {
  if constexpr (Count >= kChains) {
    for (int column = 0; column < count; ++column, columns += Count)
#pragma GCC unroll 32
      for (int i = 0; i < Count; ++i) acc[i] += columns[i] * values[column];
  } else {
    Vec other[Count] = {};
    int column = 0;
    for (; column + 2 <= count; column += 2, columns += 2 * Count)
#pragma GCC unroll 32
      for (int i = 0; i < Count; ++i) {
        acc[i] += columns[i] * values[column];
        other[i] += columns[Count + i] * values[column + 1];
      }
    if (column < count)
      for (int i = 0; i < Count; ++i) acc[i] += columns[i] * values[column];
    for (int i = 0; i < Count; ++i) acc[i] += other[i];
  }
}

template <int NV>
APPLIANCE_INLINE void lstm_step(Layer& layer, const float* x) {
  constexpr int Count = 4 * NV;
  Vec acc[Count];
  for (int i = 0; i < Count; ++i) acc[i] = layer.input_bias[i];
  for (int input = 0; input < layer.inputs; ++input)
    for (int i = 0; i < Count; ++i) acc[i] += layer.input_columns[input * Count + i] * x[input];
  add_columns<Count>(acc, layer.hidden_columns.data(), reinterpret_cast<const float*>(layer.h.data()), layer.hidden);
  for (int v = 0; v < NV; ++v) {
    const Vec in = sigmoid_exact(acc[v]);
    const Vec forget = sigmoid_exact(acc[NV + v]);
    const Vec candidate = tanh_exact(acc[2 * NV + v]);
    const Vec out = sigmoid_exact(acc[3 * NV + v]);
    const Vec cell = forget * layer.c[v] + in * candidate;
    layer.c[v] = cell;
    layer.h[v] = out * tanh_exact(cell);
  }
}

template <int NV>
APPLIANCE_INLINE void gru_step(Layer& layer, const float* x) {
  constexpr int Count = 3 * NV;
  Vec acc[Count];  // r, z, and the recurrent part of n
  for (int i = 0; i < 2 * NV; ++i) acc[i] = layer.input_bias[i];
  for (int v = 0; v < NV; ++v) acc[2 * NV + v] = layer.hidden_bias[v];
  Vec candidate_input[NV];
  for (int v = 0; v < NV; ++v) candidate_input[v] = layer.input_bias[2 * NV + v];
  for (int input = 0; input < layer.inputs; ++input) {
    const Vec* column = layer.input_columns.data() + input * Count;
    for (int i = 0; i < 2 * NV; ++i) acc[i] += column[i] * x[input];
    for (int v = 0; v < NV; ++v) candidate_input[v] += column[2 * NV + v] * x[input];
  }
  add_columns<Count>(acc, layer.hidden_columns.data(), reinterpret_cast<const float*>(layer.h.data()), layer.hidden);
  for (int v = 0; v < NV; ++v) {
    const Vec reset = sigmoid_exact(acc[v]);
    const Vec update = sigmoid_exact(acc[NV + v]);
    const Vec candidate = tanh_exact(candidate_input[v] + reset * acc[2 * NV + v]);
    layer.h[v] = candidate + update * (layer.h[v] - candidate);
  }
}

// Any width: the accumulators live in memory (`scratch`, 4 gates).
void general_step(Cell cell, Layer& layer, const float* x, Vec* scratch) {
  const int nv = layer.vectors;
  const int gates = gates_of(cell);
  const int count = gates * nv;
  Vec* candidate_input = scratch + count;
  for (int i = 0; i < count; ++i) scratch[i] = layer.input_bias[i];
  for (int input = 0; input < layer.inputs; ++input)
    for (int i = 0; i < count; ++i) scratch[i] += layer.input_columns[input * count + i] * x[input];
  if (cell == Cell::kGru)
    for (int v = 0; v < nv; ++v) {
      candidate_input[v] = scratch[2 * nv + v];
      scratch[2 * nv + v] = layer.hidden_bias[v];
    }
  const float* h = reinterpret_cast<const float*>(layer.h.data());
  for (int unit = 0; unit < layer.hidden; ++unit) {
    const Vec* column = layer.hidden_columns.data() + static_cast<ptrdiff_t>(unit) * count;
    for (int i = 0; i < count; ++i) scratch[i] += column[i] * h[unit];
  }
  for (int v = 0; v < nv; ++v) {
    if (cell == Cell::kLstm) {
      const Vec candidate = tanh_exact(scratch[2 * nv + v]);
      layer.c[v] = sigmoid_exact(scratch[nv + v]) * layer.c[v] + sigmoid_exact(scratch[v]) * candidate;
      layer.h[v] = sigmoid_exact(scratch[3 * nv + v]) * tanh_exact(layer.c[v]);
    } else {
      const Vec candidate = tanh_exact(candidate_input[v] + sigmoid_exact(scratch[v]) * scratch[2 * nv + v]);
      layer.h[v] = candidate + sigmoid_exact(scratch[nv + v]) * (layer.h[v] - candidate);
    }
  }
}

// One layer over a block: x rows are [frame][x_stride]; h after each frame goes to `out` [frame][vectors].
using BlockKernel = void (*)(Layer&, const float* x, int x_stride, Vec* out, int frames);

template <Cell cell, int NV>
void layer_block(Layer& layer, const float* x, int x_stride, Vec* out, int frames) {
  for (int t = 0; t < frames; ++t, x += x_stride, out += NV) {
    if constexpr (cell == Cell::kLstm)
      lstm_step<NV>(layer, x);
    else
      gru_step<NV>(layer, x);
    for (int v = 0; v < NV; ++v) out[v] = layer.h[v];
  }
}

template <Cell cell>
BlockKernel find_kernel(int vectors) {
  switch (vectors) {
    case 1:
      return layer_block<cell, 1>;
    case 2:
      return layer_block<cell, 2>;
    case 3:
      return layer_block<cell, 3>;
    case 4:
      return layer_block<cell, 4>;
    case 5:
      return layer_block<cell, 5>;
    case 6:
      return kRegisters == 32 ? layer_block<cell, 6> : nullptr;
    default:
      return nullptr;
  }
}

class RecurrentNetwork final : public Network, public RecurrentUnits {
 public:
  RecurrentNetwork(BlobReader& blob, int inputs, int max_frames, bool has_head) : inputs_(inputs) {
    cell_ = static_cast<Cell>(blob.integer("cell", 0, 1));
    const int layer_count = blob.integer("layers", 1, kMaxLayers);
    size_t widest = 0;
    for (int number = 0; number < layer_count; ++number) {
      layers_.push_back(read_layer(blob, number == 0 ? inputs : layers_.back().hidden));
      widest = std::max<size_t>(widest, layers_.back().vectors);
    }
    if (has_head) {
      head_ = spread(blob.floats(layers_.back().hidden), 1, layers_.back().hidden, layers_.back().vectors);
      head_bias_ = blob.f32();
    }
    interleaved_.assign(static_cast<size_t>(inputs) * max_frames, 0.0f);
    for (Rows& rows : outputs_) rows.assign(widest * max_frames, Vec{});
    scratch_.assign(5 * widest, Vec{});
    reset();
  }

  int receptive_field() const noexcept override { return kRecurrentSettleFrames; }
  int hidden() const noexcept override { return layers_.back().hidden; }

  void reset() noexcept override {
    for (Layer& layer : layers_) {
      layer.h = layer.initial_h;
      layer.c = layer.initial_c;
    }
  }

  void process(const float* const* inputs, float* out, int frames) noexcept override {
    const Vec* hidden = run_layers(inputs, frames);
    const int vectors = layers_.back().vectors;
    for (int t = 0; t < frames; ++t) {
      Vec total = hidden[static_cast<ptrdiff_t>(t) * vectors] * head_[0];
      for (int v = 1; v < vectors; ++v) total += hidden[static_cast<ptrdiff_t>(t) * vectors + v] * head_[v];
      out[t] = sum(total) + head_bias_;
    }
  }

  void process_rows(const float* const* inputs, float* out, int stride, int frames) noexcept override {
    const float* state = reinterpret_cast<const float*>(run_layers(inputs, frames));
    const int width = layers_.back().vectors * kLanes;
    for (int unit = 0; unit < layers_.back().hidden; ++unit, out += stride)
      for (int t = 0; t < frames; ++t) out[t] = state[static_cast<ptrdiff_t>(t) * width + unit];
  }

 private:
  // The hidden state of the last layer after each frame, [frame][vector].
  const Vec* run_layers(const float* const* inputs, int frames) noexcept {
    const float* x = inputs[0];
    int x_stride = 1;
    if (inputs_ > 1) {
      for (int input = 0; input < inputs_; ++input)
        for (int t = 0; t < frames; ++t) interleaved_[t * inputs_ + input] = inputs[input][t];
      x = interleaved_.data();
      x_stride = inputs_;
    }
    Vec* hidden = outputs_[0].data();
    for (size_t number = 0; number < layers_.size(); ++number) {
      Layer& layer = layers_[number];
      hidden = outputs_[number % 2].data();
      const auto kernel =
          cell_ == Cell::kLstm ? find_kernel<Cell::kLstm>(layer.vectors) : find_kernel<Cell::kGru>(layer.vectors);
      if (kernel != nullptr) {
        kernel(layer, x, x_stride, hidden, frames);
      } else {
        for (int t = 0; t < frames; ++t) {
          general_step(cell_, layer, x + static_cast<ptrdiff_t>(t) * x_stride, scratch_.data());
          std::copy_n(layer.h.data(), layer.vectors, hidden + static_cast<ptrdiff_t>(t) * layer.vectors);
        }
      }
      x = reinterpret_cast<const float*>(hidden);
      x_stride = layer.vectors * kLanes;
    }
    return hidden;
  }

  // [gates][hidden] → [gates][vectors], the padding zero.
  static Rows spread(const std::vector<float>& values, int gates, int hidden, int vectors) {
    Rows rows(static_cast<size_t>(gates) * vectors, Vec{});
    for (int gate = 0; gate < gates; ++gate)
      for (int unit = 0; unit < hidden; ++unit)
        rows[gate * vectors + unit / kLanes][unit % kLanes] = values[static_cast<size_t>(gate) * hidden + unit];
    return rows;
  }

  // [gates · hidden][columns] → [column][gates][vectors].
  static Rows spread_columns(const std::vector<float>& matrix, int gates, int hidden, int columns, int vectors) {
    Rows rows;
    rows.reserve(static_cast<size_t>(columns) * gates * vectors);
    std::vector<float> column(static_cast<size_t>(gates) * hidden);
    for (int index = 0; index < columns; ++index) {
      for (size_t row = 0; row < column.size(); ++row) column[row] = matrix[row * columns + index];
      const Rows spread_column = spread(column, gates, hidden, vectors);
      rows.insert(rows.end(), spread_column.begin(), spread_column.end());
    }
    return rows;
  }

  Layer read_layer(BlobReader& blob, int expected_inputs) const {
    Layer layer;
    const int gates = gates_of(cell_);
    layer.inputs = blob.integer("layer inputs", 1, kMaxHidden);
    layer.hidden = blob.integer("hidden units", 1, kMaxHidden);
    if (layer.inputs != expected_inputs)
      throw BadBlob("prepared model: the width of a layer does not fit the one before");
    layer.vectors = (layer.hidden + kLanes - 1) / kLanes;
    const size_t gate_rows = static_cast<size_t>(gates) * layer.hidden;
    layer.input_columns =
        spread_columns(blob.floats(gate_rows * layer.inputs), gates, layer.hidden, layer.inputs, layer.vectors);
    layer.hidden_columns =
        spread_columns(blob.floats(gate_rows * layer.hidden), gates, layer.hidden, layer.hidden, layer.vectors);
    std::vector<float> bias = blob.floats(gate_rows);
    const std::vector<float> recurrent_bias = blob.floats(gate_rows);
    // All biases add up, except that GRU's reset gate multiplies the recurrent bias of n.
    const size_t separate = cell_ == Cell::kGru ? 2 * static_cast<size_t>(layer.hidden) : gate_rows;
    for (size_t row = 0; row < separate; ++row) bias[row] += recurrent_bias[row];
    layer.input_bias = spread(bias, gates, layer.hidden, layer.vectors);
    if (cell_ == Cell::kGru)
      layer.hidden_bias = spread({recurrent_bias.begin() + static_cast<ptrdiff_t>(separate), recurrent_bias.end()}, 1,
                                 layer.hidden, layer.vectors);
    layer.initial_h = spread(blob.floats(layer.hidden), 1, layer.hidden, layer.vectors);
    layer.initial_c = spread(blob.floats(layer.hidden), 1, layer.hidden, layer.vectors);
    return layer;
  }

  int inputs_;
  Cell cell_ = Cell::kLstm;
  std::vector<Layer> layers_;
  Rows head_;
  float head_bias_ = 0.0f;
  std::vector<float> interleaved_;  // [frame][input]
  Rows outputs_[2];                 // [frame][vector], for odd and even layers
  Rows scratch_;
};

}  // namespace

std::unique_ptr<Network> make_recurrent(BlobReader& blob, int inputs, int max_frames) {
  return std::make_unique<RecurrentNetwork>(blob, inputs, max_frames, true);
}

std::unique_ptr<RecurrentUnits> make_recurrent_units(BlobReader& blob, int inputs, int max_frames) {
  return std::make_unique<RecurrentNetwork>(blob, inputs, max_frames, false);
}

}  // namespace appliance
