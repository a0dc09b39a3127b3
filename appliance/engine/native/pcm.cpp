#include "pcm.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace appliance {

namespace {

template <PcmFormat format>
float read_sample(const uint8_t* at) {
  if constexpr (format == PcmFormat::kS16) {
    int16_t value;
    std::memcpy(&value, at, sizeof value);
    return static_cast<float>(value) * (1.0f / 32768.0f);
  } else if constexpr (format == PcmFormat::kS24Packed || format == PcmFormat::kS24) {
    const uint32_t bits = at[0] | at[1] << 8 | static_cast<uint32_t>(at[2]) << 16;
    return static_cast<float>(static_cast<int32_t>(bits << 8) >> 8) * (1.0f / 8388608.0f);
  } else if constexpr (format == PcmFormat::kS32) {
    int32_t value;
    std::memcpy(&value, at, sizeof value);
    return static_cast<float>(value) * (1.0f / 2147483648.0f);
  } else {
    float value;
    std::memcpy(&value, at, sizeof value);
    return std::isfinite(value) ? std::clamp(value, -8.0f, 8.0f) : 0.0f;
  }
}

// Rounds to the nearest step of a format with 2^(bits-1) steps on each side.
template <int bits>
int32_t quantise(float value) {
  constexpr float kScale = static_cast<float>(1u << (bits - 1));
  // The largest float below 2^31 is 2^31 - 128: stay clear of the overflow.
  constexpr float kMost = bits == 32 ? 2147483520.0f : kScale - 1.0f;
  return static_cast<int32_t>(std::lrintf(std::clamp(value * kScale, -kScale, kMost)));
}

template <PcmFormat format>
void write_sample(float value, uint8_t* at) {
  if constexpr (format == PcmFormat::kS16) {
    const auto sample = static_cast<int16_t>(quantise<16>(value));
    std::memcpy(at, &sample, sizeof sample);
  } else if constexpr (format == PcmFormat::kS24Packed) {
    const int32_t sample = quantise<24>(value);
    at[0] = static_cast<uint8_t>(sample);
    at[1] = static_cast<uint8_t>(sample >> 8);
    at[2] = static_cast<uint8_t>(sample >> 16);
  } else if constexpr (format == PcmFormat::kS24) {
    const int32_t sample = quantise<24>(value);
    std::memcpy(at, &sample, sizeof sample);
  } else if constexpr (format == PcmFormat::kS32) {
    const int32_t sample = quantise<32>(value);
    std::memcpy(at, &sample, sizeof sample);
  } else {
    const float sample = std::clamp(value, -1.0f, 1.0f);
    std::memcpy(at, &sample, sizeof sample);
  }
}

template <PcmFormat format>
void decode_as(const uint8_t* bytes, int channels, int channel, float* audio, int frames) {
  constexpr int kBytes = bytes_per_sample(format);
  for (int t = 0; t < frames; ++t) audio[t] = read_sample<format>(bytes + (t * channels + channel) * kBytes);
}

template <PcmFormat format>
void encode_as(const float* audio, int channels, uint8_t* bytes, int frames) {
  constexpr int kBytes = bytes_per_sample(format);
  for (int t = 0; t < frames; ++t)
    for (int channel = 0; channel < channels; ++channel)
      write_sample<format>(audio[t], bytes + (t * channels + channel) * kBytes);
}

}  // namespace

void decode(PcmFormat format, const uint8_t* bytes, int channels, int channel, float* audio, int frames) noexcept {
  switch (format) {
    case PcmFormat::kS16:
      return decode_as<PcmFormat::kS16>(bytes, channels, channel, audio, frames);
    case PcmFormat::kS24Packed:
      return decode_as<PcmFormat::kS24Packed>(bytes, channels, channel, audio, frames);
    case PcmFormat::kS24:
      return decode_as<PcmFormat::kS24>(bytes, channels, channel, audio, frames);
    case PcmFormat::kS32:
      return decode_as<PcmFormat::kS32>(bytes, channels, channel, audio, frames);
    case PcmFormat::kFloat:
      return decode_as<PcmFormat::kFloat>(bytes, channels, channel, audio, frames);
  }
}

void encode(PcmFormat format, const float* audio, int channels, uint8_t* bytes, int frames) noexcept {
  switch (format) {
    case PcmFormat::kS16:
      return encode_as<PcmFormat::kS16>(audio, channels, bytes, frames);
    case PcmFormat::kS24Packed:
      return encode_as<PcmFormat::kS24Packed>(audio, channels, bytes, frames);
    case PcmFormat::kS24:
      return encode_as<PcmFormat::kS24>(audio, channels, bytes, frames);
    case PcmFormat::kS32:
      return encode_as<PcmFormat::kS32>(audio, channels, bytes, frames);
    case PcmFormat::kFloat:
      return encode_as<PcmFormat::kFloat>(audio, channels, bytes, frames);
  }
}

}  // namespace appliance
