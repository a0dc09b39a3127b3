// Runs every model blob given, whole and damaged, through the engine; built with sanitizers, which are the judges.
// exercise RATE_HZ BLOB... (blobs end in .blob, patches in .patch)
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include "files.hpp"
#include "model.hpp"
#include "pedal.hpp"

using namespace appliance;

namespace {

std::vector<float> noise(std::mt19937& random, int frames) {
  std::uniform_real_distribution<float> level(-0.5f, 0.5f);
  std::vector<float> audio(frames);
  for (float& sample : audio) sample = level(random);
  return audio;
}

void play(Model& model, std::mt19937& random, int total) {
  for (int done = 0; done < total;) {
    const int frames = 1 + static_cast<int>(random() % 300);
    // Exactly as long as the block, on the heap: a read or write beyond it is caught.
    const std::vector<float> in = noise(random, frames);
    std::vector<std::vector<float>> knobs(model.knob_count(), std::vector<float>(frames, 0.3f));
    std::vector<const float*> rows;
    for (const auto& knob : knobs) rows.push_back(knob.data());
    std::vector<float> out(frames);
    model.process(in.data(), rows.data(), out.data(), frames);
    done += frames;
  }
}

// Bytes flipped and ends cut off must be refused or harmless.
int damage(const std::vector<uint8_t>& blob, std::mt19937& random, int rounds) {
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<uint8_t> copy = blob;
    if (round % 3 == 0) {
      copy.resize(random() % copy.size());
    } else {
      // The numbers that matter (sizes) are at the front: aim there more often.
      const size_t reach = round % 3 == 1 ? std::min<size_t>(copy.size(), 120) : copy.size();
      for (int flips = 0; flips < 3; ++flips) copy[random() % reach] = static_cast<uint8_t>(random());
    }
    copy.shrink_to_fit();
    try {
      Model model(copy.data(), copy.size(), 64);
      play(model, random, 300);
    } catch (const BadBlob&) {
      ++refused;
    }
  }
  return refused;
}

void exercise_model(const std::vector<uint8_t>& blob, std::mt19937& random) {
  for (const int max_block : {1, 16, 64, 1024}) {
    Model model(blob.data(), blob.size(), max_block);
    play(model, random, 3000);
    model.reset();
    play(model, random, 500);
  }
  if (damage(blob, random, 60) == 0) {
    std::fprintf(stderr, "no damaged blob was refused\n");
    std::exit(1);
  }
}

void exercise_patch(const std::vector<uint8_t>& patch, int rate_hz, std::mt19937& random) {
  constexpr int kPeriod = 48;
  auto status = std::make_unique<StatusBlock>();
  std::vector<uint64_t> tap((kTapBytes + 7) / 8);
  Pedal pedal(rate_hz, kPeriod, nullptr, status.get(), tap.data());
  ControlsPayload controls;
  controls.generation = 1;
  controls.knob_count = 2;
  controls.gate_threshold_db = -40.0f;
  pedal.set_controls(controls);
  pedal.load_patch(patch.data(), patch.size(), nullptr);
  const PcmFormat formats[] = {PcmFormat::kS16, PcmFormat::kS24Packed, PcmFormat::kS24, PcmFormat::kS32,
                               PcmFormat::kFloat};
  for (int round = 0; round < 400; ++round) {
    const PcmFormat format = formats[round / 80];
    pedal.configure_io({format, 2, round % 2, format, 1 + round % 2});
    const int frames = 1 + static_cast<int>(random() % kPeriod);
    std::vector<uint8_t> in(static_cast<size_t>(frames) * 2 * bytes_per_sample(format));
    for (uint8_t& byte : in) byte = static_cast<uint8_t>(random());
    std::vector<uint8_t> out(pedal.playback_bytes(frames));
    pedal.process(in.data(), out.data(), frames);
    if (round % 50 == 20) pedal.swap_patch(patch.data(), patch.size());
    controls.knobs[0] = static_cast<float>(round % 10) * 0.1f;
    controls.flags = static_cast<uint32_t>(round % 8);
    controls.bass_db = static_cast<float>(round % 7) * 4.0f - 12.0f;
    controls.treble_db = static_cast<float>(round % 3) * 6.0f;
    pedal.set_controls(controls);
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::mt19937 random(1);
  const int rate_hz = std::atoi(arguments[1]);
  for (int i = 2; i < count; ++i) {
    const std::string path = arguments[i];
    const std::vector<uint8_t> data = read_file(path);
    if (path.size() > 6 && path.compare(path.size() - 6, 6, ".patch") == 0)
      exercise_patch(data, rate_hz, random);
    else
      exercise_model(data, random);
  }
  std::printf("%d exercised\n", count - 2);
}
