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

template <int Rows, int Inputs>
void convolve_group(const PackedConvolution& convolution, const float* weights, int first, const float* source,
                    int source_stride, float* target, int target_stride, int frames) {
  constexpr int V = vectors_for(Rows);
  const auto tile = [&](auto width, int t) {
    constexpr int kWidth = width.value;
    Vec acc[Rows][kWidth];
    for (int row = 0; row < Rows; ++row)
      for (int v = 0; v < kWidth; ++v) acc[row][v] = splat(convolution.bias[first + row]);
    convolve_tile<Rows, kWidth, Inputs>(acc, weights, source + t, source_stride, convolution.inputs, convolution.taps,
                                        convolution.dilation);
    for (int row = 0; row < Rows; ++row)
      for (int v = 0; v < kWidth; ++v)
        store(target + static_cast<ptrdiff_t>(first + row) * target_stride + t + v * kLanes, acc[row][v]);
  };
  int t = 0;
  for (; t + V * kLanes <= round_up(frames, kLanes); t += V * kLanes) tile(std::integral_constant<int, V>{}, t);
  for (; t < frames; t += kLanes) tile(std::integral_constant<int, 1>{}, t);
}

// Rows → rows by a convolution with bias: rechannel and head.
void convolve_rows(const PackedConvolution& convolution, const float* source, int source_stride, float* target,
                   int target_stride, int frames) {
  const float* weights = convolution.weights.data();
  for (int first = 0; first < convolution.outputs;) {
    const int rows = general_rows(convolution.outputs - first);
    with_rows(rows, [&](auto fixed) {
      with_inputs(convolution.inputs, [&](auto inputs) {
        convolve_group<fixed.value, inputs.value>(convolution, weights, first, source, source_stride, target,
                                                  target_stride, frames);
      });
    });
    weights += static_cast<ptrdiff_t>(rows) * convolution.inputs * convolution.taps;
    first += rows;
  }
}

// Activates rows in place.
void activate_in_place(const Activation& activation, float* rows, int stride, int count, int frames) {
  for (int row = 0; row < count; ++row) {
    float* at = rows + static_cast<ptrdiff_t>(row) * stride;
    for (int t = 0; t < frames; t += kLanes) {
      Vec value = load(at + t);
      activate_all(activation, &value, 1, row);
      store(at + t, value);
    }
  }
}

// A stage of the head behind the last array: activation, then convolution.
struct HeadStage {
  Activation activation;
  PackedConvolution convolution;
  History history;  // of the activated rows
};

struct LayerArray {
  int input_size = 0;
  int channels = 0;
  int bottleneck = 0;
  int head_width = 0;  // of the head sum
  PackedConvolution rechannel;
  std::vector<Layer> layers;
  std::vector<LayerKernel> kernels;
  ShortKernel short_kernel = nullptr;  // for blocks of one vector, if all layers are of one shape that has one
  PackedConvolution head;
  History head_history;  // of the head sum, which the head convolution reads
};

class WaveNet final : public Network {
 public:
  WaveNet(BlobReader& blob, int inputs, int max_frames, int depth) : inputs_(inputs), conditions_(inputs) {
    read_condition(blob, max_frames, depth);
    const int array_count = blob.integer("layer arrays", 1, kMaxLayers);
    const int stage_count = blob.integer("head stages", 0, kMaxLayers);
    const float head_scale = blob.f32();
    int head_outputs = 0;
    int stagger = 0;
    size_t scratch = 0;
    for (int index = 0; index < array_count; ++index) {
      const bool last = index == array_count - 1;
      LayerArray array;
      array.channels = blob.integer("channels", 1, kMaxChannels);
      array.input_size = blob.integer("array inputs", 1, kMaxChannels);
      array.bottleneck = blob.integer("bottleneck", 1, kMaxChannels);
      const int layer_count = blob.integer("layers", 1, kMaxLayers);
      const int head_size = blob.integer("head size", 1, kMaxChannels);
      array.head_width = blob.integer("head width", 1, kMaxChannels);
      const int head_taps = blob.integer("head taps", 1, kMaxTaps);
      const int head_dilation = blob.integer("head dilation", 1, kMaxDilation) * blob.whole_stretch();
      const bool fits_inputs = array.input_size == 1 || array.input_size == inputs;
      if (index == 0 ? !fits_inputs : array.input_size != arrays_.back().channels)
        throw BadBlob("prepared model: the width of a layer array does not fit the one before");
      if (index > 0 && head_outputs != array.head_width)
        throw BadBlob("prepared model: the head of a layer array does not fit the next");
      array.rechannel = read_convolution(blob, array.channels, array.input_size, 1, 1, general_rows, true);
      for (int number = 0; number < layer_count; ++number) {
        array.layers.push_back(read_layer(blob, array, max_frames, ++stagger));
        const Layer& layer = array.layers.back();
        const auto fixed = find_kernel(layer);
        array.kernels.push_back(fixed ? fixed->kernel : general_layer);
        const ShortKernel short_kernel = fixed ? fixed->short_kernel : nullptr;
        array.short_kernel = number == 0 || array.short_kernel == short_kernel ? short_kernel : nullptr;
        scratch = std::max(scratch, general_scratch(layer, conditions_));
      }
      array.head = read_convolution(blob, head_size, array.head_width, head_taps, head_dilation, general_rows, true);
      if (last) {
        for (float& weight : array.head.weights) weight *= head_scale;
        for (float& bias : array.head.bias) bias *= head_scale;
      }
      array.head_history = History(array.head_width, budget_.past_frames(array.head_width, head_taps, head_dilation),
                                   max_frames, ++stagger);
      head_outputs = head_size;
      arrays_.push_back(std::move(array));
    }
    for (int number = 0; number < stage_count; ++number) {
      stages_.push_back(read_stage(blob, head_outputs, max_frames, ++stagger));
      head_outputs = stages_.back().convolution.outputs;
    }
    outputs_ = head_outputs;
    residual_stride_ = round_up(max_frames, kTileFrames) + kTileFrames + 16;
    int widest = inputs;
    for (const LayerArray& array : arrays_) widest = std::max(widest, array.channels);
    residual_.assign(static_cast<size_t>(widest) * residual_stride_, 0.0f);
    scratch_.assign(scratch, Vec{});
  }

  int receptive_field() const noexcept override {
    return budget_.receptive_field() + (condition_ ? condition_->receptive_field() - 1 : 0);
  }

  int outputs() const noexcept override { return outputs_; }

  void reset() noexcept override {
    for (LayerArray& array : arrays_) {
      for (Layer& layer : array.layers) {
        layer.history.reset();
        if (layer.extras) layer.extras->input.reset();
      }
      array.head_history.reset();
    }
    for (HeadStage& stage : stages_) stage.history.reset();
    if (condition_) condition_->reset();
  }

  void process(const float* const* inputs, float* out, int frames) noexcept override {
    process_rows(inputs, out, 0, frames);
  }

  void process_rows(const float* const* inputs, float* out, int stride, int frames) noexcept override {
    const float* const* conditions = condition_ ? steer(inputs, frames) : inputs;
    begin(frames);
    const float* source = inputs[0];
    int source_stride = 0;
    if (arrays_.front().input_size > 1) {  // it hears the knobs as well: bring the rows together
      for (int row = 0; row < inputs_; ++row)
        std::copy_n(inputs[row], frames, residual_.data() + static_cast<ptrdiff_t>(row) * residual_stride_);
      source = residual_.data();
      source_stride = residual_stride_;
    }
    for (size_t index = 0; index < arrays_.size(); ++index) {
      LayerArray& array = arrays_[index];
      const bool last = index + 1 == arrays_.size();
      History& first = array.layers.front().input();
      convolve_rows(array.rechannel, source, source_stride, first.now(), first.stride(), frames);
      if (index == 0) clear_rows(array.head_history, frames);
      run_layers(array, conditions, last, frames);
      History* next = !last ? &arrays_[index + 1].head_history : !stages_.empty() ? &stages_.front().history : nullptr;
      convolve_rows(array.head, array.head_history.now(), array.head_history.stride(), next ? next->now() : out,
                    next ? next->stride() : stride, frames);
      source = residual_.data();
      source_stride = residual_stride_;
    }
    run_stages(out, stride, frames);
    end(frames);
  }

 private:
  // The head sum of the first array starts at nothing (the others' at the head before).
  static void clear_rows(History& rows, int frames) noexcept {
    for (int channel = 0; channel < rows.channels(); ++channel)
      for (int t = 0; t < frames; t += kLanes)
        store(rows.now() + static_cast<ptrdiff_t>(channel) * rows.stride() + t, Vec{});
  }

  void begin(int frames) noexcept {
    for (LayerArray& array : arrays_) {
      for (Layer& layer : array.layers) {
        layer.history.begin(frames);
        if (layer.extras) layer.extras->input.begin(frames);
      }
      array.head_history.begin(frames);
    }
    for (HeadStage& stage : stages_) stage.history.begin(frames);
  }

  void end(int frames) noexcept {
    for (LayerArray& array : arrays_) {
      for (Layer& layer : array.layers) {
        layer.history.end(frames);
        if (layer.extras) layer.extras->input.end(frames);
      }
      array.head_history.end(frames);
    }
    for (HeadStage& stage : stages_) stage.history.end(frames);
  }

  // The rows that the condition network makes of the audio.
  const float* const* steer(const float* const* inputs, int frames) noexcept {
    condition_->process_rows(inputs, condition_data_.data(), condition_stride_, frames);
    if (condition_skip_)
      for (int t = 0; t < frames; ++t) condition_data_[t] += inputs[0][t];
    return condition_rows_.data();
  }

  void run_stages(float* out, int stride, int frames) noexcept {
    for (size_t number = 0; number < stages_.size(); ++number) {
      HeadStage& stage = stages_[number];
      History* next = number + 1 < stages_.size() ? &stages_[number + 1].history : nullptr;
      activate_in_place(stage.activation, stage.history.now(), stage.history.stride(), stage.convolution.inputs,
                        frames);
      convolve_rows(stage.convolution, stage.history.now(), stage.history.stride(), next ? next->now() : out,
                    next ? next->stride() : stride, frames);
    }
  }

  void run_layers(LayerArray& array, const float* const* conditions, bool last_array, int frames) noexcept {
    if (array.short_kernel != nullptr && frames <= kLanes) {
      ShortJob job;
      job.layers = array.layers.data();
      job.layer_count = static_cast<int>(array.layers.size());
      job.conditions = conditions;
      job.condition_count = conditions_;
      job.head = array.head_history.now();
      job.head_stride = array.head_history.stride();
      job.next = last_array ? nullptr : residual_.data();
      job.next_stride = residual_stride_;
      return array.short_kernel(job);
    }
    for (size_t number = 0; number < array.layers.size(); ++number) {
      const bool last = number + 1 == array.layers.size();
      Job job;
      job.layer = &array.layers[number];
      job.conditions = conditions;
      job.condition_count = conditions_;
      job.head = array.head_history.now();
      job.head_stride = array.head_history.stride();
      job.frames = frames;
      job.history = &array.layers[number].history;
      job.scratch = scratch_.data();
      if (!last) {
        History& next = array.layers[number + 1].input();
        job.next = next.now();
        job.next_stride = next.stride();
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
    const bool has_head = blob.integer("layer head", 0, 1) == 1;
    const int places = blob.integer("modulated places", 0, (1 << kPlaces) - 1);
    if (has_head || places != 0) layer.extras = std::make_unique<LayerExtras>();
    if (!has_head && array.head_width != layer.bottleneck)
      throw BadBlob("prepared model: a layer does not fit the head sum");
    layer.activation = Activation::read(blob);
    layer.activation.expect_channels(layer.bottleneck);
    layer.gate = Activation::read(blob);
    layer.gate.expect_channels(layer.bottleneck);
    const int z_rows = layer.bottleneck * (layer.gating == Gating::kNone ? 1 : 2);
    const auto fixed = find_kernel(layer);
    const auto rows = [&](int left) { return fixed ? fixed->rows : general_rows(left); };
    layer.convolution = read_convolution(blob, z_rows, layer.channels, taps, dilation, rows, true);
    layer.mixin = blob.floats(static_cast<size_t>(z_rows) * conditions_);
    layer.residual = read_convolution(blob, layer.channels, layer.bottleneck, 1, 1, rows, true);
    layer.history = History(layer.channels, past_frames, max_frames, stagger);
    if (layer.extras) read_extras(blob, layer, has_head ? array.head_width : 0, places, max_frames);
    return layer;
  }

  // head: rows of the layer's own 1x1 into the head sum, 0 for none. places: bit set of what is modulated.
  void read_extras(BlobReader& blob, Layer& layer, int head, int places, int max_frames) {
    LayerExtras& extras = *layer.extras;
    extras.has_head = head != 0;
    if (extras.has_head) extras.head = read_convolution(blob, head, layer.bottleneck, 1, 1, general_rows, true);
    const int z_rows = layer.convolution.outputs;
    const int widths[kPlaces] = {layer.channels, z_rows,           conditions_,    z_rows,
                                 z_rows,         layer.bottleneck, layer.channels, head};
    for (int place = 0; place < kPlaces; ++place) {
      if ((places >> place & 1) == 0) continue;
      if (widths[place] == 0) throw BadBlob("prepared model: it modulates a head that a layer lacks");
      extras.films[place] = Film::read(blob, widths[place], conditions_);
    }
    if (extras.modulates_input()) extras.input = History(layer.channels, 0, max_frames);
  }

  HeadStage read_stage(BlobReader& blob, int inputs, int max_frames, int stagger) {
    HeadStage stage;
    const int outputs = blob.integer("head stage outputs", 1, kMaxChannels);
    const int taps = blob.integer("head stage taps", 1, kMaxTaps);
    stage.activation = Activation::read(blob);
    stage.activation.expect_channels(inputs);
    const int dilation = blob.whole_stretch();
    const int past_frames = budget_.past_frames(inputs, taps, dilation);
    stage.convolution = read_convolution(blob, outputs, inputs, taps, dilation, general_rows, true);
    stage.history = History(inputs, past_frames, max_frames, stagger);
    return stage;
  }

  // The network whose outputs are this one's condition signal, if there is one.
  void read_condition(BlobReader& blob, int max_frames, int depth) {
    const int kind = blob.integer("condition", 0, kKinds) - 1;
    if (kind < 0) return;
    if (inputs_ != 1) throw BadBlob("prepared model: a network that another one steers has no knobs");
    if (depth >= kMaxDepth) throw BadBlob("prepared model: too many networks inside each other");
    condition_skip_ = blob.integer("skip", 0, 1) == 1;
    condition_ = make_network(kind, blob, 1, max_frames, depth + 1);
    conditions_ = condition_->outputs();
    condition_stride_ = round_up(max_frames, kTileFrames) + kTileFrames + 16;
    condition_data_.assign(static_cast<size_t>(conditions_) * condition_stride_, 0.0f);
    for (int row = 0; row < conditions_; ++row)
      condition_rows_.push_back(condition_data_.data() + static_cast<size_t>(row) * condition_stride_);
  }

  static std::optional<FixedShape> find_kernel(const Layer& layer) {
    return layer.extras ? std::nullopt : find_fixed(layer);
  }

  int inputs_;      // audio and knobs
  int conditions_;  // rows of the condition signal
  std::unique_ptr<Network> condition_;
  bool condition_skip_ = false;
  int condition_stride_ = 0;
  std::vector<float> condition_data_;
  std::vector<const float*> condition_rows_;
  int outputs_ = 1;
  HistoryBudget budget_;
  std::vector<LayerArray> arrays_;
  std::vector<HeadStage> stages_;
  std::vector<float> residual_;  // rows that leave an array
  int residual_stride_ = 0;
  std::vector<Vec> scratch_;
};

}  // namespace

std::unique_ptr<Network> make_wavenet(BlobReader& blob, int inputs, int max_frames, int depth) {
  return std::make_unique<WaveNet>(blob, inputs, max_frames, depth);
}

}  // namespace appliance
