"""`appliance export`: a model in another file format."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commands.options import examples, parse_knob
from appliance.errors import BadRequest


@click.command(
    epilog=examples(
        "appliance export crunch.onnx crunch.nam",
        "appliance export crunch.onnx crunch-5.nam --knob Gain=5",
        "appliance export proteus.json proteus.onnx",
    )
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Where to hold a knob that OUT can't have; may be repeated. Others are held at their defaults.",
)
def export(model: Path, out: Path, knobs: tuple[str, ...]) -> None:
    """Write MODEL, of any kind the pedal reads, as OUT: a .nam file for Neural Amp Modeler, or the pedal's own .onnx.

    A .nam file has no knobs: it holds the sound of one position. An .onnx file keeps them, unless --knob is given.
    """
    from appliance.formats.folding import snapshot
    from appliance.formats.nam_export import write_nam
    from appliance.formats.own import write_own
    from appliance.formats.read import read_variants

    values = dict(parse_knob(text) for text in knobs)
    sizes = read_variants(model)
    held = [f"{knob.name} {values.get(knob.name, knob.default):g}" for knob in sizes[-1].knobs]
    if out.suffix == ".nam":
        write_nam(sizes, out, values)
    elif out.suffix == ".onnx":
        if values:
            sizes = tuple(snapshot(size, values) for size in sizes)
        else:
            held = []
        write_own(sizes[-1], out, smaller=sizes[:-1])
    else:
        raise BadRequest(f"{out} must end in .nam (Neural Amp Modeler) or .onnx (the pedal's own kind).")
    several = f", {len(sizes)} sizes" if len(sizes) > 1 else ""
    click.echo(f"{out}: {sizes[-1].name}{several}{', held at ' + ', '.join(held) if held else ''}")
