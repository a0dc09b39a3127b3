// WaveNet layers of any width, bottleneck, activation and gating, with or without the extras of few models.
//
// A tile is V vectors of time; all rows of a tile are worked off in groups of kGeneralRows, so that a group's
// accumulators and inputs stay in registers. What passes from step to step lies in job.scratch as rows of V vectors.
#include "wavenet_layer.hpp"

namespace appliance {

namespace {

constexpr int kVectors = vectors_for(kGeneralRows);

// Where the rows of a tile lie in the scratch.
template <int V>
struct Rows {
  Vec* z;          // Z rows: before and after the activation
  Vec* other;      // Z rows: the mix-in, then the blended activation
  Vec* condition;  // D rows: the modulated condition signal
  Vec* out;        // C or head rows

  explicit Rows(const Job& job)
      : z(job.scratch),
        other(z + job.layer->convolution.outputs * V),
        condition(other + job.layer->convolution.outputs * V),
        out(condition + job.condition_count * V) {}
};

// values[row] = scale(c)·values[row] + shift(c) for all rows of the film.
template <int V>
void modulate(const Film& film, const Job& job, int t, Vec* values) {
  for (int first = 0; first < film.channels;) {
    const int rows = general_rows(film.channels - first);
    with_rows(rows, [&](auto fixed) {
      constexpr int N = fixed.value;
      const auto rows_from = [&](Vec(&acc)[N][V], int row) {
        condition_rows(acc, film.weight.data() + static_cast<ptrdiff_t>(row) * job.condition_count,
                       film.bias.data() + row, job.conditions, job.condition_count, t);
      };
      Vec scale[N][V];
      rows_from(scale, first);
      Vec* at = values + first * V;
      for (int row = 0; row < N; ++row)
        for (int v = 0; v < V; ++v) at[row * V + v] *= scale[row][v];
      if (film.has_shift) {
        Vec shift[N][V];
        rows_from(shift, film.channels + first);
        for (int row = 0; row < N; ++row)
          for (int v = 0; v < V; ++v) at[row * V + v] += shift[row][v];
      }
    });
    first += rows;
  }
}

// Runs a convolution group by group: start(acc, first row) → accumulate → finish(acc, first row).
template <int V, class Start, class Finish>
APPLIANCE_INLINE void convolve_groups(const PackedConvolution& convolution, const float* source, int stride,
                                      Start start, Finish finish) {
  const float* weights = convolution.weights.data();
  for (int first = 0; first < convolution.outputs;) {
    const int rows = general_rows(convolution.outputs - first);
    with_rows(rows, [&](auto fixed) {
      Vec acc[fixed.value][V];
      start(acc, first);
      weights = convolve_tile<fixed.value, V, 0>(acc, weights, source, stride, convolution.inputs, convolution.taps,
                                                 convolution.dilation);
      finish(acc, first);
    });
    first += rows;
  }
}

template <int V>
APPLIANCE_INLINE auto keep_in(Vec* rows) {
  return [rows](const auto& acc, int first) {
    for (const auto& row : acc) {
      for (int v = 0; v < V; ++v) rows[first * V + v] = row[v];
      ++first;
    }
  };
}

APPLIANCE_INLINE auto start_with(const std::vector<float>& bias) {
  return [&bias](auto& acc, int first) {
    for (auto& row : acc) {
      for (Vec& value : row) value = splat(bias[first]);
      ++first;
    }
  };
}

// z = convolution + mix-in.
template <int V>
void mix(const Job& job, int t, const Rows<V>& rows) {
  const Layer& layer = *job.layer;
  convolve_groups<V>(
      layer.convolution, layer.history.now() + t, layer.history.stride(),
      [&](auto& acc, int first) { start_tile(acc, job.conditions, job.condition_count, layer, first, t); },
      keep_in<V>(rows.z));
}

// The same with everything that may be modulated on the way.
template <int V>
void mix_modulated(const Job& job, int t, const Rows<V>& rows, const LayerExtras& extras) {
  const Layer& layer = *job.layer;
  const PackedConvolution& convolution = layer.convolution;
  convolve_groups<V>(convolution, layer.history.now() + t, layer.history.stride(), start_with(convolution.bias),
                     keep_in<V>(rows.z));
  if (const Film& film = extras.at(Place::kConvPost)) modulate<V>(film, job, t, rows.z);
  for (int condition = 0; condition < job.condition_count; ++condition)
    for (int v = 0; v < V; ++v) rows.condition[condition * V + v] = load(job.conditions[condition] + t + v * kLanes);
  if (const Film& film = extras.at(Place::kMixinPre)) modulate<V>(film, job, t, rows.condition);
  const float* weight = layer.mixin.data();
  for (int row = 0; row < convolution.outputs; ++row) {
    Vec total[V] = {};
    for (int condition = 0; condition < job.condition_count; ++condition, ++weight)
      for (int v = 0; v < V; ++v) total[v] += *weight * rows.condition[condition * V + v];
    for (int v = 0; v < V; ++v) rows.other[row * V + v] = total[v];
  }
  if (const Film& film = extras.at(Place::kMixinPost)) modulate<V>(film, job, t, rows.other);
  for (int i = 0; i < convolution.outputs * V; ++i) rows.z[i] += rows.other[i];
  if (const Film& film = extras.at(Place::kActivationPre)) modulate<V>(film, job, t, rows.z);
}

// The first B rows of z become activated.
template <int V>
void shape(const Layer& layer, const Rows<V>& rows) {
  const int bottleneck = layer.bottleneck;
  const int count = bottleneck * V;
  Vec* z = rows.z;
  if (layer.gating == Gating::kNone) return activate_rows(layer.activation, z, bottleneck, V);
  Vec* gate = z + count;
  activate_rows(layer.gate, gate, bottleneck, V);
  if (layer.gating == Gating::kGated) {
    activate_rows(layer.activation, z, bottleneck, V);
    for (int i = 0; i < count; ++i) z[i] *= gate[i];
  } else {
    Vec* shaped = rows.other;
    std::copy_n(z, count, shaped);
    activate_rows(layer.activation, shaped, bottleneck, V);
    for (int i = 0; i < count; ++i) z[i] += gate[i] * (shaped[i] - z[i]);
  }
}

template <int V>
void add_head(const Job& job, const Vec* values, int count, int t) {
  for (int row = 0; row < count; ++row) {
    Vec value[1][V];
    for (int v = 0; v < V; ++v) value[0][v] = values[row * V + v];
    add_to_head(value, job, row, t);
  }
}

template <int V>
void residual(const Job& job, int t, const Rows<V>& rows) {
  const Layer& layer = *job.layer;
  const ptrdiff_t stride = layer.input().stride();
  const float* input = layer.input().now() + t;
  const auto add_input = [&](auto& acc, int first) {
    for (auto& row : acc) {
      float* at = job.next + static_cast<ptrdiff_t>(first) * job.next_stride + t;
      for (int v = 0; v < V; ++v) store(at + v * kLanes, row[v] + load(input + first * stride + v * kLanes));
      ++first;
    }
  };
  const auto* activated = reinterpret_cast<const float*>(rows.z);
  const auto start = start_with(layer.residual.bias);
  if (!layer.extras || !layer.extras->at(Place::kOutPost))
    return convolve_groups<V>(layer.residual, activated, V * kLanes, start, add_input);
  convolve_groups<V>(layer.residual, activated, V * kLanes, start, keep_in<V>(rows.out));
  modulate<V>(layer.extras->at(Place::kOutPost), job, t, rows.out);
  for (int row = 0; row < layer.channels; ++row) {
    Vec value[1][V];
    for (int v = 0; v < V; ++v) value[0][v] = rows.out[row * V + v];
    add_input(value, row);
  }
}

// What the convolution reads, where that is not the input itself. The writer of the history is this layer then.
template <int V>
void modulate_input(const Job& job, int t, const Rows<V>& rows, const LayerExtras& extras, History& history) {
  const History& input = extras.input;
  for (int row = 0; row < job.layer->channels; ++row)
    for (int v = 0; v < V; ++v)
      rows.out[row * V + v] = load(input.now() + static_cast<ptrdiff_t>(row) * input.stride() + t + v * kLanes);
  modulate<V>(extras.at(Place::kConvPre), job, t, rows.out);
  for (int row = 0; row < job.layer->channels; ++row)
    for (int v = 0; v < V; ++v)
      store(history.now() + static_cast<ptrdiff_t>(row) * history.stride() + t + v * kLanes, rows.out[row * V + v]);
}

template <int V>
void general_tile(const Job& job, int t) {
  const Layer& layer = *job.layer;
  const LayerExtras* extras = layer.extras.get();
  const Rows<V> rows(job);
  if (extras == nullptr) {
    mix(job, t, rows);
  } else {
    if (extras->modulates_input()) modulate_input(job, t, rows, *extras, *job.history);
    mix_modulated(job, t, rows, *extras);
  }
  shape(layer, rows);
  if (extras != nullptr)
    if (const Film& film = extras->at(Place::kActivationPost)) modulate<V>(film, job, t, rows.z);
  if (extras != nullptr && extras->has_head) {
    convolve_groups<V>(extras->head, reinterpret_cast<const float*>(rows.z), V * kLanes, start_with(extras->head.bias),
                       keep_in<V>(rows.out));
    if (const Film& film = extras->at(Place::kHeadPost)) modulate<V>(film, job, t, rows.out);
    add_head<V>(job, rows.out, extras->head.outputs, t);
  } else {
    add_head<V>(job, rows.z, layer.bottleneck, t);
  }
  if (job.next != nullptr) residual(job, t, rows);
}

}  // namespace

size_t general_scratch(const Layer& layer, int conditions) {
  const int head = layer.extras && layer.extras->has_head ? layer.extras->head.outputs : 0;
  const int rows = 2 * layer.convolution.outputs + conditions + std::max(layer.channels, head);
  return static_cast<size_t>(rows) * kVectors;
}

void general_layer(const Job& job) {
  const int vectors = (job.frames + kLanes - 1) / kLanes;
  int v = 0;
  for (; v + kVectors <= vectors; v += kVectors) general_tile<kVectors>(job, v * kLanes);
  if constexpr (kVectors == 4)
    for (; v + 2 <= vectors; v += 2) general_tile<2>(job, v * kLanes);
  for (; v < vectors; ++v) general_tile<1>(job, v * kLanes);
}

}  // namespace appliance
