// The demo card: what audio/demo.py plays with, and the C++ loop that `appliance bench loop` compares with.
#include <nanobind/stl/string.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "demo_card.hpp"

using namespace appliance;

namespace {

// A clock that Python moves (tests): an object with now_ns() and sleep_until_ns(due_ns).
class PythonClock final : public CardClock {
 public:
  explicit PythonClock(const nb::object& clock)
      : now_ns_(clock.attr("now_ns")), sleep_until_ns_(clock.attr("sleep_until_ns")) {}

  int64_t now_ns() override { return nb::cast<int64_t>(now_ns_()); }
  void sleep_until(int64_t due_ns) override { sleep_until_ns_(due_ns); }

 private:
  nb::object now_ns_, sleep_until_ns_;
};

// A card whose read() and write() are all that happens in a period beside the engine: each is one compiled call that
// keeps the interpreter lock also while it waits. Given up, the lock would have to be taken back after every wait, with
// cold caches; the audio process has no other thread that wants it. Signals are seen when the period is over.
class PyDemoCard {
 public:
  PyDemoCard(int rate_hz, int period_frames, int periods, nb::object xrun, const nb::object& clock)
      : card_(checked(rate_hz, period_frames, periods), period_frames, periods, clock_for(clock)),
        period_frames_(period_frames),
        xrun_(std::move(xrun)) {}

  void load(nb::handle recording) {
    const Bytes bytes(recording, false);
    if (bytes.size() < card_.period_bytes()) throw nb::value_error("recording: shorter than one period");
    card_.load(bytes.data(), bytes.size());
  }

  void start() { card_.start(); }
  void unload() { card_.unload(); }

  nb::bytes read() {
    need_recording();
    const nb::bytes period(card_.next_period(), card_.period_bytes());  // made before the wait
    if (!card_.wait()) fail("capture");
    return period;
  }

  void write(nb::handle) {
    if (!card_.give()) fail("playback");
  }

  // The arrays are kept until the next call.
  void note(nb::handle wake_ns, nb::handle busy_ns, nb::handle engine_ns, int64_t warm_up, nb::object pedal) {
    auto wake = std::make_unique<Bytes>(wake_ns, true);
    auto busy = std::make_unique<Bytes>(busy_ns, true);
    auto engine = std::make_unique<Bytes>(engine_ns, true);
    if (busy->size() != wake->size() || engine->size() != wake->size())
      throw nb::value_error("times: not of one length");
    const auto at = [](const Bytes& times) { return reinterpret_cast<int64_t*>(times.data()); };
    const auto count = static_cast<int64_t>(wake->size() / sizeof(int64_t));
    card_.note({at(*wake), at(*busy), at(*engine), count}, warm_up, &pedal_of(pedal));
    wake_ = std::move(wake);
    busy_ = std::move(busy);
    engine_ = std::move(engine);
    pedal_ = std::move(pedal);
  }

  // What is wrong, as a Python exception.
  void need_recording() const {
    if (!card_.is_loaded()) throw nb::value_error("the demo card is not open");
  }

  [[noreturn]] void fail(const char* side) {
    PyErr_Format(xrun_.ptr(), "demo card (%s): a deadline was missed", side);
    throw nb::python_error();
  }

  DemoCard& card() { return card_; }
  int period_frames() const { return period_frames_; }

 private:
  static int checked(int rate_hz, int period_frames, int periods) {
    if (rate_hz < 8000 || rate_hz > 384000 || period_frames < 1 || period_frames > 8192 || periods < 2 ||
        periods > 1024)
      throw nb::value_error("8000 to 384000 Hz, periods of 1 to 8192 frames, at least 2 of them");
    return rate_hz;
  }

  static std::unique_ptr<CardClock> clock_for(const nb::object& clock) {
    if (clock.is_none()) return std::make_unique<MonotonicClock>();
    return std::make_unique<PythonClock>(clock);
  }

  DemoCard card_;
  int period_frames_;
  nb::object xrun_;
  std::unique_ptr<Bytes> wake_, busy_, engine_;
  nb::object pedal_;
};

// The audio loop on the card, compiled: what audio/loop.py lets run from beat to beat.
class CardLoop {
 public:
  CardLoop(nb::object card, nb::object pedal, nb::object out)
      : python_card_(std::move(card)),
        python_pedal_(std::move(pedal)),
        card_(nb::cast<PyDemoCard&>(python_card_)),
        pedal_(pedal_of(python_pedal_)),
        out_(out, true) {
    if (pedal_.period_frames() != card_.period_frames()) throw nb::value_error("the pedal's period is not the card's");
    if (out_.size() < pedal_.playback_bytes(pedal_.period_frames()))
      throw nb::value_error("out: too small for the period");
    if (pedal_.frames_in(card_.card().period_bytes()) != pedal_.period_frames())
      throw nb::value_error("the pedal was not told the card's format");
  }

  // The interpreter lock is kept, as in PyDemoCard.
  void play(int64_t periods) {
    card_.need_recording();
    const DemoCard::Outcome outcome = card_.card().play(pedal_, out_.data(), periods, moved_);
    if (outcome == DemoCard::Outcome::kCaptureLate) card_.fail("capture");
    if (outcome == DemoCard::Outcome::kPlaybackLate) card_.fail("playback");
  }

  // Plays until the card has noted all its times, without Python, whatever deadlines are missed.
  void play_until_noted() {
    card_.need_recording();
    while (!card_.card().is_noted())
      if (card_.card().play(pedal_, out_.data(), 1, moved_) != DemoCard::Outcome::kInTime) card_.card().start();
  }

  int64_t moved() const { return moved_; }

 private:
  nb::object python_card_, python_pedal_;  // held as long as this lives
  PyDemoCard& card_;
  Pedal& pedal_;
  Bytes out_;
  int64_t moved_ = 0;
};

}  // namespace

void bind_demo_card(nb::module_& module) {
  nb::class_<PyDemoCard>(module, "DemoCard")
      .def(nb::init<int, int, int, nb::object, const nb::object&>(), nb::arg("sample_rate_hz"),
           nb::arg("period_frames"), nb::arg("periods"), nb::arg("xrun"), nb::arg("clock") = nb::none())
      .def("load", &PyDemoCard::load, nb::arg("recording"))
      .def("start", &PyDemoCard::start)
      .def("unload", &PyDemoCard::unload)
      .def("read", &PyDemoCard::read)
      .def("write", &PyDemoCard::write, nb::arg("buffer"))
      .def("note", &PyDemoCard::note, nb::arg("wake_ns"), nb::arg("busy_ns"), nb::arg("engine_ns"),
           nb::arg("warm_up_periods"), nb::arg("pedal"))
      .def("is_noted", [](PyDemoCard& self) { return self.card().is_noted(); })
      .def_prop_ro("missed", [](PyDemoCard& self) { return self.card().missed(); });

  nb::class_<CardLoop>(module, "CardLoop")
      .def(nb::init<nb::object, nb::object, nb::object>(), nb::arg("card"), nb::arg("pedal"), nb::arg("out"))
      .def("play", &CardLoop::play, nb::arg("periods"))
      .def("play_until_noted", &CardLoop::play_until_noted)
      .def_prop_ro("moved", &CardLoop::moved);
}
