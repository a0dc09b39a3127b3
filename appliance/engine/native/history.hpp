// The past of a signal of several channels, as rows [channel][time] that a dilated convolution reads in place.
#pragma once

#include <algorithm>
#include <vector>

#include "model.hpp"
#include "simd.hpp"

namespace appliance {

// What the histories of one network may hold together; a damaged file must not take all memory.
class HistoryBudget {
 public:
  // Frames of past for `channels` channels behind a convolution. Throws BadBlob when that is too much.
  int past_frames(int channels, int taps, int dilation) {
    const int64_t past = static_cast<int64_t>(taps - 1) * dilation;
    frames_ += past;
    floats_ += past * channels;
    if (frames_ > kMaxReceptiveField) throw BadBlob("prepared model: the receptive field is too long");
    if (floats_ > kMostFloats) throw BadBlob("prepared model: it needs more than 64 MiB of history");
    return static_cast<int>(past);
  }

  int receptive_field() const { return 1 + static_cast<int>(frames_); }

 private:
  static constexpr int64_t kMostFloats = 1 << 24;
  int64_t frames_ = 0;
  int64_t floats_ = 0;
};

// A block is written behind the past, so that every tap is one unaligned load and nothing is copied. Only when the
// buffer's end is near does the past move to its front: with slack for some blocks that is a small cost a block, and
// `stagger` (where the first block begins) keeps the layers of a network from paying it in the same block.
class History {
 public:
  History() = default;

  History(int channels, int past_frames, int max_frames, int stagger = 0)
      : channels_(channels),
        past_(past_frames),
        front_(round_up(past_frames, kAlignFrames)),
        slack_(round_up(std::max({past_frames, 4 * kTileFrames, max_frames}), kAlignFrames)),
        // Tiles may read and write up to a tile beyond the block.
        stride_(padded_stride(front_ + slack_ + kTileFrames)),
        start_(front_ + stagger * kTileFrames % slack_),
        data_((static_cast<size_t>(channels) * stride_ + kLanes - 1) / kLanes, Vec{}),
        now_(start_) {}

  int channels() const { return channels_; }
  int stride() const { return stride_; }

  // Makes room for a block; rows then begin at now(). Call once a block, before writing.
  void begin(int frames) {
    if (now_ + frames > front_ + slack_) {
      for (int channel = 0; channel < channels_; ++channel) {
        float* row = rows() + static_cast<size_t>(channel) * stride_;
        std::memmove(row + front_ - past_, row + now_ - past_, sizeof(float) * past_);
      }
      now_ = front_;
    }
  }

  // First row at the block's first frame; row c is at + c · stride().
  float* now() { return rows() + now_; }
  const float* now() const { return reinterpret_cast<const float*>(data_.data()) + now_; }

  // The block written at now() becomes past.
  void end(int frames) { now_ += frames; }

  void reset() {
    std::fill(data_.begin(), data_.end(), Vec{});
    now_ = start_;
  }

 private:
  // Rows begin on a cache line while blocks are whole multiples of it, as periods are: a vector across two lines costs
  // twice.
  static constexpr int kAlignFrames = 16;

  float* rows() { return reinterpret_cast<float*>(data_.data()); }

  // Rows a multiple of 4 KiB apart fight for the same cache sets: keep them an odd number of cache lines apart.
  static int padded_stride(int frames) {
    const int lines = (frames + 15) / 16;
    return (lines | 1) * 16;
  }

  int channels_ = 0;
  int past_ = 0;
  int front_ = 0;  // where a block begins after the past has moved
  int slack_ = 0;
  int stride_ = 0;
  int start_ = 0;
  std::vector<Vec> data_;  // vectors, so that the storage is aligned
  int now_ = 0;
};

}  // namespace appliance
