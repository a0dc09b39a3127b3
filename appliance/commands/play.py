"""Playing and files: `run`, `render`, `inspect`, `import`, `devices`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.options import ENGINE_CHOICE, EXISTING_FILE, examples, parse_knob
from appliance.errors import ApplianceError, ExitCode, NotInstalled

if TYPE_CHECKING:
    pass


@click.command(
    epilog=examples(
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


@click.command(
    epilog=examples(
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


@click.command(epilog=examples("appliance inspect *.nam", "appliance inspect crunch.nam --json"))
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


@click.command("import", epilog=examples("appliance import crunch.nam 4x12.wav"))
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


@click.command()
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
