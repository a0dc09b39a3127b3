// What a model is to the engine: rows in, a row out, state inside.
#pragma once

#include <memory>

#include "blob.hpp"
#include "simd.hpp"

namespace appliance {

// Limits also kept by formats/description.py.
constexpr int kMaxKnobs = 16;
constexpr int kMaxChannels = 256;
constexpr int kMaxHidden = 512;
constexpr int kMaxLayers = 256;
constexpr int kMaxTaps = 65536;
constexpr int kMaxDilation = 1 << 20;
constexpr int kMaxReceptiveField = 1 << 21;

// One network. Everything is allocated by the constructor; process() and reset() are real-time safe.
class Network {
 public:
  virtual ~Network() = default;

  // inputs: 1 + knobs rows, each readable up to `frames` rounded up to a multiple of kTileFrames. out: likewise
  // writable. frames: 1 … the max_frames given at construction.
  virtual void process(const float* const* inputs, float* out, int frames) noexcept = 0;

  // A network that steers another one may have several output rows, `stride` floats apart.
  virtual int outputs() const noexcept { return 1; }
  virtual void process_rows(const float* const* inputs, float* out, int stride, int frames) noexcept {
    (void)stride;
    process(inputs, out, frames);
  }

  // Back to the file's own initial state, silent history.
  virtual void reset() noexcept = 0;

  // Frames of silence after which the network has forgotten its past (recurrent nets: half a second, by habit).
  virtual int receptive_field() const noexcept = 0;
};

enum class ModelKind : int { kWaveNet, kRecurrent, kConvNet, kLinear, kStack };

// How every model blob begins.
struct ModelHeader {
  ModelKind kind = ModelKind::kWaveNet;
  int sample_rate_hz = 0;
  int inputs = 1;  // audio and knobs

  static ModelHeader read(BlobReader& blob);
};

// A network with its gains and skip, fed from rows of any alignment, in blocks of any size.
class Model {
 public:
  static constexpr int kChunkFrames = 1024;  // larger blocks are run in chunks of this

  // stretch: how many times faster than its own rate it will run; see PlayedModel, which is what players use.
  Model(const void* blob, size_t bytes, int max_block_frames, double stretch = 1.0);

  int knob_count() const { return knob_count_; }
  int receptive_field() const { return network_->receptive_field(); }
  int sample_rate_hz() const { return sample_rate_hz_; }

  // knobs: knob_count() rows of `frames`. in and out may be the same. Real-time safe.
  void process(const float* in, const float* const* knobs, float* out, int frames) noexcept;
  void reset() noexcept { network_->reset(); }

 private:
  void process_chunk(const float* in, const float* const* knobs, float* out, int offset, int frames) noexcept;

  std::unique_ptr<Network> network_;
  int sample_rate_hz_ = 0;
  int knob_count_ = 0;
  int chunk_frames_ = 0;
  float input_gain_ = 1.0f;
  float output_gain_ = 1.0f;
  bool skip_ = false;
  std::vector<float> rows_;  // 1 + knobs input rows, then the output row
  float* inputs_[1 + kMaxKnobs] = {};
  float* result_ = nullptr;
};

// Networks inside networks that a damaged file may ask for.
constexpr int kMaxDepth = 8;
constexpr int kKinds = 5;  // of network: WaveNet, recurrent, ConvNet, linear, stack

// Reads a network of a kind. depth: how many networks it is inside of.
std::unique_ptr<Network> make_network(int kind, BlobReader& blob, int inputs, int max_frames, int depth = 0);

std::unique_ptr<Network> make_wavenet(BlobReader& blob, int inputs, int max_frames, int depth);
std::unique_ptr<Network> make_recurrent(BlobReader& blob, int inputs, int max_frames);
std::unique_ptr<Network> make_convnet(BlobReader& blob, int inputs, int max_frames);
std::unique_ptr<Network> make_linear(BlobReader& blob, int inputs, int max_frames);
std::unique_ptr<Network> make_stack(BlobReader& blob, int inputs, int max_frames);

}  // namespace appliance
