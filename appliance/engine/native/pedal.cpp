#include "pedal.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd.hpp"

namespace appliance {

namespace {

constexpr float kFadeMs = 15.0f;

int64_t now_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // answered without entering the kernel
  return now.tv_sec * int64_t{1000000000} + now.tv_nsec;
}

}  // namespace

Pedal::Pedal(int sample_rate_hz, int period_frames, const ControlsMemory* controls, StatusBlock* status, void* tap)
    : sample_rate_hz_(sample_rate_hz),
      period_frames_(period_frames),
      controls_(controls != nullptr ? &controls->controls : nullptr),
      controls_memory_(controls),
      status_(status),
      tap_(static_cast<TapHeader*>(tap)),
      fade_(static_cast<size_t>(kFadeMs * 0.001f * static_cast<float>(sample_rate_hz))),
      dry_(sample_rate_hz, 0.0f),
      sound_(sample_rate_hz, 1.0f),
      limiter_(sample_rate_hz),
      input_meter_(sample_rate_hz),
      output_meter_(sample_rate_hz),
      in_(period_frames, 0.0f),
      out_(period_frames, 0.0f),
      other_(period_frames, 0.0f) {
  for (size_t t = 0; t < fade_.size(); ++t) {
    const double phase = (static_cast<double>(t) + 1.0) / (static_cast<double>(fade_.size()) + 1.0);
    fade_[t] = static_cast<float>(0.5 - 0.5 * std::cos(M_PI * phase));
  }
  if (status_ != nullptr) {
    // Counters of an earlier process stay readable until here; a reader sees the new pid.
    std::memset(static_cast<void*>(status_), 0, sizeof *status_);
    status_->version = kLayoutVersion;
    status_->pid = static_cast<uint32_t>(getpid());
    status_->sample_rate_hz = static_cast<uint32_t>(sample_rate_hz);
    status_->period_frames = static_cast<uint32_t>(period_frames);
    __atomic_store_n(&status_->magic, kStatusMagic, __ATOMIC_RELEASE);
  }
  if (tap_ != nullptr) {
    tap_input_ = reinterpret_cast<float*>(tap_ + 1);
    tap_output_ = tap_input_ + kTapFrames;
    tap_->version = kLayoutVersion;
    tap_->capacity_frames = kTapFrames;
    tap_->sample_rate_hz = static_cast<uint32_t>(sample_rate_hz);
    tap_->written_frames = 0;
    __atomic_store_n(&tap_->magic, kTapMagic, __ATOMIC_RELEASE);
  }
}

Pedal::~Pedal() {
  stop_loader();
  delete current_;
  delete next_;
  delete leaving_;
}

int Pedal::frames_in(size_t capture_bytes) const {
  const size_t frame = static_cast<size_t>(bytes_per_sample(io_.capture_format)) * io_.capture_channels;
  return capture_bytes % frame == 0 ? static_cast<int>(capture_bytes / frame) : -1;
}

size_t Pedal::playback_bytes(int frames) const {
  return static_cast<size_t>(frames) * bytes_per_sample(io_.playback_format) * io_.playback_channels;
}

void Pedal::process(const uint8_t* capture, uint8_t* playback, int frames) noexcept {
  if (frames == 0) return;
  const int64_t start_ns = now_ns();
  const FlushDenormals flush;
  decode(io_.capture_format, capture, io_.capture_channels, io_.capture_channel, in_.data(), frames);
  run_chain(in_.data(), out_.data(), frames);
  encode(io_.playback_format, out_.data(), io_.playback_channels, playback, frames);
  publish(frames, now_ns() - start_ns);
  last_engine_ns_ = now_ns() - start_ns;
}

void Pedal::process_float(const float* in, float* out, int frames) noexcept {
  const FlushDenormals flush;
  for (int done = 0; done < frames;) {
    const int64_t start_ns = now_ns();
    const int chunk = std::min(period_frames_, frames - done);
    std::copy_n(in + done, chunk, in_.data());
    run_chain(in_.data(), out_.data(), chunk);
    std::copy_n(out_.data(), chunk, out + done);
    done += chunk;
    last_engine_ns_ = now_ns() - start_ns;
    publish(chunk, last_engine_ns_);
  }
}

void Pedal::run_chain(const float* in, float* out, int frames) noexcept {
  follow_controls();
  begin_fade();
  input_meter_.listen(in, frames);
  run_slots(in, out, frames);
  mix_bypass(in, out, frames);
  sound_.apply(out, frames);
  limiter_.process(out, frames);
  output_meter_.listen(out, frames);
  write_tap(in, out, frames);
}

// Settings belong to the patch of their generation: a patch that is on its way out keeps the ones it had.
void Pedal::follow_controls() noexcept {
  if (!controls_.refresh()) return;
  const ControlsPayload& controls = controls_.payload();
  for (Slot* slot : {current_, next_})
    if (slot != nullptr && slot->generation() == controls.generation) slot->follow(controls, false);
  dry_.set_target(controls.flags & kBypass ? 1.0f : 0.0f);
  sound_.set_target(ending_ || controls.flags & kMute ? 0.0f : 1.0f);
}

void Pedal::begin_fade() noexcept {
  if (leaving_ != nullptr) {
    Slot* slot = leaving_;
    leaving_ = nullptr;
    dispose(slot);
  }
  if (loader_ == nullptr || next_ != nullptr || leaving_ != nullptr) return;
  const uint32_t wanted = controls_.payload().generation;
  if (wanted == 0 || (current_ != nullptr && current_->generation() == wanted)) return;
  next_ = loader_->take(wanted);
  if (next_ == nullptr) return;
  faded_frames_ = 0;
  if (current_ != nullptr) next_->go_on_from(*current_);
  // The knobs may have moved on since the patch was made ready.
  next_->follow(controls_.payload(), true);
}

// During a change both patches run and the gains of the two add up to one: the mix can never be louder, nor jump
// further, than the two themselves. (Gains of equal power would lift two amps playing the same guitar by up to 3 dB
// half-way.)
void Pedal::run_slots(const float* in, float* out, int frames) noexcept {
  uint32_t bad_blocks = 0;
  if (current_ != nullptr)
    bad_blocks += !current_->process(in, out, frames);
  else
    std::fill_n(out, frames, 0.0f);
  if (next_ != nullptr) {
    bad_blocks += !next_->process(in, other_.data(), frames);
    const int last = static_cast<int>(fade_.size()) - 1;
    for (int t = 0; t < frames; ++t) {
      const float share = faded_frames_ + t > last ? 1.0f : fade_[faded_frames_ + t];
      out[t] += share * (other_[t] - out[t]);
    }
    faded_frames_ += frames;
    if (faded_frames_ > last) {
      dispose(current_);
      current_ = next_;
      next_ = nullptr;
    }
  }
  if (bad_blocks != 0 && status_ != nullptr) status_->bad_blocks += bad_blocks;
}

void Pedal::mix_bypass(const float* dry, float* wet, int frames) noexcept {
  if (dry_.is_settled()) {
    if (dry_.value() == 1.0f) std::copy_n(dry, frames, wet);
    return;
  }
  dry_.fill(other_.data(), frames);
  for (int t = 0; t < frames; ++t) wet[t] += other_[t] * (dry[t] - wet[t]);
}

void Pedal::write_tap(const float* in, const float* out, int frames) noexcept {
  if (tap_ == nullptr) return;
  const uint64_t written = tap_->written_frames;
  for (int done = 0; done < frames;) {
    const auto at = static_cast<uint32_t>((written + done) % kTapFrames);
    const int chunk = std::min(frames - done, static_cast<int>(kTapFrames - at));
    std::copy_n(in + done, chunk, tap_input_ + at);
    std::copy_n(out + done, chunk, tap_output_ + at);
    done += chunk;
  }
  __atomic_store_n(&tap_->written_frames, written + frames, __ATOMIC_RELEASE);
}

void Pedal::publish(int frames, int64_t busy_ns) noexcept {
  if (status_ == nullptr) return;
  StatusBlock& status = *status_;
  const float period_us = static_cast<float>(frames) * 1e6f / static_cast<float>(sample_rate_hz_);
  const float busy_us = static_cast<float>(busy_ns) * 1e-3f;
  __atomic_store_n(&status.sequence, status.sequence + 1, __ATOMIC_RELEASE);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  status.periods += 1;
  status.frames += static_cast<uint64_t>(frames);
  const Slot* sounding = next_ != nullptr ? next_ : current_;
  const uint32_t generation = sounding != nullptr ? sounding->generation() : 0;
  if (generation != status.generation) status.swaps += 1;
  status.generation = generation;
  status.late_periods += busy_us > period_us;
  status.input_peak = input_meter_.peak();
  status.input_rms = input_meter_.rms();
  status.output_peak = output_meter_.peak();
  status.output_rms = output_meter_.rms();
  status.gate_gain = sounding != nullptr ? sounding->gate_gain() : 1.0f;
  status.limiter_gain = limiter_.gain();
  status.busy_us = busy_us;
  status.busy_us_max = std::max(status.busy_us_max, busy_us);
  status.load += period_us * 1e-6f * (busy_us / period_us - status.load);
  __atomic_store_n(&status.sequence, status.sequence + 1, __ATOMIC_RELEASE);
}

void Pedal::dispose(Slot* slot) noexcept {
  if (slot == nullptr) return;
  if (loader_ == nullptr)
    delete slot;  // no stream is running: see load_patch and swap_patch
  else if (!loader_->retire(slot))
    leaving_ = slot;
}

void Pedal::start_loader() {
  if (loader_ == nullptr)
    loader_ = std::make_unique<Loader>(controls_memory_, status_, sample_rate_hz_, period_frames_,
                                       next_ != nullptr ? next_->generation() : 0);
}

void Pedal::stop_loader() {
  loader_.reset();
}

void Pedal::load_patch(const void* patch, size_t bytes, std::unique_ptr<OutsideModel> outside) {
  auto slot = std::make_unique<Slot>(patch, bytes, sample_rate_hz_, period_frames_, std::move(outside));
  slot->follow(controls_.payload(), true);
  const FlushDenormals flush;
  slot->warm();
  delete current_;
  delete next_;
  next_ = nullptr;
  current_ = slot.release();
}

void Pedal::swap_patch(const void* patch, size_t bytes) {
  auto slot = std::make_unique<Slot>(patch, bytes, sample_rate_hz_, period_frames_, nullptr);
  slot->follow(controls_.payload(), true);
  const FlushDenormals flush;
  slot->warm();
  delete next_;
  next_ = slot.release();
  if (current_ != nullptr) next_->go_on_from(*current_);
  faded_frames_ = 0;
}

void Pedal::begin_with(const void* patch, size_t bytes, const ControlsPayload& payload) {
  controls_.set(payload);
  swap_patch(patch, bytes);
  dry_.set_target(payload.flags & kBypass ? 1.0f : 0.0f);
  sound_.jump_to(payload.flags & kMute ? 0.0f : 1.0f);  // a pedal that is muted must not be heard going silent
}

void Pedal::set_controls(const ControlsPayload& payload) {
  controls_.set(payload);
  for (Slot* slot : {current_, next_})
    if (slot != nullptr) slot->follow(controls_.payload(), false);
  dry_.set_target(payload.flags & kBypass ? 1.0f : 0.0f);
  sound_.set_target(ending_ || payload.flags & kMute ? 0.0f : 1.0f);
}

void Pedal::reset() noexcept {
  for (Slot* slot : {current_, next_})
    if (slot != nullptr) slot->start_afresh();
  limiter_.reset();
}

void Pedal::fade_out() noexcept {
  ending_ = true;
  sound_.set_target(0.0f);
}

void Pedal::set_state(uint32_t state) noexcept {
  if (status_ != nullptr) __atomic_store_n(&status_->state, state, __ATOMIC_RELEASE);
}

void Pedal::count_xrun() noexcept {
  if (status_ != nullptr) __atomic_add_fetch(&status_->xruns, 1, __ATOMIC_RELEASE);
}

void Pedal::count_recovery() noexcept {
  if (status_ != nullptr) __atomic_add_fetch(&status_->recoveries, 1, __ATOMIC_RELEASE);
}

}  // namespace appliance
