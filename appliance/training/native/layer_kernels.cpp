#include "layer_kernels.hpp"

#include "convolution.hpp"

namespace appliance::training {

namespace {

constexpr int step_frames(int vectors) {
  return vectors * kLanes;
}

// acc[row][v] += Σ over taps and inputs. Transposed: weights are those of the way back, [tap][row][input].
template <int Inputs, int Outputs, int Rows, int V, bool Transposed>
APPLIANCE_INLINE void convolve(Vec (&acc)[Rows][V], const float* weights, int first_row, const float* const* taps,
                               int tap_count, int stride, int t) {
  for (int tap = 0; tap < tap_count; ++tap) {
    const float* source = taps[tap] + t;
#pragma GCC unroll 16
    for (int input = 0; input < Inputs; ++input) {
      Vec x[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) x[v] = load(source + static_cast<ptrdiff_t>(input) * stride + v * kLanes);
#pragma GCC unroll 16
      for (int row = 0; row < Rows; ++row) {
        const float weight =
            Transposed ? weights[(first_row + row) * Inputs + input] : weights[input * Outputs + first_row + row];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[row][v] += weight * x[v];
      }
    }
    weights += Inputs * Outputs;
  }
}

// sums[tap][j][i] += Σ over time of x[j]·y[tap][i], for a block of J rows of x, I rows of y and T taps.
template <int Outputs, int J, int I, int T>
APPLIANCE_INLINE void outer_block(const float* x, int x_stride, const float* const* y, int y_stride, Vec* sums,
                                  int sums_per_tap, int frames) {
  Vec acc[T][J][I];
#pragma GCC unroll 16
  for (int tap = 0; tap < T; ++tap)
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
#pragma GCC unroll 16
      for (int i = 0; i < I; ++i) acc[tap][j][i] = sums[tap * sums_per_tap + j * Outputs + i];
  for (int t = 0; t < frames; t += kLanes) {
    Vec left[J];
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j) left[j] = load(x + static_cast<ptrdiff_t>(j) * x_stride + t);
#pragma GCC unroll 16
    for (int tap = 0; tap < T; ++tap)
#pragma GCC unroll 16
      for (int i = 0; i < I; ++i) {
        const Vec right = load(y[tap] + static_cast<ptrdiff_t>(i) * y_stride + t);
#pragma GCC unroll 16
        for (int j = 0; j < J; ++j) acc[tap][j][i] += left[j] * right;
      }
  }
#pragma GCC unroll 16
  for (int tap = 0; tap < T; ++tap)
#pragma GCC unroll 16
    for (int j = 0; j < J; ++j)
#pragma GCC unroll 16
      for (int i = 0; i < I; ++i) sums[tap * sums_per_tap + j * Outputs + i] = acc[tap][j][i];
}

// How many rows of x and y a block of sums has: as many accumulators as registers allow beside the rows themselves.
constexpr int outer_rows(int channels) {
  return channels % 4 == 0 ? 4 : channels % 3 == 0 ? 3 : channels % 2 == 0 ? 2 : 1;
}
constexpr int outer_columns(int channels) {
  if (kRegisters == 32) return channels % 6 == 0 ? 6 : channels % 4 == 0 ? 4 : channels <= 5 ? channels : 1;
  return channels % 3 == 0 ? 3 : channels % 2 == 0 ? 2 : 1;
}

template <int C>
APPLIANCE_INLINE void outer_sums(const float* x, int x_stride, const float* const* y, int y_stride, int taps, Vec* sums,
                                 int frames) {
  constexpr int J = outer_rows(C);
  constexpr int I = outer_columns(C);
  constexpr int room = kRegisters == 32 ? 24 : 12;
  constexpr int T = J * I * 3 <= room ? 3 : J * I * 2 <= room ? 2 : 1;
  int tap = 0;
  for (; tap + T <= taps; tap += T) {
    for (int i = 0; i < C; i += I) {
      const float* rows[T];
      for (int k = 0; k < T; ++k) rows[k] = y[tap + k] + static_cast<ptrdiff_t>(i) * y_stride;
      for (int j = 0; j < C; j += J)
        outer_block<C, J, I, T>(x + static_cast<ptrdiff_t>(j) * x_stride, x_stride, rows, y_stride,
                                sums + (tap * C + j) * C + i, C * C, frames);
    }
  }
  for (; tap < taps; ++tap)
    for (int i = 0; i < C; i += I) {
      const float* rows[1] = {y[tap] + static_cast<ptrdiff_t>(i) * y_stride};
      for (int j = 0; j < C; j += J)
        outer_block<C, J, I, 1>(x + static_cast<ptrdiff_t>(j) * x_stride, x_stride, rows, y_stride,
                                sums + (tap * C + j) * C + i, C * C, frames);
    }
}

template <int C>
struct Tiling {
  static constexpr int kRows = rows_for(C);
  static constexpr int kVectors = vectors_for(kRows);
  static constexpr int kStep = step_frames(kVectors);
};

template <int C>
APPLIANCE_INLINE void residual_step(const float* weights, const float* bias, const float* input, int input_stride,
                                    const float* heard, int heard_stride, float* next, int next_stride, int t) {
  constexpr int R = Tiling<C>::kRows;
  constexpr int V = Tiling<C>::kVectors;
  for (int row = 0; row < C; row += R) {
    Vec acc[R][V];
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v)
        acc[r][v] = load(input + static_cast<ptrdiff_t>(row + r) * input_stride + t + v * kLanes) + bias[row + r];
    convolve<C, C, R, V, false>(acc, weights, row, &heard, 1, heard_stride, t);
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v)
        store(next + static_cast<ptrdiff_t>(row + r) * next_stride + t + v * kLanes, acc[r][v]);
  }
}

template <int C, Act kAct>
void forward(const ForwardJob& job) {
  constexpr int R = Tiling<C>::kRows;
  constexpr int V = Tiling<C>::kVectors;
  const LayerPlan& layer = *job.layer;
  const float* conv = job.weights + layer.conv;
  const float* bias = job.weights + layer.bias;
  const float* mixin = job.weights + layer.mixin;
  const float* input = job.taps[layer.taps - 1];
  for (int t = 0; t < job.frames; t += Tiling<C>::kStep) {
    for (int row = 0; row < C; row += R) {
      Vec acc[R][V];
      for (int v = 0; v < V; ++v) {
        const Vec dry = load(job.audio + t + v * kLanes);
        for (int r = 0; r < R; ++r) acc[r][v] = bias[row + r] + mixin[row + r] * dry;
      }
      convolve<C, C, R, V, false>(acc, conv, row, job.taps, layer.taps, job.stride, t);
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) {
          acc[r][v] = activate<kAct>(acc[r][v], job.slope);
          store(job.heard + static_cast<ptrdiff_t>(row + r) * job.heard_stride + t + v * kLanes, acc[r][v]);
        }
      if (job.head != nullptr)
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v) {
            float* at = job.head + static_cast<ptrdiff_t>(row + r) * job.head_stride + t + v * kLanes;
            store(at, job.head_begins ? acc[r][v] : load(at) + acc[r][v]);
          }
    }
    if (job.next != nullptr)
      residual_step<C>(job.weights + layer.out, job.weights + layer.out_bias, input, job.stride, job.heard,
                       job.heard_stride, job.next, job.next_stride, t);
  }
}

template <int C>
void residual(const ResidualJob& job) {
  const LayerPlan& layer = *job.layer;
  if (job.head != nullptr)
    for (int row = 0; row < C; ++row) {
      const float* heard = job.heard + static_cast<ptrdiff_t>(row) * job.heard_stride;
      float* head = job.head + static_cast<ptrdiff_t>(row) * job.head_stride;
      for (int t = 0; t < job.frames; t += kLanes)
        store(head + t, job.head_begins ? load(heard + t) : load(head + t) + load(heard + t));
    }
  if (job.next == nullptr) return;
  for (int t = 0; t < job.frames; t += Tiling<C>::kStep)
    residual_step<C>(job.weights + layer.out, job.weights + layer.out_bias, job.input, job.input_stride, job.heard,
                     job.heard_stride, job.next, job.next_stride, t);
}

// The activation's derivative, told from its result.
template <Act kAct>
APPLIANCE_INLINE Vec derivative(Vec heard, float slope) {
  if (kAct == Act::kTanh) return 1.0f - heard * heard;
  return heard > Vec{} ? splat(1.0f) : splat(slope);
}

template <int C, Act kAct>
void activation_back(const BackwardJob& job) {
  constexpr int R = Tiling<C>::kRows;
  constexpr int V = Tiling<C>::kVectors;
  const float* out = job.weights + job.layer->out;
  const float* gradient = job.gradient;
  for (int t = 0; t < job.frames; t += Tiling<C>::kStep)
    for (int row = 0; row < C; row += R) {
      Vec acc[R][V] = {};
      if (job.head_gradient != nullptr)
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v)
            acc[r][v] =
                load(job.head_gradient + static_cast<ptrdiff_t>(row + r) * job.gradient_stride + t + v * kLanes);
      if (job.residual_heard) convolve<C, C, R, V, true>(acc, out, row, &gradient, 1, job.gradient_stride, t);
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) {
          const Vec heard = load(job.heard + static_cast<ptrdiff_t>(row + r) * job.heard_stride + t + v * kLanes);
          store(job.z + static_cast<ptrdiff_t>(row + r) * job.z_stride + t + v * kLanes,
                acc[r][v] * derivative<kAct>(heard, job.slope));
        }
    }
}

// Sums of z and of z·audio, a few rows at a time.
template <int C>
void mixin_sums(const BackwardJob& job) {
  constexpr int R = C % 4 == 0 ? 4 : C % 3 == 0 ? 3 : C % 2 == 0 ? 2 : 1;
  for (int row = 0; row < C; row += R) {
    Vec* bias = job.sums + job.layer->bias + row;
    Vec* mixin = job.sums + job.layer->mixin + row;
    Vec total[R], product[R];
    for (int r = 0; r < R; ++r) {
      total[r] = bias[r];
      product[r] = mixin[r];
    }
    for (int t = 0; t < job.frames; t += kLanes) {
      const Vec dry = load(job.audio + t);
      for (int r = 0; r < R; ++r) {
        const Vec z = load(job.z + static_cast<ptrdiff_t>(row + r) * job.z_stride + t);
        total[r] += z;
        product[r] += z * dry;
      }
    }
    for (int r = 0; r < R; ++r) {
      bias[r] = total[r];
      mixin[r] = product[r];
    }
  }
}

template <int C, Act kAct>
void backward(const BackwardJob& job) {
  constexpr int R = Tiling<C>::kRows;
  constexpr int V = Tiling<C>::kVectors;
  const LayerPlan& layer = *job.layer;
  if (job.activations_heard) {
    activation_back<C, kAct>(job);
    job.wrote_z(job.z_buffer, job.start);
    mixin_sums<C>(job);
    if (job.residual_heard) {
      const float* gradient = job.gradient;
      outer_sums<C>(job.heard, job.heard_stride, &gradient, job.gradient_stride, 1, job.sums + layer.out, job.frames);
      row_sums(job.gradient, job.gradient_stride, C, job.sums + layer.out_bias, job.frames);
    }
  } else {
    for (int row = 0; row < C; ++row)
      for (int t = 0; t < job.frames; t += kLanes) store(job.z + static_cast<ptrdiff_t>(row) * job.z_stride + t, Vec{});
    job.wrote_z(job.z_buffer, job.start);
  }
  outer_sums<C>(job.input, job.input_stride, job.taps, job.z_stride, layer.taps, job.sums + layer.conv, job.frames);
  for (int t = 0; t < job.frames; t += Tiling<C>::kStep)
    for (int row = 0; row < C; row += R) {
      Vec acc[R][V] = {};
      float* gradient = job.gradient + static_cast<ptrdiff_t>(row) * job.gradient_stride + t;
      if (job.residual_heard)
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v)
            acc[r][v] = load(gradient + static_cast<ptrdiff_t>(r) * job.gradient_stride + v * kLanes);
      convolve<C, C, R, V, true>(acc, job.weights + layer.conv, row, job.taps, layer.taps, job.z_stride, t);
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v)
          store(gradient + static_cast<ptrdiff_t>(r) * job.gradient_stride + v * kLanes, acc[r][v]);
    }
}

template <int C, Act kAct>
constexpr LayerKernels kKernels = {forward<C, kAct>, residual<C>, backward<C, kAct>};

template <Act kAct>
const LayerKernels* find_width(int channels) {
  switch (channels) {
    case 2:
      return &kKernels<2, kAct>;
    case 3:
      return &kKernels<3, kAct>;
    case 4:
      return &kKernels<4, kAct>;
    case 6:
      return &kKernels<6, kAct>;
    case 8:
      return &kKernels<8, kAct>;
    case 12:
      return &kKernels<12, kAct>;
    case 16:
      return &kKernels<16, kAct>;
    default:
      return nullptr;
  }
}

}  // namespace

const LayerKernels* find_kernels(int channels, Act activation) {
  if (activation == Act::kTanh) return find_width<Act::kTanh>(channels);
  if (activation == Act::kLeakyRelu) return find_width<Act::kLeakyRelu>(channels);
  return nullptr;
}

void mix_rows(const float* weights, const float* bias, const float* in, int in_stride, int inputs, float* out,
              int out_stride, int outputs, int frames, bool add) {
  for (int output = 0; output < outputs; ++output) {
    float* row = out + static_cast<ptrdiff_t>(output) * out_stride;
    for (int t = 0; t < frames; t += kLanes) {
      Vec acc = add ? load(row + t) : splat(bias == nullptr ? 0.0f : bias[output]);
      for (int input = 0; input < inputs; ++input)
        acc += weights[input * outputs + output] * load(in + static_cast<ptrdiff_t>(input) * in_stride + t);
      store(row + t, acc);
    }
  }
}

void mix_rows_back(const float* weights, const float* gradient, int gradient_stride, int outputs, float* out,
                   int out_stride, int inputs, int frames, bool add) {
  for (int input = 0; input < inputs; ++input) {
    float* row = out + static_cast<ptrdiff_t>(input) * out_stride;
    for (int t = 0; t < frames; t += kLanes) {
      Vec acc = add ? load(row + t) : Vec{};
      for (int output = 0; output < outputs; ++output)
        acc +=
            weights[input * outputs + output] * load(gradient + static_cast<ptrdiff_t>(output) * gradient_stride + t);
      store(row + t, acc);
    }
  }
}

void mix_sums(const float* in, int in_stride, int inputs, const float* gradient, int gradient_stride, int outputs,
              Vec* sums, int frames) {
  for (int input = 0; input < inputs; ++input)
    for (int output = 0; output < outputs; ++output) {
      Vec acc = sums[input * outputs + output];
      const float* left = in + static_cast<ptrdiff_t>(input) * in_stride;
      const float* right = gradient + static_cast<ptrdiff_t>(output) * gradient_stride;
      for (int t = 0; t < frames; t += kLanes) acc += load(left + t) * load(right + t);
      sums[input * outputs + output] = acc;
    }
}

void row_sums(const float* rows, int stride, int count, Vec* sums, int frames) {
  for (int row = 0; row < count; ++row) {
    const float* from = rows + static_cast<ptrdiff_t>(row) * stride;
    Vec even{}, odd{};
    int t = 0;
    for (; t + 2 * kLanes <= frames; t += 2 * kLanes) {
      even += load(from + t);
      odd += load(from + t + kLanes);
    }
    for (; t < frames; t += kLanes) even += load(from + t);
    sums[row] += even + odd;
  }
}

}  // namespace appliance::training
