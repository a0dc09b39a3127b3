"""The command line: parse, call, print. The work is done elsewhere; heavy modules are imported by the command that
needs them, so that `appliance --help` is quick.

Exit codes are `errors.ExitCode`. A user's mistake is one sentence on stderr, never a traceback.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance import __version__, paths
from appliance.commands.capture import data_command, signal_command
from appliance.commands.export import export
from appliance.commands.panel import panel
from appliance.commands.performance import preflight
from appliance.commands.report import report
from appliance.commands.train import bench_train, train
from appliance.errors import ApplianceError, ExitCode, NotInstalled

if TYPE_CHECKING:
    from appliance.formats.description import Description

ENGINE_CHOICE = click.Choice(["native", "onnx", "reference"])
EXISTING_FILE = click.Path(path_type=Path)


class _Commands(click.Group):
    """Lists commands in the order they are written, and examples as they are written."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="appliance")
def cli() -> None:
    """A stage amp: neural models of real amps and pedals."""


def main() -> None:
    """Entry point of `appliance`."""
    try:
        result = cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ApplianceError as error:
        click.echo(f"appliance: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing to tell, nobody to tell it
        sys.exit(ExitCode.OK)
    sys.exit(result if isinstance(result, int) else ExitCode.OK)


@cli.command(
    epilog=_examples(
        "appliance run --demo",
        "appliance run --input hw:sndrpihifiberry --output hw:sndrpihifiberry --period 64",
    )
)
@click.option("--demo", is_flag=True, help="Play the demo guitar and listen in the browser; no sound card needed.")
@click.option("--input", "input_device", metavar="DEVICE", help="ALSA capture device (see `appliance devices`).")
@click.option(
    "--output", "output_device", metavar="DEVICE", help="ALSA playback device; the same as --input if left out."
)
@click.option("--channel", type=click.IntRange(1), default=1, show_default=True, help="Input channel of the guitar.")
@click.option(
    "--format", "sample_format", metavar="FORMAT", help="S32_LE, S24_3LE, S24_LE or S16_LE; best one if left out."
)
@click.option("--period", type=click.IntRange(16, 1024), default=64, show_default=True, help="Frames per period.")
@click.option("--periods", type=click.IntRange(2, 8), default=2, show_default=True, help="Playback periods.")
@click.option(
    "--rate", type=click.IntRange(8_000, 192_000), default=48_000, show_default=True, help="Sample rate in Hz."
)
@click.option("--core", metavar="N", help="CPU core of the audio process; `none` to leave it to the system.")
@click.option("--config", type=EXISTING_FILE, help="appliance.toml: what is wired to the box (docs/controls.md).")
@click.option("--host", default="0.0.0.0", show_default=True, help="Address the page listens on.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8080, show_default=True, help="Port of the page.")
def run(
    demo: bool,
    input_device: str | None,
    output_device: str | None,
    channel: int,
    sample_format: str | None,
    period: int,
    periods: int,
    rate: int,
    core: str | None,
    config: Path | None,
    host: str,
    port: int,
) -> int:
    """Play: start audio, panel and web, and print the address of the page. Ctrl-C stops."""
    from appliance import supervisor
    from appliance.panel import wiring_file

    if not demo and input_device is None and output_device is None:
        raise click.UsageError("say --demo, or --input and --output with your sound card (see `appliance devices`)")
    if demo and (input_device or output_device):
        raise click.UsageError("--demo plays without a sound card: leave out --input and --output, or --demo")
    audio = ["--period", str(period), "--periods", str(periods), "--rate", str(rate)]
    if demo:
        audio.append("--demo")
    else:
        capture = input_device or output_device
        playback = output_device or input_device
        audio += ["--input", str(capture), "--output", str(playback), "--channel", str(channel)]
    if sample_format:
        audio += ["--format", sample_format]
    if core:
        audio += ["--core", core]
    if config is not None:
        wiring_file.load(config)  # a mistake in it is said here, before anything starts
        os.environ["APPLIANCE_CONFIG"] = str(config.resolve())
    web = ("--demo",) if demo else ()
    return supervisor.run(supervisor.Options(tuple(audio), host, port, web))


@cli.command(
    epilog=_examples(
        "appliance render crunch.nam guitar.wav out.wav --cab 4x12.wav",
        "appliance render proteus.json guitar.wav out.wav --knob Gain=0.7",
    )
)
@click.argument("model", type=EXISTING_FILE)
@click.argument("input_file", metavar="IN", type=EXISTING_FILE)
@click.argument("output_file", metavar="OUT", type=EXISTING_FILE)
@click.option("--cab", type=EXISTING_FILE, help="Cabinet impulse response (WAV or FLAC).")
@click.option("--knob", "knobs", multiple=True, metavar="NAME=VALUE", help="Set a knob of the model; may be repeated.")
@click.option("--engine", type=ENGINE_CHOICE, default="native", show_default=True)
@click.option("--quality", type=click.FloatRange(0, 1), default=1.0, help="Size to pick in a file that holds several.")
@click.option("--block", type=click.IntRange(1, 8192), default=64, show_default=True, help="Frames per block.")
@click.option("--input-gain", "input_gain_db", type=click.FloatRange(-60, 40), default=0.0, metavar="DB")
@click.option("--gate", "gate_db", type=click.FloatRange(-120, 0), default=-120.0, metavar="DB", help="Gate threshold.")
@click.option("--level", "level_db", type=click.FloatRange(-90, 40), default=0.0, metavar="DB", help="Output level.")
@click.option("--no-normalise", is_flag=True, help="Keep the model's own loudness.")
@click.option(
    "--oversample",
    type=click.Choice(["1", "2", "4"]),
    default="1",
    show_default=True,
    help="Run the model at so many times the rate: fewer aliases, so many times the work.",
)
def render(
    model: Path,
    input_file: Path,
    output_file: Path,
    cab: Path | None,
    knobs: tuple[str, ...],
    engine: str,
    quality: float,
    block: int,
    input_gain_db: float,
    gate_db: float,
    level_db: float,
    no_normalise: bool,
    oversample: str,
) -> None:
    """Play the recording IN through MODEL and write OUT, exactly as the pedal would play it."""
    from appliance import render as rendering
    from appliance.formats.read import read_model

    settings = rendering.RenderSettings(
        knobs=dict(parse_knob(text) for text in knobs),
        cabinet=cab,
        engine=engine,
        block_frames=block,
        normalise=not no_normalise,
        input_gain_db=input_gain_db,
        gate_threshold_db=gate_db,
        level_db=level_db,
        oversample=int(oversample),
    )
    description = read_model(model, quality=quality)
    audio, rate_hz, notes = rendering.read_audio(input_file)
    notes += rendering.rate_notes(description, rate_hz, settings)
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    with click.progressbar(length=len(audio), label="Rendering", file=sys.stderr) as bar:
        made = rendering.render(description, audio, rate_hz, settings, progress=bar.update)
    rendering.write_audio(output_file, made, rate_hz)
    click.echo(f"{output_file}: {len(made) / rate_hz:.1f} s at {rate_hz} Hz")


def parse_knob(text: str) -> tuple[str, float]:
    """ "Gain=0.7" → ("Gain", 0.7). Raises click.BadParameter."""
    name, equals, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        what = f"{value!r} is not a number" if equals else "the = is missing"
        raise click.BadParameter(f"{text!r}: {what}. Write it like Gain=0.7", param_hint="--knob") from None


@cli.command(epilog=_examples("appliance inspect *.nam", "appliance inspect crunch.nam --json"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=EXISTING_FILE)
@click.option("--json", "as_json", is_flag=True, help="A JSON list, one object per file.")
def inspect(files: tuple[Path, ...], as_json: bool) -> int:
    """Tell what model files are: kind, size, rate, knobs, levels, licence, cost here, self-test."""
    from appliance import inspection

    results: list[dict[str, Any]] = []
    worst = ExitCode.OK
    for file in files:
        try:
            result = inspection.inspect_file(file)
        except ApplianceError as error:
            worst = error.exit_code
            result = {"file": str(file), "error": str(error)}
        results.append(result)
        if not as_json:
            click.echo(inspection.as_text(result))
    if as_json:
        click.echo(json.dumps(results, indent=2, ensure_ascii=False))
    return worst


@cli.command("import", epilog=_examples("appliance import crunch.nam 4x12.wav"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=EXISTING_FILE)
def import_(files: tuple[Path, ...]) -> int:
    """Put model files and cabinet impulse responses into the pedal's library."""
    from appliance.library.importing import import_file

    worst = ExitCode.OK
    for file in files:
        try:
            item = import_file(file)
            click.echo(f"{file}: {item['name']} is in the library ({item['id']})")
        except ApplianceError as error:
            worst = error.exit_code
            click.echo(f"{file}: {error}", err=True)
    return worst


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def devices(as_json: bool) -> None:
    """List the sound cards and what each can do."""
    try:
        from appliance.audio.alsa import list_devices
    except ImportError as error:
        raise NotInstalled("ALSA support is not installed: pip install 'appliance[pi]'") from error

    found = list_devices()
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("No sound card was found. `appliance run --demo` plays without one.")
    for device in found:
        click.echo(device["words"])


@cli.group()
def bench() -> None:
    """Measure this machine."""


@bench.command(
    "engine",
    epilog=_examples(
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


@bench.command("cabinet", epilog=_examples("appliance bench cabinet", "appliance bench cabinet --ms 1000 --block 16"))
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


@bench.command("loop", epilog=_examples("appliance bench loop --seconds 60 --period 16", "appliance bench loop --load"))
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


@bench.command("aliasing", epilog=_examples("appliance bench aliasing crunch.nam lead.nam"))
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


for command in (preflight, panel, signal_command, data_command, train, report, export):
    cli.add_command(command)
bench.add_command(bench_train)
