// The small stages round the model. Each has prepare (its constructor), process and reset; all are real-time safe.
#pragma once

#include <cmath>

namespace appliance {

inline float db_to_linear(float db) {
  return std::pow(10.0f, db * 0.05f);
}

// Share of the way a one-pole filter goes in one frame to follow with the time constant `ms`.
inline float one_pole(float ms, int sample_rate_hz) {
  return 1.0f - std::exp(-1000.0f / (ms * static_cast<float>(sample_rate_hz)));
}

// A value that glides to its target: two one-poles of 2 ms in a row, so that neither the value nor its slope jumps.
class Smoother {
 public:
  explicit Smoother(int sample_rate_hz, float value = 0.0f);

  void set_target(float target) noexcept { target_ = target; }
  void jump_to(float value) noexcept { target_ = first_ = value_ = value; }

  // From zero up to the target.
  void rise() noexcept { first_ = value_ = 0.0; }

  bool is_settled() const noexcept { return value_ == target_; }
  float value() const noexcept { return static_cast<float>(value_); }

  float next() noexcept {
    first_ += share_ * (target_ - first_);
    value_ += share_ * (first_ - value_);
    return static_cast<float>(value_);
  }

  // Writes the next `frames` values. Once near enough, the value is the target exactly.
  void fill(float* values, int frames) noexcept;

  // Multiplies a block by the gliding value.
  void apply(float* audio, int frames) noexcept;

 private:
  void snap() noexcept;

  // In double precision: in single, two steps of rounding stop a glide short of its target.
  double share_;
  double target_ = 0.0;
  double first_ = 0.0;
  double value_ = 0.0;
};

// Noise gate: hears the signal before the model (clean, so that the decision is sure), closes what comes after it (so
// that the model's own hiss goes too). Opens in 1 ms, holds 60 ms, closes over 100 ms; 6 dB of hysteresis.
class Gate {
 public:
  explicit Gate(int sample_rate_hz);

  static constexpr float kOffDb = -120.0f;
  void set_threshold_db(float db) noexcept;
  void listen(const float* key, float* gains, int frames) noexcept;  // gains to be applied to the model's output
  float gain() const noexcept { return gain_; }

  // Off and wholly open: nothing to listen for or to apply.
  bool is_idle() const noexcept { return open_level_ == 0.0f && gain_ == 1.0f; }

  // Goes on where another gate is: a change of patch must not open a closed one.
  void go_on_from(const Gate& other) noexcept;

  // Before the first sound: closed, unless the gate is off.
  void start() noexcept;

 private:
  float open_level_ = 0.0f;  // linear; 0 = off
  float close_level_ = 0.0f;
  float envelope_ = 0.0f;
  float gain_ = 1.0f;
  bool open_ = true;
  int held_ = 0;
  int hold_frames_;
  float envelope_release_;
  float attack_;
  float release_;
  float switch_off_;  // how fast it opens when it is switched off: nobody plays, so without a start
};

// First-order high-pass at 5 Hz: some models and every asymmetric amp leave an offset.
class DcBlock {
 public:
  explicit DcBlock(int sample_rate_hz);
  void process(float* audio, int frames) noexcept;
  // As if the input had stood at `level` for ever.
  void settle(float level) noexcept {
    last_in_ = level;
    last_out_ = 0.0;
  }

 private:
  double pole_;
  double last_in_ = 0.0;
  double last_out_ = 0.0;
};

// Peak limiter without look-ahead (so without delay): never lets a sample over -0.3 dBFS, lets go over 80 ms.
class Limiter {
 public:
  explicit Limiter(int sample_rate_hz);
  static constexpr float kCeiling = 0.966f;
  void process(float* audio, int frames) noexcept;
  float gain() const noexcept { return gain_; }
  void reset() noexcept { gain_ = 1.0f; }

 private:
  float release_;
  float gain_ = 1.0f;
};

// Peak (falling 20 dB a second) and RMS (300 ms) of a signal.
class Meter {
 public:
  explicit Meter(int sample_rate_hz);
  void listen(const float* audio, int frames) noexcept;
  float peak() const noexcept { return peak_; }
  float rms() const noexcept { return std::sqrt(mean_square_); }

 private:
  float fall_per_frame_;
  float share_per_frame_;
  float peak_ = 0.0f;
  float mean_square_ = 0.0f;
};

}  // namespace appliance
