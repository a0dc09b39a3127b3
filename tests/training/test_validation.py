"""Judging in rows must be judging in one go."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from appliance.training import validation
from appliance.training.networks.sizes import build, config_named
from appliance.training.report.measures import esr
from tests.training.devices import RATE_HZ, data_set


@pytest.mark.parametrize("name", ["a1-nano", "lstm-8"])
def test_rows_give_the_esr_of_playing_straight_through(name: str) -> None:
    data = data_set(6.0)
    (take,) = data.takes
    torch.manual_seed(3)
    network = build(config_named(name), 0, RATE_HZ)
    scale = 3.0
    found = validation.Validation(data, network, scale, torch.device("cpu")).esr(network)
    ((first, end),) = take.validation
    past = network.past_frames
    with torch.no_grad():
        output, _ = network(torch.from_numpy(take.dry[None, :end]), torch.zeros(1, 0))
    made = output[0, first - past :].numpy() if past else output[0, first:].numpy()
    assert found == pytest.approx(esr(take.wet[first:end] * np.float32(scale), made), rel=1e-3)


def test_nonsense_is_worse_than_anything() -> None:
    data = data_set(6.0)
    network = build(config_named("a1-nano"), 0, RATE_HZ)
    with torch.no_grad():
        next(iter(network.parameters())).fill_(torch.nan)
    judge = validation.Validation(data, network, 1.0, torch.device("cpu"))
    assert judge.esr(network) == float("inf")
