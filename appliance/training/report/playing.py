"""The model as the report hears it: the engine that the pedal plays it with, its knobs held still."""

from __future__ import annotations

import numpy as np

from appliance.engine.contract import Float32, ModelEngine
from appliance.engine.engines import engine_for, make_engine
from appliance.engine.native_engine import NativeEngine
from appliance.errors import BadRequest
from appliance.formats.description import Description, receptive_field_frames
from appliance.training.takes import Span

_BLOCK_FRAMES = 1024
_RECURRENT_WARM_UP_FRAMES = 24_000


class Player:
    """A model at one rate with its knobs held: a `ModelEngine` that shows no knobs of its own.

    rate_hz: of the audio; the native engine plays a model of another rate at it. knobs: in the model's units and order.
    Raises BadRequest for other people's ONNX graphs at a rate that is not theirs, UnsupportedModel.
    """

    knob_count = 0

    def __init__(
        self, description: Description, rate_hz: int, knobs: tuple[float, ...] = (), *, oversample: int = 1
    ) -> None:
        self._engine: ModelEngine
        if engine_for(description) == "native":
            self._engine = NativeEngine(description, _BLOCK_FRAMES, session_rate_hz=rate_hz, oversample=oversample)
        elif description.sample_rate_hz != rate_hz:
            raise BadRequest(
                f"{description.name} plays only at its own {description.sample_rate_hz} Hz and the recordings are at "
                f"{rate_hz} Hz: convert them first."
            )
        else:
            self._engine = make_engine(engine_for(description), description)
        values = knobs or tuple(knob.default for knob in description.knobs)
        self._knobs = np.array(values, np.float32) if self._engine.knob_count else None
        self.latency_frames = self._engine.latency_frames

    def process(self, audio: Float32, knobs: Float32 | None = None) -> Float32:
        """Audio of any length, state kept; `knobs` is not looked at."""
        if not len(audio):
            return np.empty(0, np.float32)
        blocks = range(0, len(audio), _BLOCK_FRAMES)
        return np.concatenate([self._engine.process(audio[at : at + _BLOCK_FRAMES], self._knobs) for at in blocks])

    def reset(self) -> None:
        """See `ModelEngine.reset`."""
        self._engine.reset()


def play_span(
    description: Description, dry: Float32, span: Span, rate_hz: int, knobs: tuple[float, ...] = ()
) -> Float32:
    """What the model makes of `dry[span]`, warmed up on the audio before it, its latency taken out. May block."""
    player = Player(description, rate_hz, knobs)
    own_frames = receptive_field_frames(description.architecture) or _RECURRENT_WARM_UP_FRAMES
    warm_up = 2 * round(own_frames * rate_hz / description.sample_rate_hz)
    first, last = span
    start = max(0, first - warm_up)
    late = player.latency_frames
    audio = np.concatenate((dry[start : last + late], np.zeros(max(0, last + late - len(dry)), np.float32)))
    made = player.process(np.ascontiguousarray(audio, np.float32))
    return made[first - start + late : last - start + late]
