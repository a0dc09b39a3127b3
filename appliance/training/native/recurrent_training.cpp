#include "recurrent_training.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

#include "activations.hpp"
#include "buffers.hpp"
#include "simd.hpp"

namespace appliance::training {

namespace {

constexpr int kGates = 4;
constexpr int kTile = 4;                          // columns of weights worked on together
constexpr int kWidest = 2;                        // vectors of items in a block
constexpr int kUnits = kRegisters == 32 ? 2 : 1;  // units worked on together in the forward pass
constexpr int kChunkFrames = 16;                  // frames whose gradients are still in the cache when summed up

// Items that one thread works on from the first frame to the last.
struct Block {
  int first;
  int count;
  int vectors;
  size_t saved;  // where its saved values begin
};

// Where a block's saved values lie. Rows are `width` items wide.
struct Layout {
  int hidden;
  int rows;  // columns of the weights, rounded up
  int width;
  int frames;

  Layout(const RecurrentShape& shape, const Block& block, int frame_count)
      : hidden(shape.hidden),
        rows(round_up(shape.columns(), kTile)),
        width(block.vectors * kLanes),
        frames(frame_count) {}
  size_t known_size() const { return static_cast<size_t>(rows) * width; }
  size_t gates_size() const { return static_cast<size_t>(kGates) * hidden * width; }
  size_t cell_size() const { return static_cast<size_t>(hidden) * width; }
  size_t size() const { return (frames + 1) * (known_size() + cell_size()) + frames * gates_size(); }
  // What a frame's gates see: hidden state, inputs, a row of ones.
  float* known(float* saved, int frame) const { return saved + frame * known_size(); }
  float* cell(float* saved, int frame) const { return saved + (frames + 1) * known_size() + frame * cell_size(); }
  float* gates(float* saved, int frame) const {
    return saved + (frames + 1) * (known_size() + cell_size()) + frame * gates_size();
  }
};

std::vector<Block> blocks_of(const RecurrentShape& shape, int items, int frames) {
  std::vector<Block> blocks;
  size_t saved = 0;
  for (int first = 0; first < items;) {
    const int vectors = std::min(kWidest, (items - first + kLanes - 1) / kLanes);
    const Block block{first, std::min(items - first, vectors * kLanes), vectors, saved};
    saved += Layout(shape, block, frames).size();
    blocks.push_back(block);
    first += block.count;
  }
  return blocks;
}

template <class Work>
void share_out(size_t count, int threads, Work work) {
  std::atomic<size_t> next{0};
  const auto run = [&] {
    const FlushDenormals flush;
    for (size_t index; (index = next.fetch_add(1)) < count;) work(index);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < std::min<int>(threads, static_cast<int>(count)); ++i) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
}

// One value of each item → a row, and back.
void gather(const float* from, size_t stride, int count, float* row) {
  for (int item = 0; item < count; ++item) row[item] = from[item * stride];
}
void scatter(const float* row, int count, float* to, size_t stride) {
  for (int item = 0; item < count; ++item) to[item * stride] = row[item];
}

template <int V>
APPLIANCE_INLINE Vec get(const float* rows, int row, int v) {
  return load(rows + (row * V + v) * kLanes);
}
template <int V>
APPLIANCE_INLINE void put(float* rows, int row, int v, Vec value) {
  store(rows + (row * V + v) * kLanes, value);
}

// U units of one frame: gates, then the state. y gains their share of the head.
template <RecurrentCell cell, int U, int V>
APPLIANCE_INLINE void step_units(const RecurrentShape& shape, const RecurrentPass& pass, int unit, const float* known,
                                 const float* before, float* gates, float* cells, float* after, Vec (&y)[V]) {
  const int columns = shape.columns();
  Vec acc[U * kGates][V] = {};
  const float* weights = pass.weights + static_cast<size_t>(unit) * kGates * columns;
  for (int column = 0; column < columns; ++column) {
    Vec x[V];
    for (int v = 0; v < V; ++v) x[v] = get<V>(known, column, v);
#pragma GCC unroll 8
    for (int row = 0; row < U * kGates; ++row)
      for (int v = 0; v < V; ++v) acc[row][v] += weights[static_cast<size_t>(row) * columns + column] * x[v];
  }
  for (int u = 0; u < U; ++u) {
    const int j = unit + u;
    for (int v = 0; v < V; ++v) {
      Vec* const a = &acc[u * kGates][v];
      Vec h;
      if constexpr (cell == RecurrentCell::kLstm) {
        const Vec i = sigmoid_exact(a[0]), f = sigmoid_exact(a[V]), g = tanh_exact(a[2 * V]);
        const Vec o = sigmoid_exact(a[3 * V]);
        const Vec c = f * get<V>(before, j, v) + i * g;
        put<V>(cells, j, v, c);
        h = o * tanh_exact(c);
        put<V>(gates, j * kGates, v, i);
        put<V>(gates, j * kGates + 1, v, f);
        put<V>(gates, j * kGates + 2, v, g);
        put<V>(gates, j * kGates + 3, v, o);
      } else {
        const Vec r = sigmoid_exact(a[0]), z = sigmoid_exact(a[V]);
        const Vec n = tanh_exact(a[2 * V] + r * a[3 * V]);
        h = n + z * (get<V>(known, j, v) - n);
        put<V>(gates, j * kGates, v, r);
        put<V>(gates, j * kGates + 1, v, z);
        put<V>(gates, j * kGates + 2, v, n);
        put<V>(gates, j * kGates + 3, v, a[3 * V]);
      }
      put<V>(after, j, v, h);
      y[v] += pass.head[j] * h;
    }
  }
}

template <RecurrentCell cell, int V>
void forward_block(const RecurrentShape& shape, const RecurrentPass& pass, const Block& block, bool fresh, float* state,
                   float* output, float* saved) {
  const Layout layout(shape, block, pass.frames);
  const int hidden = shape.hidden;
  const size_t items = pass.items, frames = pass.frames;
  float* const h_state = state + static_cast<size_t>(block.first) * hidden;
  float* const c_state = h_state + items * hidden;
  // Rows that stay as they are: knobs, the ones, and what pads rows and items.
  for (int frame = 0; frame <= pass.frames; ++frame) {
    float* rows = layout.known(saved, frame) + static_cast<size_t>(hidden) * layout.width;
    std::memset(rows, 0, static_cast<size_t>(layout.rows - hidden) * layout.width * sizeof(float));
    if (frame == pass.frames) break;
    gather(pass.audio + block.first * frames + frame, frames, block.count, rows);
    for (int knob = 0; knob + 1 < shape.inputs; ++knob)
      gather(pass.knobs + static_cast<size_t>(block.first) * (shape.inputs - 1) + knob, shape.inputs - 1, block.count,
             rows + static_cast<size_t>(knob + 1) * layout.width);
    std::fill_n(rows + static_cast<size_t>(shape.inputs) * layout.width, layout.width, 1.0f);
  }
  std::memset(layout.known(saved, 0), 0, layout.cell_size() * sizeof(float));
  std::memset(layout.cell(saved, 0), 0, layout.cell_size() * sizeof(float));
  for (int j = 0; j < hidden && !fresh; ++j) {
    gather(h_state + j, hidden, block.count, layout.known(saved, 0) + static_cast<size_t>(j) * layout.width);
    if (cell == RecurrentCell::kLstm)
      gather(c_state + j, hidden, block.count, layout.cell(saved, 0) + static_cast<size_t>(j) * layout.width);
  }
  for (int frame = 0; frame < pass.frames; ++frame) {
    const float* known = layout.known(saved, frame);
    const float* before = layout.cell(saved, frame);
    float* gates = layout.gates(saved, frame);
    float* cells = layout.cell(saved, frame + 1);
    float* after = layout.known(saved, frame + 1);
    Vec y[V];
    for (Vec& value : y) value = splat(pass.head[hidden]);
    int unit = 0;
    for (; unit + kUnits <= hidden; unit += kUnits)
      step_units<cell, kUnits, V>(shape, pass, unit, known, before, gates, cells, after, y);
    for (; unit < hidden; ++unit) step_units<cell, 1, V>(shape, pass, unit, known, before, gates, cells, after, y);
    scatter(reinterpret_cast<const float*>(y), block.count, output + block.first * frames + frame, frames);
  }
  for (int j = 0; j < hidden; ++j) {
    const size_t row = static_cast<size_t>(j) * layout.width;
    scatter(layout.known(saved, pass.frames) + row, block.count, h_state + j, hidden);
    if (cell == RecurrentCell::kLstm) scatter(layout.cell(saved, pass.frames) + row, block.count, c_state + j, hidden);
  }
}

// Sums of one block: of every weight a vector over items, to be added up at the end.
struct Sums {
  Floats weights;  // [hidden][rows / kTile][kGates][kTile] vectors
  Floats head;     // [hidden + 1] vectors
};

// weights += gates' gradients × what they saw, over some frames.
template <int V>
void add_outer(const Layout& layout, float* saved, int first, int last, float* sums) {
  for (int unit = 0; unit < layout.hidden; ++unit)
    for (int tile = 0; tile < layout.rows; tile += kTile, sums += kGates * kTile * kLanes) {
      Vec acc[kGates][kTile];
      for (int g = 0; g < kGates; ++g)
        for (int k = 0; k < kTile; ++k) acc[g][k] = load(sums + (g * kTile + k) * kLanes);
      for (int frame = first; frame < last; ++frame) {
        const float* gates = layout.gates(saved, frame) + static_cast<size_t>(unit) * kGates * layout.width;
        const float* known = layout.known(saved, frame) + static_cast<size_t>(tile) * layout.width;
        for (int v = 0; v < V; ++v) {
          Vec x[kTile];
#pragma GCC unroll 4
          for (int k = 0; k < kTile; ++k) x[k] = get<V>(known, k, v);
#pragma GCC unroll 4
          for (int g = 0; g < kGates; ++g) {
            const Vec d = get<V>(gates, g, v);
#pragma GCC unroll 4
            for (int k = 0; k < kTile; ++k) acc[g][k] += d * x[k];
          }
        }
      }
      for (int g = 0; g < kGates; ++g)
        for (int k = 0; k < kTile; ++k) store(sums + (g * kTile + k) * kLanes, acc[g][k]);
    }
}

// The hidden state's gradient from the gates': Wᵀ · d, `transposed` as [tile][row][kTile].
template <int V>
void spread_back(const Layout& layout, const float* transposed, const float* gates, float* hidden_gradient) {
  const int rows = kGates * layout.hidden;
  for (int tile = 0; tile < layout.hidden; tile += kTile) {
    Vec acc[kTile][V] = {};
    for (int row = 0; row < rows; ++row, transposed += kTile) {
      Vec d[V];
      for (int v = 0; v < V; ++v) d[v] = get<V>(gates, row, v);
#pragma GCC unroll 4
      for (int k = 0; k < kTile; ++k)
        for (int v = 0; v < V; ++v) acc[k][v] += transposed[k] * d[v];
    }
    for (int k = 0; k < kTile; ++k)
      for (int v = 0; v < V; ++v) put<V>(hidden_gradient, tile + k, v, acc[k][v]);
  }
}

template <RecurrentCell cell, int V>
void backward_block(const RecurrentShape& shape, const RecurrentPass& pass, const Block& block, const float* transposed,
                    const float* gradient, float* saved, Sums& sums) {
  const Layout layout(shape, block, pass.frames);
  const int hidden = shape.hidden;
  const size_t frames = pass.frames;
  Floats hidden_gradient(static_cast<size_t>(round_up(hidden, kTile)) * layout.width);
  Floats carried(layout.cell_size());  // LSTM: of the cell; GRU: what reaches the state past the gates
  Floats dy_row(layout.width);
  int chunk_end = pass.frames;
  for (int frame = pass.frames - 1; frame >= 0; --frame) {
    const float* known = layout.known(saved, frame);
    const float* after = layout.known(saved, frame + 1);
    float* gates = layout.gates(saved, frame);
    gather(gradient + block.first * frames + frame, frames, block.count, dy_row.data());
    Vec dy[V];
    for (int v = 0; v < V; ++v) dy[v] = load(dy_row.data() + v * kLanes);
    Vec head_bias = load(sums.head.data() + hidden * kLanes);
    for (int v = 0; v < V; ++v) head_bias += dy[v];
    store(sums.head.data() + hidden * kLanes, head_bias);
    for (int j = 0; j < hidden; ++j) {
      Vec head = load(sums.head.data() + j * kLanes);
      for (int v = 0; v < V; ++v) {
        head += dy[v] * get<V>(after, j, v);
        const Vec dh = get<V>(hidden_gradient.data(), j, v) + pass.head[j] * dy[v];
        const Vec a = get<V>(gates, j * kGates, v), b = get<V>(gates, j * kGates + 1, v);
        const Vec n = get<V>(gates, j * kGates + 2, v), d = get<V>(gates, j * kGates + 3, v);
        const Vec kept = get<V>(carried.data(), j, v);
        if constexpr (cell == RecurrentCell::kLstm) {
          const Vec tanh_c = tanh_exact(get<V>(layout.cell(saved, frame + 1), j, v));
          const Vec dc = kept + dh * d * (1.0f - tanh_c * tanh_c);
          put<V>(gates, j * kGates, v, dc * n * a * (1.0f - a));
          put<V>(gates, j * kGates + 1, v, dc * get<V>(layout.cell(saved, frame), j, v) * b * (1.0f - b));
          put<V>(gates, j * kGates + 2, v, dc * a * (1.0f - n * n));
          put<V>(gates, j * kGates + 3, v, dh * tanh_c * d * (1.0f - d));
          put<V>(carried.data(), j, v, dc * b);
        } else {
          const Vec dh_all = dh + kept;
          const Vec dn = dh_all * (1.0f - b) * (1.0f - n * n);
          put<V>(gates, j * kGates, v, dn * d * a * (1.0f - a));
          put<V>(gates, j * kGates + 1, v, dh_all * (get<V>(known, j, v) - n) * b * (1.0f - b));
          put<V>(gates, j * kGates + 2, v, dn);
          put<V>(gates, j * kGates + 3, v, dn * a);
          put<V>(carried.data(), j, v, dh_all * b);
        }
      }
      store(sums.head.data() + j * kLanes, head);
    }
    spread_back<V>(layout, transposed, gates, hidden_gradient.data());
    if (chunk_end - frame == kChunkFrames || frame == 0) {
      add_outer<V>(layout, saved, frame, chunk_end, sums.weights.data());
      chunk_end = frame;
    }
  }
}

std::vector<float> transpose(const RecurrentShape& shape, const float* weights) {
  const int rows = kGates * shape.hidden, columns = shape.columns();
  std::vector<float> transposed;
  transposed.reserve(static_cast<size_t>(round_up(shape.hidden, kTile)) * rows);
  for (int tile = 0; tile < shape.hidden; tile += kTile)
    for (int row = 0; row < rows; ++row)
      for (int k = tile; k < tile + kTile; ++k)
        transposed.push_back(k < shape.hidden ? weights[static_cast<size_t>(row) * columns + k] : 0.0f);
  return transposed;
}

// Calls body(cell, vectors) with both known when compiling.
template <class Body>
void with_kernel(RecurrentCell cell, int vectors, Body body) {
  using Lstm = std::integral_constant<RecurrentCell, RecurrentCell::kLstm>;
  using Gru = std::integral_constant<RecurrentCell, RecurrentCell::kGru>;
  using One = std::integral_constant<int, 1>;
  using Two = std::integral_constant<int, 2>;
  static_assert(kWidest == 2);
  if (cell == RecurrentCell::kLstm) return vectors == 1 ? body(Lstm{}, One{}) : body(Lstm{}, Two{});
  return vectors == 1 ? body(Gru{}, One{}) : body(Gru{}, Two{});
}

float total(const float* lanes) {
  float sum_of_lanes = 0.0f;
  for (int lane = 0; lane < kLanes; ++lane) sum_of_lanes += lanes[lane];
  return sum_of_lanes;
}

}  // namespace

size_t saved_size(const RecurrentShape& shape, int items, int frames) {
  const std::vector<Block> blocks = blocks_of(shape, items, frames);
  return blocks.empty() ? 0 : blocks.back().saved + Layout(shape, blocks.back(), frames).size();
}

void forward(const RecurrentShape& shape, const RecurrentPass& pass, bool fresh, float* state, float* output,
             float* saved, int threads) {
  const std::vector<Block> blocks = blocks_of(shape, pass.items, pass.frames);
  share_out(blocks.size(), threads, [&](size_t index) {
    const Block& block = blocks[index];
    with_kernel(shape.cell, block.vectors, [&](auto cell, auto vectors) {
      forward_block<cell.value, vectors.value>(shape, pass, block, fresh, state, output, saved + block.saved);
    });
  });
}

void backward(const RecurrentShape& shape, const RecurrentPass& pass, const float* gradient, float* saved,
              float* weight_gradient, float* head_gradient, int threads) {
  const std::vector<Block> blocks = blocks_of(shape, pass.items, pass.frames);
  const std::vector<float> transposed = transpose(shape, pass.weights);
  const int rows = round_up(shape.columns(), kTile);
  std::vector<Sums> sums(blocks.size());
  share_out(blocks.size(), threads, [&](size_t index) {
    const Block& block = blocks[index];
    sums[index].weights = Floats(static_cast<size_t>(kGates) * shape.hidden * rows * kLanes);
    sums[index].head = Floats(static_cast<size_t>(shape.hidden + 1) * kLanes);
    with_kernel(shape.cell, block.vectors, [&](auto cell, auto vectors) {
      backward_block<cell.value, vectors.value>(shape, pass, block, transposed.data(), gradient, saved + block.saved,
                                                sums[index]);
    });
  });
  std::fill_n(weight_gradient, shape.weights(), 0.0f);
  std::fill_n(head_gradient, shape.hidden + 1, 0.0f);
  for (const Sums& block : sums) {
    for (int j = 0; j <= shape.hidden; ++j) head_gradient[j] += total(block.head.data() + j * kLanes);
    for (int unit = 0; unit < shape.hidden; ++unit)
      for (int gate = 0; gate < kGates; ++gate)
        for (int column = 0; column < shape.columns(); ++column) {
          const size_t tile = static_cast<size_t>(unit) * (rows / kTile) + column / kTile;
          const size_t place = (tile * kGates + gate) * kTile + column % kTile;
          weight_gradient[(static_cast<size_t>(unit) * kGates + gate) * shape.columns() + column] +=
              total(block.weights.data() + place * kLanes);
        }
  }
}

}  // namespace appliance::training
