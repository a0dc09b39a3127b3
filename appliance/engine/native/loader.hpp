// Makes patches ready on a thread of its own, so that the audio thread only ever takes over finished ones.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "slot.hpp"

namespace appliance {

// Keeps ready the patch that is wanted and those likely to be wanted next (the presets before and behind this one), so
// that changing to one of them takes no time. Memory: at most kPlaces patches ready, one being made, two sounding and
// four waiting to be freed.
//
// The thread is native and never touches Python, so the audio thread's interpreter lock is never contended. It looks at
// the controls every few milliseconds instead of being woken: waking it would be a system call in the audio thread.
class Loader {
 public:
  static constexpr int kPlaces = 1 + kPreparedPatches;

  // playing: the generation that sounds already and is not to be made again; 0 for none.
  Loader(const ControlsMemory* controls, StatusBlock* status, int sample_rate_hz, int max_frames, uint32_t playing);
  ~Loader();

  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Audio side, real-time safe: the patch of that generation if it is ready, else null. The caller owns it until it is
  // given to retire().
  Slot* take(uint32_t generation) noexcept;

  // Audio side, real-time safe: hands a slot over to be freed. False when the bin is full: try again next period.
  bool retire(Slot* slot) noexcept;

 private:
  // `state` says whose the slot is: a generation's (ready), nobody's (kEmpty), or the audio thread's (kBeingTaken,
  // then kTaken). Both sides get a slot by exchanging the generation for another state, so only one of them does.
  struct Place {
    std::atomic<uint32_t> state{0};
    uint32_t generation = 0;  // the loader's own note of what is or was here
    Slot* slot = nullptr;
  };

  // The last few generations, the oldest forgotten.
  class Memory {
   public:
    void add(uint32_t generation) noexcept { last_[next_++ % last_.size()] = generation; }
    bool has(uint32_t generation) const noexcept;

   private:
    std::array<uint32_t, 16> last_{};
    size_t next_ = 0;
  };

  void run();
  void look() noexcept;
  void empty_bin() noexcept;
  void sort_out() noexcept;
  void drop(Place& place) noexcept;
  const ControlsPayload* next_to_make() const noexcept;
  bool is_called_for(uint32_t generation) const noexcept;
  bool is_ready(uint32_t generation) const noexcept;
  bool is_wanted_settled() const noexcept;
  bool is_time_to_retry() const noexcept;
  bool goes_on(uint32_t generation) noexcept;
  void make(const ControlsPayload& wanted);
  void keep(std::unique_ptr<Slot> slot) noexcept;
  void fail(uint32_t generation, const char* why) noexcept;

  ControlsReader controls_;
  PreparedReader prepared_;
  StatusBlock* status_;
  int sample_rate_hz_;
  int max_frames_;
  Memory done_;                 // taken by the audio thread, or failed while wanted
  Memory given_up_;             // failed before they were wanted
  uint32_t lacked_memory_ = 0;  // the generation that did at the last try
  std::chrono::steady_clock::time_point retry_at_;
  std::atomic<bool> stop_{false};
  Place places_[kPlaces];
  std::atomic<Slot*> bin_[4] = {};
  std::thread thread_;
};

}  // namespace appliance
