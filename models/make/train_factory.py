"""Train the factory models on the devices of `devices.py`, as `appliance train` does, and write `models/*.onnx`.

    PYTHONPATH=. python models/make/train_factory.py [crunch-50] [green-drive] [lead-100]

One core, minutes each, seeded. What was made stays in `build/factory/` with its report; a training that was cut off
goes on from there with `--resume`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import devices
import numpy as np
import numpy.typing as npt
import torch
from devices import Device
from material import RATE_HZ, guitar_phrases, other_sounds

from appliance.formats.description import Knob
from appliance.training.contract import DataSet, Span, Take
from appliance.training.networks.sizes import config_named
from appliance.training.plan import Budget
from appliance.training.progress import ProgressLine
from appliance.training.session import Job, run_job

MADE = Path("build/factory")
HEARD = (0.0, 0.25, 0.5, 0.75, 1.0)
NEVER_HEARD = (0.125, 0.375, 0.625, 0.875)
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 10, 15, 20
VALIDATION_S, TEST_S = 9, 12
RUN_UP_FRAMES = RATE_HZ // 8
# Network, seconds of guitar, rounds. Why these: models/README.md.
CHOICES = {
    "crunch-50": ("lstm-16", 75, 3500),
    "green-drive": ("lstm-16", 75, 2000),
    "lead-100": ("lstm-20", 150, 3500),
}


def recorded(device: Device, guitar_s: float) -> DataSet:
    """The device played at each position: phrases and other sounds to train with, other phrases to choose the best
    weights by, and others again to judge by. At the positions never heard it is only judged."""
    learned = np.concatenate([guitar_phrases(TRAIN_SEED, guitar_s), other_sounds(TRAIN_SEED)])
    chosen_by, judged_by = guitar_phrases(VALIDATION_SEED, VALIDATION_S), guitar_phrases(TEST_SEED, TEST_S)
    everything = np.concatenate([learned, chosen_by, judged_by])
    chosen_at, judged_at = len(learned), len(learned) + len(chosen_by)

    def take(position: float, dry: npt.NDArray[np.float64], **spans: tuple[Span, ...]) -> Take:
        return Take(
            name=f"{device.display_name} at {position:g}" if device.knob else device.display_name,
            dry=dry.astype(np.float32),
            wet=device.process(dry, position).astype(np.float32),
            knobs=(position,) if device.knob else (),
            held_out="train" not in spans,
            test=((len(dry) - len(judged_by) + RUN_UP_FRAMES, len(dry)),),
            **spans,
        )

    heard = [
        take(position, everything, train=((0, chosen_at),), validation=((chosen_at + RUN_UP_FRAMES, judged_at),))
        for position in (HEARD if device.knob else (0.5,))
    ]
    never_heard = [take(position, judged_by) for position in (NEVER_HEARD if device.knob else ())]
    knobs = (Knob(device.knob, heard=HEARD),) if device.knob else ()
    return DataSet(device.display_name, RATE_HZ, (*heard, *never_heard), knobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*CHOICES], metavar="DEVICE")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--resume", action="store_true", help="go on with a training that was cut off")
    options = parser.parse_args()
    torch.set_num_threads(1)
    MADE.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        device, (network, guitar_s, rounds) = devices.DEVICES[name], CHOICES[name]
        data = recorded(device, guitar_s)
        job = Job(
            name=device.display_name,
            folder=MADE,
            config=config_named(network),
            budget=Budget(rounds=rounds, clock=time.process_time),
            resume=options.resume,
            licence="MIT",
        )
        line = ProgressLine(sys.stderr)
        outcome = run_job(job, data, show=line.show)
        line.close()
        shutil.copyfile(outcome.model_path, options.out / f"{name}.onnx")
        print(f"{device.display_name} ({network}): {outcome.trained.seconds:.0f} s of CPU, test ESR:")
        for judged in sorted(outcome.found.judged, key=lambda judged: judged.take.knobs):
            print(f"  {judged.take.name}: {judged.esr:.4f}")


if __name__ == "__main__":
    main()
