#include "model.hpp"

#include <algorithm>
#include <cmath>

#include "simd.hpp"

namespace appliance {

namespace {
constexpr uint32_t kMagic = 0x4C444D41;  // "AMDL"
constexpr uint32_t kVersion = 2;
}  // namespace

std::unique_ptr<Network> make_network(int kind, BlobReader& blob, int inputs, int max_frames, int depth) {
  switch (kind) {
    case 0:
      return make_wavenet(blob, inputs, max_frames, depth);
    case 1:
      return make_recurrent(blob, inputs, max_frames);
    case 2:
      return make_convnet(blob, inputs, max_frames);
    case 3:
      return make_linear(blob, inputs, max_frames);
    default:
      return make_stack(blob, inputs, max_frames);
  }
}

ModelHeader ModelHeader::read(BlobReader& reader) {
  if (reader.u32() != kMagic) throw BadBlob("this is not a prepared model");
  if (const uint32_t version = reader.u32(); version != kVersion)
    throw BadBlob("prepared for engine layout " + std::to_string(version) + ", this is " + std::to_string(kVersion) +
                  ": prepare the model file again");
  ModelHeader header;
  header.kind = static_cast<ModelKind>(reader.integer("kind", 0, kKinds - 1));
  header.sample_rate_hz = reader.integer("sample rate", 1000, 1000000);
  header.inputs = reader.integer("inputs", 1, 1 + kMaxKnobs);
  return header;
}

Model::Model(const void* blob, size_t bytes, int max_block_frames, double stretch) {
  BlobReader reader(blob, bytes, stretch);
  const ModelHeader header = ModelHeader::read(reader);
  if (stretch < 1.0 || (header.kind != ModelKind::kRecurrent && stretch != reader.whole_stretch()))
    throw BadBlob("this kind of model can't run at " + std::to_string(stretch) + " times its own rate");
  sample_rate_hz_ = header.sample_rate_hz;
  const int inputs = header.inputs;
  knob_count_ = inputs - 1;
  input_gain_ = reader.f32();
  output_gain_ = reader.f32();
  skip_ = reader.integer("skip", 0, 1) == 1;
  chunk_frames_ = std::min(std::max(max_block_frames, 1), kChunkFrames);
  network_ = make_network(static_cast<int>(header.kind), reader, inputs, chunk_frames_);
  if (network_->outputs() != 1) throw BadBlob("prepared model: it has more than one output");
  reader.expect_end();
  const int stride = round_up(chunk_frames_, kTileFrames) + kTileFrames;
  rows_.assign(static_cast<size_t>(stride) * (inputs + 1), 0.0f);
  for (int row = 0; row < inputs; ++row) inputs_[row] = rows_.data() + row * stride;
  result_ = rows_.data() + inputs * stride;
}

void Model::process(const float* in, const float* const* knobs, float* out, int frames) noexcept {
  for (int done = 0; done < frames; done += chunk_frames_)
    process_chunk(in, knobs, out, done, std::min(chunk_frames_, frames - done));
}

void Model::process_chunk(const float* in, const float* const* knobs, float* out, int offset, int frames) noexcept {
  float* audio = inputs_[0];
  for (int t = 0; t < frames; ++t) audio[t] = in[offset + t] * input_gain_;
  for (int knob = 0; knob < knob_count_; ++knob) std::copy_n(knobs[knob] + offset, frames, inputs_[1 + knob]);
  network_->process(inputs_, result_, frames);
  const float dry = skip_ ? 1.0f : 0.0f;
  for (int t = 0; t < frames; ++t) out[offset + t] = (result_[t] + dry * audio[t]) * output_gain_;
}

}  // namespace appliance
