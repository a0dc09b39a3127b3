// A sound card that is not there: a recording comes in, round and round, and what goes out is heard elsewhere. Its
// timing is a card's: capture period k is there at start + (k+1) periods; playback holds `buffer_periods` periods and
// starts filled with silence. Behind audio/demo.py, and what both loops of `appliance bench loop` play.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pedal.hpp"

namespace appliance {

// Where a card takes its time from.
class CardClock {
 public:
  virtual ~CardClock() = default;
  virtual int64_t now_ns() = 0;
  virtual void sleep_until(int64_t due_ns) = 0;  // may wake late, never early
};

// The machine's CLOCK_MONOTONIC. Real-time safe.
class MonotonicClock final : public CardClock {
 public:
  int64_t now_ns() override;
  void sleep_until(int64_t due_ns) override;
};

// Where the times of periods go, in nanoseconds (`count` of each): lateness of the wake-up, from there until the next
// period is asked for, and the part of it inside the engine.
struct LoopTimes {
  int64_t* wake_ns = nullptr;
  int64_t* busy_ns = nullptr;
  int64_t* engine_ns = nullptr;
  int64_t count = 0;
};

class DemoCard {
 public:
  DemoCard(int rate_hz, int period_frames, int buffer_periods, std::unique_ptr<CardClock> clock);

  // recording: mono, 16 bit, at least one period. May allocate. Stands still until start().
  void load(const uint8_t* recording, size_t bytes);
  void unload() noexcept { recording_.clear(); }
  bool is_loaded() const noexcept { return !recording_.empty(); }

  // Both directions from standstill, on the clock's present time.
  void start();

  // Everything below is real-time safe (with MonotonicClock).

  // The period that the next wait() is for; valid until unload().
  const uint8_t* next_period() noexcept;
  size_t period_bytes() const noexcept { return static_cast<size_t>(period_bytes_); }

  // Waits for that period. False: it was taken too late, capture ran over; start() again.
  bool wait();

  // Hands over a period, after waiting for room when it is ahead of capture. False: playback had run dry.
  bool give();

  // The audio loop: `periods` times wait, process, give. Counts in `moved`; ends early when a deadline was missed.
  enum class Outcome { kInTime, kCaptureLate, kPlaybackLate };
  Outcome play(Pedal& pedal, uint8_t* playback, int64_t periods, int64_t& moved);

  // Notes the times of the next `times.count` periods after `warm_up` ones. Each is noted when the next is asked for,
  // before the wait, so that noting costs no period anything. pedal: what plays them.
  void note(const LoopTimes& times, int64_t warm_up, const Pedal* pedal) noexcept;
  bool is_noted() const noexcept { return noted_ >= times_.count; }
  int64_t missed() const noexcept { return missed_; }  // deadlines, while noting

 private:
  // When so many periods have passed since the start; exact, so that no rounding adds up.
  int64_t at(int64_t period) const noexcept { return start_ns_ + period * step_ / rate_hz_; }
  void note_last_period();

  int64_t rate_hz_;
  int64_t buffer_periods_;
  int64_t period_bytes_;
  int64_t step_;      // a period in units of 1/rate ns
  int64_t slack_ns_;  // so late a period may be taken
  std::unique_ptr<CardClock> clock_;
  std::vector<uint8_t> recording_;  // and behind it the first period once more: one across the seam is in one piece
  int64_t position_ = 0;
  int64_t start_ns_ = 0;
  int64_t taken_ = 0;   // periods waited for since the start
  int64_t given_ = 0;   // periods handed over since the start, the silence not counted
  int64_t due_ns_ = 0;  // of the last wait()
  int64_t woke_ns_ = 0;

  LoopTimes times_;
  const Pedal* pedal_ = nullptr;
  int64_t noted_ = 0;
  int64_t skip_ = 0;  // periods not to be noted: the warm-up, and what a missed deadline left half done
  int64_t missed_ = 0;
};

}  // namespace appliance
