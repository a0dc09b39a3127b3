"""What several commands share: choices, the way examples are shown, options as people write them."""

from __future__ import annotations

from pathlib import Path

import click

ENGINE_CHOICE = click.Choice(["native", "onnx", "reference"])
EXISTING_FILE = click.Path(path_type=Path)


class OrderedGroup(click.Group):
    """Lists commands in the order they are written, and examples as they are written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        return list(self.commands)


def examples(*lines: str) -> str:
    """An epilog of command lines, kept as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def parse_knob(text: str) -> tuple[str, float]:
    """ "Gain=0.7" → ("Gain", 0.7). Raises click.BadParameter."""
    name, equals, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        what = f"{value!r} is not a number" if equals else "the = is missing"
        raise click.BadParameter(f"{text!r}: {what}. Write it like Gain=0.7", param_hint="--knob") from None
