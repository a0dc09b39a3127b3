"""What the installer was asked for: flags, else what was chosen the last time, else what it finds, else a question."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.box import hats
from appliance.box.hats import Hat
from appliance.errors import BadRequest, SystemRefused

DEMO = "demo"
DEFAULT_PERIOD_FRAMES = 64


@dataclass(frozen=True)
class Choices:
    """hat: None without one. input, output: ALSA devices, or "demo" both. channel: the guitar's, from 1."""

    hat: Hat | None
    input: str
    output: str
    period_frames: int
    channel: int

    def audio_arguments(self) -> str:
        """For the audio process."""
        if self.input == DEMO:
            return f"--demo --period {self.period_frames}"
        words = f"--input {self.input} --output {self.output} --period {self.period_frames}"
        return f"{words} --channel {self.channel}" if self.channel != 1 else words

    def web_arguments(self) -> str:
        """For the web process."""
        return "--demo" if self.input == DEMO else ""

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return {
            "hat": self.hat.name if self.hat else "none",
            "input": self.input,
            "output": self.output,
            "period": self.period_frames,
            "channel": self.channel,
        }


def choose(
    root: Path,
    before: dict[str, Any],
    *,
    hat: str | None,
    card: str | None,
    input_device: str | None,
    output_device: str | None,
    period_frames: int | None,
    channel: int | None,
    ask: Callable[[Hat | None], Hat | None] | None,
) -> Choices:
    """Put the choices together. before: those of the last time. ask: asks a person for a HAT; None: nobody is there.

    Raises BadRequest (a name that is not known), SystemRefused (no card was named and none is found).
    """
    chosen = _choose_hat(root, before, hat, card or input_device, ask)
    both = device(card) if card else None
    named = (device(input_device) if input_device else both, device(output_device) if output_device else both)
    kept = (before.get("input"), before.get("output")) if hat is None else (None, None)
    fallback = (f"hw:CARD={chosen.card}",) * 2 if chosen else (None, None)
    found = tuple(name or was or other for name, was, other in zip(named, kept, fallback, strict=True))
    if None in found:
        only = _cards_of_the_system(root)
        if len(only) != 1:
            there = f"there are {', '.join(only)}" if only else "none is plugged in"
            raise SystemRefused(
                f"no sound card was named and {there}: say --hat NAME, or --card NAME for one that needs no HAT "
                "(USB), or --card demo to try the pedal without"
            )
        found = tuple(name or f"hw:CARD={only[0]}" for name in found)
    if (found[0] == DEMO) != (found[1] == DEMO):
        raise BadRequest("the demo card is both input and output: say --card demo")
    return Choices(
        chosen,
        str(found[0]),
        str(found[1]),
        period_frames or int(before.get("period", DEFAULT_PERIOD_FRAMES)),
        channel or int(before.get("channel", 1)),
    )


def device(name: str) -> str:
    """ALSA's device for what --card takes: "demo", an ALSA name with a colon in it, or the id of a card."""
    if any(character.isspace() or character in "\"'\\$" for character in name) or not name:
        raise BadRequest(
            f"{name!r} is no sound card: say its name as `aplay -l` shows it, or an ALSA device such as hw:1"
        )
    return name if name == DEMO or ":" in name else f"hw:CARD={name}"


def ask_for_hat(found: Hat | None) -> Hat | None:
    """Ask the person at the terminal. Raises SystemRefused when they leave."""
    print("Which audio HAT is on the Pi?\n")  # noqa: T201
    for number, hat in enumerate(hats.HATS, start=1):
        marked = "  ← found on this Pi" if hat is found else ""
        print(f"  {number:2}  {hat.title}{marked}")  # noqa: T201
    print("   0  none: a USB interface, or another card\n")  # noqa: T201
    default = hats.HATS.index(found) + 1 if found else 0
    while True:
        try:
            words = input(f"Number [{default}]: ").strip() or str(default)
        except (EOFError, KeyboardInterrupt):
            raise SystemRefused("nothing was chosen, so nothing was changed") from None
        if words.isdecimal() and int(words) <= len(hats.HATS):
            return hats.HATS[int(words) - 1] if int(words) else None
        print(f"A number from 0 to {len(hats.HATS)}, please.")  # noqa: T201


def somebody_is_there() -> bool:
    """Whether a question would be answered."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def _choose_hat(
    root: Path,
    before: dict[str, Any],
    name: str | None,
    card: str | None,
    ask: Callable[[Hat | None], Hat | None] | None,
) -> Hat | None:
    if name == "none":
        return None
    if name not in (None, "ask"):
        return hats.by_name(str(name))
    if name is None and "hat" in before:
        return None if before["hat"] == "none" else hats.by_name(before["hat"])
    found = hats.detected(root)
    if ask is not None and (name == "ask" or card is None):
        return ask(found)
    if name == "ask":
        raise BadRequest("--hat ask needs a person at the terminal: say --hat NAME or --hat none")
    return found if card is None else None


def _cards_of_the_system(root: Path) -> Sequence[str]:
    """Ids of the cards that play and record."""
    return [
        (folder / "id").read_text().strip()
        for folder in sorted((root / "proc/asound").glob("card[0-9]*"))
        if any(folder.glob("pcm*p")) and any(folder.glob("pcm*c"))
    ]
