"""`appliance signal` and `appliance data`: before training."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commands.options import examples
from appliance.errors import NotInstalled

_FILE = click.Path(path_type=Path)
ACCEPTABLE = ("order", "repeat", "clipping")  # as capture.take, which is slow to import


@click.command("signal", epilog=examples("appliance signal play-me.wav"))
@click.argument("output_file", metavar="OUT", type=_FILE)
def signal_command(output_file: Path) -> None:
    """Write the signal to play into a device: 48 kHz, 24 bit, three minutes. Record what comes out."""
    import numpy as np

    from appliance.capture.plucks import RATE_HZ
    from appliance.capture.signal import capture_signal
    from appliance.render import write_audio

    signal = capture_signal().astype(np.float32)
    write_audio(output_file, signal, RATE_HZ)
    click.echo(
        f"{output_file}: {len(signal) / RATE_HZ:.0f} s at {RATE_HZ} Hz, 24 bit. Play it into the device as it is and "
        "record what comes out from start to end; peaks below -3 dBFS, no other effects. Then: appliance data "
        f"{output_file} RECORDING"
    )


@click.command("data", epilog=examples("appliance data in.wav out.wav", "appliance data my-amp/"))
@click.argument("sources", metavar="FOLDER | IN OUT...", nargs=-1, required=True, type=_FILE)
@click.option(
    "--accept", multiple=True, type=click.Choice(ACCEPTABLE), help="Pass over a check that refuses; may be repeated."
)
def data_command(sources: tuple[Path, ...], accept: tuple[str, ...]) -> None:
    """Check recordings before training: what was found and repaired in each, and what is trained and tested on."""
    try:
        from appliance.training.dataset import load
    except ImportError as error:
        raise NotInstalled("Training is not installed: pip install 'appliance[train]'") from error

    found = load(sources, accept=accept, progress=lambda name: click.echo(f"Reading {name} …", err=True))
    count = len(found.takes)
    click.echo(f"{found.name}: {count} take{'s' if count > 1 else ''} at {found.sample_rate_hz} Hz")
    for knob in found.knobs:
        heard = ", ".join(f"{value:g}" for value in knob.heard)
        unit = f" {knob.unit}" if knob.unit else ""
        click.echo(f"  {knob.name}: {knob.minimum:g} … {knob.maximum:g}{unit}, recorded at {heard}")
    for note in found.notes:
        click.echo(f"  {note}")
    for take in found.takes:
        position = ", ".join(f"{k.name} = {v:g}" for k, v in zip(found.knobs, take.knobs, strict=True))
        click.echo(f"{take.name}{f' ({position})' if position else ''}")
        for note in take.notes:
            click.echo(f"  {note}")
        parts = (("train", take.train), ("validation", take.validation), ("test", take.test))
        times = [
            f"{name} {sum(b - a for a, b in spans) / found.sample_rate_hz:.1f} s" for name, spans in parts if spans
        ]
        click.echo(f"  {', '.join(times)}{' (held out)' if take.held_out else ''}")
    click.echo("Ready to train.")
