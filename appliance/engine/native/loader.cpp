#include "loader.hpp"

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

Loader::Loader(const ControlsBlock* controls, StatusBlock* status, int sample_rate_hz, int max_frames)
    : controls_(controls), status_(status), sample_rate_hz_(sample_rate_hz), max_frames_(max_frames) {
  thread_ = std::thread([this] { run(); });
}

Loader::~Loader() {
  stop_ = true;
  thread_.join();
  delete take();
  empty_bin();
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

void Loader::run() {
  const FlushDenormals flush;
  while (!stop_) {
    empty_bin();
    controls_.refresh();
    const ControlsPayload wanted = controls_.payload();
    if (wanted.generation != 0 && (wanted.generation != loaded_generation_ || is_time_to_retry())) {
      loaded_generation_ = wanted.generation;
      load(wanted);
    }
    std::this_thread::sleep_for(kLookEvery);
  }
}

// Memory may be there again in a moment; what else is wrong with a patch stays wrong.
bool Loader::is_time_to_retry() const noexcept {
  return lacks_memory_ && std::chrono::steady_clock::now() >= retry_at_;
}

bool Loader::is_still_wanted(uint32_t generation) noexcept {
  controls_.refresh();
  return !stop_ && controls_.payload().generation == generation;
}

void Loader::load(const ControlsPayload& wanted) {
  lacks_memory_ = false;
  try {
    const std::vector<char> patch = read_file(wanted.patch_path);
    auto slot = std::make_unique<Slot>(patch.data(), patch.size(), sample_rate_hz_, max_frames_, nullptr);
    if (slot->generation() != wanted.generation) throw BadBlob("the patch file belongs to another change");
    slot->follow(wanted, true);
    if (!slot->warm([this, &wanted] { return is_still_wanted(wanted.generation); })) return;
    delete ready_.exchange(slot.release(), std::memory_order_acq_rel);  // the one before was never taken
    if (status_ != nullptr) __atomic_store_n(&status_->failed_generation, 0, __ATOMIC_RELEASE);
  } catch (const std::bad_alloc&) {
    lacks_memory_ = true;
    retry_at_ = std::chrono::steady_clock::now() + kRetryAfter;
    report_failure(wanted.generation, "not enough memory for this model");
  } catch (const std::exception& error) {
    report_failure(wanted.generation, error.what());
  }
}

void Loader::report_failure(uint32_t generation, const char* why) noexcept {
  if (status_ == nullptr) return;
  std::snprintf(status_->message, sizeof status_->message, "%s", why);
  __atomic_store_n(&status_->failed_generation, generation, __ATOMIC_RELEASE);
}

}  // namespace appliance
