// The audio loop without Python, for comparison: what audio/loop.py and audio/demo.py do together, in C++.
#pragma once

#include <cstdint>

#include "pedal.hpp"

namespace appliance {

// What to play: a looped recording in the pedal's capture format (mono, 16 bit).
struct ClockedSource {
  const uint8_t* bytes;  // at least one period
  int64_t size;
  int rate_hz;
  int buffer_periods;  // of the playback buffer
};

// Where the times of each period go, in nanoseconds (`count` of each): lateness of the wake-up, from there to the end
// of the period's work, and the part of it inside the engine.
struct LoopTimes {
  int64_t* wake_ns;
  int64_t* busy_ns;
  int64_t* engine_ns;
  int64_t count;
};

// Plays `warm_up` periods and then the `times.count` that are noted, on CLOCK_MONOTONIC with the demo card's deadlines;
// a missed one restarts the clock. Returns how many were missed, the warm-up left out. Blocks for as long as that
// plays; allocates nothing.
int64_t run_clocked_loop(Pedal& pedal, const ClockedSource& source, uint8_t* playback, int64_t warm_up,
                         const LoopTimes& times) noexcept;

}  // namespace appliance
