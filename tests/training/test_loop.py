"""The loop, with real networks on small devices."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from appliance.errors import BadAudioFile, BadRequest, StorageError
from appliance.training.loop import pick_device, train
from appliance.training.plan import Budget
from appliance.training.progress import Moment
from appliance.training.takes import DataSet, Take
from appliance.training.validation import test_esr as esr_of_tests
from tests.training.devices import RATE_HZ, data_set
from tests.training.runs import ROUNDS, maker, run, small_recipe, weights

REPOSITORY = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_wavenet_learns_an_overdrive() -> None:
    data = data_set(20.0)
    trained = run("a1-nano", data, 700)
    assert trained.validation_esr[0] < 0.01
    assert esr_of_tests(data, trained.network, trained.scale, CPU) < 0.02


def test_a_recurrent_network_learns_a_knob() -> None:
    data = data_set(8.0, gains=(2.0, 6.0))
    trained = run("lstm-8", data, 250)
    assert trained.validation_esr[0] < 0.12
    between = data_set(8.0, gains=(4.0,))
    asked = DataSet("between", RATE_HZ, between.takes, data.knobs)
    assert esr_of_tests(asked, trained.network, trained.scale, CPU) < 0.2


def test_a_quiet_recording_trains_as_well_as_a_loud_one() -> None:
    loud, quiet = (run("a1-nano", data_set(8.0, level=level), 100) for level in (1.0, 0.01))
    assert quiet.scale == pytest.approx(100 * loud.scale, rel=1e-4)
    assert quiet.validation_esr[0] == pytest.approx(loud.validation_esr[0], rel=0.1)


def test_members_of_a_pack_learn_side_by_side() -> None:
    trained = run("a2", data_set(8.0), 80)
    assert len(trained.validation_esr) == 2
    assert all(esr < 0.95 for esr in trained.validation_esr)


def test_the_same_seed_gives_the_same_bits_and_another_others() -> None:
    data = data_set(6.0)
    first, again, other = (run("lstm-8", data, 6, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_losers_of_the_race_drop_out_and_the_best_is_kept() -> None:
    moments: list[Moment] = []
    trained = run("lstm-8", data_set(6.0), 80, racers=3, show=moments.append)
    assert sorted({moment.racers for moment in moments}, reverse=True) == [3, 2, 1]
    assert trained.validation_esr[0] == moments[-1].best_esr
    assert trained.seed in (1, 2, 3)


@pytest.mark.parametrize("name", ["a1-nano", "lstm-8"])
def test_after_kill_9_it_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.training"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.training.runs", name, str(checkpoint)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as told:
        for line in told:
            if int(line) >= ROUNDS * 2 // 3:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL
    seen: list[Moment] = []
    resumed = run(name, data_set(6.0), racers=2, path=checkpoint, resume=True, show=seen.append)
    assert seen[0].round > 1, "it began again"
    straight = run(name, data_set(6.0), racers=2)
    assert torch.equal(weights(resumed), weights(straight))
    assert resumed.validation_esr == straight.validation_esr
    assert [entry.loss for entry in resumed.history] == [entry.loss for entry in straight.history]


def test_stopped_it_gives_the_best_so_far_and_can_be_resumed(tmp_path: Path) -> None:
    data, path = data_set(6.0), tmp_path / "run.training"
    asked = iter(range(1000))
    stopped = run("a1-nano", data, path=path, stop=lambda: next(asked) >= 23)
    assert stopped.interrupted
    assert stopped.rounds == 23
    assert stopped.validation_esr[0] < 1.0
    resumed = run("a1-nano", data, path=path, resume=True)
    assert torch.equal(weights(resumed), weights(run("a1-nano", data)))


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.training"
    with pytest.raises(BadRequest, match="no training to resume"):
        run("a1-nano", data_set(6.0), path=path, resume=True)
    run("a1-nano", data_set(6.0), 2, path=path)
    with pytest.raises(BadRequest, match="other recordings"):
        run("a1-nano", data_set(6.0, level=0.5), path=path, resume=True)
    with pytest.raises(BadRequest, match="other seed"):
        run("a1-nano", data_set(6.0), seed=9, path=path, resume=True)
    with pytest.raises(BadRequest, match="other network"):
        run("a1-feather", data_set(6.0), path=path, resume=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StorageError, match="damaged"):
        run("a1-nano", data_set(6.0), path=path, resume=True)


def test_minutes_are_kept_by_the_clock_given() -> None:
    """A clock of the test's own: each look at it is a tenth of a second."""
    looks = iter(range(10**6))
    data = data_set(6.0)
    trained = train(
        data,
        maker("a1-nano", data),
        Budget(minutes=0.2, clock=lambda: next(looks) / 10),
        recipe=small_recipe("a1-nano", data),
        device=CPU,
    )
    assert 0.6 * 12 < trained.seconds < 1.4 * 12


def test_silence_and_too_little_audio_are_refused() -> None:
    data = data_set(6.0)
    silent = data_set(6.0, level=0.0)
    with pytest.raises(BadAudioFile, match="silent"):
        run("a1-nano", silent, 2)
    (take,) = data.takes
    short = DataSet("short", RATE_HZ, (Take("t", take.dry, take.wet, train=((0, 3000),), validation=((3000, 9000),)),))
    with pytest.raises(BadAudioFile, match="too little audio"):
        run("a1-nano", short, 2)


def test_a_take_that_blows_up_does_not_ruin_the_weights() -> None:
    data = data_set(6.0)
    (take,) = data.takes
    wet = take.wet.copy()
    wet[5000] = np.float32(np.inf)
    broken = DataSet("broken", RATE_HZ, (Take("t", take.dry, wet, train=((6000, 100_000),), test=take.test),))
    assert math.isfinite(float(weights(run("a1-nano", broken, 5)).sum()))


def test_devices_are_named_or_picked() -> None:
    assert pick_device("cpu") == CPU
    assert pick_device().type in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(BadRequest, match="no cuda"):
            pick_device("cuda")
