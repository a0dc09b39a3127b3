// A foot that stomps faster than patches load, at random, on patches made ready ahead or not; built with sanitizers,
// which are the judges, and with an eye on what is heard. stomp RATE_HZ FOLDER COUNT; FOLDER holds 1.patch …
// COUNT.patch.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "pedal.hpp"

using namespace appliance;

namespace {

ControlsPayload payload_of(uint32_t generation, const char* folder) {
  ControlsPayload payload;
  payload.generation = generation;
  payload.knob_count = 1;
  payload.knobs[0] = static_cast<float>(generation % 10) * 0.1f;
  payload.treble_db = static_cast<float>(generation % 5) - 2.0f;
  std::snprintf(payload.patch_path, sizeof payload.patch_path, "%s/%u.patch", folder, generation);
  return payload;
}

void want(ControlsBlock& block, const ControlsPayload& payload) {
  block.payload = payload;
  block.checksum = controls_checksum(block.sequence + 1, payload);
  __atomic_store_n(&block.sequence, block.sequence + 1, __ATOMIC_RELEASE);
}

void prepare(PreparedBlock& block, const std::vector<uint32_t>& generations, const char* folder) {
  PreparedBlock next = {};
  next.sequence = block.sequence + 1;
  for (size_t i = 0; i < generations.size(); ++i) next.patches[i] = payload_of(generations[i], folder);
  next.checksum = prepared_checksum(next);
  std::copy(std::begin(next.patches), std::end(next.patches), block.patches);
  block.checksum = next.checksum;
  __atomic_store_n(&block.sequence, next.sequence, __ATOMIC_RELEASE);
}

}  // namespace

int main(int, char** arguments) {
  constexpr int kPeriod = 64;
  const int rate_hz = std::atoi(arguments[1]);
  const char* folder = arguments[2];
  const auto last = static_cast<uint32_t>(std::atoi(arguments[3]));
  auto memory = std::make_unique<ControlsMemory>();
  memory->controls.magic = kControlsMagic;
  memory->controls.version = kLayoutVersion;
  auto status = std::make_unique<StatusBlock>();
  int heard = 0;
  {
    Pedal pedal(rate_hz, kPeriod, memory.get(), status.get(), nullptr);
    pedal.start_loader();
    std::mt19937 random(7);
    std::vector<float> in(kPeriod), out(kPeriod);
    for (uint32_t next = 1; next <= last;) {
      const uint32_t ahead = random() % (kPreparedPatches + 1);
      std::vector<uint32_t> likely;
      for (uint32_t i = 0; i < ahead && next + i <= last; ++i) likely.push_back(next + i);
      prepare(memory->prepared, likely, folder);
      const auto rest = [&](uint32_t periods) {
        for (uint32_t period = 0; period < periods; ++period) {
          for (float& sample : in) sample = 1e-4f * static_cast<float>(random() % 1000);
          pedal.process_float(in.data(), out.data(), kPeriod);
          for (const float sample : out) heard += std::isfinite(sample) && sample != 0.0f;
          std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
      };
      rest(random() % 60);
      next += random() % 3;  // the likely one, one behind it, or nothing
      if (next < 1 || next > last) break;
      want(memory->controls, payload_of(next, folder));
      rest(random() % 30);
      ++next;
    }
    for (int wait = 0; wait < 5000 && status->generation != memory->controls.payload.generation; ++wait) {
      pedal.process_float(in.data(), out.data(), kPeriod);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }  // with patches still being made
  std::printf("%u swaps, the last wanted %s, %d frames heard, failed %u\n", status->swaps,
              status->generation == memory->controls.payload.generation ? "sounds" : "is missing", heard,
              status->failed_generation);
}
