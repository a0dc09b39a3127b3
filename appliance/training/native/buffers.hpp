// Memory of the training kernels: rows aligned for vector loads, and a window over a row's recent frames.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

#include "simd.hpp"

namespace appliance::training {

constexpr size_t kAlignment = 64;

struct AlignedDelete {
  void operator()(float* pointer) const { ::operator delete[](pointer, std::align_val_t{kAlignment}); }
};

class Floats {
 public:
  Floats() = default;
  explicit Floats(size_t count)
      : data_(static_cast<float*>(::operator new[](count * sizeof(float), std::align_val_t{kAlignment}))),
        count_(count) {
    clear();
  }
  void clear() { std::memset(data_.get(), 0, count_ * sizeof(float)); }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }

 private:
  std::unique_ptr<float[], AlignedDelete> data_;
  size_t count_ = 0;
};

// Rows of one tile, each a little apart from the next so that they don't fight for the same lines of the cache.
class TileRows {
 public:
  TileRows() = default;
  TileRows(int rows, int tile_frames)
      : stride_(tile_frames + kLanes), floats_(static_cast<size_t>(rows) * (tile_frames + kLanes)) {}
  float* data() { return floats_.data(); }
  int stride() const { return stride_; }

 private:
  int stride_ = 0;
  Floats floats_;
};

// The last `past` frames of some rows, and the tile being worked on. Frames are numbered from 0; tiles are written
// whole, in rising or falling order. Any tile's length of frames inside the window reads as one piece, because what
// lies at the start of the ring is kept a second time behind its end. Before the first write it reads as zeros.
class Ring {
 public:
  Ring() = default;
  Ring(int rows, int past, int tile_frames)
      : rows_(rows),
        tile_(tile_frames),
        capacity_(round_up(past, tile_frames) + tile_frames),
        stride_(capacity_ + tile_frames + kLanes),
        floats_(static_cast<size_t>(rows) * stride_) {}

  void clear() { floats_.clear(); }
  int stride() const { return stride_; }
  float* at(int frame) {
    const int place = frame % capacity_;
    return floats_.data() + (place < 0 ? place + capacity_ : place);
  }
  // To be called when the tile that begins at `frame` has been written.
  void wrote(int frame) {
    if (frame % capacity_ != 0) return;
    float* row = floats_.data();
    for (int index = 0; index < rows_; ++index, row += stride_)
      std::memcpy(row + capacity_, row, static_cast<size_t>(tile_) * sizeof(float));
  }

 private:
  int rows_ = 0;
  int tile_ = 0;
  int capacity_ = 1;
  int stride_ = 0;
  Floats floats_;
};

}  // namespace appliance::training
