// The engine's output against what the reference made of the same audio, in blocks of several sizes and in splits.
// compare CASE…; CASE.blob is the model, CASE.audio [frames], CASE.knobs [knobs][frames] and CASE.expected [frames] are
// float32. Prints the largest error of each case. Ends with 1 when one is above kTolerance of full scale, and with 2
// when a file does not fit the others.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>

#include "files.hpp"
#include "model.hpp"

using namespace appliance;

namespace {

constexpr float kTolerance = 1e-5f;
constexpr int kMaxBlock = 256;  // larger blocks are cut by the model itself
constexpr int kLargestSplit = 700;

std::vector<float> read_floats(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

struct Case {
  std::vector<uint8_t> blob;
  std::vector<float> audio, knobs, expected;
};

// Plays the whole stream, asking `next()` for the frames of each block; the largest error.
template <class Next>
float largest_error(Model& model, const Case& given, Next next) {
  const int total = static_cast<int>(given.audio.size());
  std::vector<float> made(given.audio.size());
  std::vector<const float*> knobs(model.knob_count());
  for (int done = 0; done < total;) {
    const int frames = std::min(next(), total - done);
    for (int knob = 0; knob < model.knob_count(); ++knob)
      knobs[knob] = given.knobs.data() + static_cast<ptrdiff_t>(knob) * total + done;
    model.process(given.audio.data() + done, knobs.data(), made.data() + done, frames);
    done += frames;
  }
  float largest = 0.0f;
  for (int t = 0; t < total; ++t) {
    const float error = std::fabs(made[t] - given.expected[t]);
    if (!(error <= largest)) largest = error;  // NaN too
  }
  return largest;
}

}  // namespace

int main(int count, char** arguments) {
  bool agrees = true;
  std::mt19937 random(1);
  for (int i = 1; i < count; ++i) {
    const std::string path = arguments[i];
    const Case given{read_file(path + ".blob"), read_floats(path + ".audio"), read_floats(path + ".knobs"),
                     read_floats(path + ".expected")};
    Model model(given.blob.data(), given.blob.size(), kMaxBlock);
    if (given.audio.empty() || given.expected.size() != given.audio.size() ||
        given.knobs.size() != given.audio.size() * static_cast<size_t>(model.knob_count())) {
      std::fprintf(stderr, "%s: audio, knobs and expected output are not of the same length\n", path.c_str());
      return 2;
    }
    float worst = 0.0f;
    const auto note = [&](float error) {
      if (!(error <= worst)) worst = error;
      model.reset();
    };
    for (const int block : {1, 16, 37, 64, kMaxBlock}) note(largest_error(model, given, [&] { return block; }));
    for (int round = 0; round < 3; ++round)
      note(largest_error(model, given, [&] { return 1 + static_cast<int>(random() % kLargestSplit); }));
    const bool good = worst <= kTolerance;
    std::printf("%-10s %.2e  %s\n", good ? "agrees" : "DISAGREES", static_cast<double>(worst), path.c_str());
    agrees = agrees && good;
  }
  return agrees ? 0 : 1;
}
