"""Fixtures of the audio tests."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Says a line in the test output, also when all is well: for what is measured and not only judged."""

    def say(words: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {words}\n")

    return say
