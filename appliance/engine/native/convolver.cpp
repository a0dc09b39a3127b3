#include "convolver.hpp"

namespace appliance {

namespace {

// Output of kLanes · V frames. Several taps run side by side, because one sum alone would wait for itself.
template <int V, int Sums>
APPLIANCE_INLINE void head_tile(const float* taps, int count, const float* in, float* out) noexcept {
  Vec acc[Sums][V] = {};
  for (int tap = 0; tap < count; tap += Sums)
#pragma GCC unroll 8
    for (int s = 0; s < Sums; ++s)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[s][v] += taps[tap + s] * load(in + tap + s + v * kLanes);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    Vec total = acc[0][v];
    for (int s = 1; s < Sums; ++s) total += acc[s][v];
    store(out + v * kLanes, total);
  }
}

}  // namespace

Convolver::Convolver(const float* taps, int count, int max_frames)
    : head_taps_(kHeadTaps, 0.0f),
      near_(taps, std::min(count, Far::kFirstTap)),
      far_(taps, count),
      history_(1, kHeadTaps - 1, max_frames),
      row_(round_up(max_frames, kTileFrames) + kTileFrames, 0.0f) {
  for (int tap = 0; tap < std::min(count, kHeadTaps); ++tap) head_taps_[kHeadTaps - 1 - tap] = taps[tap];
}

void Convolver::reset() noexcept {
  near_.reset();
  far_.reset();
  history_.reset();
}

void Convolver::process(const float* in, float* out, int frames) noexcept {
  history_.begin(frames);
  std::copy_n(in, frames, history_.now());
  run_head(history_.now(), row_.data(), frames);
  const auto add = [&](auto& partitions) {
    for (int done = 0, chunk; done < frames && !partitions.empty(); done += chunk) {
      chunk = std::min(frames - done, partitions.room());
      partitions.process(history_.now() + done, row_.data() + done, chunk);
    }
  };
  add(near_);
  add(far_);
  std::copy_n(row_.data(), frames, out);
  history_.end(frames);
}

void Convolver::run_head(const float* in, float* out, int frames) noexcept {
  const float* oldest = in - (kHeadTaps - 1);
  int t = 0;
  for (; t + kLanes < frames; t += 2 * kLanes) head_tile<2, 4>(head_taps_.data(), kHeadTaps, oldest + t, out + t);
  if (t < frames) head_tile<1, 4>(head_taps_.data(), kHeadTaps, oldest + t, out + t);
}

}  // namespace appliance
