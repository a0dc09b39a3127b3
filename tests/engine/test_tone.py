"""Bass, middle and treble: what they do to the spectrum, and that turning them makes no noise."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.engine._native import Pedal
from tests import models
from tests.engine.test_chain import controls, gain_model, patch

FLAT = {"bass_db": 0.0, "middle_db": 0.0, "treble_db": 0.0}


def playing(rate_hz: int = 48_000, **settings: float) -> Pedal:
    pedal = Pedal(rate_hz, 64)
    pedal.set_controls(controls(**settings))
    from appliance.engine.packing import pack_model, pack_patch

    pedal.load_patch(pack_patch(generation=1, sample_rate_hz=rate_hz, model_blob=pack_model(gain_model(1.0))))
    return pedal


def response_db(rate_hz: int, at_hz: list[float], **settings: float) -> np.ndarray:
    """Against the chain with the tone flat, which leaves only the DC block."""
    click = np.zeros(rate_hz, np.float32)
    click[0] = 0.05
    spectra = [np.fft.rfft(playing(rate_hz, **values).process_float(click)) for values in (settings, {})]
    bins = np.round(np.array(at_hz)).astype(int)  # a second long: one bin a hertz
    return 20 * np.log10(np.abs(spectra[0][bins] / spectra[1][bins]))


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("gain_db", [-12.0, -5.0, 6.0, 12.0])
def test_each_band_lifts_its_own_range_by_what_it_says(rate_hz: int, gain_db: float) -> None:
    places = [20.0, 650.0, 18_000.0]
    bass = response_db(rate_hz, places, bass_db=gain_db)
    middle = response_db(rate_hz, places, middle_db=gain_db)
    treble = response_db(rate_hz, places, treble_db=gain_db)
    assert [bass[0], middle[1], treble[2]] == pytest.approx([gain_db] * 3, abs=0.3)
    others = [bass[1], bass[2], middle[0], middle[2], treble[0], treble[1]]
    assert np.abs(others).max() < 0.06 * abs(gain_db)


def test_half_of_a_shelf_is_reached_at_its_corner() -> None:
    assert response_db(48_000, [150.0], bass_db=12.0)[0] == pytest.approx(6.0, abs=0.1)
    assert response_db(48_000, [2500.0], treble_db=-8.0)[0] == pytest.approx(-4.0, abs=0.1)


def test_a_cut_undoes_the_same_boost() -> None:
    places = list(np.geomspace(20, 20_000, 40))
    up = response_db(48_000, places, bass_db=7.0, middle_db=7.0, treble_db=7.0)
    down = response_db(48_000, places, bass_db=-7.0, middle_db=-7.0, treble_db=-7.0)
    np.testing.assert_allclose(up + down, 0.0, atol=0.02)


def test_flat_is_transparent_to_the_last_bit_before_and_after_turning() -> None:
    guitar = models.guitarish(np.random.default_rng(1), 48_000) * np.float32(0.1)  # far from the limiter
    plain = playing().process_float(guitar)
    pedal = playing()
    np.testing.assert_array_equal(pedal.process_float(guitar), plain)
    pedal.set_controls(controls(bass_db=9.0, treble_db=-6.0))
    assert not np.array_equal(pedal.process_float(guitar), plain)
    pedal.set_controls(controls(**FLAT))
    pedal.process_float(np.zeros(96_000, np.float32))  # the glide back, and the DC block's memory
    fresh = playing()
    fresh.process_float(guitar)
    fresh.process_float(guitar)
    fresh.process_float(np.zeros(96_000, np.float32))
    again = pedal.process_float(guitar)
    reference = fresh.process_float(guitar)
    np.testing.assert_array_equal(again, reference)


@pytest.mark.parametrize(("band", "tone_hz"), [("bass_db", 110), ("middle_db", 700), ("treble_db", 3000)])
def test_a_band_turned_in_one_step_makes_no_noise_far_above_the_note(band: str, tone_hz: int) -> None:
    """From one end to the other while a tone sounds in the band: a step in the gain would be heard up to the top."""
    at = np.arange(24_000)
    tone = (0.02 * np.sin(2 * np.pi * tone_hz * at / 48_000)).astype(np.float32)
    pedal = playing(**{band: -12.0})
    before = pedal.process_float(tone)[-2400:]
    pedal.set_controls(controls(**{band: 12.0}))
    turned = np.concatenate([before, pedal.process_float(tone)[:2400]])
    spectrum = np.abs(np.fft.rfft(turned * np.blackman(4800)))
    far = np.fft.rfftfreq(4800, 1 / 48_000) > max(4 * tone_hz, 2_000)
    assert 20 * np.log10(spectrum[far].max() / spectrum.max()) < -90.0


def test_silence_stays_true_silence_through_every_band() -> None:
    pedal = playing(bass_db=12.0, middle_db=12.0, treble_db=12.0)
    assert not pedal.process_float(np.zeros(4_800, np.float32)).any()


def test_the_tone_stands_before_the_cabinet_and_after_the_amp() -> None:
    """Behind a model that clips, treble at -12 dB takes the harmonics down; before it, it could not."""
    at = np.arange(48_000)
    note = (0.5 * np.sin(2 * np.pi * 1000 * at / 48_000)).astype(np.float32)
    rng = np.random.default_rng(2)
    description = models.random_wavenet(rng, channels=(8,), dilations=((1, 2, 4),))
    spectra = []
    for treble_db in (0.0, -12.0):
        pedal = Pedal(48_000, 64)
        pedal.set_controls(controls(treble_db=treble_db, level_db=-20.0))
        pedal.load_patch(patch(description))
        spectra.append(np.abs(np.fft.rfft(pedal.process_float(note)[-24_000:] * np.hanning(24_000))))
    assert 20 * np.log10(spectra[1][4500] / spectra[0][4500]) == pytest.approx(-11.5, abs=1.0)  # the 9th harmonic
