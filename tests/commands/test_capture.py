"""The commands before training."""

from __future__ import annotations

from appliance.capture import take
from appliance.commands import capture


def test_the_command_offers_the_checks_that_may_be_passed_over() -> None:
    assert capture.ACCEPTABLE == take.ACCEPTABLE
    (accept,) = (option for option in capture.data_command.params if option.name == "accept")
    assert tuple(accept.type.choices) == take.ACCEPTABLE  # type: ignore[attr-defined]
