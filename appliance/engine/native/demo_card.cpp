#include "demo_card.hpp"

#include <time.h>

namespace appliance {

namespace {
constexpr int64_t kNs = 1000000000;
}

int64_t MonotonicClock::now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNs + now.tv_nsec;
}

void MonotonicClock::sleep_until(int64_t due_ns) {
  const timespec due = {static_cast<time_t>(due_ns / kNs), static_cast<long>(due_ns % kNs)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) != 0) {
  }
}

DemoCard::DemoCard(int rate_hz, int period_frames, int buffer_periods, std::unique_ptr<CardClock> clock)
    : rate_hz_(rate_hz),
      buffer_periods_(buffer_periods),
      period_bytes_(int64_t{2} * period_frames),
      step_(period_frames * kNs),
      slack_ns_((buffer_periods - 1) * step_ / rate_hz),
      clock_(std::move(clock)) {}

void DemoCard::load(const uint8_t* recording, size_t bytes) {
  recording_.assign(recording, recording + bytes);
  recording_.insert(recording_.end(), recording, recording + period_bytes_);
  position_ = 0;
}

void DemoCard::start() {
  start_ns_ = clock_->now_ns();
  taken_ = given_ = 0;
  if (skip_ == 0 && !is_noted()) {
    ++missed_;
    skip_ = 1;
  }
}

const uint8_t* DemoCard::next_period() noexcept {
  const uint8_t* period = recording_.data() + position_;
  const auto loop_bytes = static_cast<int64_t>(recording_.size()) - period_bytes_;
  position_ += period_bytes_;
  if (position_ >= loop_bytes) position_ -= loop_bytes;
  return period;
}

bool DemoCard::wait() {
  if (!is_noted()) note_last_period();
  ++taken_;
  due_ns_ = at(taken_);
  if (clock_->now_ns() < due_ns_) clock_->sleep_until(due_ns_);
  woke_ns_ = clock_->now_ns();
  return woke_ns_ < due_ns_ + slack_ns_;
}

bool DemoCard::give() {
  if (given_ >= taken_) {
    const int64_t room_ns = at(given_ + 1);
    if (clock_->now_ns() < room_ns) clock_->sleep_until(room_ns);
  }
  return clock_->now_ns() < at(given_++ + buffer_periods_);
}

DemoCard::Outcome DemoCard::play(Pedal& pedal, uint8_t* playback, int64_t periods, int64_t& moved) {
  for (moved = 0; moved < periods; ++moved) {
    const uint8_t* period = next_period();
    if (!wait()) return Outcome::kCaptureLate;
    pedal.process(period, playback, pedal.period_frames());
    if (!give()) return Outcome::kPlaybackLate;
  }
  return Outcome::kInTime;
}

void DemoCard::note(const LoopTimes& times, int64_t warm_up, const Pedal* pedal) noexcept {
  times_ = times;
  pedal_ = pedal;
  noted_ = missed_ = 0;
  skip_ = warm_up + 1;  // the first wait() has no period before it
}

void DemoCard::note_last_period() {
  if (skip_ > 0) {
    --skip_;
    return;
  }
  times_.busy_ns[noted_] = clock_->now_ns() - woke_ns_;
  times_.wake_ns[noted_] = woke_ns_ - due_ns_;
  times_.engine_ns[noted_] = pedal_->last_engine_ns();
  ++noted_;
}

}  // namespace appliance
