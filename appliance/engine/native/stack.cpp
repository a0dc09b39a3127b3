// Networks that are one layer after another (RTNeural's stacks, SmartAmpPro).
//
// Rows [channel][time], lanes over time but in recurrent units. Each layer works off the whole block before the next:
// layers without a memory in place, the others from one of two buffers into the other.
#include "stack.hpp"

#include <algorithm>

#include "convolution.hpp"
#include "history.hpp"
#include "model.hpp"
#include "recurrent.hpp"

namespace appliance {

namespace {

// Dilated, grouped convolution; a dense layer is one with a single tap.
class Convolution final : public StackLayer {
 public:
  Convolution(BlobReader& blob, int inputs, int max_frames, HistoryBudget& budget, int number) : inputs_(inputs) {
    outputs_ = blob.integer("channels", 1, kMaxStackWidth);
    const int group_inputs = blob.integer("inputs of a group", 1, kMaxStackWidth);
    const int taps = blob.integer("taps", 1, kMaxTaps);
    const int dilation = blob.integer("dilation", 1, kMaxDilation) * blob.whole_stretch();
    const int groups = blob.integer("groups", 1, kMaxStackWidth);
    if (group_inputs * groups != inputs || outputs_ % groups != 0)
      throw BadBlob("prepared model: the width of a layer does not fit the one before");
    const int past_frames = budget.past_frames(inputs, taps, dilation);
    const int group_outputs = outputs_ / groups;
    const size_t group_size = static_cast<size_t>(group_outputs) * group_inputs * taps;
    const std::vector<float> weight = blob.floats(group_size * groups);
    const std::vector<float> bias = blob.floats(outputs_);
    for (int group = 0; group < groups; ++group) {
      const auto first = weight.begin() + static_cast<ptrdiff_t>(group_size * group);
      const auto first_bias = bias.begin() + static_cast<ptrdiff_t>(group) * group_outputs;
      groups_.push_back(PackedConvolution::pack({first, first + static_cast<ptrdiff_t>(group_size)},
                                                {first_bias, first_bias + group_outputs}, group_outputs, group_inputs,
                                                taps, dilation, general_rows));
    }
    history_ = History(inputs, past_frames, max_frames, number);
  }

  int outputs() const noexcept override { return outputs_; }
  void reset() noexcept override { history_.reset(); }

  void process(RowBlock in, RowBlock out, int frames) noexcept override {
    history_.begin(frames);
    for (int channel = 0; channel < inputs_; ++channel)
      std::copy_n(in.row(channel), frames, history_.now() + static_cast<ptrdiff_t>(channel) * history_.stride());
    int output = 0;
    const float* source = history_.now();
    for (const PackedConvolution& group : groups_) {
      run_group(group, source, {out.row(output), out.stride}, frames);
      output += group.outputs;
      source += static_cast<ptrdiff_t>(group.inputs) * history_.stride();
    }
    history_.end(frames);
  }

 private:
  void run_group(const PackedConvolution& group, const float* source, RowBlock out, int frames) const noexcept {
    const float* weights = group.weights.data();
    for (int first = 0; first < group.outputs;) {
      const int rows = general_rows(group.outputs - first);
      with_rows(rows, [&](auto fixed) {
        constexpr int Rows = fixed.value;
        constexpr int V = vectors_for(Rows);
        for (int t = 0; t < frames; t += V * kLanes) {
          Vec acc[Rows][V];
          for (int row = 0; row < Rows; ++row)
            for (int v = 0; v < V; ++v) acc[row][v] = splat(group.bias[first + row]);
          convolve_tile<Rows, V, 0>(acc, weights, source + t, history_.stride(), group.inputs, group.taps,
                                    group.dilation);
          for (int row = 0; row < Rows; ++row)
            for (int v = 0; v < V; ++v) store(out.row(first + row) + t + v * kLanes, acc[row][v]);
        }
      });
      weights += static_cast<ptrdiff_t>(rows) * group.inputs * group.taps;
      first += rows;
    }
  }

  int inputs_;
  int outputs_ = 0;
  std::vector<PackedConvolution> groups_;
  History history_;
};

// LSTM or GRU units.
class Units final : public StackLayer {
 public:
  Units(BlobReader& blob, int inputs, int max_frames)
      : units_(make_recurrent_units(blob, inputs, max_frames)), inputs_(inputs, nullptr) {}

  int outputs() const noexcept override { return units_->hidden(); }
  void reset() noexcept override { units_->reset(); }

  void process(RowBlock in, RowBlock out, int frames) noexcept override {
    for (size_t channel = 0; channel < inputs_.size(); ++channel) inputs_[channel] = in.row(static_cast<int>(channel));
    units_->process_units(inputs_.data(), out.data, out.stride, frames);
  }

 private:
  std::unique_ptr<RecurrentUnits> units_;
  std::vector<const float*> inputs_;
};

class Stack final : public Network {
 public:
  Stack(BlobReader& blob, int inputs, int max_frames) : inputs_(inputs) {
    const int count = blob.integer("layers", 1, kMaxLayers);
    int width = inputs;
    int widest = inputs;
    for (int number = 0; number < count; ++number) {
      layers_.push_back(read_layer(blob, width, max_frames, number));
      width = layers_.back()->outputs();
      widest = std::max(widest, width);
    }
    if (width != 1) throw BadBlob("prepared model: the last layer gives more than one channel");
    const int lines = (max_frames + 15) / 16 + kTileFrames / 16;
    const int stride = (lines | 1) * 16;  // as History: rows keep clear of multiples of 4 KiB
    for (int which = 0; which < 2; ++which) {
      memory_[which].assign(static_cast<size_t>(widest) * stride, 0.0f);
      buffers_[which] = {memory_[which].data(), stride};
    }
  }

  int receptive_field() const noexcept override { return budget_.receptive_field() + settle_frames_; }

  void reset() noexcept override {
    for (auto& layer : layers_) layer->reset();
  }

  void process(const float* const* inputs, float* out, int frames) noexcept override {
    RowBlock now = buffers_[0];
    RowBlock next = buffers_[1];
    for (int input = 0; input < inputs_; ++input) std::copy_n(inputs[input], frames, now.row(input));
    for (auto& layer : layers_) {
      if (layer->in_place()) {
        layer->process(now, now, frames);
      } else {
        layer->process(now, next, frames);
        std::swap(now, next);
      }
    }
    std::copy_n(now.row(0), frames, out);
  }

 private:
  std::unique_ptr<StackLayer> read_layer(BlobReader& blob, int inputs, int max_frames, int number) {
    const auto kind = static_cast<StackKind>(blob.integer("kind of layer", 0, kStackKindCount - 1));
    if (kind == StackKind::kConvolution)
      return std::make_unique<Convolution>(blob, inputs, max_frames, budget_, number);
    if (kind != StackKind::kUnits) return make_pointwise(kind, blob, inputs);
    settle_frames_ = kRecurrentSettleFrames * blob.whole_stretch();
    return std::make_unique<Units>(blob, inputs, max_frames);
  }

  int inputs_;
  int settle_frames_ = 0;  // of recurrent units
  HistoryBudget budget_;
  std::vector<std::unique_ptr<StackLayer>> layers_;
  std::vector<float> memory_[2];
  RowBlock buffers_[2];
};

}  // namespace

std::unique_ptr<Network> make_stack(BlobReader& blob, int inputs, int max_frames) {
  return std::make_unique<Stack>(blob, inputs, max_frames);
}

}  // namespace appliance
