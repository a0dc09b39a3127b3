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
#include "recurrent_fixed.hpp"
#include "recurrent_weights.hpp"
#include "state_delay.hpp"

namespace appliance {

namespace {

using Rows = std::vector<Vec>;  // vectors, so that the storage is aligned

// Layers side by side multiply by the zeros between them too: worth it as long as a step is mostly waiting. With 16
// lanes 2 × 8 units take 41 ns instead of 52, 2 × 12 65 instead of 73, 2 × 16 97 either way, 2 × 24 184 instead of 165.
// With four lanes 2 × 8 still gain, by the estimates of docs/arm.md.
constexpr int kMostSideBySide = std::max(2 * kLanes, 16);

struct Layer {
  int inputs = 0;
  int hidden = 0;
  int vectors = 0;      // per gate
  Rows input_columns;   // [input][gate][vector]
  Rows hidden_columns;  // [unit][gate][vector]
  Rows input_bias;      // [gate][vector]
  Rows hidden_bias;     // [vector]: GRU's recurrent bias of n; unused in LSTM (added into input_bias)
  Rows initial_h, initial_c;
  Rows h, c;         // state
  StateDelay delay;  // on when the net runs faster than it was trained

  RecurrentKernel kernel = nullptr;  // for this width, with its own weights; null: the general way
  PackedRecurrent packed;
};

// `Count` of the `stride` sums that a column adds to; they stay in registers while all columns are added.
template <int Count>
APPLIANCE_INLINE void add_group(Vec* sums, const Vec* columns, const float* values, int stride, int count) {
  Vec acc[Count];
  for (int i = 0; i < Count; ++i) acc[i] = sums[i];
  for (int column = 0; column < count; ++column, columns += stride)
#pragma GCC unroll 16
    for (int i = 0; i < Count; ++i) acc[i] += columns[i] * values[column];
  for (int i = 0; i < Count; ++i) sums[i] = acc[i];
}

// sums[stride] += Σ columns[column][stride] · values[column], for widths known only when running.
inline void add_columns_in_groups(Vec* sums, const Vec* columns, const float* values, int stride, int count) {
  constexpr int kGroup = kRegisters == 32 ? 16 : 8;
  int first = 0;
  for (; first + kGroup <= stride; first += kGroup)
    add_group<kGroup>(sums + first, columns + first, values, stride, count);
  for (; first + 4 <= stride; first += 4) add_group<4>(sums + first, columns + first, values, stride, count);
  for (; first < stride; ++first) add_group<1>(sums + first, columns + first, values, stride, count);
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
  add_columns_in_groups(scratch, layer.hidden_columns.data(), h, count, layer.hidden);
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

class RecurrentNetwork final : public Network, public RecurrentUnits {
 public:
  RecurrentNetwork(BlobReader& blob, int inputs, int max_frames, bool has_head)
      : inputs_(inputs), stretch_(blob.stretch()) {
    cell_ = static_cast<Cell>(blob.integer("cell", 0, 1));
    const int layer_count = blob.integer("layers", 1, kMaxLayers);
    std::vector<RecurrentWeights> weights;
    for (int number = 0; number < layer_count; ++number)
      weights.push_back(RecurrentWeights::read(blob, cell_, number == 0 ? inputs : weights.back().hidden));
    const int last = weights.back().hidden;
    if (goes_side_by_side(weights)) {
      for (const RecurrentWeights& layer : weights) beside_.push_back(layer.hidden);
      weights = {side_by_side(weights)};
      before_.assign(2 * static_cast<size_t>(vectors_of(weights.front().hidden)), Vec{});
    }
    size_t widest = 0;
    for (const RecurrentWeights& layer : weights) {
      layers_.push_back(make_layer(layer));
      widest = std::max<size_t>(widest, layers_.back().vectors);
    }
    hidden_ = last;
    first_ = layers_.back().hidden - last;
    if (has_head) {
      std::vector<float> head(first_, 0.0f);
      const std::vector<float> heard = blob.floats(hidden_);
      head.insert(head.end(), heard.begin(), heard.end());
      head_ = spread(head, 1, layers_.back().hidden, layers_.back().vectors);
      head_bias_ = blob.f32();
    }
    interleaved_.assign(static_cast<size_t>(inputs) * max_frames, 0.0f);
    outputs_.assign(static_cast<size_t>(layers_.back().vectors) * max_frames, Vec{});
    between_.assign(widest, Vec{});
    scratch_.assign(5 * widest, Vec{});
    reset();
  }

  int receptive_field() const noexcept override { return static_cast<int>(kRecurrentSettleFrames * stretch_); }
  int hidden() const noexcept override { return hidden_; }

  void reset() noexcept override {
    for (Layer& layer : layers_) {
      layer.h = layer.initial_h;
      layer.c = layer.initial_c;
      layer.delay.fill(layer.initial_h.data(), layer.initial_c.data());
    }
  }

  void process(const float* const* inputs, float* out, int frames) noexcept override {
    const Vec* hidden = run_layers(inputs, frames);
    const int vectors = layers_.back().vectors;
    for (int t = 0; t < frames; t += kLanes) {
      Vec weighted[kLanes] = {};
      const int rows = std::min(kLanes, frames - t);
      for (int row = 0; row < rows; ++row, hidden += vectors) {
        weighted[row] = hidden[0] * head_[0];
        for (int v = 1; v < vectors; ++v) weighted[row] += hidden[v] * head_[v];
      }
      const Vec totals = sums(weighted) + head_bias_;
      std::copy_n(reinterpret_cast<const float*>(&totals), rows, out + t);
    }
  }

  void process_units(const float* const* inputs, float* out, int stride, int frames) noexcept override {
    const float* state = reinterpret_cast<const float*>(run_layers(inputs, frames));
    const int width = layers_.back().vectors * kLanes;
    for (int unit = first_; unit < first_ + hidden_; ++unit, out += stride)
      for (int t = 0; t < frames; ++t) out[t] = state[static_cast<ptrdiff_t>(t) * width + unit];
  }

 private:
  // The hidden state after each frame, [frame][vector]: that of the last layer, which begins at unit first_.
  const Vec* run_layers(const float* const* inputs, int frames) noexcept {
    const float* x = inputs[0];
    int x_stride = 1;
    if (inputs_ > 1) {
      for (int input = 0; input < inputs_; ++input)
        for (int t = 0; t < frames; ++t) interleaved_[t * inputs_ + input] = inputs[input][t];
      x = interleaved_.data();
      x_stride = inputs_;
    }
    Vec* hidden = outputs_.data();
    const int vectors = layers_.back().vectors;
    if (!beside_.empty()) {
      run_beside(layers_.front(), x, x_stride, hidden, frames);
    } else if (layers_.size() == 1) {
      run_layer(layers_.front(), x, x_stride, hidden, frames);
    } else {
      // Layer by layer within each frame: while one layer waits for its own last step, the processor has the other's to
      // do.
      for (int t = 0; t < frames; ++t) {
        const float* input = x + static_cast<ptrdiff_t>(t) * x_stride;
        for (Layer& layer : layers_) {
          Vec* output = hidden + static_cast<ptrdiff_t>(t) * vectors;
          run_layer(layer, input, 0, &layer == &layers_.back() ? output : between_.data(), 1);
          input = reinterpret_cast<const float*>(layer.h.data());
        }
      }
    }
    return hidden;
  }

  // Layers side by side (recurrent_weights.hpp): each begins a frame after the one below it, and stands still when it
  // has done all frames, so that the next block finds all of them at the same frame.
  void run_beside(Layer& all, const float* x, int x_stride, Vec* out, int frames) noexcept {
    const int lag = static_cast<int>(beside_.size()) - 1;
    for (int step = 0; step < frames + lag;) {
      const bool together = step >= lag && step < frames;
      const int count = together ? frames - step : 1;
      const float* input = x + static_cast<ptrdiff_t>(std::min(step, frames - 1)) * x_stride;
      Vec* to = step < lag ? between_.data() : out + static_cast<ptrdiff_t>(step - lag) * all.vectors;
      if (!together) {
        std::copy_n(all.h.data(), all.vectors, before_.data());
        std::copy_n(all.c.data(), all.vectors, before_.data() + all.vectors);
      }
      step_layer(all, input, x_stride, to, count);
      if (!together) put_back_the_idle(all, step, frames);
      step += count;
    }
  }

  // The layers that have no frame to work on in this step get the state that they had before it.
  void put_back_the_idle(Layer& all, int step, int frames) noexcept {
    int first = 0, behind = 0;
    for (const int units : beside_) {
      if (step < behind || step - behind >= frames) {
        const float* before = reinterpret_cast<const float*>(before_.data()) + first;
        std::copy_n(before, units, reinterpret_cast<float*>(all.h.data()) + first);
        std::copy_n(before + all.vectors * kLanes, units, reinterpret_cast<float*>(all.c.data()) + first);
      }
      first += units;
      ++behind;
    }
  }

  void run_layer(Layer& layer, const float* x, int x_stride, Vec* out, int frames) noexcept {
    if (!layer.delay.is_on()) {
      step_layer(layer, x, x_stride, out, frames);
      return;
    }
    for (int t = 0; t < frames; ++t) {
      layer.delay.recall(layer.h.data(), layer.c.data());
      step_layer(layer, x + static_cast<ptrdiff_t>(t) * x_stride, x_stride,
                 out + static_cast<ptrdiff_t>(t) * layer.vectors, 1);
      layer.delay.remember(layer.h.data(), layer.c.data());
    }
  }

  void step_layer(Layer& layer, const float* x, int x_stride, Vec* out, int frames) noexcept {
    if (layer.kernel != nullptr) {
      layer.kernel(layer.packed, layer.h.data(), layer.c.data(), x, x_stride, out, frames);
      return;
    }
    for (int t = 0; t < frames; ++t) {
      general_step(cell_, layer, x + static_cast<ptrdiff_t>(t) * x_stride, scratch_.data());
      std::copy_n(layer.h.data(), layer.vectors, out + static_cast<ptrdiff_t>(t) * layer.vectors);
    }
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

  bool goes_side_by_side(const std::vector<RecurrentWeights>& layers) const {
    int units = 0;
    for (const RecurrentWeights& layer : layers) units += layer.hidden;
    return layers.size() > 1 && cell_ == Cell::kLstm && stretch_ == 1.0 && units <= kMostSideBySide &&
           find_recurrent_kernel(cell_, units) != nullptr;
  }

  Layer make_layer(const RecurrentWeights& from) const {
    Layer layer;
    const int gates = gates_of(cell_), hidden = from.hidden;
    layer.inputs = from.inputs;
    layer.hidden = hidden;
    layer.vectors = vectors_of(hidden);
    layer.kernel = find_recurrent_kernel(cell_, hidden);
    if (layer.kernel != nullptr) {
      layer.packed = PackedRecurrent::pack(cell_, from);
    } else {
      layer.input_columns = spread_columns(from.weight_ih, gates, hidden, from.inputs, layer.vectors);
      layer.hidden_columns = spread_columns(from.weight_hh, gates, hidden, hidden, layer.vectors);
      // All biases add up, except that GRU's reset gate multiplies the recurrent bias of n.
      const size_t rows = from.bias_ih.size();
      const size_t separate = cell_ == Cell::kGru ? 2 * static_cast<size_t>(hidden) : rows;
      std::vector<float> bias = from.bias_ih;
      for (size_t row = 0; row < separate; ++row) bias[row] += from.bias_hh[row];
      layer.input_bias = spread(bias, gates, hidden, layer.vectors);
      if (cell_ == Cell::kGru)
        layer.hidden_bias = spread({from.bias_hh.begin() + static_cast<ptrdiff_t>(separate), from.bias_hh.end()}, 1,
                                   hidden, layer.vectors);
    }
    layer.initial_h = spread(from.initial_h, 1, hidden, layer.vectors);
    layer.initial_c = spread(from.initial_c, 1, hidden, layer.vectors);
    layer.delay.prepare(stretch_, layer.vectors);
    return layer;
  }

  int inputs_;
  double stretch_;
  Cell cell_ = Cell::kLstm;
  std::vector<Layer> layers_;
  std::vector<int> beside_;  // the layers in layers_.front() side by side, by their units; empty when each is its own
  int first_ = 0;            // the first unit of the last layer
  int hidden_ = 0;           // and how many it has
  Rows head_;
  float head_bias_ = 0.0f;
  std::vector<float> interleaved_;  // [frame][input]
  Rows outputs_;                    // [frame][vector], see run_layers
  Rows between_;                    // what another layer writes for a frame, and what nobody hears
  Rows before_;                     // h and c before a step that not all layers take
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
