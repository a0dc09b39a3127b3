"""The compiled engine without Python: under the sanitizers, and with heap calls counted.

The patches' generation has to be what the controls ask for, so the allocation test makes one file per generation.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from appliance.engine.packing import pack_model, pack_patch
from appliance.formats.description import FILM_NAMES, Act, Activation, Cell, Description, Gating
from tests import models

SOURCE = Path(__file__).parent / "native"
RATE_HZ = 48_000


def build(folder: Path, *options: str) -> Path:
    """Configure and build tests/engine/native; the folder with the programs."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    for command in (
        [cmake, "-S", str(SOURCE), "-B", str(folder), *generator, *options],
        [cmake, "--build", str(folder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return folder


def families() -> dict[str, Description]:
    """A model of every family and of each kernel path."""
    rng = np.random.default_rng(5)
    leaky = Activation(Act.LEAKY_RELU)
    return {
        "fixed_tanh": models.random_wavenet(rng, channels=(8, 4)),
        "fixed_leaky": models.random_wavenet(
            rng, channels=(3,), dilations=((1, 7, 41),), head_kernel=16, activation=leaky
        ),
        "wide": models.random_wavenet(rng, channels=(16, 12)),
        "general": models.random_wavenet(rng, channels=(7, 5), knobs=2),
        "gated": models.random_wavenet(rng, channels=(6, 4), gating=Gating.GATED),
        "blended": models.random_wavenet(rng, channels=(5, 3), gating=Gating.BLENDED),
        "modulated": models.random_wavenet(
            rng, channels=(5, 3), heads=(2, 4), films=FILM_NAMES, gating=Gating.BLENDED, knobs=1
        ),
        "steered": models.random_wavenet(
            rng, channels=(8, 4), condition=models.steering(rng, 3), outputs=2, stages=(3, 1), head_dilation=2
        ),
        "slopes": models.random_wavenet(rng, channels=(4, 4), activation=models.PRELU, stages=(1,), outputs=2),
        "steered_by_lstm": models.random_wavenet(rng, condition=models.random_recurrent(rng).architecture),
        "steered_by_stack": models.random_wavenet(rng, condition=models.random_stack(rng).architecture),
        "lstm": models.random_recurrent(rng, cell=Cell.LSTM, hidden=16),
        "lstm_four_layers": models.random_recurrent(rng, cell=Cell.LSTM, hidden=4, layers=4),
        "lstm_layers": models.random_recurrent(rng, cell=Cell.LSTM, hidden=8, layers=2, knobs=1),
        "lstm_knobs": models.random_recurrent(rng, cell=Cell.LSTM, hidden=40, layers=2, knobs=2),
        "lstm_huge": models.random_recurrent(rng, cell=Cell.LSTM, hidden=120),
        "gru": models.random_recurrent(rng, cell=Cell.GRU, hidden=20, layers=2, knobs=1),
        "convnet": models.random_convnet(rng),
        "linear": models.random_linear(rng),
        "stack": models.random_stack(rng, skip=True, knobs=1),
        "stack_convolutions": models.random_convolutions(rng),
        "stack_step": models.random_lstm_step(rng),
    }


@pytest.mark.timeout(400)
def test_every_family_whole_and_damaged_passes_the_sanitizers(tmp_path: Path) -> None:
    program = build(tmp_path / "build", "-DSANITIZE=ON", "-DCMAKE_BUILD_TYPE=") / "exercise"
    files = []
    rng = np.random.default_rng(1)
    cabinet = rng.standard_normal(2_000).astype(np.float32) * np.float32(0.02)
    for name, description in families().items():
        blob = tmp_path / f"{name}.blob"
        blob.write_bytes(pack_model(description))
        patch = tmp_path / f"{name}.patch"
        patch.write_bytes(
            pack_patch(generation=1, sample_rate_hz=RATE_HZ, model_blob=pack_model(description), cabinet=cabinet)
        )
        files += [str(blob), str(patch)]
    _exercise(program, RATE_HZ, files)
    # At another rate: resampled, oversampled, with its state delayed.
    files = []
    for name, oversample in (
        ("fixed_leaky", 4),
        ("general", 1),
        ("lstm", 2),
        ("gru", 1),
        ("convnet", 2),
        ("linear", 1),
    ):
        patch = tmp_path / f"{name}-{oversample}.patch"
        blob_bytes = pack_model(families()[name])
        patch.write_bytes(pack_patch(generation=1, sample_rate_hz=44_100, model_blob=blob_bytes, oversample=oversample))
        files.append(str(patch))
    _exercise(program, 44_100, files)

    _stomp(program.with_name("stomp"), tmp_path / "stomps")


def _stomp(program: Path, folder: Path) -> None:
    """Models of short and long memory in turn, changed faster than they load."""
    folder.mkdir()
    found = families()
    for generation in range(1, 61):
        name = ("linear", "fixed_leaky", "lstm", "general")[generation % 4]
        patch = pack_patch(generation=generation, sample_rate_hz=RATE_HZ, model_blob=pack_model(found[name]))
        (folder / f"{generation}.patch").write_bytes(patch)
    done = subprocess.run([program, str(RATE_HZ), folder, "60"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "the last wanted sounds" in done.stdout
    assert "failed 0" in done.stdout
    assert int(done.stdout.split()[0]) >= 5


def _exercise(program: Path, rate_hz: int, files: list[str]) -> None:
    done = subprocess.run([program, str(rate_hz), *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"{len(files)} exercised" in done.stdout


@pytest.mark.timeout(300)
def test_a_playing_pedal_never_touches_the_heap_and_the_counter_bites(tmp_path: Path) -> None:
    program = build(tmp_path / "build", "-DCMAKE_BUILD_TYPE=Release") / "allocations"
    rng = np.random.default_rng(2)
    cabinet = rng.standard_normal(3000).astype(np.float32) * np.float32(0.01)
    for name in ("wide", "lstm_knobs", "general", "convnet", "modulated", "steered", "stack"):
        blob = pack_model(families()[name])
        patches = tmp_path / name
        patches.mkdir()
        for generation in range(1, 40):
            patch = pack_patch(generation=generation, sample_rate_hz=RATE_HZ, model_blob=blob, cabinet=cabinet)
            (patches / f"{generation}.patch").write_bytes(patch)
        quiet = _count(program, patches)
        assert quiet == (0, 12), f"{name}: (heap calls, swaps)"
    assert _count(program, patches, "bite") == (2, 12)
    # At another rate and oversampled: delayed state, resampler, half-band filters.
    for name in ("lstm_knobs", "general"):
        for generation in range(1, 40):
            patch = pack_patch(
                generation=generation, sample_rate_hz=44_100, model_blob=pack_model(families()[name]), oversample=2
            )
            (patches / f"{generation}.patch").write_bytes(patch)
        assert _count(program, patches, rate_hz=44_100) == (0, 12), name


def _count(program: Path, patches: Path, *more: str, rate_hz: int = RATE_HZ) -> tuple[int, int]:
    done = subprocess.run([program, str(rate_hz), str(patches), *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    return int(words[0]), int(words[3])
