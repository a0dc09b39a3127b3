"""`appliance train` and `appliance bench train`: recordings of a device → a model of it."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.options import examples, parse_knob
from appliance.errors import BadRequest, NotInstalled

if TYPE_CHECKING:
    from appliance.training.networks.sizes import NetworkConfig
    from appliance.training.session import Job, Outcome
    from appliance.training.takes import DataSet

_FILE = click.Path(path_type=Path)
DEFAULT_MINUTES = 20.0


@click.command(
    epilog=examples(
        "appliance train in.wav out.wav",
        "appliance train in.wav out.wav --size nano --minutes 10",
        "appliance train my-amp/ --for pi4 --name Crunch",
        "appliance train my-amp/ --resume",
    ),
)
@click.argument("recordings", nargs=-1, required=True, metavar="IN OUT...", type=_FILE)
@click.option("--size", type=click.Choice(["nano", "small", "standard", "large"]), help="[default: small]")
@click.option("--network", metavar="NAME", help="A network by name instead: a1-feather, lstm-16, gru-24, a2, wh …")
@click.option("--for", "board", type=click.Choice(["zero2", "pi4", "pi5"]), help="The best that plays on this Pi.")
@click.option("--minutes", type=click.FloatRange(0.05), help=f"Be done in so many.  [default: {DEFAULT_MINUTES:g}]")
@click.option("--epochs", type=click.FloatRange(0.01), help="Passes over the audio, instead of minutes.")
@click.option("--steps", type=click.IntRange(1), help="Batches, instead of minutes.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same result.")
@click.option("--name", help="What the model is called.  [default: after the recording]")
@click.option("--out", "folder", type=_FILE, default=Path(), help="Folder for the files.  [default: this one]")
@click.option("--resume", is_flag=True, help="Go on with a training that was stopped or cut off.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--licence", help="Written into the model file, such as CC-BY-4.0.")
@click.option("--nam", is_flag=True, help="Write a .nam file too.")
def train(
    recordings: tuple[Path, ...],
    size: str | None,
    network: str | None,
    board: str | None,
    minutes: float | None,
    epochs: float | None,
    steps: int | None,
    seed: int,
    name: str | None,
    folder: Path,
    resume: bool,
    device: str,
    licence: str | None,
    nam: bool,
) -> None:
    """Make a model of an amp or pedal from recordings: IN is what went into it, OUT what came out.

    Several pairs, or a folder with a manifest (knobs and takes), make one model. Writes NAME.onnx and a report.
    Ctrl-C ends early and keeps the best so far.
    """
    if [size, network, board].count(None) < 2:
        raise click.UsageError("Give one of --size, --network and --for.")
    if [minutes, epochs, steps].count(None) < 2:
        raise click.UsageError("Give one of --minutes, --epochs and --steps.")
    if minutes is None and epochs is None and steps is None:
        minutes = DEFAULT_MINUTES
    _need_torch()
    from appliance.training.dataset import load
    from appliance.training.loop import pick_device
    from appliance.training.networks.sizes import config_named
    from appliance.training.plan import Budget
    from appliance.training.progress import ProgressLine
    from appliance.training.session import Job, run_job

    if board is None:
        config_named(network or size or "small")  # a wrong name is told before minutes of reading
    data = load(recordings)
    for note in notes_in_words(data):
        click.echo(f"Note: {note}", err=True)
    job = Job(
        name=file_name(name or data.name),
        folder=folder,
        config=_config(size, network, board, len(data.knobs)),
        budget=Budget(minutes=minutes, epochs=epochs, rounds=steps),
        seed=seed,
        device=pick_device(device),
        resume=resume,
        licence=licence,
        nam=nam,
    )
    click.echo(f"Training {job.name} ({job.config.name}) on {job.device.type}.", err=True)
    line = ProgressLine(sys.stderr)
    with _ctrl_c() as pressed:
        outcome = run_job(
            job,
            data,
            show=line.show,
            stop=pressed,
            say=lambda words: click.echo(f"{words[0].upper()}{words[1:]} …", err=True),
        )
    line.close()
    click.echo(summary(job, outcome))


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise NotInstalled("Training needs PyTorch, which is not installed: pip install 'appliance[train]'") from error


def file_name(name: str) -> str:
    """A name that can be a file's. Raises BadRequest when nothing is left of it."""
    kept = re.sub(r'[\x00-\x1f/\\:*?"<>|]+', " ", name)
    kept = " ".join(kept.split()).strip(" .")
    if not kept:
        raise BadRequest(f"{name!r} can't be the name of a file: give another with --name.")
    return kept


def _config(size: str | None, network: str | None, board: str | None, knob_count: int) -> NetworkConfig:
    from appliance.training.networks.sizes import board_named, config_named, largest_for

    if board is None:
        return config_named(network or size or "small")
    chosen = largest_for(board_named(board), knob_count)
    click.echo(f"For this Pi: {chosen.config.name} (an estimate; see `appliance inspect`).", err=True)
    return chosen.config


@contextlib.contextmanager
def _ctrl_c() -> Iterator[Any]:
    """The first Ctrl-C is only noted, so that no step is torn in two; a second one ends at once."""
    seen = False

    def note(*_: object) -> None:
        nonlocal seen
        seen = True
        click.echo("\nStopping: the best so far is written. Ctrl-C again leaves at once.", err=True)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: seen
    finally:
        signal.signal(signal.SIGINT, before)


def summary(job: Job, outcome: Outcome) -> str:
    """What came out, in plain words."""
    from appliance.training.report.words import figure_words, verdict

    found, trained = outcome.found, outcome.trained
    lines = [
        "",
        f"{job.name}: {verdict(found.esr)}.",
        f"  error (ESR) {figure_words(found.esr)}; with pre-emphasis, nearer to the ear, "
        f"{figure_words(found.esr_pre_emphasised)}",
    ]
    if len(found.judged) > 1:
        for one in found.judged:
            told = " (never heard in training)" if one.take.held_out else ""
            lines.append(f"  {one.take.name}: ESR {figure_words(one.esr)}{told}")
    if trained.interrupted:
        lines.append("  Stopped early; the same command with --resume goes on.")
    lines += [f"  {note}" for note in outcome.notes]
    lines += ["", f"  model   {outcome.model_path}", f"  report  {outcome.report_path}"]
    if outcome.nam_path:
        lines.append(f"  NAM     {outcome.nam_path}")
    lines += ["", f"Next: appliance import {_quoted(outcome.model_path)}"]
    return "\n".join(lines)


def _quoted(path: Path) -> str:
    return f"'{path}'" if re.search(r"\s", str(path)) else str(path)


@click.command(
    "train",
    epilog=examples(
        "appliance bench train --device-model vox-ac15.nam",
        "appliance bench train --minutes 10 --minutes 20 --network a1-feather --device-model a.json --knob Drive=0.5",
    ),
)
@click.option(
    "--minutes",
    type=click.FloatRange(0.05, 120),
    multiple=True,
    default=(10.0,),
    show_default=True,
    help="CPU minutes each; may be given more than once.",
)
@click.option("--network", default="a1-nano", show_default=True, help="a1-nano, a1-feather, a1-lite or a1-standard.")
@click.option("--device-model", type=_FILE, help="Model file that stands for the device.  [default: a factory model]")
@click.option("--knob", "knobs", multiple=True, metavar="NAME=VALUE", help="Where the device's knob stands.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads of both trainers.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="JSON, every figure of both.")
def bench_train(
    minutes: tuple[float, ...],
    network: str,
    device_model: Path | None,
    knobs: tuple[str, ...],
    threads: int,
    seed: int,
    as_json: bool,
) -> None:
    """Our training against the `neural-amp-modeler` trainer's: same data, same network, same CPU minutes."""
    _need_torch()
    from appliance import paths
    from appliance.training import bench as benching

    began = time.monotonic()
    settings = benching.Settings(
        device=device_model or paths.assets("models") / "lead-100.onnx",
        network=network,
        cpu_minutes=minutes,
        knobs=dict(parse_knob(text) for text in knobs),
        threads=threads,
        seed=seed,
    )
    results = []
    for result in benching.bench(settings, say=lambda words: click.echo(f"{words[0].upper()}{words[1:]} …", err=True)):
        results.append(result.as_json())
        if not as_json:
            click.echo(result.as_text())
    if as_json:
        click.echo(json.dumps(results, indent=2))
    click.echo(f"({time.monotonic() - began:.0f} s)", err=True)


def notes_in_words(data: DataSet) -> list[str]:
    """What was found in the recordings, each thing once, with the takes that it is about where there are several."""
    takes: dict[str, list[str]] = {}
    for take in data.takes:
        for note in take.notes:
            takes.setdefault(note, []).append(take.name)
    if len(data.takes) == 1:
        return [*data.notes, *takes]
    whose = {note: "all takes" if len(names) == len(data.takes) else ", ".join(names) for note, names in takes.items()}
    return [*data.notes, *(f"{names}: {note}" for note, names in whose.items())]
