"""Turn the checkpoints of `train_factory.py` into the factory model files `models/*.onnx`.

PYTHONPATH=. python models/make/write_factory.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from devices import DEVICES, Device
from networks import KnobLstm, NanoWaveNet
from train_factory import CHECKPOINTS, HEARD, RATE_HZ

from appliance.formats.description import Architecture, Description, Knob
from appliance.formats.own import write_own

DEFAULT_KNOB = 0.5


def description(device: Device, checkpoint: dict[str, Any]) -> Description:
    """Everything the pedal needs to know of one trained device."""
    architecture: Architecture
    if hidden := checkpoint["hidden"]:
        lstm = KnobLstm(2, hidden)
        lstm.load_state_dict(checkpoint["weights"])
        architecture = lstm.architecture(DEFAULT_KNOB)
    else:
        wavenet = NanoWaveNet()
        wavenet.load_state_dict(checkpoint["weights"])
        architecture = wavenet.architecture()
    esr: dict[float, float] = checkpoint["esr"]
    metadata: dict[str, Any] = {"made": f"trained on a simulated circuit ({device.how}); models/make/train_factory.py"}
    if device.knob:
        metadata["esr_by_knob"] = {f"{position:g}": round(value, 4) for position, value in esr.items()}
    return Description(
        name=device.display_name,
        source_format="own",
        architecture=architecture,
        sample_rate_hz=RATE_HZ,
        knobs=(Knob(device.knob, default=DEFAULT_KNOB, heard=HEARD),) if device.knob else (),
        esr=round(sum(esr.values()) / len(esr), 4),
        licence="MIT",
        metadata=metadata,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("names", nargs="*", default=[*DEVICES], metavar="DEVICE")
    options = parser.parse_args()
    for name in options.names:
        device = DEVICES[name]
        checkpoint = torch.load(CHECKPOINTS / f"{name}.pt", weights_only=True)
        path = options.out / f"{name}.onnx"
        made = description(device, checkpoint)
        write_own(made, path)
        print(f"{path}: ESR {made.esr}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
