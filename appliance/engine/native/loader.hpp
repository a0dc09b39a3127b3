// Makes the wanted patch ready on a thread of its own, so that the audio thread only ever exchanges pointers.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "slot.hpp"

namespace appliance {

// The thread is native and never touches Python, so the audio thread's interpreter lock is never contended. It looks at
// the controls every few milliseconds instead of being woken: waking it would be a system call in the audio thread.
class Loader {
 public:
  Loader(const ControlsBlock* controls, StatusBlock* status, int sample_rate_hz, int max_frames);
  ~Loader();

  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Audio side, real-time safe: the slot that is ready, or null. The caller owns it until it is given to retire().
  Slot* take() noexcept { return ready_.exchange(nullptr, std::memory_order_acq_rel); }

  // Audio side, real-time safe: hands a slot over to be freed. False when the bin is full: try again next period.
  bool retire(Slot* slot) noexcept;

 private:
  void run();
  void empty_bin() noexcept;
  void load(const ControlsPayload& wanted);
  bool is_time_to_retry() const noexcept;
  bool is_still_wanted(uint32_t generation) noexcept;
  void report_failure(uint32_t generation, const char* why) noexcept;

  ControlsReader controls_;
  StatusBlock* status_;
  int sample_rate_hz_;
  int max_frames_;
  uint32_t loaded_generation_ = 0;
  bool lacks_memory_ = false;  // for it
  std::chrono::steady_clock::time_point retry_at_;
  std::atomic<bool> stop_{false};
  std::atomic<Slot*> ready_{nullptr};
  std::atomic<Slot*> bin_[4] = {};
  std::thread thread_;
};

}  // namespace appliance
