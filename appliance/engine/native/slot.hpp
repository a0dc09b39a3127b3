// A patch made ready to sound: input gain → gate key → model → gate → DC block → tone → cabinet →
// level.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "convolver.hpp"
#include "played_model.hpp"
#include "shared_memory.hpp"
#include "stages.hpp"
#include "tone.hpp"

namespace appliance {

// A model that lives outside the compiled engine (ONNX Runtime, the reference): offline use.
class OutsideModel {
 public:
  virtual ~OutsideModel() = default;
  virtual int receptive_field() const = 0;
  virtual void process(float* audio, const float* const* knobs, int knob_count, int frames) = 0;
};

// Everything is allocated by the constructor, away from the audio thread; process() and follow() are real-time safe.
// Two of them sound at once during a change.
class Slot {
 public:
  // patch: what engine/packing.py pack_patch() made. Throws BadBlob.
  Slot(const void* patch, size_t bytes, int sample_rate_hz, int max_frames, std::unique_ptr<OutsideModel> outside);

  uint32_t generation() const { return generation_; }

  // New targets; `jump` skips the glide (before the slot is first heard). Knobs the model lacks are ignored.
  void follow(const ControlsPayload& controls, bool jump) noexcept;

  // in and out: max_frames at most; in is left as it is. False when the model gave NaN or infinity: `out` is then
  // silent and the slot starts afresh.
  bool process(const float* in, float* out, int frames) noexcept;

  // Runs silence through the whole receptive field, with the knobs where they are, and lets the cabinet and the DC
  // block settle on what comes out. Slow; not for the audio thread. False when `keep_going` said no.
  bool warm(const std::function<bool()>& keep_going = [] { return true; });

  // Takes over from the slot that sounds: its gate stays as open or closed as it is.
  void go_on_from(const Slot& other) noexcept { gate_.go_on_from(other.gate_); }

  // How late the sound comes out, in frames.
  int latency_frames() const noexcept { return model_ ? model_->latency_frames() : 0; }

  float gate_gain() const noexcept { return gate_.gain(); }

  // Empties every history; silent until the receptive field has passed.
  void start_afresh() noexcept;

 private:
  void run_model(float* audio, int frames) noexcept;
  int warm_up_frames() const noexcept;

  uint32_t generation_ = 0;
  float normalise_gain_ = 1.0f;
  int max_frames_;
  std::unique_ptr<PlayedModel> model_;  // null: the signal goes straight to the cabinet
  std::unique_ptr<OutsideModel> outside_;
  std::unique_ptr<Convolver> cabinet_;  // null: none
  int cabinet_frames_ = 0;
  int silent_frames_ = 0;  // still to be kept back after start_afresh()
  int knob_count_ = 0;

  Smoother input_gain_;
  Smoother level_;
  std::vector<Smoother> knobs_;
  Gate gate_;
  DcBlock dc_block_;
  Tone tone_;
  std::vector<float> gate_gains_;
  std::vector<float> knob_rows_;
  const float* knob_pointers_[kMaxKnobs] = {};
};

}  // namespace appliance
