// Between two sample rates, with a delay that is known: linear phase, aliases and images 90 dB down.
#pragma once

#include <cstdint>
#include <vector>

#include "simd.hpp"

namespace appliance {

// Any ratio, by a windowed sinc that is looked up at the place where each new sample lies. Places are whole numbers of
// 1/to_hz input frames, so nothing drifts however long it runs. Flat to 0.41 of the lower rate, 90 dB down from 0.59 of
// it: what folds in between lands above 0.41 (18 kHz at 44.1 kHz).
// Allocated by the constructor; push() and reset() are real-time safe.
class Resampler {
 public:
  // Output 0 lies `first_place` / to_hz input frames after input 0; before it all is silence.
  Resampler(int from_hz, int to_hz, int64_t first_place, int max_in_frames);

  // Input frames on either side of a place that a sample is made from.
  static int reach_frames(int from_hz, int to_hz);

  // Takes `frames` (max_in_frames at most) and writes the samples that can be made now, `most` at most; returns how
  // many. arrivals[k], where given: the input frame of this push that completed sample k.
  int push(const float* in, int frames, float* out, int most, int* arrivals) noexcept;

  // The most samples one push can give.
  int max_out_frames() const { return max_out_frames_; }
  void reset() noexcept;

 private:
  float sample_at(const float* first) const noexcept;

  int64_t to_hz_;
  int64_t step_whole_, step_rest_;  // a place to the next: whole input frames, and the rest in 1/to_hz
  int reach_;
  int taps_;    // a multiple of kLanes; the padding is zero
  int phases_;  // of the table, between two input frames
  int max_out_frames_;
  std::vector<float> table_;   // [phases + 1][taps]
  std::vector<float> buffer_;  // input, oldest first
  int64_t start_index_, start_rest_;
  int64_t index_ = 0, rest_ = 0;  // the next place, from the buffer's start
  int start_filled_;
  int filled_ = 0;
};

// Twice the rate and back, by half-band filters. Up and down together delay by taps_per_phase − 1 frames of the lower
// rate. Allocated by the constructor; process() and reset() are real-time safe.
class HalfBand {
 public:
  // taps_per_phase: even; the filter has 2 · taps_per_phase − 1 taps, every other one of them zero.
  HalfBand(int taps_per_phase, int max_frames);

  // frames in → 2 · frames out.
  void up(const float* in, float* out, int frames) noexcept;
  // 2 · frames in → frames out.
  void down(const float* in, float* out, int frames) noexcept;
  void reset() noexcept;

 private:
  // acc[t] = Σ taps[j] · line[past + t − j], to `out_` for frames rounded up to lanes.
  void filter(const std::vector<float>& line, int frames) noexcept;
  void keep_past(std::vector<float>& line, int frames) noexcept;

  int past_;
  std::vector<float> taps_;
  std::vector<float> up_line_, even_line_, odd_line_;  // past_ old frames, then the block
  std::vector<float> out_;
};

}  // namespace appliance
