"""From a data set to files: train, write the model, play it back, report. Blocks for as long as it takes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from appliance.errors import BadRequest
from appliance.formats.read import read_model
from appliance.training import export
from appliance.training.contract import DataSet, Network
from appliance.training.loop import Trained, train
from appliance.training.networks.sizes import NetworkConfig, build
from appliance.training.plan import Budget
from appliance.training.progress import Moment
from appliance.training.recipe import Recipe
from appliance.training.report.write import write_report
from appliance.training.validation import test_esr

if TYPE_CHECKING:
    from appliance.training.report.findings import Findings

CHECKPOINT_SUFFIX = ".training"


@dataclass(frozen=True)
class Job:
    """What to train, and where it goes: FOLDER/NAME.onnx, FOLDER/NAME-report/, and meanwhile FOLDER/NAME.training."""

    name: str
    folder: Path
    config: NetworkConfig
    budget: Budget
    recipe: Recipe | None = None
    seed: int = 0
    device: torch.device = torch.device("cpu")  # noqa: RUF009 – a constant
    resume: bool = False
    nam: bool = False
    licence: str | None = None

    @property
    def model_path(self) -> Path:
        """The pedal's own file."""
        return self.folder / f"{self.name}.onnx"

    @property
    def checkpoint_path(self) -> Path:
        """Where the training is kept until its files are written."""
        return self.folder / f"{self.name}{CHECKPOINT_SUFFIX}"


@dataclass(frozen=True)
class Outcome:
    """What came of a job. `nam_path` is None where none was asked for; `notes` say what could not be done."""

    trained: Trained
    found: Findings
    model_path: Path
    report_path: Path
    nam_path: Path | None
    notes: tuple[str, ...]


def run_job(
    job: Job,
    data: DataSet,
    *,
    show: Callable[[Moment], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Train and write everything. The checkpoint goes when the files are there, unless the training was stopped.

    show, stop: as in `loop.train`. say: called with a few words at each later step.
    Raises BadAudioFile, BadRequest, BadModelFile, StorageError, NotInstalled.
    """

    def make() -> Network:
        return build(job.config, len(data.knobs), data.sample_rate_hz)

    identity = json.dumps(job.config.as_table(), sort_keys=True)
    trained = train(
        data,
        make,
        job.budget,
        recipe=job.recipe,
        seed=job.seed,
        device=job.device,
        checkpoint_path=job.checkpoint_path,
        resume=job.resume,
        show=show,
        stop=stop,
        identity=identity,
    )
    say("writing the model")
    network = trained.network.cpu()
    sizes = export.describe(network, data, _facts(job, data, trained, network))
    export.export_onnx(sizes, job.model_path)
    notes = list(data.notes)
    nam_path = None
    if job.nam:
        try:
            nam_path = job.model_path.with_suffix(".nam")
            export.export_nam(sizes, nam_path)
        except BadRequest:
            raise
        except ValueError as error:  # UnsupportedModel: the model itself is written all the same
            nam_path = None
            notes.append(str(error))
    page, found = write_report(
        job.folder / f"{job.name}-report",
        read_model(job.model_path),
        data,
        trained.history,
        made_on=datetime.now(UTC).astimezone().date().isoformat(),
        notes=tuple(notes),
        recipe=_recipe_words(job, trained),
        progress=say,
    )
    if not trained.interrupted:
        job.checkpoint_path.unlink(missing_ok=True)
    return Outcome(trained, found, job.model_path, page, nam_path, tuple(notes))


def _facts(job: Job, data: DataSet, trained: Trained, network: Network) -> export.Facts:
    cpu = torch.device("cpu")
    errors = tuple(test_esr(data, member, trained.scale, cpu) for member in network.members)
    return export.Facts(
        name=job.name,
        licence=job.licence,
        esr=() if any(math.isnan(esr) for esr in errors) else errors,
        output_gain_db=-20.0 * math.log10(trained.scale),
        summary={
            "network": job.config.as_table(),
            "recipe": trained.recipe.as_table(),
            "rounds": trained.rounds,
            "epochs": round(trained.epochs, 2),
            "seconds": round(trained.seconds, 1),
            "seed": trained.seed,
            "validation_esr": list(trained.validation_esr),
            "stopped_early": trained.interrupted,
            "takes": [{"name": take.name, "knobs": list(take.knobs), "held_out": take.held_out} for take in data.takes],
        },
    )


def _recipe_words(job: Job, trained: Trained) -> dict[str, str]:
    recipe, loss = trained.recipe, trained.recipe.loss
    parts = [(loss.plain, "ESR"), (loss.emphasised, f"ESR after {loss.emphasis.value}")]
    parts += [(loss.dc, "DC"), (loss.spectral, "multi-resolution STFT")]
    return {
        "Network": job.config.name,
        "Loss": " + ".join(f"{weight:g} × {name}" for weight, name in parts if weight),
        "Optimiser": f"Adam, learning rate {recipe.learning_rate:g}, one cycle",
        "Batch": f"{recipe.batch} × {recipe.segment_frames} frames",
        "Training": f"{trained.rounds} rounds, {trained.epochs:.1f} epochs, seed {trained.seed}",
    }
