// A model at the rate of the session, oversampled if wanted: what the chain plays.
#pragma once

#include <memory>
#include <vector>

#include "model.hpp"
#include "rates.hpp"
#include "resampler.hpp"

namespace appliance {

// The output is input through the model, latency_frames() late, whatever the size of the blocks. Everything is
// allocated by the constructor; process() and reset() are real-time safe.
class PlayedModel {
 public:
  // session_rate_hz: 0 for the model's own.
  PlayedModel(const void* blob, size_t bytes, int max_block_frames, int session_rate_hz, int oversample);

  const RatePlan& plan() const { return plan_; }
  int knob_count() const { return model_->knob_count(); }
  int latency_frames() const { return plan_.latency_frames; }
  // In frames of the session, the delay included.
  int receptive_field() const { return receptive_field_; }

  // knobs: knob_count() rows of `frames`. in and out may be the same.
  void process(const float* in, const float* const* knobs, float* out, int frames) noexcept;
  void reset() noexcept;

 private:
  void run_resampled(const float* in, const float* const* knobs, float* out, int frames) noexcept;
  void run_oversampled(const float* in, const float* const* knobs, float* out, int frames) noexcept;

  RatePlan plan_;
  std::unique_ptr<Model> model_;
  int receptive_field_ = 0;
  int chunk_frames_ = 0;  // of the session

  std::unique_ptr<Resampler> there_, back_;  // null: not resampled
  std::vector<float> model_in_;              // at the model's rate; also what the model makes of it
  std::vector<int> arrivals_;
  std::vector<float> model_knobs_;  // rows at the model's rate
  const float* model_knob_rows_[kMaxKnobs] = {};

  std::unique_ptr<HalfBand> first_, second_;  // null: not oversampled (twice)
  std::vector<float> twice_, many_;
  float half_frame_ = 0.0f;  // what the second stage gave last
  std::vector<float> many_knobs_;
  const float* many_knob_rows_[kMaxKnobs] = {};
};

}  // namespace appliance
