// A recurrent net away from the rate it was trained at: its own state reaches it R steps late instead of one.
//
// R = running rate / trained rate, so the feedback keeps its delay in seconds and the time constants stay what they
// were (Carson, Välimäki, Wright, Bilbao, "Sample rate independent recurrent neural networks for audio effects
// processing", DAFx-24). A whole R is exact. Between whole steps a parabola or cubic (Lagrange) through past states
// tells what the state was; docs/rates.md compares it with a straight line and says why it is stable. A state is held
// within ±kMostState all the same, far beyond what any activation tells apart, so that nothing can become infinite.
#pragma once

#include <algorithm>
#include <vector>

#include "simd.hpp"

namespace appliance {

constexpr float kMostState = 1e4f;

// The past h and c of one layer. Allocated by prepare(); the rest is real-time safe.
class StateDelay {
 public:
  // steps ≥ 1. vectors: of one state.
  void prepare(double steps, int vectors) {
    rows_ = 2 * vectors;
    const int whole = static_cast<int>(steps);
    fractional_ = steps > whole;
    length_ = whole;
    if (fractional_) {
      // The four states round the place, or, below two steps, those that are past already. There the cubic's gain rises
      // above one the farther the place is from one step (0.8 % at 44.1 → 48 kHz, up to 16 %), the parabola's never.
      const int first = std::max(1, whole - 1);
      const int points = steps < 1.1 || steps >= 2.0 ? 4 : 3;
      length_ = first + 3;
      for (int tap = 0; tap < points; ++tap) {
        double weight = 1.0;
        for (int other = 0; other < points; ++other)
          if (other != tap) weight *= (steps - first - other) / (tap - other);
        weights_[tap] = static_cast<float>(weight);
      }
    }
    past_.assign(static_cast<size_t>(length_) * rows_, Vec{});
    oldest_ = 0;
  }

  bool is_on() const { return length_ > 1; }

  void fill(const Vec* h, const Vec* c) noexcept {
    for (int step = 0; step < length_; ++step) {
      std::copy_n(h, rows_ / 2, row(step));
      std::copy_n(c, rows_ / 2, row(step) + rows_ / 2);
    }
    oldest_ = 0;
  }

  // h and c as they were R steps ago.
  APPLIANCE_INLINE void recall(Vec* h, Vec* c) const noexcept {
    const int half = rows_ / 2;
    if (!fractional_) {
      const Vec* then = row(oldest_);
      for (int v = 0; v < half; ++v) h[v] = then[v];
      for (int v = 0; v < half; ++v) c[v] = then[half + v];
      return;
    }
    const Vec* state[4];  // newest first
    for (int tap = 0; tap < 4; ++tap) {
      const int step = oldest_ + 3 - tap;
      state[tap] = row(step < length_ ? step : step - length_);
    }
    for (int v = 0; v < half; ++v) h[v] = between(state, v);
    for (int v = 0; v < half; ++v) c[v] = between(state, half + v);
  }

  APPLIANCE_INLINE void remember(const Vec* h, const Vec* c) noexcept {
    Vec* to = row(oldest_);
    const int half = rows_ / 2;
    for (int v = 0; v < half; ++v) to[v] = h[v];
    for (int v = 0; v < half; ++v) to[half + v] = c[v];
    if (++oldest_ == length_) oldest_ = 0;
  }

 private:
  APPLIANCE_INLINE Vec between(const Vec* const (&state)[4], int v) const noexcept {
    Vec value = weights_[0] * state[0][v];
    for (int tap = 1; tap < 4; ++tap) value += weights_[tap] * state[tap][v];
    return larger(smaller(value, splat(kMostState)), splat(-kMostState));
  }

  Vec* row(int step) { return past_.data() + static_cast<ptrdiff_t>(step) * rows_; }
  const Vec* row(int step) const { return past_.data() + static_cast<ptrdiff_t>(step) * rows_; }

  int rows_ = 0;    // vectors of h and c together
  int length_ = 1;  // states kept
  int oldest_ = 0;
  bool fractional_ = false;
  float weights_[4] = {};
  std::vector<Vec> past_;  // ring [step][h, c]
};

}  // namespace appliance
