"""The `neural-amp-modeler` trainer, run as it runs itself: its module, data set, losses, optimiser and schedule.

Its published recipe for A1: Adam at 0.004, times 0.993 an epoch; batches of 16 segments of 8192 frames; mean squared
error + 2e-4 × multi-resolution STFT with pre-emphasis 0.85; output at -18 dBFS RMS; the epoch with the best validation
ESR is kept. Only the end differs: after so much CPU time instead of 100 epochs. Nothing in it depends on when it ends,
so one training is judged after each of several times.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from appliance.errors import NotInstalled
from appliance.formats.description import Architecture
from appliance.training.contract import DataSet, Network
from appliance.training.networks.wavenet_shape import SHAPES
from appliance.training.throughput import nam_config

BATCH = 16
SEGMENT_FRAMES = 8192
_LEVEL_DB = -18.0


@dataclass(frozen=True)
class Side:
    """One trainer's figures. throughput: seconds of audio learned per CPU second, over the whole training."""

    test_esr: float
    validation_esr: float
    updates: int
    cpu_s: float
    throughput: float


def need_nam() -> None:
    """Raises NotInstalled, in words, when the trainer isn't there."""
    try:
        import nam  # noqa: F401
    except ImportError as error:
        raise NotInstalled(
            "The comparison needs the NAM trainer, which only developers install: pip install neural-amp-modeler==0.13"
        ) from error


def train_with_nam(data: DataSet, size: str, budgets_s: Sequence[float], seed: int) -> list[Side]:
    """Train on the data set's one take; its figures after each of these CPU times (ascending). Blocks for the longest
    of them and a little more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its libraries' own, and none of ours
        return _train(data, size, budgets_s, seed)


def _train(data: DataSet, size: str, budgets_s: Sequence[float], seed: int) -> list[Side]:
    import pytorch_lightning
    from nam.train.lightning_module import LightningModule
    from torch.utils.data import DataLoader

    from appliance.training.bench_nam_watch import Watch
    from appliance.training.validation import test_esr

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning").setLevel(logging.ERROR)
    pytorch_lightning.seed_everything(seed, verbose=False)
    (take,) = data.takes
    module = LightningModule.init_from_config(_configuration(size))
    module.net.sample_rate = data.sample_rate_hz
    scale = 10 ** (_LEVEL_DB / 20) / float(np.sqrt(np.mean(np.square(take.wet, dtype=np.float64))))
    past = module.net.receptive_field - 1
    (train_span,), (validation_span,) = take.train, take.validation
    training = _nam_data(take.dry, take.wet, train_span, past, scale, SEGMENT_FRAMES)
    validating = _nam_data(take.dry, take.wet, (validation_span[0] - past, validation_span[1]), past, scale, None)
    watch = Watch(budgets_s)
    trainer = pytorch_lightning.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    loader = DataLoader(training, batch_size=BATCH, shuffle=True, drop_last=True, num_workers=0)
    trainer.fit(module, loader, DataLoader(validating))
    judged = _Judged(module.net, past, scale)
    sides = []
    for mark in watch.marks:
        # Its time ended within an epoch: is that better than the best whole one?
        module.net.load_state_dict(mark.weights)
        (said,) = trainer.validate(module, DataLoader(validating), verbose=False)
        esr = float(said["ESR"])
        if mark.best and mark.best_esr <= esr:
            esr = mark.best_esr
            module.net.load_state_dict(mark.best)
        sides.append(
            Side(
                test_esr=test_esr(data, judged, 1.0, torch.device("cpu")),
                validation_esr=esr,
                updates=mark.updates,
                cpu_s=mark.cpu_s,
                throughput=mark.updates * BATCH * SEGMENT_FRAMES / data.sample_rate_hz / mark.cpu_s,
            )
        )
    return sides


def _configuration(size: str) -> dict[str, Any]:
    return {
        "net": {"name": "WaveNet", "config": nam_config(SHAPES[size])},
        "loss": {"val_loss": "esr", "pre_emph_mrstft_weight": 2e-4, "pre_emph_mrstft_coef": 0.85},
        "optimizer": {"lr": 0.004},
        "lr_scheduler": {"class": "ExponentialLR", "kwargs": {"gamma": 0.993}},
    }


def _nam_data(dry: Any, wet: Any, span: tuple[int, int], past: int, scale: float, segment: int | None) -> Any:
    from nam.data import Dataset

    first, end = span
    y = torch.from_numpy(wet[first:end].copy())
    unclipped = 0.9 / max(float(y.abs().max()), 1e-9)  # it takes nothing that reaches full scale
    data = Dataset(
        torch.from_numpy(dry[first:end].copy()),
        y * unclipped,
        nx=past + 1,
        ny=segment,
        sample_rate=48_000,
        require_input_pre_silence=None,
    )
    data.scale_output(scale / unclipped)  # as its joint hook that levels outputs does
    return data


class _Judged(Network):
    """Their network behind our contract, at the device's level."""

    def __init__(self, net: Any, past_frames: int, scale: float) -> None:
        super().__init__()
        self._net, self.past_frames, self._scale = net, past_frames, scale

    def forward(self, audio: Tensor, positions: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return self._net(audio, pad_start=False) / self._scale, None

    def architecture(self, knobs: Any) -> Architecture:
        raise NotImplementedError("the comparison doesn't play it")
