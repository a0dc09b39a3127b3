"""What comes out of the sound card of an installed pedal."""

from __future__ import annotations

import pytest

from tests.system.installed import SMALL_MODELS
from tests.system.machine import Machine

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("model", SMALL_MODELS)
def test_the_sound_at_the_card_is_what_render_makes_sample_for_sample(machine: Machine, model: str) -> None:
    (other,) = {*SMALL_MODELS} - {model}
    told = machine.python("hear", model, other, 1.0, timeout_s=240)
    assert told["compared"] == 48_000, told
    assert told["different"] == 0, told
    assert told["peak"] > 2**31 * 0.001, told
