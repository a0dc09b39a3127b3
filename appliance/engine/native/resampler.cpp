#include "resampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace appliance {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kBeta = 9.5;  // Kaiser's window, 95 dB (Kaiser 1974)
constexpr int kReach = 17;     // periods of the lower rate: transition of 0.18 of it at 95 dB
constexpr int kPhases = 512;   // linear between them: error -106 dB

double bessel_i0(double x) {
  double sum = 1.0, term = 1.0;
  for (int k = 1; term > 1e-12 * sum; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

// Kaiser's window at u in −1…1.
double window(double u) {
  return std::abs(u) >= 1.0 ? 0.0 : bessel_i0(kBeta * std::sqrt(1.0 - u * u)) / bessel_i0(kBeta);
}

double sinc(double x) {
  return std::abs(x) < 1e-9 ? 1.0 : std::sin(kPi * x) / (kPi * x);
}

int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

}  // namespace

int Resampler::reach_frames(int from_hz, int to_hz) {
  return static_cast<int>(std::ceil(kReach * static_cast<double>(from_hz) / std::min(from_hz, to_hz)));
}

Resampler::Resampler(int from_hz, int to_hz, int64_t first_place, int max_in_frames)
    : to_hz_(to_hz),
      step_whole_(from_hz / to_hz),
      step_rest_(from_hz % to_hz),
      reach_(reach_frames(from_hz, to_hz)),
      taps_(round_up(2 * reach_, kLanes)) {
  const double cut = std::min(1.0, static_cast<double>(to_hz) / from_hz);
  phases_ = std::max(8, static_cast<int>(kPhases * cut));
  table_.assign(static_cast<size_t>(phases_ + 1) * taps_, 0.0f);
  std::vector<double> row(2 * reach_);
  for (int phase = 0; phase <= phases_; ++phase) {
    const double fraction = static_cast<double>(phase) / phases_;
    for (int tap = 0; tap < 2 * reach_; ++tap) {
      const double distance = fraction + reach_ - 1 - tap;  // from the input frame to the place
      row[tap] = cut * sinc(cut * distance) * window(distance / reach_);
    }
    const double total = std::accumulate(row.begin(), row.end(), 0.0);
    for (int tap = 0; tap < 2 * reach_; ++tap)
      table_[static_cast<size_t>(phase) * taps_ + tap] = static_cast<float>(row[tap] / total);
  }
  const int64_t first_whole = floor_divide(first_place, to_hz_);
  start_rest_ = first_place - first_whole * to_hz_;
  start_filled_ = static_cast<int>(std::max<int64_t>(0, reach_ - 1 - first_whole));
  start_index_ = start_filled_ + first_whole;
  max_out_frames_ = static_cast<int>(static_cast<int64_t>(max_in_frames) * to_hz / from_hz) + 2;
  buffer_.assign(static_cast<size_t>(std::max<int64_t>(start_filled_, taps_)) + max_in_frames + 2 * taps_, 0.0f);
  reset();
}

void Resampler::reset() noexcept {
  std::fill(buffer_.begin(), buffer_.end(), 0.0f);
  index_ = start_index_;
  rest_ = start_rest_;
  filled_ = start_filled_;
}

float Resampler::sample_at(const float* first) const noexcept {
  const float place = static_cast<float>(rest_) / static_cast<float>(to_hz_) * static_cast<float>(phases_);
  const int phase = std::min(static_cast<int>(place), phases_ - 1);
  const float* near = table_.data() + static_cast<ptrdiff_t>(phase) * taps_;
  const float* far = near + taps_;
  Vec near_sum{}, far_sum{};
  for (int tap = 0; tap < taps_; tap += kLanes) {
    const Vec x = load(first + tap);
    near_sum += load(near + tap) * x;
    far_sum += load(far + tap) * x;
  }
  const float between = place - static_cast<float>(phase);
  return sum(near_sum + between * (far_sum - near_sum));
}

int Resampler::push(const float* in, int frames, float* out, int most, int* arrivals) noexcept {
  const int before = filled_;
  std::copy_n(in, frames, buffer_.data() + filled_);
  filled_ += frames;
  int made = 0;
  while (made < most && index_ + reach_ < filled_) {
    out[made] = sample_at(buffer_.data() + index_ - reach_ + 1);
    if (arrivals != nullptr) arrivals[made] = std::max(0, static_cast<int>(index_) + reach_ - before);
    ++made;
    index_ += step_whole_;
    rest_ += step_rest_;
    if (rest_ >= to_hz_) {
      rest_ -= to_hz_;
      ++index_;
    }
  }
  const auto unused = static_cast<int>(std::min<int64_t>(filled_, std::max<int64_t>(0, index_ - reach_ + 1)));
  std::memmove(buffer_.data(), buffer_.data() + unused, sizeof(float) * (filled_ - unused));
  filled_ -= unused;
  index_ -= unused;
  return made;
}

HalfBand::HalfBand(int taps_per_phase, int max_frames) : past_(taps_per_phase - 1), taps_(taps_per_phase) {
  // Tap 2j of the filter lies at an odd distance from its middle; its other taps are zero, but for the middle's 1/2.
  double total = 0.0;
  std::vector<double> taps(taps_per_phase);
  for (int j = 0; j < taps_per_phase; ++j) {
    const double distance = 2 * j - (taps_per_phase - 1);
    taps[j] = sinc(0.5 * distance) * window(distance / taps_per_phase);
    total += taps[j];
  }
  for (int j = 0; j < taps_per_phase; ++j) taps_[j] = static_cast<float>(taps[j] / total);
  const int padded = round_up(max_frames, kLanes);
  for (std::vector<float>* line : {&up_line_, &even_line_, &odd_line_}) line->assign(past_ + padded, 0.0f);
  out_.assign(padded, 0.0f);
}

void HalfBand::reset() noexcept {
  for (std::vector<float>* line : {&up_line_, &even_line_, &odd_line_}) std::fill(line->begin(), line->end(), 0.0f);
}

void HalfBand::filter(const std::vector<float>& line, int frames) noexcept {
  for (int t = 0; t < frames; t += kLanes) {
    const float* newest = line.data() + past_ + t;
    Vec acc{}, other{};
    for (int j = 0; j < static_cast<int>(taps_.size()); j += 2) {
      acc += taps_[j] * load(newest - j);
      other += taps_[j + 1] * load(newest - j - 1);
    }
    store(out_.data() + t, acc + other);
  }
}

void HalfBand::keep_past(std::vector<float>& line, int frames) noexcept {
  std::memmove(line.data(), line.data() + frames, sizeof(float) * past_);
}

void HalfBand::up(const float* in, float* out, int frames) noexcept {
  std::copy_n(in, frames, up_line_.data() + past_);
  filter(up_line_, frames);
  const float* middle = up_line_.data() + past_ - (past_ + 1) / 2 + 1;
  for (int t = 0; t < frames; ++t) {
    out[2 * t] = out_[t];
    out[2 * t + 1] = middle[t];
  }
  keep_past(up_line_, frames);
}

void HalfBand::down(const float* in, float* out, int frames) noexcept {
  for (int t = 0; t < frames; ++t) {
    even_line_[past_ + t] = in[2 * t];
    odd_line_[past_ + t] = in[2 * t + 1];
  }
  filter(even_line_, frames);
  const float* middle = odd_line_.data() + past_ - (past_ + 1) / 2;
  for (int t = 0; t < frames; ++t) out[t] = 0.5f * (out_[t] + middle[t]);
  keep_past(even_line_, frames);
  keep_past(odd_line_, frames);
}

}  // namespace appliance
