// NAM's ConvNet: dilated convolutions with an activation each, then a weighted sum of the channels.
#include "activations.hpp"
#include "convolution.hpp"
#include "history.hpp"
#include "model.hpp"

namespace appliance {

namespace {

struct Block {
  PackedConvolution convolution;
  Activation activation;
  History history;  // of the block's input
};

class ConvNet final : public Network {
 public:
  ConvNet(BlobReader& blob, int inputs, int max_frames) {
    if (inputs != 1) throw BadBlob("prepared model: a ConvNet has no knobs");
    const int count = blob.integer("blocks", 1, kMaxLayers);
    int previous = 1;
    for (int number = 0; number < count; ++number) {
      const int outputs = blob.integer("channels", 1, kMaxChannels);
      const int block_inputs = blob.integer("block inputs", 1, kMaxChannels);
      const int taps = blob.integer("taps", 1, kMaxTaps);
      const int dilation = blob.integer("dilation", 1, kMaxDilation) * blob.whole_stretch();
      if (block_inputs != previous) throw BadBlob("prepared model: the width of a block does not fit the one before");
      const int past_frames = budget_.past_frames(block_inputs, taps, dilation);
      Block block;
      block.activation = Activation::read(blob);
      block.activation.expect_channels(outputs);
      const std::vector<float> weight = blob.floats(static_cast<size_t>(outputs) * block_inputs * taps);
      block.convolution =
          PackedConvolution::pack(weight, blob.floats(outputs), outputs, block_inputs, taps, dilation, general_rows);
      block.history = History(block_inputs, past_frames, max_frames, number);
      blocks_.push_back(std::move(block));
      previous = outputs;
    }
    head_ = blob.floats(previous);
    head_bias_ = blob.f32();
    tile_.assign(kMaxChannels, Vec{});
  }

  int receptive_field() const noexcept override { return budget_.receptive_field(); }

  void reset() noexcept override {
    for (Block& block : blocks_) block.history.reset();
  }

  void process(const float* const* inputs, float* out, int frames) noexcept override {
    for (Block& block : blocks_) block.history.begin(frames);
    std::copy_n(inputs[0], frames, blocks_.front().history.now());
    for (size_t number = 0; number < blocks_.size(); ++number) {
      History* next = number + 1 < blocks_.size() ? &blocks_[number + 1].history : nullptr;
      for (int t = 0; t < frames; t += kLanes) run_tile(blocks_[number], next, out, t);
    }
    for (Block& block : blocks_) block.history.end(frames);
  }

 private:
  void run_tile(const Block& block, History* next, float* out, int t) noexcept {
    const PackedConvolution& convolution = block.convolution;
    const float* weights = convolution.weights.data();
    for (int first = 0; first < convolution.outputs;) {
      const int rows = general_rows(convolution.outputs - first);
      with_rows(rows, [&](auto fixed) {
        Vec acc[fixed.value][1];
        for (int row = 0; row < fixed.value; ++row) acc[row][0] = splat(convolution.bias[first + row]);
        weights = convolve_tile<fixed.value, 1, 0>(acc, weights, block.history.now() + t, block.history.stride(),
                                                   convolution.inputs, convolution.taps, convolution.dilation);
        for (int row = 0; row < fixed.value; ++row) tile_[first + row] = acc[row][0];
      });
      first += rows;
    }
    activate_rows(block.activation, tile_.data(), convolution.outputs, 1);
    if (next != nullptr) {
      for (int row = 0; row < convolution.outputs; ++row)
        store(next->now() + static_cast<ptrdiff_t>(row) * next->stride() + t, tile_[row]);
    } else {
      Vec total = splat(head_bias_);
      for (int row = 0; row < convolution.outputs; ++row) total += tile_[row] * head_[row];
      store(out + t, total);
    }
  }

  std::vector<Block> blocks_;
  std::vector<float> head_;
  float head_bias_ = 0.0f;
  HistoryBudget budget_;
  std::vector<Vec> tile_;
};

}  // namespace

std::unique_ptr<Network> make_convnet(BlobReader& blob, int inputs, int max_frames) {
  return std::make_unique<ConvNet>(blob, inputs, max_frames);
}

}  // namespace appliance
