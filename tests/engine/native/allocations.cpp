// Counts heap calls of the audio thread while the pedal plays, changes knobs and tone, and fades between patches, every
// other one of which was made ready ahead.
// allocations RATE_HZ FOLDER [bite]; FOLDER holds 1.patch, 2.patch … one for each generation: prints the count; with
// `bite` one allocation is made on purpose.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "files.hpp"
#include "pedal.hpp"

extern "C" {
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

thread_local bool counting = false;
thread_local long count = 0;

void note() {
  if (counting) ++count;
}

}  // namespace

// Every way to the heap passes here: C++'s operators call these too.
extern "C" {
void* malloc(size_t bytes) {
  note();
  return __libc_malloc(bytes);
}
void free(void* pointer) {
  if (pointer != nullptr) note();
  __libc_free(pointer);
}
void* calloc(size_t number, size_t bytes) {
  note();
  return __libc_calloc(number, bytes);
}
void* realloc(void* pointer, size_t bytes) {
  note();
  return __libc_realloc(pointer, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** pointer, size_t alignment, size_t bytes) {
  note();
  *pointer = __libc_memalign(alignment, bytes);
  return *pointer == nullptr ? ENOMEM : 0;
}
}

using namespace appliance;

namespace {

void publish(ControlsBlock& block) {
  block.checksum = controls_checksum(block.sequence + 1, block.payload);
  __atomic_store_n(&block.sequence, block.sequence + 1, __ATOMIC_RELEASE);
}

void name(ControlsPayload& payload, uint32_t generation, const char* folder) {
  payload.generation = generation;
  std::snprintf(payload.patch_path, sizeof payload.patch_path, "%s/%u.patch", folder, generation);
}

void want(ControlsBlock& block, uint32_t generation, const char* folder) {
  name(block.payload, generation, folder);
  publish(block);
}

void prepare(ControlsMemory& memory, uint32_t generation, const char* folder) {
  PreparedBlock& block = memory.prepared;
  block.patches[0] = memory.controls.payload;
  name(block.patches[0], generation, folder);
  PreparedBlock next = block;
  next.sequence += 1;
  block.checksum = prepared_checksum(next);
  __atomic_store_n(&block.sequence, next.sequence, __ATOMIC_RELEASE);
}

}  // namespace

int main(int argument_count, char** arguments) {
  constexpr int kPeriod = 64;
  auto memory = std::make_unique<ControlsMemory>();
  ControlsBlock* controls = &memory->controls;
  controls->magic = kControlsMagic;
  controls->version = kLayoutVersion;
  auto status = std::make_unique<StatusBlock>();
  std::vector<uint64_t> tap((kTapBytes + 7) / 8);
  Pedal pedal(std::atoi(arguments[1]), kPeriod, memory.get(), status.get(), tap.data());
  pedal.start_loader();
  controls->payload.knob_count = 1;
  controls->payload.gate_threshold_db = -50.0f;
  want(*controls, 1, arguments[2]);

  std::vector<uint8_t> in(kPeriod * 4), out(kPeriod * 4);
  uint32_t swaps = 0;
  uint32_t generation = 1;
  for (int period = 0; period < 4000 && status->swaps < 12; ++period) {
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<uint8_t>(i * 31 + period);
    controls->payload.knobs[0] = static_cast<float>(period % 10) * 0.1f;
    controls->payload.bass_db = static_cast<float>(period / 100 % 3) * 4.0f;
    publish(*controls);
    counting = true;
    pedal.process(in.data(), out.data(), kPeriod);
    counting = false;
    if (status->swaps != swaps && !pedal.is_fading()) {
      swaps = status->swaps;
      ++generation;
      want(*controls, generation, arguments[2]);
      if (generation % 2 == 0) prepare(*memory, generation + 1, arguments[2]);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  if (argument_count > 3 && std::strcmp(arguments[3], "bite") == 0) {
    counting = true;
    volatile char* on_purpose = new char[1];  // volatile, or the compiler leaves the pair out
    delete[] on_purpose;
    counting = false;
  }
  pedal.stop_loader();
  std::printf("%ld heap calls, %u swaps, %llu periods\n", count, status->swaps,
              static_cast<unsigned long long>(status->periods));
}
