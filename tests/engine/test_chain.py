"""The chain round the model: each stage by what can be measured at the output."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from appliance.audio import loop
from appliance.bridge import layout
from appliance.bridge.layout import ControlsPayload, Flag, StatusBlock
from appliance.engine._native import Pedal
from appliance.engine.packing import pack_model, pack_patch
from appliance.formats.description import Array, Description, Linear
from tests import models

RATE_HZ = 48_000
FADE_FRAMES = RATE_HZ * 20 // 1000  # the longest a change may take


def patch(
    description: Description | None = None, *, generation: int = 1, cabinet: Array | None = None, gain_db: float = 0.0
) -> bytes:
    blob = pack_model(description) if description else b""
    return pack_patch(
        generation=generation, sample_rate_hz=RATE_HZ, model_blob=blob, cabinet=cabinet, normalise_gain_db=gain_db
    )


def controls(generation: int = 1, flags: int = 0, knobs: tuple[float, ...] = (), **settings: float) -> bytes:
    values = {"input_gain_db": 0.0, "gate_threshold_db": -120.0, "level_db": 0.0} | settings
    payload = ControlsPayload(generation=generation, flags=flags, knob_count=len(knobs), **values)
    payload.knobs[: len(knobs)] = knobs
    return bytes(payload)


def pedal(block: int = 64, status: StatusBlock | None = None, tap: bytearray | None = None) -> Pedal:
    made = Pedal(RATE_HZ, block, None, status, tap)
    made.set_controls(controls())
    return made


def gain_model(gain: float) -> Description:
    """A model that multiplies by `gain`."""
    return models.describe(Linear(np.array([gain], np.float32)))


def sine(hz: float, seconds: float, peak: float = 0.3) -> Array:
    return (peak * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def dc_blocked(audio: Array) -> np.ndarray:
    pole = np.exp(-2 * np.pi * 5 / RATE_HZ)
    return signal.lfilter([1, -1], [1, -pole], audio.astype(np.float64))


def largest_step(audio: Array) -> float:
    return float(np.abs(np.diff(audio)).max())


def test_before_the_first_patch_there_is_silence() -> None:
    assert not pedal().process_float(sine(100, 0.1)).any()


@pytest.mark.parametrize("frames", [1, 2, 63, 64, 65, 127, 128, 129, 1000, 9600])
@pytest.mark.parametrize("block", [1, 16, 37, 64, 1024])
def test_the_cabinet_is_a_convolution_without_delay(frames: int, block: int) -> None:
    rng = np.random.default_rng(frames)
    cabinet = (rng.standard_normal(frames) / np.sqrt(frames)).astype(np.float32)
    guitar = models.guitarish(rng, 2000) * np.float32(0.3)
    playing = pedal(block)
    playing.load_patch(patch(cabinet=cabinet))
    expected = dc_blocked(signal.fftconvolve(guitar.astype(np.float64), cabinet)[: len(guitar)])
    assert np.abs(expected).max() < 0.9  # else the limiter is measured
    np.testing.assert_allclose(playing.process_float(guitar), expected, atol=1e-6)


def test_a_model_at_rest_on_an_offset_does_not_thump_through_the_cabinet() -> None:
    cabinet = np.random.default_rng(4).standard_normal(2_000).astype(np.float32)
    playing = pedal()
    playing.load_patch(patch(models.describe(Linear(np.array([1.0], np.float32), bias=0.5)), cabinet=cabinet))
    assert not playing.process_float(np.zeros(RATE_HZ // 10, np.float32)).any()


def test_gains_are_what_they_say() -> None:
    playing = pedal()
    playing.set_controls(controls(input_gain_db=-6.0, level_db=4.0, flags=Flag.NORMALISE))
    playing.load_patch(patch(gain_model(0.5), gain_db=3.0))
    made = playing.process_float(sine(1000, 0.5))
    ratio_db = 20 * np.log10(np.std(made[RATE_HZ // 4 :]) / np.std(sine(1000, 0.5)[RATE_HZ // 4 :]))
    assert ratio_db == pytest.approx(-6 + 4 + 3 + 20 * np.log10(0.5), abs=0.01)


def test_without_the_normalise_switch_the_model_keeps_its_loudness() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0), gain_db=-20.0))
    assert np.abs(playing.process_float(sine(1000, 0.5))).max() == pytest.approx(0.3, abs=0.01)


def test_a_turned_level_glides() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0)))
    quiet = playing.process_float(sine(200, 0.2))
    playing.set_controls(controls(level_db=-40.0))
    turned = playing.process_float(sine(200, 0.2))
    assert largest_step(np.concatenate([quiet[-10:], turned])) <= 1.5 * largest_step(quiet)
    assert np.abs(turned[RATE_HZ // 10 :]).max() < 0.005


def test_a_knob_reaches_its_target_within_10_ms_without_steps() -> None:
    rng = np.random.default_rng(1)
    description = models.random_recurrent(rng, hidden=8, knobs=1)
    playing = pedal()
    playing.set_controls(controls(knobs=(0.0,)))
    playing.load_patch(patch(description))
    silence = np.zeros(RATE_HZ, np.float32)
    before = playing.process_float(silence)[-1]
    playing.set_controls(controls(knobs=(1.0,)))
    moved = playing.process_float(silence) - before
    assert np.abs(moved).max() > 0.01  # the knob does something to this model
    assert largest_step(moved) < 0.05 * np.abs(moved).max()
    assert np.argmax(np.abs(moved)) < RATE_HZ // 50


def test_bypass_gives_the_guitar_itself_and_does_not_click() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(-0.5)))
    guitar = sine(150, 0.5)
    wet = playing.process_float(guitar)
    playing.set_controls(controls(flags=Flag.BYPASS))
    dry = playing.process_float(guitar)
    np.testing.assert_array_equal(dry[RATE_HZ // 5 :], guitar[RATE_HZ // 5 :])
    assert largest_step(np.concatenate([wet[-10:], dry])) <= 1.5 * largest_step(guitar)


def test_mute_is_silent_and_does_not_click() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0)))
    guitar = sine(150, 0.3)
    loud = playing.process_float(guitar)
    playing.set_controls(controls(flags=Flag.MUTE))
    muted = playing.process_float(guitar)
    assert not muted[RATE_HZ // 5 :].any()
    assert largest_step(np.concatenate([loud[-10:], muted])) <= 1.5 * largest_step(guitar)


def test_a_fade_out_is_silent_within_its_time_for_good_and_does_not_click() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0)))
    guitar = sine(150, 0.3)
    loud = playing.process_float(guitar)
    playing.fade_out()
    fading = playing.process_float(guitar)
    left = np.abs(fading[round(loop._FADE_S * RATE_HZ) - 64 :])
    assert left.max() < 1e-3 * np.abs(loud).max()  # 60 dB down by the last period that is played
    assert largest_step(np.concatenate([loud[-10:], fading])) <= 1.5 * largest_step(guitar)
    playing.set_controls(controls())
    assert not playing.process_float(guitar)[RATE_HZ // 5 :].any()


@pytest.mark.parametrize("block", [16, 64, 480])
@pytest.mark.parametrize("family", models.FAMILIES)
def test_a_change_of_model_jumps_no_further_than_the_two_themselves(family: str, block: int) -> None:
    rng = np.random.default_rng(8)
    old, new = models.FAMILIES[family](rng), models.FAMILIES[family](rng)
    guitar = models.guitarish(rng, RATE_HZ // 2)
    cabinet = (rng.standard_normal(300) * np.exp(-np.arange(300) / 40) * 0.3).astype(np.float32)
    knobs = tuple(0.5 for _ in old.knobs)
    alone = []
    for description in (old, new):
        playing = pedal(block)
        playing.set_controls(controls(knobs=knobs))
        playing.load_patch(patch(description, cabinet=cabinet))
        alone.append(playing.process_float(guitar))
    playing = pedal(block)
    playing.set_controls(controls(knobs=knobs))
    playing.load_patch(patch(old, cabinet=cabinet))
    middle = RATE_HZ // 4 // block * block
    first = playing.process_float(guitar[:middle])
    playing.swap_patch(patch(new, cabinet=cabinet, generation=2))
    second = playing.process_float(guitar[middle:])
    made = np.concatenate([first, second])
    around = slice(middle - 10, middle + FADE_FRAMES + 10)
    assert largest_step(made[around]) <= 1.02 * max(map(largest_step, alone)) + 1e-6
    np.testing.assert_array_equal(made[:middle], alone[0][:middle])
    # Once the receptive field has passed, the new model sounds as if it had always been there.
    np.testing.assert_allclose(made[-2000:], alone[1][-2000:], atol=2e-3)


def test_a_change_takes_at_most_20_ms() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0)))
    guitar = sine(300, 0.2)
    playing.process_float(guitar)
    playing.swap_patch(patch(gain_model(0.0), generation=2))
    made = playing.process_float(guitar)
    # What is left after the model has gone silent is the DC blocker settling.
    assert np.abs(made[FADE_FRAMES + 64 :]).max() < 1e-3
    assert np.abs(made[: FADE_FRAMES // 4]).max() > 0.1
    assert not playing.is_fading


def test_the_gate_closes_on_hiss_and_lets_notes_through() -> None:
    rng = np.random.default_rng(2)
    hiss = (rng.standard_normal(RATE_HZ) * 0.001).astype(np.float32)
    note = sine(110, 0.5) + hiss[: RATE_HZ // 2]
    playing = pedal()
    playing.set_controls(controls(gate_threshold_db=-40.0))
    playing.load_patch(patch(gain_model(1.0)))
    during = playing.process_float(note)
    after = playing.process_float(hiss)
    assert np.abs(during[2000:] - dc_blocked(note)[2000:]).max() < 1e-3
    assert np.std(after[RATE_HZ // 2 :]) < 0.01 * np.std(hiss)
    assert largest_step(after[RATE_HZ // 10 :]) <= largest_step(hiss)


def test_the_limiter_keeps_every_sample_below_full_scale() -> None:
    playing = pedal()
    playing.set_controls(controls(level_db=30.0))
    playing.load_patch(patch(gain_model(1.0)))
    made = playing.process_float(sine(80, 1.0, peak=0.9))
    assert 0.9 < np.abs(made).max() <= 0.9661


def test_the_limiter_leaves_what_is_below_alone() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0)))
    guitar = sine(500, 0.2, peak=0.9)
    np.testing.assert_allclose(playing.process_float(guitar), dc_blocked(guitar), atol=1e-6)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_model_that_gives_nan_is_silenced_and_counted_and_comes_back() -> None:
    status = StatusBlock()
    playing = pedal(status=status)
    playing.load_patch(patch(models.describe(Linear(np.array([1.0, 1.0], np.float32)))))
    guitar = sine(300, 0.05)
    poisoned = guitar.copy()
    poisoned[1000] = np.nan
    made = playing.process_float(poisoned)
    assert np.isfinite(made).all()
    assert status.bad_blocks >= 1
    assert np.abs(playing.process_float(guitar)).max() > 0.1


def test_meters_tell_level_and_load() -> None:
    status = StatusBlock()
    playing = pedal(status=status)
    playing.load_patch(patch(gain_model(0.5)))
    for _ in range(10):
        playing.process_float(sine(1000, 0.1, peak=0.4))
    assert status.input_peak == pytest.approx(0.4, rel=0.02)
    assert status.output_peak == pytest.approx(0.2, rel=0.02)
    assert status.input_rms == pytest.approx(0.4 / np.sqrt(2), rel=0.1)
    assert status.frames == 48_000
    assert status.periods == 750
    assert status.busy_us > 0
    assert status.generation == 1
    assert status.sequence % 2 == 0


def test_the_tap_holds_what_went_in_and_came_out() -> None:
    tap = bytearray(layout.TAP_BYTES)
    playing = pedal(tap=tap)
    playing.load_patch(patch(gain_model(0.5)))
    guitar = models.guitarish(np.random.default_rng(0), layout.TAP_FRAMES + 500)
    made = playing.process_float(guitar)
    header = layout.TapHeader.from_buffer(tap)
    assert header.written_frames == len(guitar)
    rings = np.frombuffer(tap, np.float32, offset=ctypes.sizeof(layout.TapHeader)).reshape(2, layout.TAP_FRAMES)
    at = np.arange(len(guitar) - layout.TAP_FRAMES, len(guitar))
    np.testing.assert_array_equal(rings[0][at % layout.TAP_FRAMES], guitar[at])
    np.testing.assert_array_equal(rings[1][at % layout.TAP_FRAMES], made[at])


SAMPLE_BYTES = {"S16_LE": 2, "S24_3LE": 3, "S24_LE": 4, "S32_LE": 4, "FLOAT_LE": 4}


@pytest.mark.parametrize("sample_format", SAMPLE_BYTES)
@pytest.mark.parametrize("channel", [0, 1])
def test_bytes_pass_a_bypassed_pedal_unchanged(sample_format: str, channel: int) -> None:
    playing = pedal()
    playing.configure_io(sample_format, 2, channel, sample_format, 1)
    playing.set_controls(controls(flags=Flag.BYPASS))
    width = SAMPLE_BYTES[sample_format]
    rng = np.random.default_rng(0)
    for number in range(60):
        # Below the limiter's ceiling; 32-bit samples as float32 can hold them.
        samples = rng.uniform(-0.9, 0.9, (64, 2)).astype(np.float32)
        if sample_format == "FLOAT_LE":
            data = samples.tobytes()
        else:
            bits = {"S16_LE": 16, "S32_LE": 32}.get(sample_format, 24)
            integers = np.round(samples.astype(np.float64) * 2.0 ** (min(bits, 24) - 1)).astype(np.int64)
            integers <<= max(0, bits - 24)
            data = b"".join(int(v).to_bytes(4, "little", signed=True)[:width] for v in integers.ravel())
        out = bytearray(64 * width)
        playing.process(data, out)
        if number > 40:  # the glide into bypass is over
            frames = np.frombuffer(data, np.uint8).reshape(64, 2, width)[:, channel]
            got = np.frombuffer(out, np.uint8).reshape(64, width)
            # S24_LE: the top byte carries the sign or nothing, cards ignore it.
            used = 3 if sample_format == "S24_LE" else width
            np.testing.assert_array_equal(got[:, :used], frames[:, :used])


def publish(block: layout.ControlsBlock, payload: bytes, *, torn: bool = False) -> None:
    ctypes.memmove(ctypes.addressof(block) + layout.ControlsBlock.payload.offset, payload, len(payload))
    block.magic, block.version = layout.CONTROLS_MAGIC, layout.LAYOUT_VERSION
    block.checksum = layout.controls_checksum(block.sequence + 1, payload) ^ (1 if torn else 0)
    block.sequence += 1


def test_torn_controls_leave_the_last_good_ones_in_force() -> None:
    memory = layout.ControlsMemory()
    block = memory.controls
    playing = Pedal(RATE_HZ, 64, memory)
    guitar = sine(300, 0.1)
    publish(block, controls(level_db=-6.0))
    playing.load_patch(patch(gain_model(1.0)))
    playing.process_float(guitar)
    assert np.abs(playing.process_float(guitar)).max() == pytest.approx(0.15, rel=0.02)
    publish(block, controls(level_db=20.0), torn=True)
    assert np.abs(playing.process_float(guitar)).max() == pytest.approx(0.15, rel=0.02)
    publish(block, controls(level_db=0.0))
    playing.process_float(guitar)
    assert np.abs(playing.process_float(guitar)).max() == pytest.approx(0.3, rel=0.02)


def test_nan_and_absurd_controls_are_clamped() -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0)))
    nan = float("nan")
    playing.set_controls(controls(level_db=1e9, input_gain_db=nan, gate_threshold_db=nan, knobs=(nan,) * 16))
    made = playing.process_float(sine(200, 0.3))
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= 0.9661


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-1], "damaged"),
        (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "damaged"),
        (lambda data: b"RIFF" + data[4:], "not a patch"),
        (lambda data: b"", "ends early"),
    ],
)
def test_a_damaged_patch_is_refused_and_the_old_one_plays_on(damage: object, words: str) -> None:
    playing = pedal()
    playing.load_patch(patch(gain_model(1.0)))
    with pytest.raises(ValueError, match=words):
        playing.load_patch(damage(patch(gain_model(0.5))))  # type: ignore[operator]
    assert np.abs(playing.process_float(sine(300, 0.1))).max() == pytest.approx(0.3, rel=0.02)


def test_a_patch_for_another_rate_is_refused() -> None:
    data = pack_patch(generation=1, sample_rate_hz=44_100, model_blob=b"")
    with pytest.raises(ValueError, match="44100 Hz, the pedal runs at 48000 Hz"):
        pedal().load_patch(data)


def test_the_loader_brings_in_what_the_controls_ask_for(tmp_path: Path) -> None:
    import time

    memory, status = layout.ControlsMemory(), StatusBlock()
    block = memory.controls
    playing = Pedal(RATE_HZ, 64, memory, status)
    playing.start_loader()
    guitar = sine(300, 0.02)
    file = tmp_path / "1.patch"
    file.write_bytes(patch(gain_model(0.5), generation=1))
    payload = ControlsPayload.from_buffer_copy(controls(generation=1))
    payload.patch_path = str(file).encode()
    publish(block, bytes(payload))
    deadline = time.monotonic() + 10
    while status.generation != 1 and time.monotonic() < deadline:
        playing.process_float(guitar)
    assert status.generation == 1
    payload.generation, payload.patch_path = 2, str(tmp_path / "gone.patch").encode()
    publish(block, bytes(payload))
    while status.failed_generation != 2 and time.monotonic() < deadline:
        playing.process_float(guitar)
    assert b"gone.patch" in status.message
    assert status.generation == 1
    assert np.abs(playing.process_float(sine(300, 0.1))).max() > 0.1
    playing.stop_loader()


def test_an_error_in_a_python_engine_reaches_the_caller() -> None:
    def broken(audio: Array) -> Array:
        raise RuntimeError("no luck")

    playing = pedal()
    with pytest.raises(RuntimeError, match="no luck"):
        playing.load_patch(patch(gain_model(1.0)), broken, 64)


def hiss(seconds: float, level: float = 1e-4) -> Array:
    return (np.random.default_rng(7).standard_normal(int(seconds * RATE_HZ)) * level).astype(np.float32)


def test_a_change_behind_a_closed_gate_stays_silent() -> None:
    playing = pedal()
    playing.set_controls(controls(gate_threshold_db=-50.0))
    playing.load_patch(patch(gain_model(300.0)))
    playing.process_float(hiss(0.5))
    assert np.abs(playing.process_float(hiss(0.2))).max() < 1e-6
    playing.swap_patch(patch(gain_model(500.0), generation=2))
    assert np.abs(playing.process_float(hiss(0.5))).max() < 1e-6


def test_switching_the_gate_on_or_off_never_jumps() -> None:
    note = sine(110, 0.3, peak=0.5)
    playing = pedal()
    playing.set_controls(controls(gate_threshold_db=-50.0))
    playing.load_patch(patch(gain_model(1.0)))
    playing.process_float(np.zeros(RATE_HZ // 2, np.float32))  # it closes
    playing.set_controls(controls())
    made = [playing.process_float(note)]
    for threshold_db in (-50.0, -120.0, -20.0):
        playing.set_controls(controls(gate_threshold_db=threshold_db))
        made.append(playing.process_float(note))
    assert largest_step(np.concatenate(made)) <= 2 * largest_step(note)


def test_a_loaded_patch_rests_in_silence_even_through_a_long_cabinet() -> None:
    rng = np.random.default_rng(3)
    cabinet = (rng.standard_normal(RATE_HZ) * np.exp(-np.arange(RATE_HZ) / 9000) * 0.05).astype(np.float32)
    for make in models.FAMILIES.values():
        playing = pedal()
        playing.load_patch(patch(make(rng), cabinet=cabinet))
        assert np.abs(playing.process_float(np.zeros(4800, np.float32))).max() < 2e-4


def test_after_nan_the_model_comes_back_without_its_starting_thump() -> None:
    rng = np.random.default_rng(4)
    playing = pedal()
    playing.load_patch(patch(models.random_wavenet(rng, channels=(8,), dilations=((1, 64, 256),))))
    silence = np.zeros(RATE_HZ // 10, np.float32)
    rest = np.abs(playing.process_float(silence)).max()
    poison = silence.copy()
    poison[10] = np.inf
    assert np.abs(playing.process_float(poison)).max() <= rest + 1e-3
    assert np.abs(playing.process_float(silence)).max() <= rest + 0.02
    assert np.abs(playing.process_float(sine(200, 0.1))).max() > 1e-3


def test_an_absurd_sample_does_not_stay_in_the_meters() -> None:
    status = StatusBlock()
    playing = pedal(status=status)
    playing.configure_io("FLOAT_LE", 1, 0, "FLOAT_LE", 1)
    playing.load_patch(patch(gain_model(1.0)))
    block = np.zeros(64, np.float32)
    block[3] = 1e30
    playing.process(block.tobytes(), bytearray(256))
    for _ in range(4000):
        playing.process(bytes(256), bytearray(256))
    assert status.input_peak < 0.01
    assert status.input_rms < 0.01


def test_controls_seen_before_their_payload_are_looked_at_again() -> None:
    memory = layout.ControlsMemory()
    block = memory.controls
    playing = Pedal(RATE_HZ, 64, memory)
    guitar = sine(300, 0.1)
    publish(block, controls(level_db=0.0))
    playing.load_patch(patch(gain_model(1.0)))
    playing.process_float(guitar)
    # Another core's view of a write whose parts arrive out of order: the sequence first.
    block.sequence += 1
    playing.process_float(guitar)
    quieter = controls(level_db=-20.0)
    ctypes.memmove(ctypes.addressof(block) + layout.ControlsBlock.payload.offset, quieter, len(quieter))
    block.checksum = layout.controls_checksum(block.sequence, quieter)
    playing.process_float(guitar)
    assert np.abs(playing.process_float(guitar)).max() == pytest.approx(0.03, rel=0.02)
