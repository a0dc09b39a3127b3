#include "clocked_loop.hpp"

#include <time.h>

namespace appliance {

namespace {

constexpr int64_t kNs = 1000000000;

int64_t now_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNs + now.tv_nsec;
}

void sleep_until(int64_t due_ns) noexcept {
  const timespec due = {static_cast<time_t>(due_ns / kNs), static_cast<long>(due_ns % kNs)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) != 0) {
  }
}

}  // namespace

int64_t run_clocked_loop(Pedal& pedal, const ClockedSource& source, uint8_t* playback, int64_t warm_up,
                         const LoopTimes& times) noexcept {
  const int frames = pedal.period_frames();
  const int64_t period_bytes = int64_t{2} * frames;
  const int64_t step = frames * kNs;  // a period in units of 1/rate ns: exact, so that no rounding adds up
  const int64_t slack_ns = (source.buffer_periods - 1) * step / source.rate_hz;
  int64_t start_ns = now_ns();
  int64_t played = 0;  // periods since start_ns
  int64_t position = 0;
  int64_t missed = 0;
  for (int64_t noted = -warm_up; noted < times.count;) {
    const int64_t due_ns = start_ns + (played + 1) * step / source.rate_hz;
    const int64_t dry_ns = start_ns + (played + source.buffer_periods) * step / source.rate_hz;
    if (now_ns() < due_ns) sleep_until(due_ns);
    const int64_t woke_ns = now_ns();
    bool in_time = woke_ns < due_ns + slack_ns;
    if (in_time) {
      pedal.process(source.bytes + position, playback, frames);
      position += period_bytes;
      if (position + period_bytes > source.size) position = 0;
      in_time = now_ns() < dry_ns;
    }
    if (!in_time) {
      missed += noted >= 0;
      start_ns = now_ns();
      played = 0;
      continue;
    }
    ++played;
    if (noted >= 0) {
      times.wake_ns[noted] = woke_ns - due_ns;
      times.busy_ns[noted] = now_ns() - woke_ns;
      times.engine_ns[noted] = pedal.last_engine_ns();
    }
    ++noted;
  }
  return missed;
}

}  // namespace appliance
