// The shared memory as bridge/layout.py defines it, field by field. One writer per block.
#pragma once

#include <cstddef>
#include <cstdint>

namespace appliance {

constexpr int kPatchPathBytes = 512;
constexpr int kMessageBytes = 256;
constexpr uint32_t kTapFrames = 1u << 17;
constexpr uint32_t kLayoutVersion = 2;
constexpr int kPreparedPatches = 4;
constexpr uint32_t kControlsMagic = 0x4C544350;  // "PCTL"
constexpr uint32_t kStatusMagic = 0x41545350;    // "PSTA"
constexpr uint32_t kTapMagic = 0x50415450;       // "PTAP"

enum Flag : uint32_t { kBypass = 1, kMute = 2, kNormalise = 4 };

struct ControlsPayload {
  uint32_t generation = 0;
  uint32_t flags = kNormalise;
  float input_gain_db = 0.0f;
  float gate_threshold_db = -120.0f;
  float level_db = 0.0f;
  float bass_db = 0.0f;
  float middle_db = 0.0f;
  float treble_db = 0.0f;
  uint32_t knob_count = 0;
  float knobs[16] = {};
  char patch_path[kPatchPathBytes] = {};
};

struct ControlsBlock {
  uint32_t magic;
  uint32_t version;
  uint32_t sequence;
  uint32_t checksum;
  ControlsPayload payload;
};

// Patches likely to be wanted next, each with the settings it would sound with; generation 0: an empty place.
struct PreparedBlock {
  uint32_t sequence;
  uint32_t checksum;
  ControlsPayload patches[kPreparedPatches];
};

// The controls file.
struct ControlsMemory {
  ControlsBlock controls;
  PreparedBlock prepared;  // for the loader alone: the audio thread never looks here
};

struct StatusBlock {
  uint32_t magic;
  uint32_t version;
  uint32_t sequence;
  uint32_t pid;
  uint64_t periods;
  uint64_t frames;
  uint32_t state;
  uint32_t generation;
  uint32_t failed_generation;
  uint32_t sample_rate_hz;
  uint32_t period_frames;
  uint32_t xruns;
  uint32_t late_periods;
  uint32_t recoveries;
  uint32_t bad_blocks;
  uint32_t swaps;
  float input_peak;
  float input_rms;
  float output_peak;
  float output_rms;
  float gate_gain;
  float limiter_gain;
  float busy_us;
  float busy_us_max;
  float load;
  uint32_t reserved;
  char message[kMessageBytes];
};

struct TapHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t capacity_frames;
  uint32_t sample_rate_hz;
  uint64_t written_frames;
};

constexpr size_t kTapBytes = sizeof(TapHeader) + 2 * sizeof(float) * kTapFrames;

uint32_t crc32(const void* data, size_t bytes) noexcept;

// Of the sequence and the payload together: a new sequence seen before the payload that belongs to it does not fit.
uint32_t controls_checksum(uint32_t sequence, const ControlsPayload& payload) noexcept;

uint32_t prepared_checksum(const PreparedBlock& block) noexcept;

// Follows the controls from one thread. Real-time safe.
class ControlsReader {
 public:
  explicit ControlsReader(const ControlsBlock* block) : block_(block) {}

  // True when a new, whole payload was taken. A torn one leaves the last good copy in force and is looked at again.
  bool refresh() noexcept;
  const ControlsPayload& payload() const noexcept { return payload_; }
  void set(const ControlsPayload& payload) noexcept;

 private:
  const ControlsBlock* block_;
  uint32_t sequence_ = 0;
  ControlsPayload payload_;
};

// Follows the prepared patches from one thread. Not for the audio thread: it copies kilobytes.
class PreparedReader {
 public:
  explicit PreparedReader(const ControlsMemory* memory) : memory_(memory) {}

  // A torn write leaves the last good copy in force and is looked at again.
  void refresh() noexcept;
  const ControlsPayload (&patches() const noexcept)[kPreparedPatches] { return copy_.patches; }

 private:
  const ControlsMemory* memory_;
  PreparedBlock copy_ = {};
};

}  // namespace appliance
