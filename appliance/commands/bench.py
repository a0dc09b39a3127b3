"""`appliance bench …`: what this machine can do, in figures that can be compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance import paths
from appliance.commands.options import ENGINE_CHOICE, EXISTING_FILE, OrderedGroup, examples
from appliance.commands.train import bench_train

if TYPE_CHECKING:
    from appliance.formats.description import Description


@click.group(cls=OrderedGroup)
def bench() -> None:
    """Measure this machine."""


@bench.command(
    "engine",
    epilog=examples(
        "appliance bench engine crunch.nam",
        "appliance bench engine *.nam --engine native --engine onnx --block 16",
        "appliance bench engine --all --block 64 --block 16 --json",
    ),
)
@click.argument("models", nargs=-1, metavar="[MODEL]...", type=EXISTING_FILE)
@click.option("--all", "every_family", is_flag=True, help="Also a made-up model of every family; needs no files.")
@click.option("--engine", "engines", multiple=True, type=ENGINE_CHOICE, help="May be repeated. [default: native, onnx]")
@click.option(
    "--block",
    "blocks",
    multiple=True,
    type=click.IntRange(1, 8192),
    help="Frames per block; may be repeated. [default: 64]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=1.5,
    show_default=True,
    help="Time for each model and size of block.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="A JSON list of {model, engine, block, ns_per_sample, realtime_factor, onnx_ratio, multiply_adds_per_sample, "
    "gflops, peak_share, error, load_ms, load_ms_max, patch_ms}; null where there is none.",
)
@click.option("--markdown", is_flag=True, help="The table of docs/engine.md.")
def bench_engine(
    models: tuple[Path, ...],
    every_family: bool,
    engines: tuple[str, ...],
    blocks: tuple[int, ...],
    seconds: float,
    as_json: bool,
    markdown: bool,
) -> None:
    """Time of one block in each engine, taken turn by turn in the same run (medians); error against the float64
    reference on a second of guitar; how long a model takes to load."""
    from appliance.engine import bench as benching
    from appliance.engine import bench_report
    from appliance.engine.bench_models import representatives
    from appliance.formats.read import read_model

    if not models and not every_family:
        raise click.UsageError("name model files, or say --all for a made-up model of every family")
    found: list[tuple[str, Description]] = representatives() if every_family else []
    found += [(model.name, read_model(model)) for model in models]
    sizes = blocks or (64,)
    with click.progressbar(length=len(found) * len(sizes), label="Measuring", file=sys.stderr) as bar:
        rows = benching.bench_engines(
            found, engines or ("native", "onnx"), sizes, seconds_per_model=seconds, progress=lambda: bar.update(1)
        )
    if as_json:
        click.echo(json.dumps(bench_report.as_json(rows), indent=2))
    else:
        click.echo(bench_report.as_markdown(rows) if markdown else bench_report.as_table(rows))


@bench.command("cabinet", epilog=examples("appliance bench cabinet", "appliance bench cabinet --ms 1000 --block 16"))
@click.option(
    "--ms", type=click.FloatRange(0.1, 1000), default=200.0, show_default=True, help="Length of the impulse response."
)
@click.option("--block", type=click.IntRange(1, 1024), default=64, show_default=True, help="Frames per period.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="JSON: {ms, taps, block, rate, ns_per_sample, worst_to_mean, direct_ns_per_sample, times_direct, "
    "share_of_period}.",
)
def bench_cabinet(ms: float, block: int, as_json: bool) -> None:
    """What a cabinet costs: time per sample, worst period against the mean, a direct FIR for comparison."""
    from appliance.engine import bench_cabinet as benching

    found = benching.bench_cabinet(ms, block)
    click.echo(json.dumps(found.as_json(), indent=2) if as_json else found.as_text())


@bench.command("loop", epilog=examples("appliance bench loop --seconds 60 --period 16", "appliance bench loop --load"))
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=10.0, show_default=True, help="For each loop.")
@click.option("--period", type=click.IntRange(16, 1024), default=64, show_default=True, help="Frames per period.")
@click.option(
    "--rate", type=click.IntRange(8_000, 192_000), default=48_000, show_default=True, help="Sample rate in Hz."
)
@click.option("--model", type=EXISTING_FILE, help="Model to play meanwhile; the first factory model if left out.")
@click.option("--load", is_flag=True, help="Keep the other cores busy: a page with four phones, and uploads.")
@click.option(
    "--core", default="", metavar="N", help="Core to run on; the isolated or the last one if left out, or `none`."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="JSON: {period, periods, late, wake_us, busy_us, python_us, python_loop: {the same}, native_loop: {periods, "
    "late, wake_us, busy_us}}.",
)
def bench_loop(
    seconds: float, period: int, rate: int, model: Path | None, load: bool, core: str, as_json: bool
) -> None:
    """Wake-up lateness, busy time and Python's share of the real audio loop on the demo card; the same of the loop in
    Python that plays sound cards; and of a plain C++ loop, turn by turn."""
    from appliance import render as rendering
    from appliance.audio import bench as benching
    from appliance.formats.read import read_model

    if model is None:
        model = min(paths.assets("models").glob("*.onnx"))
    patch = rendering.patch_for(read_model(model), None, rate)
    result = benching.bench_loop(seconds, period, rate, patch, core, load=load)
    click.echo(json.dumps(result, indent=2) if as_json else benching.as_text(result))


@bench.command(
    "start",
    epilog=examples("appliance bench start", "appliance bench start --input hw:Pedal --repeats 20 --seconds 60"),
)
@click.option("--repeats", type=click.IntRange(1, 1000), default=10, show_default=True, help="Starts to time.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600),
    default=5.0,
    show_default=True,
    help="Presets are changed for so long before the memory is looked at.",
)
@click.option("--input", "device", metavar="DEV", help="ALSA device for both directions; the demo card if left out.")
@click.option("--period", type=click.IntRange(16, 1024), default=64, show_default=True, help="Frames per period.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="JSON: {sound, start_ms: {step: {median, max}}, memory_mb: {process: {rss_mb, pss_mb}}, imports: {process: "
    "{total_ms, dearest_ms: {module: ms}}}}.",
)
def bench_start(repeats: int, seconds: float, device: str | None, period: int, as_json: bool) -> None:
    """From the start of the audio process to its first period with the last sound, step by step, as after a power cut;
    memory of the three processes while a page is open and presets are changed; the dearest imports of each."""
    from appliance.audio import bench_start as benching

    card = ("--input", device) if device else ("--demo",)
    with click.progressbar(length=repeats, label="Starting", file=sys.stderr) as bar:
        found = benching.bench_start(repeats, (*card, "--period", str(period)), seconds, lambda: bar.update(1))
    click.echo(json.dumps(found.as_json(), indent=2) if as_json else found.as_text())


@bench.command("aliasing", epilog=examples("appliance bench aliasing crunch.nam lead.nam"))
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=EXISTING_FILE)
@click.option(
    "--rate", type=click.IntRange(8_000, 192_000), default=48_000, show_default=True, help="Sample rate in Hz."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object per row.")
def bench_aliasing(models: tuple[Path, ...], rate: int, as_json: bool) -> None:
    """Aliases of a distorted sine, in dB of the sound, at 1, 2 and 4 times oversampling."""
    from appliance.engine import aliasing
    from appliance.formats.read import read_model

    rows = aliasing.measure([(model.name, read_model(model)) for model in models], rate)
    click.echo(json.dumps(aliasing.as_json(rows), indent=2) if as_json else aliasing.as_table(rows))


bench.add_command(bench_train)
