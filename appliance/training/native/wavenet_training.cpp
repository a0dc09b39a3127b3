#include "wavenet_training.hpp"

#include <atomic>
#include <cstring>
#include <functional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "buffers.hpp"
#include "layer_kernels.hpp"

namespace appliance::training {

namespace {

// The audio of one item, cut into tiles that end where the audio ends. Frames count from the first tile's start;
// `pad` of them, silent, come before the audio.
struct Tiles {
  int frames;
  int count;
  int pad;

  Tiles(int audio_frames, int tile_frames)
      : frames(tile_frames),
        count((audio_frames + tile_frames - 1) / tile_frames),
        pad(count * tile_frames - audio_frames) {}
};

// One tile, and which frames of the audio it reaches.
struct Tile {
  int start;
  int end_of_audio;  // one past the last frame, counted from the audio's start

  Tile(const Tiles& tiles, int index)
      : start(index * tiles.frames), end_of_audio((index + 1) * tiles.frames - tiles.pad) {}
  // Whether frames from `first` of the audio on reach into this tile.
  bool reaches(int first) const { return end_of_audio > first; }
};

class ForwardWork {
 public:
  explicit ForwardWork(const Plan& plan, int tile_count)
      : plan_(plan), audio_(static_cast<size_t>(tile_count) * plan.tile_frames) {
    int widest = 1;
    for (const ArrayPlan& array : plan.arrays) {
      for (const LayerPlan& layer : array.layers) inputs_.emplace_back(array.channels, layer.past, plan.tile_frames);
      heads_.emplace_back(array.channels, array.head_past(), plan.tile_frames);
      widest = array.channels > widest ? array.channels : widest;
    }
    between_ = TileRows(widest, plan.tile_frames);
    heard_ = TileRows(widest, plan.tile_frames);
    output_ = TileRows(1, plan.tile_frames);
  }

  void run(const float* weights, const float* audio, int audio_frames, float* output, float* saved) {
    const Tiles tiles(audio_frames, plan_.tile_frames);
    for (Ring& ring : inputs_) ring.clear();
    for (Ring& ring : heads_) ring.clear();
    std::memset(audio_.data(), 0, tiles.pad * sizeof(float));
    std::memcpy(audio_.data() + tiles.pad, audio, audio_frames * sizeof(float));
    for (int index = 0; index < tiles.count; ++index) {
      const Tile tile(tiles, index);
      tile_pass(weights, tile, saved);
      if (saved != nullptr) saved += static_cast<size_t>(plan_.rows) * plan_.tile_frames;
      // the frames of this tile that are outputs
      const int first = tile.end_of_audio - plan_.tile_frames;
      const int skip = plan_.past > first ? plan_.past - first : 0;
      if (skip < plan_.tile_frames)
        std::memcpy(output + (first + skip - plan_.past), output_.data() + skip,
                    (plan_.tile_frames - skip) * sizeof(float));
    }
  }

 private:
  void tile_pass(const float* weights, const Tile& tile, float* saved) {
    const int frames = plan_.tile_frames;
    const float* dry = audio_.data() + tile.start;
    size_t layer_index = 0;
    for (size_t index = 0; index < plan_.arrays.size(); ++index) {
      const ArrayPlan& array = plan_.arrays[index];
      Ring& head = heads_[index];
      const bool head_heard = tile.reaches(array.head_first);
      Ring& first = inputs_[layer_index];
      const float* source = index == 0 ? dry : between_.data();
      mix_rows(weights + array.rechannel, nullptr, source, between_.stride(), array.inputs, first.at(tile.start),
               first.stride(), array.channels, frames, false);
      first.wrote(tile.start);
      for (size_t l = 0; l < array.layers.size(); ++l, ++layer_index) {
        const LayerPlan& layer = array.layers[l];
        if (!tile.reaches(layer.first)) return;
        Ring& input = inputs_[layer_index];
        const bool last = l + 1 == array.layers.size();
        const bool last_of_all = last && index + 1 == plan_.arrays.size();
        Ring* next = last ? nullptr : &inputs_[layer_index + 1];
        const float* taps[kMaxTaps];
        for (int tap = 0; tap < layer.taps; ++tap)
          taps[tap] = input.at(tile.start - (layer.taps - 1 - tap) * layer.dilation);
        ForwardJob job{};
        job.layer = &layer;
        job.weights = weights;
        job.taps = taps;
        job.stride = input.stride();
        job.audio = dry;
        job.heard = saved == nullptr ? heard_.data() : saved + static_cast<size_t>(layer.first_row) * frames;
        job.heard_stride = saved == nullptr ? heard_.stride() : frames;
        job.head = head_heard ? head.at(tile.start) : nullptr;
        job.head_stride = head.stride();
        job.head_begins = index == 0 && l == 0;
        job.next = last_of_all ? nullptr : last ? between_.data() : next->at(tile.start);
        job.next_stride = last ? between_.stride() : next->stride();
        job.frames = frames;
        job.slope = plan_.slope;
        find_kernels(array.channels, plan_.activation)->forward(job);
        if (next != nullptr) next->wrote(tile.start);
      }
      if (head_heard) head_pass(weights, index, tile);
    }
  }

  // The head convolution: into the next array's head sum, or the output.
  void head_pass(const float* weights, size_t index, const Tile& tile) {
    const ArrayPlan& array = plan_.arrays[index];
    Ring& head = heads_[index];
    head.wrote(tile.start);
    const bool last = index + 1 == plan_.arrays.size();
    float* out = last ? output_.data() : heads_[index + 1].at(tile.start);
    const int out_stride = last ? output_.stride() : heads_[index + 1].stride();
    for (int tap = 0; tap < array.head_taps; ++tap)
      mix_rows(weights + array.head + static_cast<size_t>(tap) * array.channels * array.head_size,
               array.has_head_bias ? weights + array.head_bias : nullptr,
               head.at(tile.start - (array.head_taps - 1 - tap)), head.stride(), array.channels, out, out_stride,
               array.head_size, plan_.tile_frames, tap > 0);
    if (last)
      for (int t = 0; t < plan_.tile_frames; ++t) out[t] *= plan_.head_scale;
  }

  const Plan& plan_;
  std::vector<Ring> inputs_;  // of each layer
  std::vector<Ring> heads_;   // head sum of each array
  TileRows between_;          // from one array to the next
  TileRows heard_;            // activations of one layer, when nobody saves them
  TileRows output_;
  Floats audio_;
};

void ring_wrote(void* buffer, int start) {
  static_cast<Ring*>(buffer)->wrote(start);
}

class BackwardWork {
 public:
  explicit BackwardWork(const Plan& plan, int tile_count)
      : plan_(plan), audio_(static_cast<size_t>(tile_count) * plan.tile_frames), sums_(plan.weights * kLanes) {
    int widest = 1;
    for (const ArrayPlan& array : plan.arrays) {
      for (const LayerPlan& layer : array.layers) {
        gradients_.emplace_back(array.channels, layer.past, plan.tile_frames);
        inputs_.emplace_back(array.channels, plan.tile_frames);
      }
      head_gradients_.emplace_back(array.head_size, array.head_past(), plan.tile_frames);
      head_sums_.emplace_back(array.channels, plan.tile_frames);
      between_.emplace_back(array.inputs, plan.tile_frames);
      widest = array.channels > widest ? array.channels : widest;
    }
    residual_ = TileRows(widest, plan.tile_frames);
    residual_before_ = TileRows(widest, plan.tile_frames);
    head_gradient_ = TileRows(widest, plan.tile_frames);
  }

  void run(const float* weights, const float* audio, int audio_frames, const float* saved, const float* gradient,
           float* weight_gradient) {
    const Tiles tiles(audio_frames, plan_.tile_frames);
    for (Ring& ring : gradients_) ring.clear();
    for (Ring& ring : head_gradients_) ring.clear();
    sums_.clear();
    std::memset(audio_.data(), 0, tiles.pad * sizeof(float));
    std::memcpy(audio_.data() + tiles.pad, audio, audio_frames * sizeof(float));
    const size_t tile_size = static_cast<size_t>(plan_.rows) * plan_.tile_frames;
    for (int index = tiles.count; index-- > 0;) {
      const Tile tile(tiles, index);
      recompute(weights, tile, saved + index * tile_size);
      output_gradient(tile, gradient);
      tile_pass(weights, tile, saved + index * tile_size);
    }
    const Vec* sums = this->sums();
    for (size_t index = 0; index < plan_.weights; ++index) weight_gradient[index] = sum(sums[index]);
  }

 private:
  Vec* sums() { return reinterpret_cast<Vec*>(sums_.data()); }

  // The layers' inputs and the head sums in this tile.
  void recompute(const float* weights, const Tile& tile, const float* saved) {
    const int frames = plan_.tile_frames;
    size_t layer_index = 0;
    for (size_t index = 0; index < plan_.arrays.size(); ++index) {
      const ArrayPlan& array = plan_.arrays[index];
      TileRows& head = head_sums_[index];
      const bool head_heard = tile.reaches(array.head_first);
      const float* source = index == 0 ? audio_.data() + tile.start : between_[index].data();
      mix_rows(weights + array.rechannel, nullptr, source, between_[index].stride(), array.inputs,
               inputs_[layer_index].data(), inputs_[layer_index].stride(), array.channels, frames, false);
      for (size_t l = 0; l < array.layers.size(); ++l, ++layer_index) {
        const LayerPlan& layer = array.layers[l];
        if (!tile.reaches(layer.first)) return;
        const bool last = l + 1 == array.layers.size();
        const bool last_of_all = last && index + 1 == plan_.arrays.size();
        TileRows* next = last_of_all ? nullptr : last ? &between_[index + 1] : &inputs_[layer_index + 1];
        ResidualJob job{};
        job.layer = &layer;
        job.weights = weights;
        job.input = inputs_[layer_index].data();
        job.input_stride = inputs_[layer_index].stride();
        job.heard = saved + static_cast<size_t>(layer.first_row) * frames;
        job.heard_stride = frames;
        job.head = head_heard ? head.data() : nullptr;
        job.head_stride = head.stride();
        job.head_begins = index == 0 && l == 0;
        job.next = next == nullptr ? nullptr : next->data();
        job.next_stride = next == nullptr ? 0 : next->stride();
        job.frames = frames;
        find_kernels(array.channels, plan_.activation)->residual(job);
      }
      if (head_heard && index + 1 < plan_.arrays.size()) begin_next_head(weights, index, tile);
    }
  }

  // What the next array's head sum begins with. Only arrays whose head has one tap come here: the last may have more.
  void begin_next_head(const float* weights, size_t index, const Tile&) {
    const ArrayPlan& array = plan_.arrays[index];
    mix_rows(weights + array.head, array.has_head_bias ? weights + array.head_bias : nullptr, head_sums_[index].data(),
             head_sums_[index].stride(), array.channels, head_sums_[index + 1].data(), head_sums_[index + 1].stride(),
             array.head_size, plan_.tile_frames, false);
  }

  // The gradient that enters the last head in this tile.
  void output_gradient(const Tile& tile, const float* gradient) {
    const int frames = plan_.tile_frames;
    Ring& ring = head_gradients_.back();
    float* row = ring.at(tile.start);
    const int first = tile.end_of_audio - frames;  // frame of the audio
    for (int t = 0; t < frames; ++t)
      row[t] = first + t < plan_.past ? 0.0f : plan_.head_scale * gradient[first + t - plan_.past];
    ring.wrote(tile.start);
  }

  void tile_pass(const float* weights, const Tile& tile, const float* saved) {
    const int frames = plan_.tile_frames;
    size_t layer_index = gradients_.size();
    for (size_t index = plan_.arrays.size(); index-- > 0;) {
      const ArrayPlan& array = plan_.arrays[index];
      const bool head_heard = tile.reaches(array.head_first);
      if (head_heard) head_back(weights, index, tile);
      for (size_t l = array.layers.size(); l-- > 0;) {
        --layer_index;
        const LayerPlan& layer = array.layers[l];
        if (!tile.reaches(layer.first - layer.past)) continue;
        Ring& ring = gradients_[layer_index];
        const bool last_of_all = l + 1 == array.layers.size() && index + 1 == plan_.arrays.size();
        const float* taps[kMaxTaps];
        for (int tap = 0; tap < layer.taps; ++tap)
          taps[tap] = ring.at(tile.start + (layer.taps - 1 - tap) * layer.dilation);
        BackwardJob job{};
        job.layer = &layer;
        job.weights = weights;
        job.audio = audio_.data() + tile.start;
        job.input = inputs_[layer_index].data();
        job.input_stride = inputs_[layer_index].stride();
        job.heard = saved + static_cast<size_t>(layer.first_row) * frames;
        job.heard_stride = frames;
        job.head_gradient = head_heard ? head_gradient_.data() : nullptr;
        job.gradient = residual_.data();
        job.gradient_stride = residual_.stride();
        job.activations_heard = tile.reaches(layer.first);
        job.residual_heard = job.activations_heard && !last_of_all;
        job.z = ring.at(tile.start);
        job.taps = taps;
        job.z_stride = ring.stride();
        job.wrote_z = ring_wrote;
        job.z_buffer = &ring;
        job.start = tile.start;
        job.sums = sums();
        job.frames = frames;
        job.slope = plan_.slope;
        find_kernels(array.channels, plan_.activation)->backward(job);
      }
      if (tile.reaches(array.layers.front().first - array.layers.front().past)) rechannel_back(weights, index, tile);
    }
  }

  // From the gradient behind an array's head to that of its head sum and of the head's weights.
  void head_back(const float* weights, size_t index, const Tile& tile) {
    const ArrayPlan& array = plan_.arrays[index];
    const int frames = plan_.tile_frames;
    Ring& ring = head_gradients_[index];
    if (index + 1 < plan_.arrays.size()) {
      // what the next array's head sum began with was this head's output
      for (int row = 0; row < array.head_size; ++row)
        std::memcpy(ring.at(tile.start) + static_cast<ptrdiff_t>(row) * ring.stride(),
                    head_gradient_.data() + static_cast<ptrdiff_t>(row) * head_gradient_.stride(),
                    frames * sizeof(float));
      ring.wrote(tile.start);
    }
    if (array.has_head_bias)
      row_sums(ring.at(tile.start), ring.stride(), array.head_size, sums() + array.head_bias, frames);
    TileRows& head_sum = head_sums_[index];
    for (int tap = 0; tap < array.head_taps; ++tap) {
      const size_t place = array.head + static_cast<size_t>(tap) * array.channels * array.head_size;
      const float* ahead = ring.at(tile.start + array.head_taps - 1 - tap);
      mix_sums(head_sum.data(), head_sum.stride(), array.channels, ahead, ring.stride(), array.head_size,
               sums() + place, frames);
      mix_rows_back(weights + place, ahead, ring.stride(), array.head_size, head_gradient_.data(),
                    head_gradient_.stride(), array.channels, frames, tap > 0);
    }
  }

  void rechannel_back(const float* weights, size_t index, const Tile& tile) {
    const ArrayPlan& array = plan_.arrays[index];
    const float* source = index == 0 ? audio_.data() + tile.start : between_[index].data();
    mix_sums(source, between_[index].stride(), array.inputs, residual_.data(), residual_.stride(), array.channels,
             sums() + array.rechannel, plan_.tile_frames);
    if (index == 0) return;
    mix_rows_back(weights + array.rechannel, residual_.data(), residual_.stride(), array.channels,
                  residual_before_.data(), residual_before_.stride(), array.inputs, plan_.tile_frames, false);
    std::swap(residual_, residual_before_);
  }

  const Plan& plan_;
  std::vector<Ring> gradients_;       // of each layer's pre-activation
  std::vector<Ring> head_gradients_;  // behind each array's head
  std::vector<TileRows> inputs_;      // of each layer
  std::vector<TileRows> head_sums_;
  std::vector<TileRows> between_;  // what each array's rechannel reads; unused for the first
  TileRows residual_;
  TileRows residual_before_;
  TileRows head_gradient_;
  Floats audio_;
  Floats sums_;
};

// body(item, work) for every item, on so many threads (this one among them), each with its own work.
template <class Work, class Body>
void for_items(const Plan& plan, int items, int audio_frames, int threads, const Body& body) {
  const Tiles tiles(audio_frames, plan.tile_frames);
  if (threads > items) threads = items;
  if (threads < 1) threads = 1;
  std::vector<Work> works;
  works.reserve(threads);
  for (int index = 0; index < threads; ++index) works.emplace_back(plan, tiles.count);
  std::atomic<int> next{0};
  const auto run = [&](Work& work) {
    const FlushDenormals flush;
    for (int item = next++; item < items; item = next++) body(item, work);
  };
  std::vector<std::thread> helpers;
  helpers.reserve(threads);
  for (int index = 1; index < threads; ++index) {
    try {
      helpers.emplace_back(run, std::ref(works[index]));
    } catch (const std::system_error&) {
      break;  // no more threads to be had: the others do it all
    }
  }
  run(works[0]);
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace

size_t WaveNetTraining::saved_size(int audio_frames) const {
  return static_cast<size_t>(plan_.rows) * Tiles(audio_frames, plan_.tile_frames).count * plan_.tile_frames;
}

void WaveNetTraining::forward(const float* weights, size_t weight_stride, const float* audio, int items,
                              int audio_frames, float* output, float* saved, int threads) const {
  const size_t size = saved_size(audio_frames);
  const size_t outputs = static_cast<size_t>(audio_frames - plan_.past);
  for_items<ForwardWork>(plan_, items, audio_frames, threads, [&](size_t item, ForwardWork& work) {
    work.run(weights + item * weight_stride, audio + item * audio_frames, audio_frames, output + item * outputs,
             saved == nullptr ? nullptr : saved + item * size);
  });
}

void WaveNetTraining::backward(const float* weights, size_t weight_stride, const float* audio, int items,
                               int audio_frames, const float* saved, const float* gradient, float* weight_gradients,
                               int threads) const {
  const size_t size = saved_size(audio_frames);
  const size_t outputs = static_cast<size_t>(audio_frames - plan_.past);
  for_items<BackwardWork>(plan_, items, audio_frames, threads, [&](size_t item, BackwardWork& work) {
    work.run(weights + item * weight_stride, audio + item * audio_frames, audio_frames, saved + item * size,
             gradient + item * outputs, weight_gradients + item * plan_.weights);
  });
}

}  // namespace appliance::training
