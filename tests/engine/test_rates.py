"""Models at another sample rate than their own, and oversampled (`engine/rates.py`, `native/played_model.hpp`)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from appliance.engine._native import Pedal
from appliance.engine.aliasing import alias_to_signal_db
from appliance.engine.native_engine import NativeEngine
from appliance.engine.packing import pack_model, pack_patch
from appliance.engine.rates import RateMethod, plan_rates, sentences
from appliance.engine.reference import sigmoid
from appliance.errors import BadRequest
from appliance.formats.description import Act, Activation, Cell, ConvBlock, ConvNet, Description, Linear, Recurrent
from appliance.formats.read import read_model
from appliance.render import RenderSettings, render
from tests import models

RATE_HZ = 48_000
FLOOR = 10 ** (-90 / 20)


def at_rate(description: Description, rate_hz: int) -> Description:
    return dataclasses.replace(description, sample_rate_hz=rate_hz)


def conv_net(rate_hz: int, kind: Act = Act.LINEAR, gain: float = 1.0) -> Description:
    """One tap and an activation: a wire when that is linear."""
    block = ConvBlock(np.full((1, 1, 1), gain, np.float32), np.zeros(1, np.float32), 1, Activation(kind))
    return at_rate(models.describe(ConvNet((block,), np.ones(1, np.float32), 0.0)), rate_hz)


def sine(frequency_hz: float, rate_hz: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def band_noise(rate_hz: int, highest_hz: float, frames: int) -> np.ndarray:
    """Noise with nothing above `highest_hz`; fades in and out."""
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal(frames))
    spectrum[np.fft.rfftfreq(frames, 1 / rate_hz) > highest_hz] = 0.0
    noise = np.fft.irfft(spectrum, frames) * np.hanning(frames)
    return (0.5 * noise / np.abs(noise).max()).astype(np.float32)


def energy_ratio(made: np.ndarray, true: np.ndarray) -> float:
    return float(np.sum(np.square(made - true, dtype=np.float64)) / np.sum(np.square(true, dtype=np.float64)))


# (rate of the model, rate of the session, oversampling, way for a convolutional model, its delay in frames)
WAYS = [
    (48_000, 48_000, 1, RateMethod.SAME, 0),
    (48_000, 96_000, 1, RateMethod.LONGER_DELAYS, 0),
    (48_000, 48_000, 2, RateMethod.SAME, 29),
    (48_000, 48_000, 4, RateMethod.SAME, 35),
    (48_000, 96_000, 2, RateMethod.LONGER_DELAYS, 29),
    (44_100, 48_000, 1, RateMethod.RESAMPLED, 38),
    (48_000, 44_100, 1, RateMethod.RESAMPLED, 35),
    (48_000, 44_100, 4, RateMethod.RESAMPLED, 67),
    (96_000, 48_000, 1, RateMethod.RESAMPLED, 34),
    (44_100, 96_000, 2, RateMethod.RESAMPLED, 139),
    (96_000, 44_100, 1, RateMethod.RESAMPLED, 35),
]


@pytest.mark.parametrize(("model_hz", "session_hz", "oversample", "method", "latency_frames"), WAYS)
def test_a_wire_comes_out_as_it_went_in_and_exactly_as_late_as_is_said(
    model_hz: int, session_hz: int, oversample: int, method: RateMethod, latency_frames: int
) -> None:
    wire = conv_net(model_hz)
    plan = plan_rates(wire, session_hz, oversample)
    assert (plan.method, plan.latency_frames) == (method, latency_frames)
    engine = NativeEngine(wire, session_rate_hz=session_hz, oversample=oversample)
    assert engine.latency_frames == latency_frames
    audio = band_noise(session_hz, 0.41 * min(model_hz, session_hz, 46_000), 16_384)
    made = engine.process(audio)
    correlation = np.fft.irfft(np.fft.rfft(made, 2 * len(made)) * np.conj(np.fft.rfft(audio, 2 * len(made))))
    assert np.argmax(correlation) == latency_frames
    late = np.concatenate([np.zeros(latency_frames, np.float32), audio])[: len(audio)]
    assert np.abs(made - late).max() < 2 * FLOOR


@pytest.mark.parametrize(("model_hz", "session_hz", "oversample", "method", "latency_frames"), WAYS[2:])
def test_the_pass_band_is_flat(
    model_hz: int, session_hz: int, oversample: int, method: RateMethod, latency_frames: int
) -> None:
    engine = NativeEngine(conv_net(model_hz), session_rate_hz=session_hz, oversample=oversample)
    impulse = np.zeros(16_384, np.float32)
    impulse[100] = 1.0
    response_db = 20 * np.log10(np.abs(np.fft.rfft(engine.process(impulse))) + 1e-12)
    frequencies_hz = np.fft.rfftfreq(len(impulse), 1 / session_hz)
    passed = frequencies_hz <= 0.395 * min(model_hz, session_hz)
    assert np.abs(response_db[passed]).max() < 0.005


@pytest.mark.parametrize(
    ("model_hz", "session_hz", "frequency_hz"),
    [(44_100, 96_000, 30_000), (44_100, 96_000, 15_000), (48_000, 44_100, 15_000), (44_100, 48_000, 17_000)],
)
def test_resampling_leaves_no_aliases_and_no_images(model_hz: int, session_hz: int, frequency_hz: int) -> None:
    engine = NativeEngine(conv_net(model_hz), session_rate_hz=session_hz)
    made = engine.process(sine(frequency_hz, session_hz, 2.0))[session_hz:].astype(np.float64)
    amplitudes = np.abs(np.fft.rfft(made)) / (0.5 * session_hz / 2)
    if frequency_hz < 0.41 * model_hz:
        assert amplitudes[frequency_hz] == pytest.approx(1.0, abs=5e-4)
    amplitudes[frequency_hz] = amplitudes[frequency_hz] if frequency_hz > 0.59 * model_hz else 0.0
    assert amplitudes.max() < FLOOR


@pytest.mark.parametrize("family", [*models.FAMILIES, "lstm_knobs"])
@pytest.mark.parametrize(
    ("session_hz", "oversample"), [(44_100, 1), (96_000, 1), (50_000, 1), (48_000, 2), (48_000, 4), (44_100, 4)]
)
def test_the_split_into_blocks_does_not_matter(family: str, session_hz: int, oversample: int) -> None:
    rng = np.random.default_rng(4)
    description = (
        models.random_recurrent(rng, hidden=40, knobs=2) if family == "lstm_knobs" else models.FAMILIES[family](rng)
    )
    audio = models.guitarish(rng, 3000)
    knobs = rng.uniform(0, 1, (len(description.knobs), 3000)).astype(np.float32) if description.knobs else None

    def play(max_block_frames: int, sizes: list[int]) -> np.ndarray:
        engine = NativeEngine(description, max_block_frames, session_rate_hz=session_hz, oversample=oversample)
        parts, start = [], 0
        while start < len(audio):
            stop = start + sizes[len(parts) % len(sizes)]
            parts.append(engine.process(audio[start:stop], None if knobs is None else knobs[:, start:stop]))
            start = stop
        return np.concatenate(parts)

    whole = play(1024, [3000])
    for max_block_frames, sizes in ((1024, [1]), (64, [64]), (64, [37, 1, 63, 5]), (1024, [777, 2, 300])):
        np.testing.assert_allclose(play(max_block_frames, sizes), whole, atol=2e-6)


def test_after_a_reset_it_plays_the_same_again() -> None:
    audio = models.guitarish(np.random.default_rng(5), 2000)
    for session_hz, oversample in ((44_100, 4), (50_000, 1), (48_000, 2)):
        for make in (models.random_recurrent, models.random_wavenet):
            engine = NativeEngine(make(np.random.default_rng(6)), session_rate_hz=session_hz, oversample=oversample)
            first = engine.process(audio)
            engine.reset()
            np.testing.assert_array_equal(engine.process(audio), first)


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("family", models.FAMILIES)
def test_at_a_whole_multiple_every_so_many_th_sample_is_the_models_own(family: str, times: int) -> None:
    rng = np.random.default_rng(7)
    description = models.FAMILIES[family](rng)
    audio = rng.uniform(-0.5, 0.5, 1200 * times).astype(np.float32)
    fast = NativeEngine(description, session_rate_hz=times * RATE_HZ)
    own = NativeEngine(description).process(audio[::times])
    np.testing.assert_allclose(fast.process(audio)[::times], own, atol=1e-6)
    assert fast.latency_frames == 0


def lagrange(steps: float) -> np.ndarray:
    """weights[k] of the state k + 1 steps ago: the cubic through four past states round `steps`, or the parabola."""
    first = max(1, int(steps) - 1)
    places = first + np.arange(3 if 1.1 <= steps < 2 else 4)
    weights = np.zeros(first + 3)
    for place in places:
        others = places[places != place]
        weights[place - 1] = np.prod((steps - others) / (place - others))
    return weights


def delayed_reference(description: Description, audio: np.ndarray, steps: float) -> np.ndarray:
    """A recurrent net of one layer whose state comes back `steps` late, in float64."""
    network = description.architecture
    assert isinstance(network, Recurrent)
    (layer,) = network.layers
    weights = lagrange(steps)
    h, c = (np.tile(state.astype(np.float64), (len(weights), 1)) for state in (layer.h0, layer.c0))
    made = []
    for x in audio.astype(np.float64):
        held = [weights @ past for past in (h, c)]
        inputs = layer.weight_ih[:, 0] * x + layer.bias_ih
        back = layer.weight_hh.astype(np.float64) @ held[0] + layer.bias_hh
        if network.cell is Cell.LSTM:
            i, f, g, o = np.split(inputs + back, 4)
            new_c = sigmoid(f) * held[1] + sigmoid(i) * np.tanh(g)
            new_h = sigmoid(o) * np.tanh(new_c)
        else:
            (r_in, z_in, n_in), (r_back, z_back, n_back) = np.split(inputs, 3), np.split(back, 3)
            update = sigmoid(z_in + z_back)
            new_h = (1 - update) * np.tanh(n_in + sigmoid(r_in + r_back) * n_back) + update * held[0]
            new_c = held[1]
        h, c = np.vstack([new_h, h[:-1]]), np.vstack([new_c, c[:-1]])
        made.append(network.head_weight @ new_h + network.head_bias)
    return np.array(made)


@pytest.mark.parametrize("session_hz", [52_200, 60_000, 90_000, 105_000, 200_000])
@pytest.mark.parametrize(("cell", "hidden"), [(Cell.LSTM, 16), (Cell.LSTM, 40), (Cell.GRU, 24), (Cell.LSTM, 120)])
def test_a_delayed_state_is_the_curve_through_its_past(cell: Cell, hidden: int, session_hz: int) -> None:
    rng = np.random.default_rng(8)
    description = models.random_recurrent(rng, cell=cell, hidden=hidden)
    audio = models.guitarish(rng, 400)
    made = NativeEngine(description, session_rate_hz=session_hz).process(audio)
    np.testing.assert_allclose(made, delayed_reference(description, audio, session_hz / RATE_HZ), atol=1e-5)


@pytest.mark.parametrize(
    "file",
    [
        "proteus-BluesJrAmp_VolKnob.json",
        "proteus-Mesa_IICplus_DriveKnob_DirectOut.json",
        "proteus-TS9_DriveKnob.json",
        "neuralpi-TS9_FullD.json",
        "neuralpi-BluesJR-FullD.json",
    ],
)
def test_44_1_khz_captures_sound_at_48_khz_as_at_their_own_rate(file: str, shared_data: Path) -> None:
    """Truth: the guitar brought to 44.1 kHz, played there, and brought back."""
    description = read_model(shared_data / "models" / file)
    assert description.sample_rate_hz == 44_100
    guitar, rate_hz = soundfile.read(shared_data / "audio" / "Guitar-B4.flac", dtype="float32")
    assert rate_hz == RATE_HZ
    guitar = 0.5 * guitar[: 2 * RATE_HZ] / np.abs(guitar).max()
    knobs = np.full(len(description.knobs), 0.7, np.float32)
    slow = soxr.resample(guitar, RATE_HZ, 44_100, quality="VHQ").astype(np.float32)
    true = soxr.resample(NativeEngine(description).process(slow, knobs), 44_100, RATE_HZ, quality="VHQ")
    heard = slice(RATE_HZ // 8, min(len(true), len(guitar)) - 500)
    as_it_is = NativeEngine(description).process(guitar, knobs)
    delayed = NativeEngine(description, session_rate_hz=RATE_HZ).process(guitar, knobs)
    before, after = (energy_ratio(made[heard], true[heard]) for made in (as_it_is, delayed))
    assert after < 1e-3
    assert after < before / 100


def with_forget_gates(description: Description, bias: float, input_weight: float) -> Description:
    """The LSTM of one layer with other forget gates: how long it keeps its state, and how loud input changes that."""
    network = description.architecture
    assert isinstance(network, Recurrent)
    (layer,) = network.layers
    hidden = layer.weight_hh.shape[1]
    weight_ih, bias_ih, weight_hh = layer.weight_ih.copy(), layer.bias_ih.copy(), layer.weight_hh.copy()
    gates = slice(hidden, 2 * hidden)
    weight_ih[gates], bias_ih[gates], weight_hh[gates] = input_weight, bias, 0.0
    layer = dataclasses.replace(layer, weight_ih=weight_ih, bias_ih=bias_ih, weight_hh=weight_hh)
    return dataclasses.replace(description, architecture=dataclasses.replace(network, layers=(layer,)))


@pytest.mark.parametrize("session_hz", [44_100, 48_500, 52_200, 72_000, 88_200, 96_000, 105_000])
def test_loud_noise_neither_runs_away_nor_gives_nan_and_is_forgotten(session_hz: int) -> None:
    rng = np.random.default_rng(9)
    nets = {
        "forgets nothing": with_forget_gates(models.random_recurrent(rng), 30.0, 0.0),
        "gates jump": with_forget_gates(models.random_recurrent(rng), 4.0, 1.0),
        "gru": models.random_recurrent(rng, cell=Cell.GRU),
    }
    noise = rng.uniform(-10, 10, session_hz // 2).astype(np.float32)
    silence = np.zeros(session_hz // 8, np.float32)
    for name, description in nets.items():
        for oversample in (1, 2):
            engine = NativeEngine(description, session_rate_hz=session_hz, oversample=oversample)
            made = engine.process(noise)
            assert np.isfinite(made).all(), name
            assert np.abs(made).max() < 20, name
            after = engine.process(silence)
            if name != "forgets nothing":
                engine.reset()
                engine.process(np.zeros_like(noise))
                assert after[-1] == pytest.approx(engine.process(silence)[-1], abs=1e-5), name


def test_real_captures_stand_loud_noise_at_every_rate(shared_data: Path) -> None:
    noise = np.random.default_rng(12).uniform(-10, 10, 24_000).astype(np.float32)
    for file in ("proteus-Mesa_IICplus_DriveKnob_DirectOut.json", "BossLSTM-2x8.nam", "BossWN-feather.nam"):
        description = read_model(shared_data / "models" / file)
        knobs = np.ones(len(description.knobs), np.float32)
        own = np.abs(NativeEngine(description).process(noise, knobs)).max()
        for session_hz in (44_100, 48_000, 52_200, 72_000, 96_000):
            made = NativeEngine(description, session_rate_hz=session_hz).process(noise, knobs)
            assert np.isfinite(made).all()
            assert np.abs(made).max() < 4 * own


@pytest.mark.parametrize("frequency_hz", [1245, 4186])
def test_oversampling_lowers_aliases(frequency_hz: int, shared_data: Path) -> None:
    aliases_db = {}
    for file in ("BossWN-feather.nam", "proteus-Mesa_IICplus_DriveKnob_DirectOut.json"):
        description = read_model(shared_data / "models" / file)
        for times in (1, 2, 4):
            engine = NativeEngine(description, session_rate_hz=RATE_HZ, oversample=times)
            aliases_db[times] = alias_to_signal_db(engine, RATE_HZ, frequency_hz)
        assert aliases_db[2] < aliases_db[1] - 5
        assert aliases_db[4] < aliases_db[2] - 10


def test_the_alias_measure_is_right_where_the_answer_is_known() -> None:
    """A hard clip's harmonics by Fourier's series; a wire has no aliases."""
    assert alias_to_signal_db(NativeEngine(conv_net(RATE_HZ)), RATE_HZ, 4186) < -110
    clip = alias_to_signal_db(NativeEngine(conv_net(RATE_HZ, Act.HARDTANH, 8.0)), RATE_HZ, 4186)
    theta = np.arange(1 << 16) * 2 * np.pi / (1 << 16)
    series = np.abs(np.fft.rfft(np.clip(8 * 0.25 * np.sin(theta), -1, 1))) ** 2
    order = np.arange(1, 400)
    folded = np.abs((order * 4186 + RATE_HZ / 2) % RATE_HZ - RATE_HZ / 2)
    heard = (folded >= 20) & (folded <= 20_000)
    own = heard & (order * 4186 <= RATE_HZ / 2)
    expected = 10 * np.log10(series[order[heard & ~own]].sum() / series[order[own]].sum())
    assert clip == pytest.approx(expected, abs=0.1)
    with pytest.raises(ValueError, match="divides"):
        alias_to_signal_db(NativeEngine(conv_net(RATE_HZ)), RATE_HZ, 1000)


def test_silence_stays_silent() -> None:
    for session_hz, oversample in ((44_100, 1), (48_000, 4)):
        engine = NativeEngine(conv_net(RATE_HZ), session_rate_hz=session_hz, oversample=oversample)
        engine.process(models.guitarish(np.random.default_rng(13), 1000))
        engine.process(np.zeros(1000, np.float32))
        assert not engine.process(np.zeros(500, np.float32)).any()


def test_a_player_is_told_in_words() -> None:
    recurrent = models.random_recurrent(np.random.default_rng(14))
    assert sentences(plan_rates(recurrent, 48_000)) == []
    assert "every delay inside it is made 2 times as long" in sentences(plan_rates(conv_net(48_000), 96_000))[0]
    assert sentences(plan_rates(at_rate(recurrent, 44_100), 48_000)) == [
        "Made for 44 100 Hz and played at 48 000 Hz: its memory is slowed down to match, which adds no latency."
    ]
    (told,) = sentences(plan_rates(recurrent, 44_100, 2))
    assert "slowed down" in told  # 88.2 kHz is above the model's rate again
    (told,) = sentences(plan_rates(conv_net(48_000), 44_100))
    assert told.endswith("resampled to its rate and back. This delays the sound by 35 frames (0.79 ms).")
    assert "Oversampled 4 times" in sentences(plan_rates(recurrent, 48_000, 4))[0]
    assert plan_rates(models.describe(Linear(np.ones(1, np.float32))), 48_000, 4).oversample == 1
    with pytest.raises(BadRequest, match="oversampling is 1, 2, 4 times; 3 was asked for"):
        plan_rates(recurrent, 48_000, 3)


def test_the_pedal_plays_and_tells_the_delay_and_a_rendering_has_none() -> None:
    wire = conv_net(48_000)
    guitar = band_noise(44_100, 15_000, 8000)
    pedal = Pedal(44_100, 64)
    assert pedal.latency_frames == 0
    pedal.load_patch(pack_patch(generation=1, sample_rate_hz=44_100, model_blob=pack_model(wire), oversample=2))
    assert pedal.latency_frames == plan_rates(wire, 44_100, 2).latency_frames == 62
    settings = RenderSettings(normalise=False, oversample=2)
    made = render(wire, guitar, 44_100, settings)
    assert len(made) == len(guitar)
    own = render(conv_net(44_100), guitar, 44_100, RenderSettings(normalise=False))
    assert np.abs(made - own).max() < 3 * FLOOR
    with pytest.raises(BadRequest, match="Only the native engine oversamples"):
        render(wire, guitar, 44_100, dataclasses.replace(settings, engine="onnx"))
    with pytest.raises(ValueError, match="oversampling is 3"):
        pedal.load_patch(pack_patch(generation=1, sample_rate_hz=44_100, model_blob=pack_model(wire), oversample=3))
