"""Set a sound card's mixer as the pedal needs it: `python -m appliance.box.mixer 1` (the card's number).

Many HATs come up with input and output switched off, or with a loop from input to output that would be heard beside the
amp. What each needs is in `hats.py`, by the names of its driver's controls. Cards that are not known stay as they are.
May block for some milliseconds a control.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.box.hats import HATS, Hat
from appliance.box.run import run
from appliance.errors import ApplianceError, ExitCode, SystemRefused

log = logging.getLogger(__name__)

Runner = Callable[[Sequence[str]], str]


def hat_of(card_id: str, controls: str) -> Hat | None:
    """The HAT whose card has that id; where several share it, the one all of whose controls the card has.

    controls: what `amixer controls` prints.
    """
    fitting = [hat for hat in HATS if hat.card == card_id and all(f"'{name}'" in controls for name, _ in hat.mixer)]
    return max(fitting, key=lambda hat: len(hat.mixer), default=None)


def set_mixer(card: int, root: Path = Path("/"), run: Runner = run) -> list[str]:
    """Set the mixer of a card. Returns in words what could not be set, which is no reason to stop.

    Raises SystemRefused when there is no such card or no amixer.
    """
    try:
        card_id = (root / f"proc/asound/card{card}/id").read_text().strip()
    except OSError as error:
        raise SystemRefused(f"there is no sound card {card}: {error.strerror}") from error
    if not any(hat.card == card_id for hat in HATS):
        return []
    hat = hat_of(card_id, run(["amixer", "-c", str(card), "controls"]))
    if hat is None:
        return [f"card {card_id} lacks controls that every HAT known by that name has: its mixer stays as it is"]
    refused = []
    for name, value in hat.mixer:
        try:
            run(["amixer", "-q", "-c", str(card), "cset", f"iface=MIXER,name={name}", value])
        except SystemRefused as error:
            refused.append(str(error))
    log.info("%s: %d controls set", hat.title, len(hat.mixer) - len(refused))
    return refused


def main(arguments: Sequence[str] | None = None) -> int:
    """Set the mixer of the card named by its number; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) != 1 or not words[0].isdecimal():
        log.error("say the number of one sound card")
        return int(ExitCode.USAGE)
    try:
        for refusal in set_mixer(int(words[0])):
            log.warning("%s", refusal)
    except ApplianceError as error:
        log.error("%s", error)
        return int(error.exit_code)
    return int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
