"""`appliance report`: how near a model is to a device, as a page."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commands.options import examples, parse_knob

_FILE = click.Path(path_type=Path)


@click.command(
    epilog=examples(
        "appliance report crunch.nam in.wav out.wav",
        "appliance report drive.onnx in.wav gain-7.wav --knob Gain=7 --out drive-report",
    ),
)
@click.argument("model", type=_FILE)
@click.argument("input_file", metavar="IN", type=_FILE)
@click.argument("output_file", metavar="OUT", type=_FILE)
@click.option(
    "--knob", "knobs", multiple=True, metavar="NAME=VALUE", help="Where the device’s knob stood; may be repeated."
)
@click.option("--out", "folder", type=_FILE, help="Folder for the page and its pictures.  [default: MODEL-report]")
@click.option("--quality", type=click.FloatRange(0, 1), default=1.0, help="Size to pick in a file that holds several.")
def report(
    model: Path, input_file: Path, output_file: Path, knobs: tuple[str, ...], folder: Path | None, quality: float
) -> None:
    """Compare MODEL with a recording: IN is what went into the device, OUT what came out.

    Writes one page (report.html) with the error, passages to see and to hear, dynamics, distortion, aliases and cost,
    and its pictures beside it.
    """
    from datetime import UTC, datetime

    from appliance.formats.read import read_model
    from appliance.training.report.pair import read_pair
    from appliance.training.report.words import figure_words, verdict
    from appliance.training.report.write import write_report

    description = read_model(model, quality=quality)
    data = read_pair(description, input_file, output_file, dict(parse_knob(text) for text in knobs))
    page, found = write_report(
        folder or Path(f"{model.stem}-report"),
        description,
        data,
        made_on=datetime.now(UTC).astimezone().date().isoformat(),
        progress=lambda words: click.echo(f"{words[0].upper()}{words[1:]} …", err=True),
    )
    click.echo(f"{page}: ESR {figure_words(found.esr)}, {verdict(found.esr).lower()}")
