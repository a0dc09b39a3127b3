// WaveNet layers of any width, bottleneck, activation and gating.
#include "wavenet_layer.hpp"

namespace appliance {

namespace {

// Any width, bottleneck, activation and gating. z and activated are rows of one vector in job.scratch.
void general_tile(const Job& job, int t) {
  const Layer& layer = *job.layer;
  Vec* z = job.scratch;
  const int z_rows = layer.convolution.outputs;
  const int bottleneck = layer.bottleneck;
  const float* weights = layer.convolution.weights.data();
  for (int first = 0; first < z_rows;) {
    const int rows = general_rows(z_rows - first);
    with_rows(rows, [&](auto fixed) {
      Vec acc[fixed.value][1];
      start_tile(acc, job, first, t);
      weights = convolve_tile<fixed.value, 1, 0>(acc, weights, layer.history.now() + t, layer.history.stride(),
                                                 layer.channels, layer.convolution.taps, layer.convolution.dilation);
      for (int row = 0; row < fixed.value; ++row) z[first + row] = acc[row][0];
    });
    first += rows;
  }
  const Vec* activated = z;
  if (layer.gating == Gating::kNone) {
    activate_all(layer.activation, z, bottleneck);
  } else {
    Vec* gate = z + bottleneck;
    activate_all(layer.gate, gate, bottleneck);
    if (layer.gating == Gating::kGated) {
      activate_all(layer.activation, z, bottleneck);
      for (int row = 0; row < bottleneck; ++row) z[row] *= gate[row];
    } else {
      Vec* shaped = z + z_rows;
      std::copy_n(z, bottleneck, shaped);
      activate_all(layer.activation, shaped, bottleneck);
      for (int row = 0; row < bottleneck; ++row) z[row] += gate[row] * (shaped[row] - z[row]);
    }
  }
  for (int row = 0; row < bottleneck; ++row) {
    const Vec value[1][1] = {{activated[row]}};
    add_to_head(value, job, row, t);
  }
  if (job.next == nullptr) return;
  weights = layer.residual.weights.data();
  for (int first = 0; first < layer.channels;) {
    const int rows = general_rows(layer.channels - first);
    with_rows(rows, [&](auto fixed) { weights = residual_tile<fixed.value, 1, 0>(job, weights, activated, first, t); });
    first += rows;
  }
}

}  // namespace

void general_layer(const Job& job) {
  for (int t = 0; t < job.frames; t += kLanes) general_tile(job, t);
}

}  // namespace appliance
