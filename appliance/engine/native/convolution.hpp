// The inner loop of WaveNets and ConvNets: a register tile of Rows output channels × V vectors of time.
#pragma once

#include <type_traits>
#include <vector>

#include "simd.hpp"

namespace appliance {

// Weights [out][in][taps] of a causal convolution, repacked in the order the tile uses them: groups of `Rows` output
// channels, then tap, then input channel, then the row in the group.
struct PackedConvolution {
  int outputs = 0;
  int inputs = 0;
  int taps = 0;
  int dilation = 1;
  std::vector<float> weights;
  std::vector<float> bias;  // one per output

  // rows_per_group(start) tells how many outputs the group that begins at `start` has.
  template <class RowsPerGroup>
  static PackedConvolution pack(const std::vector<float>& weight, std::vector<float> bias, int outputs, int inputs,
                                int taps, int dilation, RowsPerGroup rows_per_group) {
    PackedConvolution packed;
    packed.outputs = outputs;
    packed.inputs = inputs;
    packed.taps = taps;
    packed.dilation = dilation;
    packed.bias = std::move(bias);
    packed.weights.reserve(weight.size());
    for (int start = 0; start < outputs;) {
      const int rows = rows_per_group(outputs - start);
      for (int tap = 0; tap < taps; ++tap)
        for (int input = 0; input < inputs; ++input)
          for (int row = 0; row < rows; ++row)
            packed.weights.push_back(weight[(static_cast<size_t>(start + row) * inputs + input) * taps + tap]);
      start += rows;
    }
    return packed;
  }
};

// With few accumulators a chain of additions waits for itself: run several side by side. (A multiply-add takes four
// cycles and one or two can start in each.)
constexpr int chains_for(int accumulators, int inputs) {
  int chains = accumulators >= 8 || inputs == 0 ? 1 : (8 + accumulators - 1) / accumulators;
  while (chains > 1 && inputs % chains != 0) --chains;
  return chains;
}

// acc[row][v] += Σ over taps and inputs. `source` is the first input row at the tile's first frame; Inputs 0 means
// "known only when running". Returns the weights behind those used.
template <int Rows, int V, int Inputs>
APPLIANCE_INLINE const float* convolve_tile(Vec (&acc)[Rows][V], const float* weights, const float* source, int stride,
                                            int inputs, int taps, int dilation) {
  constexpr int Chains = chains_for(Rows * V, Inputs);
  const int width = Inputs > 0 ? Inputs : inputs;
  Vec side[Chains][Rows][V] = {};
  const float* tap_source = source - static_cast<ptrdiff_t>(taps - 1) * dilation;
  for (int tap = 0; tap < taps; ++tap, tap_source += dilation) {
    const float* row_source = tap_source;
#pragma GCC unroll 4
    for (int input = 0; input < width; input += Chains) {
#pragma GCC unroll 8
      for (int chain = 0; chain < Chains; ++chain) {
        Vec x[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) x[v] = load(row_source + v * kLanes);
#pragma GCC unroll 16
        for (int row = 0; row < Rows; ++row)
#pragma GCC unroll 8
          for (int v = 0; v < V; ++v) (chain == 0 ? acc[row][v] : side[chain][row][v]) += weights[row] * x[v];
        weights += Rows;
        row_source += stride;
      }
    }
  }
#pragma GCC unroll 8
  for (int chain = 1; chain < Chains; ++chain)
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) acc[row][v] += side[chain][row][v];
  return weights;
}

// How many output channels share a tile, chosen so that accumulators, loaded inputs and a weight fit the registers.
constexpr int rows_for(int channels) {
  if (channels <= 8 && kRegisters == 32) return channels;
  if (channels <= 4) return channels;
  if (kRegisters == 32) return channels % 8 == 0 ? 8 : channels % 6 == 0 ? 6 : 4;
  return channels % 4 == 0 ? 4 : channels % 3 == 0 ? 3 : 4;
}

// Vectors of time in a tile: about 16 accumulators where there are 32 registers, 8 where there are 16.
constexpr int vectors_for(int rows) {
  const int accumulators = kRegisters == 32 ? 16 : 8;
  const int most = kTileFrames / kLanes;
  const int wanted = rows >= accumulators ? 1 : accumulators / rows;
  const int vectors = wanted >= 4 ? 4 : wanted >= 2 ? 2 : 1;
  return vectors < most ? vectors : most;
}

// Width of the groups on the general path.
constexpr int kGeneralRows = 4;
inline int general_rows(int left) {
  return left < kGeneralRows ? left : kGeneralRows;
}

// Calls `body(std::integral_constant<int, rows>)` for rows 1 … kGeneralRows.
template <class Body>
APPLIANCE_INLINE void with_rows(int rows, Body body) {
  switch (rows) {
    case 1:
      return body(std::integral_constant<int, 1>{});
    case 2:
      return body(std::integral_constant<int, 2>{});
    case 3:
      return body(std::integral_constant<int, 3>{});
    default:
      return body(std::integral_constant<int, kGeneralRows>{});
  }
}

// Calls `body(std::integral_constant<int, inputs>)` for the widths people use, with 0 for any other.
template <class Body>
APPLIANCE_INLINE void with_inputs(int inputs, Body body) {
  switch (inputs) {
    case 1:
      return body(std::integral_constant<int, 1>{});
    case 2:
      return body(std::integral_constant<int, 2>{});
    case 3:
      return body(std::integral_constant<int, 3>{});
    case 4:
      return body(std::integral_constant<int, 4>{});
    case 8:
      return body(std::integral_constant<int, 8>{});
    case 16:
      return body(std::integral_constant<int, 16>{});
    default:
      return body(std::integral_constant<int, 0>{});
  }
}

}  // namespace appliance
