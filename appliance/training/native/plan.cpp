#include "plan.hpp"

#include "layer_kernels.hpp"

namespace appliance::training {

namespace {

class LayoutReader {
 public:
  explicit LayoutReader(const std::vector<int>& layout) : layout_(layout) {}
  bool more() const { return at_ < layout_.size(); }
  int next(const char* what, int least, int most) {
    if (!more()) throw UnknownShape("the layout of the WaveNet ends early: no " + std::string(what));
    const int value = layout_[at_++];
    if (value < least || value > most)
      throw UnknownShape(std::string(what) + " is " + std::to_string(value) + ", but the kernels take " +
                         std::to_string(least) + " to " + std::to_string(most));
    return value;
  }

 private:
  const std::vector<int>& layout_;
  size_t at_ = 0;
};

}  // namespace

Plan Plan::make(const std::vector<int>& layout, Act activation, float slope, float head_scale) {
  Plan plan;
  plan.activation = activation;
  plan.slope = slope;
  plan.head_scale = head_scale;
  LayoutReader reader(layout);
  int inputs = 1;
  size_t offset = 0;
  const auto take = [&](size_t count) {
    const size_t at = offset;
    offset += count;
    return at;
  };
  int widest = 0;
  while (reader.more()) {
    ArrayPlan array;
    array.inputs = inputs;
    array.channels = reader.next("channels", 1, 64);
    if (find_kernels(array.channels, activation) == nullptr)
      throw UnknownShape("there are no training kernels for " + std::to_string(array.channels) +
                         " channels with this activation");
    array.head_size = reader.next("head size", 1, 64);
    array.head_taps = reader.next("head taps", 1, kMaxTaps);
    array.has_head_bias = reader.next("head bias", 0, 1) == 1;
    const int layers = reader.next("number of layers", 1, 1024);
    const size_t width = static_cast<size_t>(array.channels);
    array.rechannel = take(inputs * width);
    for (int index = 0; index < layers; ++index) {
      LayerPlan layer;
      layer.channels = array.channels;
      layer.taps = reader.next("taps", 1, kMaxTaps);
      layer.dilation = reader.next("dilation", 1, 1 << 16);
      layer.past = (layer.taps - 1) * layer.dilation;
      plan.past += layer.past;
      layer.first = plan.past;
      layer.first_row = plan.rows;
      plan.rows += array.channels;
      layer.conv = take(layer.taps * width * width);
      layer.bias = take(width);
      layer.mixin = take(width);
      layer.out = take(width * width);
      layer.out_bias = take(width);
      array.layers.push_back(layer);
    }
    array.head = take(static_cast<size_t>(array.head_taps) * width * array.head_size);
    if (array.has_head_bias) array.head_bias = take(array.head_size);
    widest = array.channels > widest ? array.channels : widest;
    inputs = array.channels;
    plan.arrays.push_back(std::move(array));
  }
  if (plan.arrays.empty()) throw UnknownShape("the layout of the WaveNet is empty");
  if (plan.arrays.back().head_size != 1) throw UnknownShape("the last head has more than one output");
  for (size_t index = 0; index + 1 < plan.arrays.size(); ++index)
    if (plan.arrays[index].head_taps != 1)
      throw UnknownShape("only the last array's head can have more than one tap here");
    else if (plan.arrays[index].head_size != plan.arrays[index + 1].channels)
      throw UnknownShape("a head's size is not the next array's number of channels");
  // Each head looks back from where the next one begins to be heard; so do the arrays' layers.
  int heads_past = 0;
  for (const ArrayPlan& array : plan.arrays) heads_past += array.head_past();
  plan.past += heads_past;
  int head_first = plan.past;
  for (size_t index = plan.arrays.size(); index-- > 0;) {
    head_first -= plan.arrays[index].head_past();
    plan.arrays[index].head_first = head_first;
  }
  plan.weights = offset;
  plan.tile_frames = 256;
  return plan;
}

}  // namespace appliance::training
