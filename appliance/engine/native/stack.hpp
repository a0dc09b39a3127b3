// The layers of a stack: rows in, rows out. See stack.cpp.
#pragma once

#include <memory>
#include <vector>

#include "blob.hpp"
#include "simd.hpp"

namespace appliance {

constexpr int kMaxStackWidth = 512;  // channels between two layers; also formats/stack.py

// Rows [channel][time], `stride` floats apart, each readable and writable up to a whole tile beyond the block.
struct RowBlock {
  float* data = nullptr;
  int stride = 0;

  float* row(int channel) const { return data + static_cast<ptrdiff_t>(channel) * stride; }
};

// Everything is allocated by the constructor; process() and reset() are real-time safe.
class StackLayer {
 public:
  virtual ~StackLayer() = default;

  // `in` and `out` are different memory unless in_place(); then they are the same.
  virtual void process(RowBlock in, RowBlock out, int frames) noexcept = 0;
  virtual void reset() noexcept {}
  virtual bool in_place() const noexcept { return false; }
  virtual int outputs() const noexcept = 0;
};

// In the order of engine/packing_stack.py.
enum class StackKind : int { kConvolution, kUnits, kScale, kPRelu, kElu, kSoftmax, kActivate, kLstmStep };
constexpr int kStackKindCount = 8;

// Layers without a memory (kScale to kLstmStep).
std::unique_ptr<StackLayer> make_pointwise(StackKind kind, BlobReader& blob, int inputs);

}  // namespace appliance
