#include "recurrent_fixed.hpp"

#include <utility>

#include "scaled_tanh.hpp"

namespace appliance {

namespace {

// [rows] → vectors, the rest zero; row r is multiplied by scale(r).
template <class Scale>
void append(std::vector<Vec>& to, const float* values, int rows, int step, Scale scale) {
  const size_t first = to.size();
  to.resize(first + vectors_of(rows), Vec{});
  for (int row = 0; row < rows; ++row)
    to[first + row / kLanes][row % kLanes] = values[static_cast<ptrdiff_t>(row) * step] * scale(row);
}

template <int shift, int... lane>
APPLIANCE_INLINE Vec shifted(Vec low, Vec high, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(low, high, (lane + shift)...);
}

// Lanes first … first + kLanes - 1 of the values in `vectors`.
template <int first, int Count>
APPLIANCE_INLINE Vec slice(const Vec (&vectors)[Count]) {
  constexpr int index = first / kLanes;
  constexpr int shift = first % kLanes;
  if constexpr (shift == 0)
    return vectors[index];
  else
    return shifted<shift>(vectors[index], vectors[index + 1 < Count ? index + 1 : index],
                          std::make_integer_sequence<int, kLanes>{});
}

// Below this many accumulators one chain of additions waits for itself: run several side by side.
constexpr int kChainsWanted = 8;

// More sums than registers hold beside a column and a value are added in groups: each goes through all columns.
constexpr int kGroupMost = kRegisters == 32 ? 24 : 12;

constexpr bool needs_groups(int count) {
  return count > (kLanes == 4 ? 16 : kGroupMost);
}

// acc[First … First + Size - 1] += Σ columns[column][Count] · values[column].
template <int First, int Size, int Count>
APPLIANCE_INLINE void add_group(Vec (&acc)[Count], const Vec* columns, const float* values, int count) {
  constexpr int Chains = Size >= kChainsWanted ? 1 : Size >= 3 ? 2 : 4;
  // GCC unrolls no loop of more than 16 rounds by itself, and leaves what it indexes in memory.
  Vec sums[Chains][Size] = {};
#pragma GCC unroll 32
  for (int i = 0; i < Size; ++i) sums[0][i] = acc[First + i];
  const Vec* part = columns + First;
  int column = 0;
  for (; column + Chains <= count; column += Chains, part += Chains * Count)
#pragma GCC unroll 4
    for (int chain = 0; chain < Chains; ++chain)
#pragma GCC unroll 32
      for (int i = 0; i < Size; ++i) sums[chain][i] += part[chain * Count + i] * values[column + chain];
  if constexpr (Chains > 1)
    for (; column < count; ++column, part += Count)
      for (int i = 0; i < Size; ++i) sums[0][i] += part[i] * values[column];
#pragma GCC unroll 32
  for (int i = 0; i < Size; ++i) {
    if constexpr (Chains == 4)
      acc[First + i] = (sums[0][i] + sums[1][i]) + (sums[2][i] + sums[3][i]);
    else if constexpr (Chains == 2)
      acc[First + i] = sums[0][i] + sums[1][i];
    else
      acc[First + i] = sums[0][i];
  }
}

template <int First, int Count>
APPLIANCE_INLINE void add_in_groups(Vec (&acc)[Count], const Vec* columns, const float* values, int count) {
  constexpr int Groups = (Count + kGroupMost - 1) / kGroupMost;
  constexpr int Even = (Count + Groups - 1) / Groups;
  constexpr int Size = Count - First < Even ? Count - First : Even;
  add_group<First, Size>(acc, columns, values, count);
  if constexpr (First + Size < Count) add_in_groups<First + Size>(acc, columns, values, count);
}

// The first `Early` of them before the others, so that what waits for them can go on.
template <int Count, int Early = Count>
APPLIANCE_INLINE void add_columns(Vec (&acc)[Count], const Vec* columns, const float* values, int count) {
  if constexpr (needs_groups(Count)) {
    add_in_groups<0>(acc, columns, values, count);
  } else {
    add_group<0, Early>(acc, columns, values, count);
    if constexpr (Early < Count) add_group<Early, Count - Early>(acc, columns, values, count);
  }
}

template <int Count>
APPLIANCE_INLINE void add_inputs(Vec (&acc)[Count], const PackedRecurrent& layer, const float* x) {
  if constexpr (needs_groups(Count)) {
    add_in_groups<0>(acc, layer.input_columns.data(), x, layer.inputs);
  } else {
    for (int input = 0; input < layer.inputs; ++input)
      for (int i = 0; i < Count; ++i) acc[i] += layer.input_columns[input * Count + i] * x[input];
  }
}

// The first vector of units that needs vector `i` of the gates.
template <int H>
constexpr int first_use(int i) {
  int first = vectors_of(H);
  for (int row = i * kLanes; row < (i + 1) * kLanes && row < 4 * H; ++row)
    if (row % H / kLanes < first) first = row % H / kLanes;
  return first;
}

// A narrow layer waits for its gates; a wide one has the gates of other units to do meanwhile.
template <int H>
APPLIANCE_INLINE Vec gate_of(Vec x, Vec gain, Vec offset) {
  if constexpr (vectors_of(H) == 1)
    return scaled_tanh_soon(x, gain, offset);
  else
    return scaled_tanh(x, gain, offset);
}

// Gates of the first units first: their columns of the next frame can then begin while the others are still at work.
template <int H, int j, int... gate>
APPLIANCE_INLINE void activate_for(Vec (&gates)[vectors_of(4 * H)], const PackedRecurrent& layer,
                                   std::integer_sequence<int, gate...>) {
  const auto one = [&](auto which) {
    constexpr int i = decltype(which)::value;
    if constexpr (first_use<H>(i) == j) gates[i] = gate_of<H>(gates[i], layer.gain[i], layer.offset[i]);
  };
  (one(std::integral_constant<int, gate>{}), ...);
}

template <int H, int... unit>
APPLIANCE_INLINE void update_lstm(Vec (&gates)[vectors_of(4 * H)], const PackedRecurrent& layer, Vec* h, Vec* c,
                                  std::integer_sequence<int, unit...>) {
  const auto one = [&](auto which) {
    constexpr int j = decltype(which)::value;
    activate_for<H, j>(gates, layer, std::make_integer_sequence<int, vectors_of(4 * H)>{});
    const Vec cell = slice<H + j * kLanes>(gates) * c[j] + slice<j * kLanes>(gates) * slice<2 * H + j * kLanes>(gates);
    c[j] = cell;
    h[j] = scaled_tanh_soon(cell, slice<3 * H + j * kLanes>(gates), Vec{});
  };
  (one(std::integral_constant<int, unit>{}), ...);
}

template <int H>
APPLIANCE_INLINE void lstm_step(const PackedRecurrent& layer, Vec* h, Vec* c, const float* x) {
  constexpr int Count = vectors_of(4 * H);
  Vec acc[Count];
  for (int i = 0; i < Count; ++i) acc[i] = layer.bias[i];
  add_inputs(acc, layer, x);
  add_columns<Count, vectors_of(H) == 1 ? vectors_of(3 * H) : Count>(acc, layer.hidden_columns.data(),
                                                                     reinterpret_cast<const float*>(h), H);
  update_lstm<H>(acc, layer, h, c, std::make_integer_sequence<int, vectors_of(H)>{});
}

template <int H, int... unit>
APPLIANCE_INLINE void update_gru(const Vec (&gates)[vectors_of(3 * H)], const Vec (&recurrent)[vectors_of(3 * H)],
                                 const Vec (&input)[vectors_of(3 * H)], const Vec* hidden_bias, Vec* h,
                                 std::integer_sequence<int, unit...>) {
  const auto one = [&](auto which) {
    constexpr int j = decltype(which)::value;
    const Vec inner = slice<2 * H + j * kLanes>(recurrent) + hidden_bias[j];
    const Vec candidate =
        scaled_tanh_soon(slice<2 * H + j * kLanes>(input) + slice<j * kLanes>(gates) * inner, splat(1.0f), Vec{});
    h[j] = candidate + slice<H + j * kLanes>(gates) * (h[j] - candidate);
  };
  (one(std::integral_constant<int, unit>{}), ...);
}

template <int H>
APPLIANCE_INLINE void gru_step(const PackedRecurrent& layer, Vec* h, const float* x) {
  constexpr int Count = vectors_of(3 * H);
  Vec input[Count], recurrent[Count] = {};
  for (int i = 0; i < Count; ++i) input[i] = layer.bias[i];
  add_inputs(input, layer, x);
  add_columns<Count>(recurrent, layer.hidden_columns.data(), reinterpret_cast<const float*>(h), H);
  Vec gates[Count];
  for (int i = 0; i < vectors_of(2 * H); ++i) gates[i] = gate_of<H>(input[i] + recurrent[i], splat(0.5f), splat(0.5f));
  for (int i = vectors_of(2 * H); i < Count; ++i) gates[i] = Vec{};
  update_gru<H>(gates, recurrent, input, layer.hidden_bias.data(), h, std::make_integer_sequence<int, vectors_of(H)>{});
}

template <Cell cell, int H>
void fixed_block(const PackedRecurrent& layer, Vec* h, Vec* c, const float* x, int x_stride, Vec* out, int frames) {
  constexpr int Units = vectors_of(H);
  for (int t = 0; t < frames; ++t, x += x_stride, out += Units) {
    if constexpr (cell == Cell::kLstm)
      lstm_step<H>(layer, h, c, x);
    else
      gru_step<H>(layer, h, x);
    for (int j = 0; j < Units; ++j) out[j] = h[j];
  }
}

}  // namespace

PackedRecurrent PackedRecurrent::pack(Cell cell, const RecurrentWeights& weights) {
  const int hidden = weights.hidden, inputs = weights.inputs;
  const int rows = gates_of(cell) * hidden;
  const auto is_tanh = [&](int row) { return row / hidden == 2; };
  // A sigmoid is half a tanh of half its argument: the inner half goes into the weights, exactly.
  const auto scale = [&](int row) { return is_tanh(row) ? 1.0f : 0.5f; };
  PackedRecurrent packed;
  packed.inputs = inputs;
  for (int input = 0; input < inputs; ++input)
    append(packed.input_columns, &weights.weight_ih[input], rows, inputs, scale);
  for (int unit = 0; unit < hidden; ++unit)
    append(packed.hidden_columns, &weights.weight_hh[unit], rows, hidden, scale);
  std::vector<float> bias = weights.bias_ih;
  const int added = cell == Cell::kLstm ? rows : 2 * hidden;
  for (int row = 0; row < added; ++row) bias[row] += weights.bias_hh[row];
  append(packed.bias, bias.data(), rows, 1, scale);
  if (cell == Cell::kGru) append(packed.hidden_bias, &weights.bias_hh[added], hidden, 1, [](int) { return 1.0f; });
  const std::vector<float> ones(rows, 1.0f);
  append(packed.gain, ones.data(), rows, 1, scale);
  append(packed.offset, ones.data(), rows, 1, [&](int row) { return is_tanh(row) ? 0.0f : 0.5f; });
  return packed;
}

RecurrentKernel find_recurrent_kernel(Cell cell, int hidden) {
  struct Width {
    int hidden;
    RecurrentKernel lstm, gru;
  };
#define WIDTH(H)                                               \
  {                                                            \
    H, fixed_block<Cell::kLstm, H>, fixed_block<Cell::kGru, H> \
  }
  static constexpr Width kWidths[] = {WIDTH(8),  WIDTH(12), WIDTH(16), WIDTH(20), WIDTH(24), WIDTH(28),
                                      WIDTH(32), WIDTH(36), WIDTH(40), WIDTH(48), WIDTH(64), WIDTH(80)};
#undef WIDTH
  for (const Width& width : kWidths)
    if (width.hidden == hidden) return cell == Cell::kLstm ? width.lstm : width.gru;
  return nullptr;
}

}  // namespace appliance
