// Bass, middle and treble, between the amp and its cabinet.
#pragma once

#include "stages.hpp"

namespace appliance {

// A low shelf, a bell and a high shelf in a row, ±12 dB each. State-variable filters in their trapezoidal form: what
// they keep is the state of capacitors, so turning a band while it sounds makes no click. At 0 dB the output is the
// input, bit for bit. Formulas: Andrew Simper, "Solving the continuous SVF equations using trapezoidal integration"
// (Cytomic, 2013). Real-time safe.
class Tone {
 public:
  static constexpr float kBassHz = 150.0f;
  static constexpr float kMiddleHz = 650.0f;
  static constexpr float kTrebleHz = 2500.0f;

  explicit Tone(int sample_rate_hz);

  void set_targets_db(float bass_db, float middle_db, float treble_db, bool jump) noexcept;
  void process(float* audio, int frames) noexcept;
  void reset() noexcept;

 private:
  enum class Shape { kLowShelf, kBell, kHighShelf };

  class Band {
   public:
    Band(Shape shape, float corner_hz, int sample_rate_hz);
    void set_target_db(float db, bool jump) noexcept;
    bool is_flat() const noexcept { return root_gain_.is_settled() && root_gain_.value() == 1.0f; }
    void process(float* audio, int frames) noexcept;
    void reset() noexcept { first_ = second_ = 0.0f; }

   private:
    void work_out(float root_gain) noexcept;

    Shape shape_;
    float warped_;        // tan(pi f / rate)
    Smoother root_gain_;  // square root of the band's gain
    float a1_ = 0.0f, a2_ = 0.0f, a3_ = 0.0f;
    float direct_ = 1.0f, band_ = 0.0f, low_ = 0.0f;
    float first_ = 0.0f, second_ = 0.0f;
  };

  Band bands_[3];
};

}  // namespace appliance
