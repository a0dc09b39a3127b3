#include "played_model.hpp"

#include <algorithm>
#include <cmath>

namespace appliance {

namespace {
constexpr int kChunkFrames = 256;  // larger blocks are run in chunks of this
}

PlayedModel::PlayedModel(const void* blob, size_t bytes, int max_block_frames, int session_rate_hz, int oversample) {
  BlobReader reader(blob, bytes);
  const ModelHeader header = ModelHeader::read(reader);
  const int rate_hz = session_rate_hz == 0 ? header.sample_rate_hz : session_rate_hz;
  plan_ = plan_rates(header.kind, header.sample_rate_hz, rate_hz, oversample);
  const bool resampled = plan_.method == RateMethod::kResampled;
  const int times = plan_.oversample;
  if (!resampled && times == 1) {  // nothing between the chain and the model
    model_ = std::make_unique<Model>(blob, bytes, max_block_frames, plan_.stretch);
    receptive_field_ = model_->receptive_field();
    return;
  }
  chunk_frames_ = std::min(std::max(max_block_frames, 1), kChunkFrames);
  const int knobs = header.inputs - 1;
  int model_frames = chunk_frames_;  // before oversampling
  if (resampled) {
    there_ = std::make_unique<Resampler>(rate_hz, header.sample_rate_hz, 0, chunk_frames_);
    model_frames = there_->max_out_frames();
    const int64_t around = oversampling_latency_frames(times);
    const int64_t first_place = around * rate_hz - int64_t{plan_.latency_frames} * header.sample_rate_hz;
    back_ = std::make_unique<Resampler>(header.sample_rate_hz, rate_hz, first_place, model_frames);
    model_in_.assign(model_frames, 0.0f);
    arrivals_.assign(model_frames, 0);
    model_knobs_.assign(static_cast<size_t>(std::max(knobs, 1)) * model_frames, 0.0f);
    for (int knob = 0; knob < knobs; ++knob) model_knob_rows_[knob] = model_knobs_.data() + knob * model_frames;
  }
  if (times > 1) {
    first_ = std::make_unique<HalfBand>(kFirstStageTaps, model_frames);
    if (times == 4) second_ = std::make_unique<HalfBand>(kSecondStageTaps, 2 * model_frames);
    twice_.assign(2 * static_cast<size_t>(model_frames), 0.0f);
    many_.assign(4 * static_cast<size_t>(model_frames), 0.0f);
    many_knobs_.assign(static_cast<size_t>(std::max(knobs, 1)) * times * model_frames, 0.0f);
    for (int knob = 0; knob < knobs; ++knob)
      many_knob_rows_[knob] = many_knobs_.data() + static_cast<ptrdiff_t>(knob) * times * model_frames;
  }
  model_ = std::make_unique<Model>(blob, bytes, times * model_frames, plan_.stretch);
  const double own_frames = model_->receptive_field() / plan_.stretch;
  const double frames = own_frames * rate_hz / header.sample_rate_hz;
  receptive_field_ = static_cast<int>(std::ceil(frames)) + 2 * plan_.latency_frames;
}

void PlayedModel::reset() noexcept {
  model_->reset();
  if (there_) there_->reset();
  if (back_) back_->reset();
  if (first_) first_->reset();
  if (second_) second_->reset();
  half_frame_ = 0.0f;
}

void PlayedModel::process(const float* in, const float* const* knobs, float* out, int frames) noexcept {
  if (!there_ && !first_) {
    model_->process(in, knobs, out, frames);
    return;
  }
  const float* rows[kMaxKnobs];
  for (int done = 0; done < frames; done += chunk_frames_) {
    const int chunk = std::min(chunk_frames_, frames - done);
    for (int knob = 0; knob < knob_count(); ++knob) rows[knob] = knobs[knob] + done;
    if (there_)
      run_resampled(in + done, rows, out + done, chunk);
    else
      run_oversampled(in + done, rows, out + done, chunk);
  }
}

// The delay is long enough that `back_` always has as many frames to give as came in.
void PlayedModel::run_resampled(const float* in, const float* const* knobs, float* out, int frames) noexcept {
  const int count = there_->push(in, frames, model_in_.data(), there_->max_out_frames(), arrivals_.data());
  const auto stride = static_cast<ptrdiff_t>(arrivals_.size());
  for (int knob = 0; knob < knob_count(); ++knob)
    for (int k = 0; k < count; ++k) model_knobs_[knob * stride + k] = knobs[knob][arrivals_[k]];
  if (first_ && count > 0)
    run_oversampled(model_in_.data(), model_knob_rows_, model_in_.data(), count);
  else
    model_->process(model_in_.data(), model_knob_rows_, model_in_.data(), count);
  back_->push(model_in_.data(), count, out, frames, nullptr);
}

void PlayedModel::run_oversampled(const float* in, const float* const* knobs, float* out, int frames) noexcept {
  const int times = plan_.oversample;
  const auto stride = static_cast<ptrdiff_t>(many_knobs_.size()) / std::max(knob_count(), 1);
  for (int knob = 0; knob < knob_count(); ++knob)
    for (int t = 0; t < times * frames; ++t) many_knobs_[knob * stride + t] = knobs[knob][t / times];
  if (second_ == nullptr) {
    first_->up(in, many_.data(), frames);
    model_->process(many_.data(), many_knob_rows_, many_.data(), 2 * frames);
    first_->down(many_.data(), out, frames);
    return;
  }
  first_->up(in, twice_.data(), frames);
  second_->up(twice_.data(), many_.data(), 2 * frames);
  model_->process(many_.data(), many_knob_rows_, many_.data(), 4 * frames);
  // The second stage delays by an odd number of frames at twice the rate; one more makes it whole at the lower.
  second_->down(many_.data(), many_.data(), 2 * frames);
  twice_[0] = half_frame_;
  std::copy_n(many_.data(), 2 * frames - 1, twice_.data() + 1);
  half_frame_ = many_[2 * frames - 1];
  first_->down(twice_.data(), out, frames);
}

}  // namespace appliance
