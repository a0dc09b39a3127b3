// The pedal: the whole chain in one call per period, the change from one patch to the next, meters and tap.
#pragma once

#include <memory>
#include <vector>

#include "loader.hpp"
#include "pcm.hpp"
#include "shared_memory.hpp"
#include "slot.hpp"
#include "stages.hpp"

namespace appliance {

struct PcmIo {
  PcmFormat capture_format = PcmFormat::kS32;
  int capture_channels = 1;
  int capture_channel = 0;
  PcmFormat playback_format = PcmFormat::kS32;
  int playback_channels = 1;
};

class Pedal {
 public:
  // The three blocks may be null. status and tap are initialised here; this process is their only writer.
  Pedal(int sample_rate_hz, int period_frames, const ControlsMemory* controls, StatusBlock* status, void* tap);
  ~Pedal();

  Pedal(const Pedal&) = delete;
  Pedal& operator=(const Pedal&) = delete;

  void configure_io(const PcmIo& io) { io_ = io; }
  int frames_in(size_t capture_bytes) const;
  size_t playback_bytes(int frames) const;
  int period_frames() const { return period_frames_; }

  // One period, any number of frames up to period_frames. Real-time safe: no allocation, lock, system call or
  // exception.
  void process(const uint8_t* capture, uint8_t* playback, int frames) noexcept;

  // The same chain on floats, any number of frames; in and out may be the same. Meters and tap work too.
  void process_float(const float* in, float* out, int frames) noexcept;

  // Away from the stream: allocate, may block.
  void start_loader();
  void stop_loader();
  void load_patch(const void* patch, size_t bytes, std::unique_ptr<OutsideModel> outside);
  void swap_patch(const void* patch, size_t bytes);
  // Before start_loader: the first sound, out of silence, without asking anybody. The controls in shared memory take
  // over with their first change, and where they want this patch's generation it plays on.
  void begin_with(const void* patch, size_t bytes, const ControlsPayload& payload);
  void set_controls(const ControlsPayload& payload);
  void reset() noexcept;

  // Real-time safe. The sound fades to silence within some 50 ms and stays silent, whatever the controls say.
  void fade_out() noexcept;

  // Real-time safe.
  void set_state(uint32_t state) noexcept;
  void count_xrun() noexcept;
  void count_recovery() noexcept;
  bool is_fading() const noexcept { return next_ != nullptr; }
  // Of the patch that sounds; 0 for none.
  int latency_frames() const noexcept { return current_ != nullptr ? current_->latency_frames() : 0; }
  int64_t last_engine_ns() const noexcept { return last_engine_ns_; }

 private:
  void run_chain(const float* in, float* out, int frames) noexcept;
  void follow_controls() noexcept;
  void begin_fade() noexcept;
  void run_slots(const float* in, float* out, int frames) noexcept;
  void mix_bypass(const float* dry, float* wet, int frames) noexcept;
  void write_tap(const float* in, const float* out, int frames) noexcept;
  void publish(int frames, int64_t busy_ns) noexcept;
  void dispose(Slot* slot) noexcept;

  int sample_rate_hz_;
  int period_frames_;
  PcmIo io_;
  ControlsReader controls_;
  const ControlsMemory* controls_memory_;
  StatusBlock* status_;
  TapHeader* tap_;
  float* tap_input_ = nullptr;
  float* tap_output_ = nullptr;
  std::unique_ptr<Loader> loader_;

  Slot* current_ = nullptr;  // sounds now; null before the first patch
  Slot* next_ = nullptr;     // fading in
  Slot* leaving_ = nullptr;  // faded out, the loader's bin was full
  int faded_frames_ = 0;
  std::vector<float> fade_;  // gain of the next slot, rising from 0 to 1

  Smoother dry_;    // 1 when bypassed
  Smoother sound_;  // 0 when muted
  bool ending_ = false;
  Limiter limiter_;
  Meter input_meter_;
  Meter output_meter_;
  std::vector<float> in_, out_, other_;
  int64_t last_engine_ns_ = 0;
};

}  // namespace appliance
