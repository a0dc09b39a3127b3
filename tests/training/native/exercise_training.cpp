// Trains WaveNets of many shapes for one step, so that a sanitizer sees every kernel. Checks two things on the way: the
// gradient points where the error falls as fast as it says, and the number of threads changes no bit of it.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "wavenet_training.hpp"

using namespace appliance;
using namespace appliance::training;

namespace {

struct Case {
  const char* name;
  std::vector<int> layout;
  Act activation;
  int frames;  // outputs
};

// One array of four layers, with a long last delay.
std::vector<int> one_array(int channels, int taps, int head_taps) {
  return {channels, 1, head_taps, 1, 4, taps, 1, taps, 3, taps, 2, taps, 101};
}

std::vector<int> two_arrays(int first, int second) {
  return {first, second, 1, 0, 3, 3, 1, 3, 4, 3, 300, second, 1, 1, 1, 3, 3, 2, 3, 64, 3, 1};
}

class Trial {
 public:
  explicit Trial(const Case& one)
      : net_(Plan::make(one.layout, one.activation, 0.01f, 0.5f)),
        frames_(net_.plan().past + one.frames),
        outputs_(one.frames),
        audio_(kItems * frames_),
        weights_(kItems * net_.plan().weights) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
    for (float& value : audio_) value = uniform(random);
    for (float& value : weights_) value = uniform(random);
  }

  // Half the sum of squares of the output; its gradient with respect to the weights when asked for.
  double loss(const std::vector<float>& weights, std::vector<float>* gradient, int threads) const {
    std::vector<float> output(kItems * outputs_);
    std::vector<float> saved(gradient == nullptr ? 0 : kItems * net_.saved_size(frames_));
    const size_t count = net_.plan().weights;
    net_.forward(weights.data(), count, audio_.data(), kItems, frames_, output.data(),
                 gradient == nullptr ? nullptr : saved.data(), threads);
    double total = 0.0;
    for (const float value : output) total += 0.5 * value * value;
    if (gradient != nullptr) {
      gradient->assign(kItems * count, 0.0f);
      net_.backward(weights.data(), count, audio_.data(), kItems, frames_, saved.data(), output.data(),
                    gradient->data(), threads);
    }
    return total;
  }

  bool passes() const {
    std::vector<float> one, three;
    loss(weights_, &one, 1);
    loss(weights_, &three, 3);
    if (one != three) return false;
    double length = 0.0;
    for (const float value : one) length += static_cast<double>(value) * value;
    length = std::sqrt(length);
    if (!(length > 0.0)) return false;
    const double step = 0.02 / length;
    std::vector<float> ahead = weights_, behind = weights_;
    for (size_t index = 0; index < one.size(); ++index) {
      const auto move = static_cast<float>(step * one[index]);
      ahead[index] += move;
      behind[index] -= move;
    }
    const double rise = (loss(ahead, nullptr, 2) - loss(behind, nullptr, 2)) / (2.0 * step);
    return std::fabs(rise / (length * length) - 1.0) < 0.02;
  }

 private:
  static constexpr int kItems = 4;
  WaveNetTraining net_;
  int frames_;
  int outputs_;
  std::vector<float> audio_;
  std::vector<float> weights_;
};

}  // namespace

int main() {
  std::vector<Case> cases;
  for (const int channels : {2, 3, 4, 6, 8, 12, 16})
    for (const Act activation : {Act::kTanh, Act::kLeakyRelu}) {
      cases.push_back({"one array", one_array(channels, 3, 1), activation, 700});
      cases.push_back({"one array, head of 16 taps", one_array(channels, 5, 16), activation, 300});
    }
  cases.push_back({"two arrays", two_arrays(8, 4), Act::kTanh, 900});
  cases.push_back({"two arrays, wider", two_arrays(3, 12), Act::kLeakyRelu, 513});
  cases.push_back({"fewer frames than lanes", two_arrays(4, 2), Act::kTanh, 1});
  for (const Case& one : cases)
    if (!Trial(one).passes()) {
      std::fprintf(stderr, "%s of %d channels: the gradient is wrong or depends on the threads\n", one.name,
                   one.layout[0]);
      return 1;
    }
  std::printf("%zu exercised\n", cases.size());
  return 0;
}
