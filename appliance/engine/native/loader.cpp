#include "loader.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>

#include "simd.hpp"

namespace appliance {

namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(3);
constexpr auto kRetryAfter = std::chrono::seconds(1);
constexpr std::streamoff kMaxPatchBytes = 64 << 20;
constexpr uint32_t kEmpty = 0;
// The panel numbers generations below these.
constexpr uint32_t kBeingTaken = 0xFFFFFFFE;
constexpr uint32_t kTaken = 0xFFFFFFFF;

std::vector<char> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw BadBlob(std::string("can't open the patch ") + path);
  const std::streamoff bytes = file.tellg();
  if (bytes < 0 || bytes > kMaxPatchBytes) throw BadBlob(std::string("the patch is too large: ") + path);
  std::vector<char> data(static_cast<size_t>(bytes));
  file.seekg(0);
  if (!file.read(data.data(), bytes)) throw BadBlob(std::string("can't read the patch ") + path);
  return data;
}

}  // namespace

Loader::Loader(const ControlsMemory* controls, StatusBlock* status, int sample_rate_hz, int max_frames,
               uint32_t playing)
    : controls_(controls != nullptr ? &controls->controls : nullptr),
      prepared_(controls),
      status_(status),
      sample_rate_hz_(sample_rate_hz),
      max_frames_(max_frames) {
  if (playing != 0) done_.add(playing);
  thread_ = std::thread([this] { run(); });
}

Loader::~Loader() {
  stop_ = true;
  thread_.join();
  for (Place& place : places_) drop(place);
  empty_bin();
}

Slot* Loader::take(uint32_t generation) noexcept {
  for (Place& place : places_) {
    uint32_t state = generation;
    if (!place.state.compare_exchange_strong(state, kBeingTaken, std::memory_order_acq_rel)) continue;
    Slot* slot = place.slot;
    place.state.store(kTaken, std::memory_order_release);  // from here on the loader may use the place again
    return slot;
  }
  return nullptr;
}

bool Loader::retire(Slot* slot) noexcept {
  for (std::atomic<Slot*>& place : bin_) {
    Slot* empty = nullptr;
    if (place.compare_exchange_strong(empty, slot, std::memory_order_acq_rel)) return true;
  }
  return false;
}

void Loader::empty_bin() noexcept {
  for (std::atomic<Slot*>& place : bin_) delete place.exchange(nullptr, std::memory_order_acq_rel);
}

bool Loader::Memory::has(uint32_t generation) const noexcept {
  return std::find(last_.begin(), last_.end(), generation) != last_.end();
}

void Loader::run() {
  const FlushDenormals flush;
  while (!stop_) {
    empty_bin();
    look();
    sort_out();
    if (const ControlsPayload* next = next_to_make())
      make(*next);
    else
      std::this_thread::sleep_for(kLookEvery);
  }
}

void Loader::look() noexcept {
  controls_.refresh();
  prepared_.refresh();
}

// Notes what the audio thread took and frees what nobody will want.
void Loader::sort_out() noexcept {
  for (Place& place : places_) {
    const uint32_t state = place.state.load(std::memory_order_acquire);
    if (state == kTaken) {
      done_.add(place.generation);
      place.state.store(kEmpty, std::memory_order_release);
    } else if (!is_called_for(place.generation)) {
      drop(place);
    }
  }
}

void Loader::drop(Place& place) noexcept {
  uint32_t state = place.generation;
  // Where the exchange fails the place is empty, or the audio thread was quicker and owns the slot.
  if (state != kEmpty && place.state.compare_exchange_strong(state, kEmpty, std::memory_order_acq_rel))
    delete place.slot;
}

bool Loader::is_called_for(uint32_t generation) const noexcept {
  if (generation == controls_.payload().generation) return true;
  for (const ControlsPayload& patch : prepared_.patches())
    if (patch.generation == generation) return true;
  return false;
}

bool Loader::is_ready(uint32_t generation) const noexcept {
  for (const Place& place : places_)
    if (place.state.load(std::memory_order_acquire) != kEmpty && place.generation == generation) return true;
  return false;
}

bool Loader::is_wanted_settled() const noexcept {
  const uint32_t wanted = controls_.payload().generation;
  return wanted == 0 || is_ready(wanted) || done_.has(wanted);
}

// Memory may be there again in a moment; what else is wrong with a patch stays wrong.
bool Loader::is_time_to_retry() const noexcept {
  const uint32_t wanted = controls_.payload().generation;
  return wanted != 0 && wanted == lacked_memory_ && std::chrono::steady_clock::now() >= retry_at_;
}

const ControlsPayload* Loader::next_to_make() const noexcept {
  if (!is_wanted_settled() || is_time_to_retry()) return &controls_.payload();
  for (const ControlsPayload& patch : prepared_.patches()) {
    const uint32_t generation = patch.generation;
    if (generation == 0 || is_ready(generation) || done_.has(generation) || given_up_.has(generation)) continue;
    return &patch;
  }
  return nullptr;
}

// A patch being made ahead gives way to one that is wanted now.
bool Loader::goes_on(uint32_t generation) noexcept {
  look();
  return !stop_ && (generation == controls_.payload().generation || (is_called_for(generation) && is_wanted_settled()));
}

void Loader::make(const ControlsPayload& called_for) {
  const ControlsPayload wanted = called_for;  // the original changes while this one is being made
  if (lacked_memory_ == wanted.generation) lacked_memory_ = 0;
  try {
    const std::vector<char> patch = read_file(wanted.patch_path);
    auto slot = std::make_unique<Slot>(patch.data(), patch.size(), sample_rate_hz_, max_frames_, nullptr);
    if (slot->generation() != wanted.generation) throw BadBlob("the patch file belongs to another change");
    slot->follow(wanted, true);
    if (slot->warm([this, &wanted] { return goes_on(wanted.generation); })) keep(std::move(slot));
  } catch (const std::bad_alloc&) {
    if (wanted.generation == controls_.payload().generation) {
      lacked_memory_ = wanted.generation;
      retry_at_ = std::chrono::steady_clock::now() + kRetryAfter;
    }
    fail(wanted.generation, "not enough memory for this model");
  } catch (const std::exception& error) {
    fail(wanted.generation, error.what());
  }
}

void Loader::keep(std::unique_ptr<Slot> slot) noexcept {
  sort_out();  // what is called for may have changed meanwhile
  for (Place& place : places_) {
    if (place.state.load(std::memory_order_acquire) != kEmpty) continue;
    place.generation = slot->generation();
    place.slot = slot.release();
    place.state.store(place.generation, std::memory_order_release);
    uint32_t failed = place.generation;  // before, for lack of memory
    if (status_ != nullptr)
      __atomic_compare_exchange_n(&status_->failed_generation, &failed, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    return;
  }
}

void Loader::fail(uint32_t generation, const char* why) noexcept {
  if (generation != controls_.payload().generation) {
    given_up_.add(generation);  // should it be wanted after all, it is tried again and the failure told
    return;
  }
  done_.add(generation);
  if (status_ == nullptr) return;
  std::snprintf(status_->message, sizeof status_->message, "%s", why);
  __atomic_store_n(&status_->failed_generation, generation, __ATOMIC_RELEASE);
}

}  // namespace appliance
