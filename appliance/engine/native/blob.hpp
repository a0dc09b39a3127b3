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
  // stretch: how many times faster than it was trained the network will run (docs/rates.md).
  BlobReader(const void* data, size_t bytes, double stretch = 1.0)
      : at_(static_cast<const uint8_t*>(data)), left_(bytes), stretch_(stretch) {}

  // A network that is built from this stream multiplies its delays by it. Convolutions need whole numbers: Model sees
  // to that.
  double stretch() const { return stretch_; }
  int whole_stretch() const { return static_cast<int>(stretch_); }

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
  double stretch_;
};

}  // namespace appliance
