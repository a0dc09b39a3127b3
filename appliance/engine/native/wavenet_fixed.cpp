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
    start_tile(acc, job, first, t);
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

template <int C>
constexpr std::array<FixedShape, 2> fixed_shapes() {
  return {{{C, Act::kTanh, fixed_layer<C, Act::kTanh>, rows_for(C)},
           {C, Act::kLeakyRelu, fixed_layer<C, Act::kLeakyRelu>, rows_for(C)}}};
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
