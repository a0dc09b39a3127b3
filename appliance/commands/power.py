"""`appliance readonly`: the root of an installed box, written or not (docs/power.md)."""

from __future__ import annotations

import click

from appliance.commands.options import examples


@click.group(epilog=examples("appliance readonly status", "sudo appliance readonly on"))
def readonly() -> None:
    """The system on the card is not written: nothing can spoil it, and the power may be cut at any time."""


@readonly.command()
def status() -> None:
    """How it is, and how it will be after the next start."""
    from appliance.box.readonly import standing

    click.echo(standing().in_words())


@readonly.command()
def on() -> None:
    """From the next start on. Presets, models, settings and updates are kept on the data partition."""
    from appliance.box import host, readonly

    host.must_be_root("this")
    readonly.switch_on()
    click.echo(f"{readonly.standing().in_words()}\nRestart for it: sudo reboot")


@readonly.command()
def off() -> None:
    """From the next start on, for instance before apt upgrade."""
    from appliance.box import host, readonly

    host.must_be_root("this")
    readonly.switch_off()
    click.echo(f"{readonly.standing().in_words()}\nRestart for it: sudo reboot")
