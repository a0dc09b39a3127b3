// Reads the flat little-endian stream that engine/packing.py writes. Every count is checked against what is left before
// anything is allocated or read, so a damaged blob ends in a sentence, not in a crash.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace appliance {

struct BadBlob : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

class BlobReader {
 public:
  BlobReader(const void* data, size_t bytes) : at_(static_cast<const uint8_t*>(data)), left_(bytes) {}

  uint32_t u32() {
    uint32_t value;
    take(&value, sizeof value);
    return value;
  }

  float f32() {
    float value;
    take(&value, sizeof value);
    return value;
  }

  // A count or size named `what`, refused outside low…high.
  int integer(const char* what, int low, int high) {
    const uint32_t value = u32();
    if (value < static_cast<uint32_t>(low) || value > static_cast<uint32_t>(high))
      throw BadBlob(std::string("prepared model: ") + what + " is " + std::to_string(value) + ", wanted " +
                    std::to_string(low) + " to " + std::to_string(high));
    return static_cast<int>(value);
  }

  std::vector<float> floats(size_t count) {
    if (count > left_ / sizeof(float)) throw BadBlob("prepared model: it ends early");
    std::vector<float> values(count);
    take(values.data(), count * sizeof(float));
    return values;
  }

  const uint8_t* bytes(size_t count) {
    if (count > left_) throw BadBlob("prepared model: it ends early");
    const uint8_t* start = at_;
    at_ += count;
    left_ -= count;
    return start;
  }

  size_t left() const { return left_; }

  void expect_end() const {
    if (left_ != 0) throw BadBlob("prepared model: " + std::to_string(left_) + " bytes too many");
  }

 private:
  void take(void* to, size_t count) {
    if (count > left_) throw BadBlob("prepared model: it ends early");
    if (count != 0) std::memcpy(to, at_, count);
    at_ += count;
    left_ -= count;
  }

  const uint8_t* at_;
  size_t left_;
};

}  // namespace appliance
