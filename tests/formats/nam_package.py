"""Shared by the tests beside the package `neural-amp-modeler`."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import pytest
import torch

from appliance.engine.contract import Float32


def nam_output(nam: ModuleType, file: dict[str, Any], audio: Float32) -> Float32:
    """What the package plays of a file's content."""
    model = nam.init_from_nam(file)
    model.eval()
    with torch.no_grad():
        output: Float32 = model(torch.from_numpy(audio), pad_start=True).numpy()
    return output


def import_nam() -> ModuleType:
    """The package; what it imports warns of its own future, which is not ours. Skips the test where it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("nam.models")
