#include "rates.hpp"

#include <cmath>
#include <string>

#include "resampler.hpp"

namespace appliance {

int oversampling_latency_frames(int oversample) {
  // The second stage delays by an odd number of half frames; PlayedModel adds another half.
  return (oversample >= 2 ? kFirstStageTaps - 1 : 0) + (oversample == 4 ? kSecondStageTaps / 2 : 0);
}

RatePlan plan_rates(ModelKind kind, int model_rate_hz, int session_rate_hz, int oversample) {
  if (oversample != 1 && oversample != 2 && oversample != 4)
    throw BadBlob("oversampling is " + std::to_string(oversample) + ", wanted 1, 2 or 4");
  if (model_rate_hz < 1 || session_rate_hz < 1) throw BadBlob("a sample rate must be more than 0 Hz");
  RatePlan plan;
  plan.model_rate_hz = model_rate_hz;
  plan.session_rate_hz = session_rate_hz;
  plan.oversample = kind == ModelKind::kLinear ? 1 : oversample;
  const int64_t running_hz = int64_t{session_rate_hz} * plan.oversample;
  const bool whole = running_hz % model_rate_hz == 0;
  const bool delayed = kind == ModelKind::kRecurrent && running_hz > model_rate_hz;
  const int around = oversampling_latency_frames(plan.oversample);
  if (whole || delayed) {
    plan.stretch = static_cast<double>(running_hz) / model_rate_hz;
    plan.latency_frames = around;
    if (session_rate_hz != model_rate_hz)
      plan.method = delayed              ? RateMethod::kDelayedState
                    : plan.stretch > 1.0 ? RateMethod::kLongerDelays
                                         : RateMethod::kSame;
    return plan;
  }
  plan.method = RateMethod::kResampled;
  plan.stretch = plan.oversample;
  // A sample of the session may ask for model frames up to `back` ahead of its place, and each of those for session
  // frames up to `there` ahead.
  const int there = Resampler::reach_frames(session_rate_hz, model_rate_hz);
  const int back = Resampler::reach_frames(model_rate_hz, session_rate_hz);
  plan.latency_frames =
      there + static_cast<int>(std::ceil(static_cast<double>(around + back) * session_rate_hz / model_rate_hz));
  return plan;
}

}  // namespace appliance
