// Which way a model of one sample rate plays at another, and what delay that costs. docs/rates.md has the measurements.
#pragma once

#include "model.hpp"

namespace appliance {

// How the model's rate and the rate it runs at meet.
enum class RateMethod : int {
  kSame,          // they are the same
  kLongerDelays,  // a whole multiple: every delay inside the network is that many times as long
  kDelayedState,  // recurrent nets at a higher rate: the state comes back later (state_delay.hpp)
  kResampled,     // the signal is brought to the model's rate and back (resampler.hpp)
};

struct RatePlan {
  RateMethod method = RateMethod::kSame;
  int model_rate_hz = 0;
  int session_rate_hz = 0;
  int oversample = 1;      // 1, 2 or 4; 1 for Linear models, which make no aliases
  double stretch = 1.0;    // rate the network runs at / its own rate
  int latency_frames = 0;  // of the session
};

// oversample: 1, 2 or 4. Throws BadBlob for anything else.
RatePlan plan_rates(ModelKind kind, int model_rate_hz, int session_rate_hz, int oversample);

// Delay of up- and down-sampling by 2 or 4, in frames of the lower rate; 0 for 1.
int oversampling_latency_frames(int oversample);

// Taps per phase of the half-band filters: from 1 to 2 times the rate, and from 2 to 4 times.
constexpr int kFirstStageTaps = 30;
constexpr int kSecondStageTaps = 12;

}  // namespace appliance
