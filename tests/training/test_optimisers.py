"""Adam on flat weights against PyTorch's."""

from __future__ import annotations

import torch
from torch import nn

from appliance.training.optimisers import Adam, FlatWeights


def test_it_steps_as_pytorchs_adam_does() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    flat = FlatWeights(ours)
    stepper = Adam(flat.values.numel(), flat.values.device)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(20):
        audio = torch.randn(7, 5)
        flat.gradient.zero_()
        ours(audio).square().sum().backward()
        reference.zero_grad()
        theirs(audio).square().sum().backward()
        with torch.no_grad():
            stepper.step(flat.values, flat.gradient, 0.01)
        reference.step()
    for made, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(made, wanted, rtol=1e-5, atol=1e-6)


def test_a_kept_state_goes_on_alike() -> None:
    gradients = torch.randn(10, 6, generator=torch.Generator().manual_seed(1))
    straight, cut = (torch.zeros(6) for _ in range(2))
    first = Adam(6, torch.device("cpu"))
    for gradient in gradients:
        first.step(straight, gradient, 0.1)
    before, after = Adam(6, torch.device("cpu")), Adam(6, torch.device("cpu"))
    for gradient in gradients[:5]:
        before.step(cut, gradient, 0.1)
    after.load(before.state())
    for gradient in gradients[5:]:
        after.step(cut, gradient, 0.1)
    assert torch.equal(straight, cut)
