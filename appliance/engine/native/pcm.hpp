// Sample formats of sound cards: bytes ↔ float, full scale ±1.0. Decode then encode gives the same bytes.
#pragma once

#include <cstdint>

namespace appliance {

enum class PcmFormat { kS16, kS24Packed, kS24, kS32, kFloat };

constexpr int bytes_per_sample(PcmFormat format) {
  return format == PcmFormat::kS16 ? 2 : format == PcmFormat::kS24Packed ? 3 : 4;
}

// One channel out of interleaved frames.
void decode(PcmFormat format, const uint8_t* bytes, int channels, int channel, float* audio, int frames) noexcept;

// The same audio to every channel. Values beyond full scale are clipped.
void encode(PcmFormat format, const float* audio, int channels, uint8_t* bytes, int frames) noexcept;

}  // namespace appliance
