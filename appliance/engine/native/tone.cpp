#include "tone.hpp"

#include <algorithm>

namespace appliance {

namespace {
constexpr float kShelfDamping = 1.41421356f;  // 1/Q: as steep as a shelf gets without a bump
constexpr float kBellDamping = 1.25f;         // 1/Q: about two octaves wide
constexpr float kHighestShare = 0.45f;        // of the rate: a corner beyond stays below half of it
}  // namespace

Tone::Band::Band(Shape shape, float corner_hz, int sample_rate_hz)
    : shape_(shape),
      warped_(
          static_cast<float>(std::tan(M_PI * std::min(corner_hz / static_cast<float>(sample_rate_hz), kHighestShare)))),
      root_gain_(sample_rate_hz, 1.0f) {
  work_out(1.0f);
}

void Tone::Band::set_target_db(float db, bool jump) noexcept {
  const float root_gain = db == 0.0f ? 1.0f : db_to_linear(0.5f * db);
  root_gain_.set_target(root_gain);
  if (!jump) return;
  root_gain_.jump_to(root_gain);
  work_out(root_gain);
}

void Tone::Band::work_out(float root_gain) noexcept {
  const float gain = root_gain * root_gain;
  float g = warped_;
  float k = kShelfDamping;
  switch (shape_) {
    case Shape::kLowShelf:
      g /= std::sqrt(root_gain);
      direct_ = 1.0f;
      band_ = k * (root_gain - 1.0f);
      low_ = gain - 1.0f;
      break;
    case Shape::kBell:
      k = kBellDamping / root_gain;
      direct_ = 1.0f;
      band_ = k * (gain - 1.0f);
      low_ = 0.0f;
      break;
    case Shape::kHighShelf:
      g *= std::sqrt(root_gain);
      direct_ = gain;
      band_ = k * (1.0f - root_gain) * root_gain;
      low_ = 1.0f - gain;
      break;
  }
  a1_ = 1.0f / (1.0f + g * (g + k));
  a2_ = g * a1_;
  a3_ = g * a2_;
}

void Tone::Band::process(float* audio, int frames) noexcept {
  for (int t = 0; t < frames; ++t) {
    if (!root_gain_.is_settled()) {
      float root_gain;
      root_gain_.fill(&root_gain, 1);
      work_out(root_gain);
    }
    const float in = audio[t];
    const float rest = in - second_;
    const float band = a1_ * first_ + a2_ * rest;
    const float low = second_ + a2_ * first_ + a3_ * rest;
    first_ = 2.0f * band - first_;
    second_ = 2.0f * low - second_;
    audio[t] = direct_ * in + band_ * band + low_ * low;
  }
}

Tone::Tone(int sample_rate_hz)
    : bands_{{Shape::kLowShelf, kBassHz, sample_rate_hz},
             {Shape::kBell, kMiddleHz, sample_rate_hz},
             {Shape::kHighShelf, kTrebleHz, sample_rate_hz}} {}

void Tone::set_targets_db(float bass_db, float middle_db, float treble_db, bool jump) noexcept {
  bands_[0].set_target_db(bass_db, jump);
  bands_[1].set_target_db(middle_db, jump);
  bands_[2].set_target_db(treble_db, jump);
}

void Tone::process(float* audio, int frames) noexcept {
  for (Band& band : bands_) {
    if (band.is_flat())
      band.reset();  // it begins from rest, and its gain glides from one: nothing is heard of that
    else
      band.process(audio, frames);
  }
}

void Tone::reset() noexcept {
  for (Band& band : bands_) band.reset();
}

}  // namespace appliance
