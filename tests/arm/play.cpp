// Plays BLOCKS blocks of FRAMES frames of noise through a model and prints nothing: what insn_counter.cpp counts.
// play BLOB FRAMES BLOCKS
#include <cstdlib>
#include <random>

#include "files.hpp"
#include "model.hpp"

using namespace appliance;

int main(int, char** arguments) {
  const std::vector<uint8_t> blob = read_file(arguments[1]);
  const int frames = std::atoi(arguments[2]);
  const int blocks = std::atoi(arguments[3]);
  std::mt19937 random(1);
  std::vector<float> in(frames), out(frames), knob(frames, 0.3f);
  for (float& sample : in) sample = static_cast<float>(random() % 1000) / 1000.0f - 0.5f;
  Model model(blob.data(), blob.size(), frames);
  const std::vector<const float*> knobs(model.knob_count(), knob.data());
  const FlushDenormals flush;
  for (int block = 0; block < blocks; ++block) model.process(in.data(), knobs.data(), out.data(), frames);
}
