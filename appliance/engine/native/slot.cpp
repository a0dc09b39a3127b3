#include "slot.hpp"

#include <algorithm>
#include <cmath>

namespace appliance {

namespace {
constexpr uint32_t kPatchMagic = 0x48435450;  // "PTCH"
constexpr uint32_t kPatchVersion = 2;
}  // namespace

Slot::Slot(const void* patch, size_t bytes, int sample_rate_hz, int max_frames, std::unique_ptr<OutsideModel> outside)
    : max_frames_(max_frames),
      outside_(std::move(outside)),
      input_gain_(sample_rate_hz, 1.0f),
      level_(sample_rate_hz, 1.0f),
      knobs_(kMaxKnobs, Smoother(sample_rate_hz)),
      gate_(sample_rate_hz),
      dc_block_(sample_rate_hz),
      tone_(sample_rate_hz) {
  BlobReader reader(patch, bytes);
  if (reader.u32() != kPatchMagic) throw BadBlob("this is not a patch");
  if (const uint32_t version = reader.u32(); version != kPatchVersion)
    throw BadBlob("patch layout " + std::to_string(version) + ", this engine reads " + std::to_string(kPatchVersion));
  const uint32_t checksum = reader.u32();
  if (crc32(static_cast<const uint8_t*>(patch) + bytes - reader.left(), reader.left()) != checksum)
    throw BadBlob("the patch is damaged (its checksum does not fit)");
  generation_ = reader.u32();
  const auto patch_rate_hz = static_cast<int>(reader.u32());
  if (patch_rate_hz != sample_rate_hz)
    throw BadBlob("the patch was made for " + std::to_string(patch_rate_hz) + " Hz, the pedal runs at " +
                  std::to_string(sample_rate_hz) + " Hz");
  normalise_gain_ = reader.f32();
  const uint32_t model_bytes = reader.u32();
  const uint32_t cabinet_frames = reader.u32();
  knob_count_ = reader.integer("knobs", 0, kMaxKnobs);
  const int oversample = reader.integer("oversampling", 1, 4);
  const uint8_t* model = reader.bytes(model_bytes);
  const std::vector<float> cabinet = reader.floats(cabinet_frames);
  reader.expect_end();
  if (model_bytes > 0 && !outside_) {
    model_ = std::make_unique<PlayedModel>(model, model_bytes, max_frames, sample_rate_hz, oversample);
    if (model_->knob_count() != knob_count_) throw BadBlob("the patch and its model do not have the same knobs");
  }
  cabinet_frames_ = static_cast<int>(cabinet.size());
  if (!cabinet.empty())
    cabinet_ = std::make_unique<Convolver>(cabinet.data(), static_cast<int>(cabinet.size()), max_frames);
  gate_gains_.assign(max_frames, 1.0f);
  knob_rows_.assign(static_cast<size_t>(std::max(knob_count_, 1)) * max_frames, 0.0f);
  for (int knob = 0; knob < knob_count_; ++knob)
    knob_pointers_[knob] = knob_rows_.data() + static_cast<ptrdiff_t>(knob) * max_frames;
}

int Slot::warm_up_frames() const noexcept {
  return outside_ ? outside_->receptive_field() : model_ ? model_->receptive_field() : 0;
}

// A model begins with a thump (its biases through empty histories) and many rest on an offset; nobody should hear
// either.
bool Slot::warm(const std::function<bool()>& keep_going) {
  for (int knob = 0; knob < knob_count_; ++knob)
    std::fill_n(knob_rows_.data() + static_cast<ptrdiff_t>(knob) * max_frames_, max_frames_, knobs_[knob].value());
  std::vector<float> audio(max_frames_, 0.0f);
  int frames = 0;
  for (int left = warm_up_frames(); left > 0; left -= frames) {
    if (!keep_going()) return false;
    frames = std::min(left, max_frames_);
    std::fill(audio.begin(), audio.end(), 0.0f);
    run_model(audio.data(), frames);
    dc_block_.settle(audio[frames - 1]);  // and behind it the cabinet rests at zero
  }
  gate_.start();
  return true;
}

void Slot::follow(const ControlsPayload& controls, bool jump) noexcept {
  const float normalise = controls.flags & kNormalise ? normalise_gain_ : 1.0f;
  input_gain_.set_target(db_to_linear(controls.input_gain_db));
  level_.set_target(db_to_linear(controls.level_db) * normalise);
  gate_.set_threshold_db(controls.gate_threshold_db);
  tone_.set_targets_db(controls.bass_db, controls.middle_db, controls.treble_db, jump);
  for (int knob = 0; knob < knob_count_; ++knob)
    if (knob < static_cast<int>(controls.knob_count)) knobs_[knob].set_target(controls.knobs[knob]);
  if (jump) {
    input_gain_.jump_to(db_to_linear(controls.input_gain_db));
    level_.jump_to(db_to_linear(controls.level_db) * normalise);
    for (int knob = 0; knob < knob_count_; ++knob)
      if (knob < static_cast<int>(controls.knob_count)) knobs_[knob].jump_to(controls.knobs[knob]);
  }
}

void Slot::run_model(float* audio, int frames) noexcept {
  if (outside_)
    outside_->process(audio, knob_pointers_, knob_count_, frames);
  else if (model_)
    model_->process(audio, knob_pointers_, audio, frames);
}

bool Slot::process(const float* in, float* out, int frames) noexcept {
  std::copy_n(in, frames, out);
  input_gain_.apply(out, frames);
  const bool gated = !gate_.is_idle();
  if (gated) gate_.listen(out, gate_gains_.data(), frames);
  for (int knob = 0; knob < knob_count_; ++knob)
    knobs_[knob].fill(knob_rows_.data() + static_cast<ptrdiff_t>(knob) * max_frames_, frames);
  run_model(out, frames);
  if (gated)
    for (int t = 0; t < frames; ++t) out[t] *= gate_gains_[t];
  if (silent_frames_ > 0) dc_block_.settle(out[frames - 1]);
  dc_block_.process(out, frames);
  tone_.process(out, frames);
  // Behind the DC block, so that on silence it is fed true zeros: of a constant a transform makes a pattern of
  // rounding.
  if (cabinet_) cabinet_->process(out, out, frames);
  level_.apply(out, frames);

  // NaN and infinity survive a multiplication by zero, everything else vanishes.
  float poison = 0.0f;
  for (int t = 0; t < frames; ++t) poison += out[t] * 0.0f;
  if (poison != 0.0f) {
    start_afresh();
    std::fill_n(out, frames, 0.0f);
    return false;
  }
  if (silent_frames_ > 0) {
    std::fill_n(out, frames, 0.0f);
    silent_frames_ = std::max(0, silent_frames_ - frames);
    if (silent_frames_ == 0) level_.rise();
  }
  return true;
}

void Slot::start_afresh() noexcept {
  if (model_) model_->reset();
  if (cabinet_) cabinet_->reset();
  gate_.start();
  dc_block_.settle(0.0f);
  tone_.reset();
  silent_frames_ = std::max(1, warm_up_frames() + cabinet_frames_);
}

}  // namespace appliance
