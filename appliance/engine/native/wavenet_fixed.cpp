// WaveNet layers whose width and activation are known when compiling: the shapes people use.
#include <array>

#include "wavenet_layer.hpp"

namespace appliance {

namespace {

template <int C, Act kind, int V>
APPLIANCE_INLINE void fixed_tile(const Job& job, int t) {
  constexpr int Rows = rows_for(C);
  const Layer& layer = *job.layer;
  const float* source = layer.history.now() + t;
  Vec activated[C][V];
  const float* weights = layer.convolution.weights.data();
  for (int first = 0; first < C; first += Rows) {
    Vec acc[Rows][V];
    start_tile(acc, job.conditions, job.condition_count, layer, first, t);
    weights = convolve_tile<Rows, V, C>(acc, weights, source, layer.history.stride(), C, layer.convolution.taps,
                                        layer.convolution.dilation);
    for (int row = 0; row < Rows; ++row)
      for (int v = 0; v < V; ++v)
        acc[row][v] = activated[first + row][v] = activate<kind>(acc[row][v], layer.activation.slope);
    add_to_head(acc, job, first, t);
  }
  if (job.next == nullptr) return;
  weights = layer.residual.weights.data();
  for (int first = 0; first < C; first += Rows)
    weights = residual_tile<Rows, V, C>(job, weights, &activated[0][0], first, t);
}

template <int C, Act kind>
void fixed_layer(const Job& job) {
  constexpr int V = vectors_for(rows_for(C));
  const int vectors = (job.frames + kLanes - 1) / kLanes;
  int v = 0;
  for (; v + V <= vectors; v += V) fixed_tile<C, kind, V>(job, v * kLanes);
  if constexpr (V == 4)
    for (; v + 2 <= vectors; v += 2) fixed_tile<C, kind, 2>(job, v * kLanes);
  for (; v < vectors; ++v) fixed_tile<C, kind, 1>(job, v * kLanes);
}

// rows[row] += Σ weights[input][row]·x[input], in two chains of additions where one would be long.
template <int C>
APPLIANCE_INLINE void add_square(Vec (&rows)[C], const float* weights, const Vec (&x)[C]) {
  constexpr int Half = C < 4 ? C : C / 2;
  Vec side[C];
  if constexpr (Half < C)
#pragma GCC unroll 8
    for (int row = 0; row < C; ++row) side[row] = weights[Half * C + row] * x[Half];
#pragma GCC unroll 8
  for (int input = 0; input < C; ++input) {
    if (input == Half) continue;
#pragma GCC unroll 8
    for (int row = 0; row < C; ++row) (input < Half ? rows : side)[row] += weights[input * C + row] * x[input];
  }
  if constexpr (Half < C)
#pragma GCC unroll 8
    for (int row = 0; row < C; ++row) rows[row] += side[row];
}

// acc += all taps but the newest, which only the layer before can give. `now` is this layer's newest input. Returns the
// weights of the newest tap.
template <int C>
APPLIANCE_INLINE const float* add_past(Vec (&acc)[C], const Layer& layer, const Vec (&now)[C]) {
  const ptrdiff_t stride = layer.history.stride();
  const float* source = layer.history.now();
  const float* weights = layer.convolution.weights.data();
  const int past_taps = layer.convolution.taps - 1;
  for (int tap = 0; tap < past_taps; ++tap) {
    const int frames = (past_taps - tap) * layer.convolution.dilation;
    Vec x[C];
#pragma GCC unroll 8
    for (int input = 0; input < C; ++input)
      // What was stored a moment ago can't be loaded at an odd place without waiting: it is still in registers.
      x[input] = frames >= kLanes ? load(source + input * stride - frames)
                                  : delayed(load(source + input * stride - kLanes), now[input], frames);
#pragma GCC unroll 8
    for (int input = 0; input < C; ++input) {
#pragma GCC unroll 8
      for (int row = 0; row < C; ++row) acc[row] += weights[row] * x[input];
      weights += C;
    }
  }
  return weights;
}

// A block of one vector: the layers wait for each other, and what passes from one to the next stays in registers.
template <int C, Act kind>
void short_layers(const ShortJob& job) {
  Vec x[C], head[C];
  for (int row = 0; row < C; ++row) {
    x[row] = load(job.layers->history.now() + static_cast<ptrdiff_t>(row) * job.layers->history.stride());
    head[row] = load(job.head + static_cast<ptrdiff_t>(row) * job.head_stride);
  }
  for (int number = 0; number < job.layer_count; ++number) {
    const Layer& layer = job.layers[number];
    const bool last = number + 1 == job.layer_count;
    Vec acc[C][1], sum[C];
    start_tile(acc, job.conditions, job.condition_count, layer, 0, 0);
    for (int row = 0; row < C; ++row) sum[row] = acc[row][0];
    const float* newest = add_past<C>(sum, layer, x);
    add_square<C>(sum, newest, x);
    for (int row = 0; row < C; ++row) {
      sum[row] = activate<kind>(sum[row], layer.activation.slope);
      head[row] += sum[row];
    }
    if (last && job.next == nullptr) break;
    for (int row = 0; row < C; ++row) x[row] += layer.residual.bias[row];
    add_square<C>(x, layer.residual.weights.data(), sum);
    float* next = last ? job.next : job.layers[number + 1].history.now();
    const ptrdiff_t next_stride = last ? job.next_stride : job.layers[number + 1].history.stride();
    for (int row = 0; row < C; ++row) store(next + row * next_stride, x[row]);
  }
  for (int row = 0; row < C; ++row) store(job.head + static_cast<ptrdiff_t>(row) * job.head_stride, head[row]);
}

// Where a period of 16 frames is one vector, and where the channels fit the registers.
template <int C, Act kind>
constexpr ShortKernel short_kernel() {
  if constexpr (kLanes >= 16 && C <= 8) return short_layers<C, kind>;
  return nullptr;
}

template <int C, Act kind>
constexpr FixedShape fixed_shape() {
  return {C, kind, fixed_layer<C, kind>, rows_for(C), short_kernel<C, kind>()};
}

template <int C>
constexpr std::array<FixedShape, 2> fixed_shapes() {
  return {fixed_shape<C, Act::kTanh>(), fixed_shape<C, Act::kLeakyRelu>()};
}

}  // namespace

std::optional<FixedShape> find_fixed(const Layer& layer) {
  static constexpr std::array<std::array<FixedShape, 2>, 7> kShapes = {
      fixed_shapes<2>(), fixed_shapes<3>(),  fixed_shapes<4>(), fixed_shapes<6>(),
      fixed_shapes<8>(), fixed_shapes<12>(), fixed_shapes<16>()};
  if (layer.gating != Gating::kNone || layer.bottleneck != layer.channels) return std::nullopt;
  for (const auto& shapes : kShapes)
    for (const FixedShape& shape : shapes)
      if (shape.channels == layer.channels && shape.activation == layer.activation.kind) return shape;
  return std::nullopt;
}

}  // namespace appliance
