"""How a model made for one sample rate plays at another, and oversampled: which way is taken, what delay it adds.

The compiled engine decides (`native/rates.cpp`); here its decision is asked for and put into words.
Why and how well: docs/rates.md.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from appliance.engine import _native
from appliance.engine.packing import kind_number
from appliance.errors import BadRequest
from appliance.formats.description import Description
from appliance.formats.foreign_graph import ForeignGraph

OVERSAMPLING = (1, 2, 4)


class RateMethod(enum.IntEnum):
    """The order of `enum class RateMethod` in native/rates.hpp."""

    SAME = 0  # the model's rate is the session's
    LONGER_DELAYS = 1  # a whole multiple: every delay inside the network is that many times as long
    DELAYED_STATE = 2  # recurrent, higher rate: its state comes back later (Carson et al., DAFx-24)
    RESAMPLED = 3  # the signal is brought to the model's rate and back


@dataclass(frozen=True)
class RatePlan:
    """One model at one session rate."""

    method: RateMethod
    model_rate_hz: int
    session_rate_hz: int
    oversample: int  # as played: 1 for Linear models, which make no aliases
    stretch: float  # the rate that the network runs at / its own
    latency_frames: int  # of the session

    @property
    def latency_ms(self) -> float:
        """The delay that this way adds."""
        return 1e3 * self.latency_frames / self.session_rate_hz


def plan_rates(description: Description, session_rate_hz: int, oversample: int = 1) -> RatePlan:
    """What the compiled engine does with this model at this rate. Pure. Raises BadRequest for another oversampling."""
    if oversample not in OVERSAMPLING:
        raise BadRequest(f"oversampling is {', '.join(map(str, OVERSAMPLING))} times; {oversample} was asked for.")
    rate_hz = description.sample_rate_hz
    if isinstance(description.architecture, ForeignGraph):  # ONNX Runtime plays it as it is
        return RatePlan(RateMethod.SAME, rate_hz, session_rate_hz, 1, 1.0, 0)
    told = _native.rate_plan(kind_number(description.architecture), rate_hz, session_rate_hz, oversample)
    return RatePlan(
        RateMethod(told["method"]),
        rate_hz,
        session_rate_hz,
        told["oversample"],
        told["stretch"],
        told["latency_frames"],
    )


def sentences(plan: RatePlan) -> list[str]:
    """What a player should know of it; nothing for a model at its own rate."""
    told = []
    rates = f"Made for {_spaced(plan.model_rate_hz)} Hz and played at {_spaced(plan.session_rate_hz)} Hz"
    if plan.method is RateMethod.LONGER_DELAYS:
        times = plan.session_rate_hz / plan.model_rate_hz
        told.append(f"{rates}: every delay inside it is made {times:g} times as long, which adds no latency.")
    elif plan.method is RateMethod.DELAYED_STATE:
        told.append(f"{rates}: its memory is slowed down to match, which adds no latency.")
    elif plan.method is RateMethod.RESAMPLED:
        told.append(f"{rates}: resampled to its rate and back.")
    if plan.oversample > 1:
        told.append(f"Oversampled {plan.oversample} times: fewer aliases, {plan.oversample} times the work.")
    if plan.latency_frames:
        told.append(f"This delays the sound by {plan.latency_frames} frames ({plan.latency_ms:.2f} ms).")
    return [" ".join(told)] if told else []


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
