#include "shared_memory.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>

namespace appliance {

namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? 0xEDB88320u ^ (value >> 1) : value >> 1;
    table[byte] = value;
  }
  return table;
}

float finite_within(float value, float low, float high, float otherwise) {
  return std::isfinite(value) ? std::clamp(value, low, high) : otherwise;
}

void clamp(ControlsPayload& payload) noexcept {
  payload.input_gain_db = finite_within(payload.input_gain_db, -60.0f, 40.0f, 0.0f);
  payload.gate_threshold_db = finite_within(payload.gate_threshold_db, -120.0f, 0.0f, -120.0f);
  payload.level_db = finite_within(payload.level_db, -90.0f, 40.0f, 0.0f);
  for (float* band : {&payload.bass_db, &payload.middle_db, &payload.treble_db})
    *band = finite_within(*band, -12.0f, 12.0f, 0.0f);
  payload.knob_count = std::min<uint32_t>(payload.knob_count, 16);
  for (float& knob : payload.knobs) knob = finite_within(knob, -100.0f, 100.0f, 0.0f);
  payload.patch_path[kPatchPathBytes - 1] = '\0';
}

}  // namespace

uint32_t crc32(const void* data, size_t bytes) noexcept {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  const auto* at = static_cast<const uint8_t*>(data);
  uint32_t value = 0xFFFFFFFFu;
  for (size_t i = 0; i < bytes; ++i) value = kTable[(value ^ at[i]) & 0xFF] ^ (value >> 8);
  return value ^ 0xFFFFFFFFu;
}

uint32_t controls_checksum(uint32_t sequence, const ControlsPayload& payload) noexcept {
  struct {
    uint32_t sequence;
    ControlsPayload payload;
  } whole{sequence, payload};
  return crc32(&whole, sizeof whole);
}

uint32_t prepared_checksum(const PreparedBlock& block) noexcept {
  struct {
    uint32_t sequence;
    ControlsPayload patches[kPreparedPatches];
  } whole;
  whole.sequence = block.sequence;
  std::copy(std::begin(block.patches), std::end(block.patches), whole.patches);
  return crc32(&whole, sizeof whole);
}

bool ControlsReader::refresh() noexcept {
  if (block_ == nullptr) return false;
  const uint32_t sequence = __atomic_load_n(&block_->sequence, __ATOMIC_ACQUIRE);
  if (sequence == sequence_) return false;
  if (block_->magic != kControlsMagic || block_->version != kLayoutVersion) return false;
  ControlsPayload copy;
  const uint32_t checksum = block_->checksum;
  std::memcpy(&copy, &block_->payload, sizeof copy);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (controls_checksum(sequence, copy) != checksum) return false;
  sequence_ = sequence;
  payload_ = copy;
  clamp(payload_);
  return true;
}

void ControlsReader::set(const ControlsPayload& payload) noexcept {
  payload_ = payload;
  clamp(payload_);
}

void PreparedReader::refresh() noexcept {
  if (memory_ == nullptr) return;
  const ControlsBlock& controls = memory_->controls;
  if (controls.magic != kControlsMagic || controls.version != kLayoutVersion) return;
  PreparedBlock found;
  found.sequence = __atomic_load_n(&memory_->prepared.sequence, __ATOMIC_ACQUIRE);
  if (found.sequence == copy_.sequence) return;
  found.checksum = memory_->prepared.checksum;
  std::memcpy(&found.patches, &memory_->prepared.patches, sizeof found.patches);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (prepared_checksum(found) != found.checksum) return;
  copy_ = found;
  for (ControlsPayload& patch : copy_.patches) clamp(patch);
}

}  // namespace appliance
