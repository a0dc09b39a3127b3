#include "stages.hpp"

#include <algorithm>

namespace appliance {

Smoother::Smoother(int sample_rate_hz, float value) : share_(one_pole(2.0f, sample_rate_hz)) {
  jump_to(value);
}

// Nearer than -100 dB is there.
void Smoother::snap() noexcept {
  const double near = 1e-5 * std::max(1.0, std::abs(target_));
  if (std::abs(value_ - target_) < near && std::abs(first_ - target_) < near) jump_to(target_);
}

void Smoother::fill(float* values, int frames) noexcept {
  for (int t = 0; t < frames; ++t) {
    if (is_settled()) {
      std::fill(values + t, values + frames, static_cast<float>(target_));
      return;
    }
    values[t] = next();
    snap();
  }
}

void Smoother::apply(float* audio, int frames) noexcept {
  int t = 0;
  for (; t < frames && !is_settled(); ++t) {
    audio[t] *= next();
    snap();
  }
  const auto gain = static_cast<float>(target_);
  if (gain != 1.0f)
    for (; t < frames; ++t) audio[t] *= gain;
}

Gate::Gate(int sample_rate_hz)
    : hold_frames_(sample_rate_hz * 60 / 1000),
      envelope_release_(one_pole(15.0f, sample_rate_hz)),
      attack_(one_pole(0.3f, sample_rate_hz)),
      release_(one_pole(35.0f, sample_rate_hz)),
      switch_off_(one_pole(5.0f, sample_rate_hz)) {}

void Gate::set_threshold_db(float db) noexcept {
  const bool was_off = open_level_ == 0.0f;
  open_level_ = db <= kOffDb ? 0.0f : db_to_linear(db);
  close_level_ = 0.5f * open_level_;
  if (was_off && open_level_ > 0.0f) {
    // Just switched on: it holds, hears what there is, and then decides.
    open_ = true;
    held_ = 0;
    envelope_ = 0.0f;
  }
}

void Gate::listen(const float* key, float* gains, int frames) noexcept {
  const bool off = open_level_ == 0.0f;
  const float opening = off ? switch_off_ : attack_;
  for (int t = 0; t < frames; ++t) {
    const float level = std::abs(key[t]);
    envelope_ = level > envelope_ ? level : envelope_ + envelope_release_ * (level - envelope_);
    if (envelope_ >= open_level_) {
      open_ = true;
      held_ = 0;
    } else if (envelope_ >= close_level_) {
      held_ = 0;
    } else if (open_ && ++held_ > hold_frames_) {
      open_ = false;
    }
    gain_ += (open_ ? opening : release_) * ((open_ ? 1.0f : 0.0f) - gain_);
    gains[t] = gain_;
  }
  if (open_ && gain_ > 0.99999f) gain_ = 1.0f;
}

void Gate::go_on_from(const Gate& other) noexcept {
  envelope_ = other.envelope_;
  gain_ = other.gain_;
  open_ = other.open_;
  held_ = other.held_;
}

void Gate::start() noexcept {
  open_ = open_level_ == 0.0f;
  gain_ = open_ ? 1.0f : 0.0f;
  envelope_ = 0.0f;
  held_ = 0;
}

DcBlock::DcBlock(int sample_rate_hz) : pole_(std::exp(-2.0 * M_PI * 5.0 / sample_rate_hz)) {}

void DcBlock::process(float* audio, int frames) noexcept {
  for (int t = 0; t < frames; ++t) {
    const double in = audio[t];
    last_out_ = in - last_in_ + pole_ * last_out_;
    last_in_ = in;
    audio[t] = static_cast<float>(last_out_);
  }
}

Limiter::Limiter(int sample_rate_hz) : release_(one_pole(80.0f, sample_rate_hz)) {}

void Limiter::process(float* audio, int frames) noexcept {
  float loudest = 0.0f;
  for (int t = 0; t < frames; ++t) loudest = std::max(loudest, std::abs(audio[t]));
  if (loudest <= kCeiling && gain_ > 0.99999f) {
    gain_ = 1.0f;
    return;
  }
  for (int t = 0; t < frames; ++t) {
    gain_ += release_ * (1.0f - gain_);
    const float level = std::abs(audio[t]);
    if (level * gain_ > kCeiling) gain_ = kCeiling / level;
    audio[t] *= gain_;
  }
}

Meter::Meter(int sample_rate_hz)
    : fall_per_frame_(std::log(db_to_linear(-20.0f)) / static_cast<float>(sample_rate_hz)),
      share_per_frame_(1.0f / (0.3f * static_cast<float>(sample_rate_hz))) {}

void Meter::listen(const float* audio, int frames) noexcept {
  if (frames == 0) return;
  float loudest = 0.0f;
  float energy = 0.0f;
  for (int t = 0; t < frames; ++t) {
    loudest = std::max(loudest, std::abs(audio[t]));
    energy += audio[t] * audio[t];
  }
  const auto n = static_cast<float>(frames);
  peak_ = std::max(loudest, peak_ * std::exp(fall_per_frame_ * n));
  mean_square_ += std::min(1.0f, share_per_frame_ * n) * (energy / n - mean_square_);
}

}  // namespace appliance
