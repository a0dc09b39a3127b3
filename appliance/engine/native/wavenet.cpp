// WaveNets as NAM builds them (A1, A2): arrays of dilated layers with a residual path and a head sum.
//
// One pass a layer and tile of time: dilated convolution + mix-in + bias + activation + head sum + 1x1 + residual, and
// the result goes straight into the next layer's history. Shapes people use have the channel count known when
// compiling; everything else runs on the general path below with the same tile.
#include <array>

#include "model.hpp"
#include "wavenet_layer.hpp"

namespace appliance {

namespace {

// Rows → rows by a convolution with bias, general widths: rechannel and head.
void convolve_rows(const PackedConvolution& convolution, const float* source, int source_stride, float* target,
                   int target_stride, int frames) {
  const float* weights = convolution.weights.data();
  for (int first = 0; first < convolution.outputs;) {
    const int rows = general_rows(convolution.outputs - first);
    with_rows(rows, [&](auto fixed) {
      constexpr int Rows = fixed.value;
      constexpr int V = vectors_for(Rows);
      const auto tile = [&](auto width, int t) {
        constexpr int kWidth = width.value;
        Vec acc[Rows][kWidth];
        for (int row = 0; row < Rows; ++row)
          for (int v = 0; v < kWidth; ++v) acc[row][v] = splat(convolution.bias[first + row]);
        const float* end = convolve_tile<Rows, kWidth, 0>(acc, weights, source + t, source_stride, convolution.inputs,
                                                          convolution.taps, convolution.dilation);
        for (int row = 0; row < Rows; ++row)
          for (int v = 0; v < kWidth; ++v)
            store(target + static_cast<ptrdiff_t>(first + row) * target_stride + t + v * kLanes, acc[row][v]);
        return end;
      };
      const float* end = weights;
      int t = 0;
      for (; t + V * kLanes <= round_up(frames, kLanes); t += V * kLanes)
        end = tile(std::integral_constant<int, V>{}, t);
      for (; t < frames; t += kLanes) end = tile(std::integral_constant<int, 1>{}, t);
      weights = end;
    });
    first += rows;
  }
}

struct LayerArray {
  int input_size = 0;
  int channels = 0;
  int bottleneck = 0;
  PackedConvolution rechannel;
  std::vector<Layer> layers;
  std::vector<LayerKernel> kernels;
  PackedConvolution head;
  History head_history;  // of the head sum, which the head convolution reads
};

class WaveNet final : public Network {
 public:
  WaveNet(BlobReader& blob, int inputs, int max_frames) : conditions_(inputs) {
    const int array_count = blob.integer("layer arrays", 1, kMaxLayers);
    const float head_scale = blob.f32();
    int head_outputs = 0;
    int stagger = 0;
    size_t scratch_rows = 0;
    for (int index = 0; index < array_count; ++index) {
      const bool last = index == array_count - 1;
      LayerArray array;
      array.channels = blob.integer("channels", 1, kMaxChannels);
      array.input_size = blob.integer("array inputs", 1, kMaxChannels);
      array.bottleneck = blob.integer("bottleneck", 1, kMaxChannels);
      const int layer_count = blob.integer("layers", 1, kMaxLayers);
      const int head_size = blob.integer("head size", 1, kMaxChannels);
      const int head_taps = blob.integer("head taps", 1, kMaxTaps);
      if (array.input_size != (index == 0 ? 1 : arrays_.back().channels))
        throw BadBlob("prepared model: the width of a layer array does not fit the one before");
      if (index > 0 && head_outputs != array.bottleneck)
        throw BadBlob("prepared model: the head of a layer array does not fit the next");
      if (last && head_size != 1) throw BadBlob("prepared model: the last head has more than one output");
      array.rechannel = read_convolution(blob, array.channels, array.input_size, 1, 1, general_rows, false);
      for (int number = 0; number < layer_count; ++number) {
        array.layers.push_back(read_layer(blob, array, max_frames, ++stagger));
        const Layer& layer = array.layers.back();
        const auto fixed = find_fixed(layer);
        array.kernels.push_back(fixed ? fixed->kernel : general_layer);
        scratch_rows = std::max<size_t>(scratch_rows, layer.convolution.outputs + layer.bottleneck);
      }
      array.head =
          read_convolution(blob, head_size, array.bottleneck, head_taps, blob.whole_stretch(), general_rows, true);
      if (last) {
        for (float& weight : array.head.weights) weight *= head_scale;
        for (float& bias : array.head.bias) bias *= head_scale;
      }
      const int head_past_frames = budget_.past_frames(array.bottleneck, head_taps, blob.whole_stretch());
      array.head_history = History(array.bottleneck, head_past_frames, max_frames, ++stagger);
      head_outputs = head_size;
      arrays_.push_back(std::move(array));
    }
    residual_stride_ = round_up(max_frames, kTileFrames) + kTileFrames + 16;
    int widest = 0;
    for (const LayerArray& array : arrays_) widest = std::max(widest, array.channels);
    residual_.assign(static_cast<size_t>(widest) * residual_stride_, 0.0f);
    scratch_.assign(scratch_rows, Vec{});
  }

  int receptive_field() const noexcept override { return budget_.receptive_field(); }

  void reset() noexcept override {
    for (LayerArray& array : arrays_) {
      for (Layer& layer : array.layers) layer.history.reset();
      array.head_history.reset();
    }
  }

  void process(const float* const* inputs, float* out, int frames) noexcept override {
    const float* source = inputs[0];
    int source_stride = 0;
    for (LayerArray& array : arrays_) {
      for (Layer& layer : array.layers) layer.history.begin(frames);
      array.head_history.begin(frames);
    }
    for (size_t index = 0; index < arrays_.size(); ++index) {
      LayerArray& array = arrays_[index];
      const bool last = index + 1 == arrays_.size();
      History& first = array.layers.front().history;
      convolve_rows(array.rechannel, source, source_stride, first.now(), first.stride(), frames);
      run_layers(array, inputs, index == 0, last, frames);
      History* next_head = last ? nullptr : &arrays_[index + 1].head_history;
      convolve_rows(array.head, array.head_history.now(), array.head_history.stride(), last ? out : next_head->now(),
                    last ? 0 : next_head->stride(), frames);
      source = residual_.data();
      source_stride = residual_stride_;
    }
    for (LayerArray& array : arrays_) {
      for (Layer& layer : array.layers) layer.history.end(frames);
      array.head_history.end(frames);
    }
  }

 private:
  void run_layers(LayerArray& array, const float* const* inputs, bool head_empty, bool last_array,
                  int frames) noexcept {
    for (size_t number = 0; number < array.layers.size(); ++number) {
      const bool last = number + 1 == array.layers.size();
      Job job;
      job.layer = &array.layers[number];
      job.conditions = inputs;
      job.condition_count = conditions_;
      job.head = array.head_history.now();
      job.head_stride = array.head_history.stride();
      job.head_empty = head_empty && number == 0;
      job.frames = frames;
      job.scratch = scratch_.data();
      if (!last) {
        job.next = array.layers[number + 1].history.now();
        job.next_stride = array.layers[number + 1].history.stride();
      } else {
        job.next = last_array ? nullptr : residual_.data();  // the last 1x1 of the last array is never heard
        job.next_stride = residual_stride_;
      }
      array.kernels[number](job);
    }
  }

  template <class RowsPerGroup>
  static PackedConvolution read_convolution(BlobReader& blob, int outputs, int inputs, int taps, int dilation,
                                            RowsPerGroup rows, bool bias) {
    const std::vector<float> weight = blob.floats(static_cast<size_t>(outputs) * inputs * taps);
    std::vector<float> biases = bias ? blob.floats(outputs) : std::vector<float>(outputs, 0.0f);
    return PackedConvolution::pack(weight, std::move(biases), outputs, inputs, taps, dilation, rows);
  }

  Layer read_layer(BlobReader& blob, const LayerArray& array, int max_frames, int stagger) {
    Layer layer;
    layer.channels = array.channels;
    layer.bottleneck = array.bottleneck;
    const int taps = blob.integer("taps", 1, kMaxTaps);
    const int dilation = blob.integer("dilation", 1, kMaxDilation) * blob.whole_stretch();
    const int past_frames = budget_.past_frames(layer.channels, taps, dilation);
    layer.gating = static_cast<Gating>(blob.integer("gating", 0, 2));
    layer.activation = Activation::read(blob);
    layer.gate = Activation::read(blob);
    const int z_rows = layer.bottleneck * (layer.gating == Gating::kNone ? 1 : 2);
    const auto fixed = find_fixed(layer);
    const auto rows = [&](int left) { return fixed ? fixed->rows : general_rows(left); };
    layer.convolution = read_convolution(blob, z_rows, layer.channels, taps, dilation, rows, true);
    layer.mixin = blob.floats(static_cast<size_t>(z_rows) * conditions_);
    layer.residual = read_convolution(blob, layer.channels, layer.bottleneck, 1, 1, rows, true);
    layer.history = History(layer.channels, past_frames, max_frames, stagger);
    return layer;
  }

  int conditions_;
  HistoryBudget budget_;
  std::vector<LayerArray> arrays_;
  std::vector<float> residual_;  // rows that leave an array
  int residual_stride_ = 0;
  std::vector<Vec> scratch_;
};

}  // namespace

std::unique_ptr<Network> make_wavenet(BlobReader& blob, int inputs, int max_frames) {
  return std::make_unique<WaveNet>(blob, inputs, max_frames);
}

}  // namespace appliance
