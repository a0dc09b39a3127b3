"""Three amplifiers of our own, as small circuits solved at 8 times the sample rate.

They stand in for real gear when the factory models are trained, so that nothing in them comes from anybody's product
or capture. Full scale ±1.0 in the audio is ±1 V at the guitar's plug. Every device takes mono float64 (frames,) at
48 kHz and a knob from 0 to 1, and returns the same shape with no delay.

Sources of the physics: N. Koren, "Improved vacuum tube models for SPICE" (1996), for the 12AX7; the Shockley equation
for the diodes; the classic passive tone stack solved by nodal analysis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy import signal

Audio = npt.NDArray[np.float64]

SAMPLE_RATE_HZ = 48_000
OVERSAMPLING = 8
RATE_HZ = SAMPLE_RATE_HZ * OVERSAMPLING
STEP_S = 1 / RATE_HZ

GRID_LOW_V, GRID_HIGH_V, GRID_POINTS = -12.0, 6.0, 4096


def _plate_curve(
    *, supply_v: float = 300.0, plate_ohm: float = 100e3, cathode_ohm: float = 1500.0, bypassed: bool
) -> Audio:
    """Plate voltage against grid voltage of a loaded 12AX7, tabulated; 0 at rest.

    A bypassed cathode stands still at its bias; one without its capacitor follows the current (less gain, softer).
    """
    grid_v = np.linspace(GRID_LOW_V, GRID_HIGH_V, GRID_POINTS)

    def current_a(grid: Audio, fixed_cathode_v: float | None) -> Audio:
        low, high = np.zeros_like(grid), np.full_like(grid, supply_v / plate_ohm)
        for _ in range(60):  # bisection: the tube draws less than the load line gives, or more
            middle = (low + high) / 2
            cathode_v = middle * cathode_ohm if fixed_cathode_v is None else np.full_like(grid, fixed_cathode_v)
            plate_v = np.maximum(supply_v - middle * plate_ohm - cathode_v, 0.0)
            inner = 600 * (1 / 100 + (grid - cathode_v) / np.sqrt(300 + plate_v**2))
            tube_a = 2 * (plate_v / 600 * np.logaddexp(0, inner)) ** 1.4 / 1060
            low, high = np.where(tube_a > middle, middle, low), np.where(tube_a > middle, high, middle)
        return (low + high) / 2

    rest_a = float(current_a(np.zeros(1), None)[0])
    plate_v: Audio = -plate_ohm * (current_a(grid_v, rest_a * cathode_ohm if bypassed else None) - rest_a)
    return plate_v


@numba.njit(cache=False)
def _triode_stage(
    volts: Audio, curve: Audio, coupling_f: float, series_ohm: float, leak_ohm: float, miller_hz: float
) -> Audio:
    """Coupling capacitor → grid stopper → grid (conducts above 0 V) → plate curve → Miller low-pass.

    When the grid conducts the capacitor charges and the bias shifts: the "blocking" of an overdriven stage.
    """
    conducting_ohm = 3e3
    out = np.empty_like(volts)
    capacitor_v, plate_v = 0.0, 0.0
    miller = 1 - np.exp(-2 * np.pi * miller_hz * STEP_S)
    per_volt = (GRID_POINTS - 1) / (GRID_HIGH_V - GRID_LOW_V)
    for n in range(len(volts)):
        source_v = volts[n] - capacitor_v
        load = series_ohm / leak_ohm + (series_ohm / conducting_ohm if source_v > 0 else 0.0)
        grid_v = source_v / (1 + load)
        capacitor_v += STEP_S / coupling_f * (source_v - grid_v) / series_ohm
        position = min(max((grid_v - GRID_LOW_V) * per_volt, 0.0), GRID_POINTS - 1.001)
        index = int(position)
        target_v = curve[index] + (position - index) * (curve[index + 1] - curve[index])
        plate_v += miller * (target_v - plate_v)
        out[n] = plate_v
    return out


@numba.njit(cache=False)
def _diode_feedback_stage(volts: Audio, feedback_ohm: float) -> Audio:
    """Non-inverting op-amp with two diodes in the feedback: 4.7 kΩ + 47 nF to ground (720 Hz), 51 pF across.

    Backward Euler; the diode equation is solved by Newton at every step.
    """
    ground_ohm, ground_f, feedback_f = 4.7e3, 47e-9, 51e-12
    saturation_a, thermal_v = 2.52e-9, 1.752 * 25.85e-3
    out = np.empty_like(volts)
    capacitor_v, diode_v = 0.0, 0.0
    for n in range(len(volts)):
        current_a = (volts[n] - capacitor_v) / (ground_ohm + STEP_S / ground_f)
        capacitor_v += STEP_S / ground_f * current_a
        before_v = diode_v
        for _ in range(12):
            rising, falling = np.exp(diode_v / thermal_v), np.exp(-diode_v / thermal_v)
            error_a = (
                feedback_f / STEP_S * (diode_v - before_v)
                + diode_v / feedback_ohm
                + saturation_a * (rising - falling)
                - current_a
            )
            slope = feedback_f / STEP_S + 1 / feedback_ohm + saturation_a * (rising + falling) / thermal_v
            change_v = min(max(error_a / slope, -0.1), 0.1)  # the exponential runs away in longer strides
            diode_v -= change_v
            if abs(change_v) < 1e-7:
                break
        out[n] = volts[n] + diode_v
    return out


def _tone_stack(volts: Audio, *, treble: float, middle: float, bass: float, slope_ohm: float = 33e3) -> Audio:
    """The passive stack of British amplifiers: 220 kΩ, 1 MΩ, 22 kΩ pots; 470 pF, 22 nF, 22 nF.

    Nodes: 0 top of treble, 1 its wiper (out), 2 its foot and top of bass, 3 foot of bass and top of middle, 4 slope.
    """
    conductance, capacitance = np.zeros((5, 5)), np.zeros((5, 5))
    source_g, source_c = np.zeros(5), np.zeros(5)

    def join(matrix: Audio, a: int, b: int | None, value: float) -> None:
        matrix[a, a] += value
        if b is not None:
            matrix[b, b] += value
            matrix[a, b] -= value
            matrix[b, a] -= value

    ohm_0, ohm_1 = 220e3 * (1 - treble) + 100, 220e3 * treble + 100
    join(conductance, 0, 1, 1 / ohm_0)
    join(conductance, 1, 2, 1 / ohm_1)
    join(conductance, 2, 3, 1 / (1e6 * bass**2 + 100))
    join(conductance, 3, None, 1 / (22e3 * middle + 100))
    join(conductance, 4, None, 1 / slope_ohm)
    join(conductance, 1, None, 1 / 1e6)
    join(capacitance, 0, None, 470e-12)
    join(capacitance, 4, 2, 22e-9)
    join(capacitance, 4, 3, 22e-9)
    source_g[4], source_c[0] = 1 / slope_ohm, 470e-12

    # H(s) by Cramer's rule; both determinants are cubics in s, so four points give them exactly.
    unit_rad = 2 * np.pi * 1000.0  # s in units of 1 kHz, or the coefficients span thirty decades
    points = np.array([0.0, 0.5, 1.0, 2.0])
    numerator, denominator = [], []
    for s in points * unit_rad:
        system = conductance + s * capacitance
        denominator.append(np.linalg.det(system * 1e5))
        system = system.copy()
        system[:, 1] = source_g + s * source_c
        numerator.append(np.linalg.det(system * 1e5))
    b, a = (np.linalg.solve(np.vander(points, 4), values) for values in (numerator, denominator))
    z_b, z_a = signal.bilinear(b, a, fs=RATE_HZ / unit_rad)
    filtered: Audio = signal.lfilter(z_b, z_a, volts)
    return filtered


def _one_pole(volts: Audio, corner_hz: float, kind: str) -> Audio:
    filtered: Audio = signal.lfilter(*signal.butter(1, corner_hz, kind, fs=RATE_HZ), volts)
    return filtered


def _oversampled(device: Callable[[Audio, float], Audio]) -> Callable[[Audio, float], Audio]:
    def run(audio: Audio, knob: float) -> Audio:
        volts = signal.resample_poly(audio, OVERSAMPLING, 1)
        out: Audio = signal.resample_poly(device(volts, knob), 1, OVERSAMPLING)[: len(audio)]
        return out

    return run


def _decibels(gain_db: float) -> float:
    return float(10 ** (gain_db / 20))


BYPASSED = _plate_curve(bypassed=True)
UNBYPASSED = _plate_curve(bypassed=False)
COLD = _plate_curve(cathode_ohm=5600.0, bypassed=False)


def _crunch(volts: Audio, gain: float) -> Audio:
    """Two 12AX7 stages with the gain pot between them, tone stack."""
    volts = _triode_stage(volts, BYPASSED, 47e-9, 68e3, 1e6, 14e3)
    volts = volts * _decibels(-26 + 30 * gain)
    volts = _triode_stage(volts, UNBYPASSED, 22e-9, 150e3, 470e3, 9e3)
    return _tone_stack(volts, treble=0.6, middle=0.6, bass=0.4) * 0.017


def _green(volts: Audio, drive: float) -> Audio:
    """Diode clipper in the feedback, 723 Hz tone low-pass with its treble partly lifted again."""
    volts = _one_pole(volts, 30.0, "highpass")
    volts = _diode_feedback_stage(volts, 51e3 + 500e3 * drive**2)
    low = _one_pole(volts, 723.0, "lowpass")
    return _one_pole(low + 0.18 * (volts - low), 9000.0, "lowpass") * 0.9


def _lead(volts: Audio, _: float) -> Audio:
    """Three stages, the middle one biased cold, bass trimmed before them and rounded off after."""
    volts = _triode_stage(volts, BYPASSED, 2.2e-9, 68e3, 1e6, 12e3)
    volts = _one_pole(volts * _decibels(-2), 160.0, "highpass")
    volts = _triode_stage(volts, COLD, 22e-9, 330e3, 470e3, 8e3)
    volts = volts * _decibels(-4)
    volts = _triode_stage(volts, UNBYPASSED, 22e-9, 220e3, 470e3, 8e3)
    return _one_pole(_tone_stack(volts, treble=0.55, middle=0.5, bass=0.5), 7000.0, "lowpass") * 0.017


@dataclass(frozen=True)
class Device:
    """A simulated device: how the player sees it and how it sounds."""

    file_name: str
    display_name: str
    knob: str | None
    process: Callable[[Audio, float], Audio]
    how: str


CRUNCH = Device("crunch-50", "Crunch 50", "Gain", _oversampled(_crunch), "two 12AX7 stages, tone stack")
GREEN = Device("green-drive", "Green Drive", "Drive", _oversampled(_green), "diodes in an op-amp's feedback")
LEAD = Device("lead-100", "Lead 100", None, _oversampled(_lead), "three 12AX7 stages, tone stack")
DEVICES = {device.file_name: device for device in (CRUNCH, GREEN, LEAD)}
