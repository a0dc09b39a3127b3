"""Programs of the system: their output, or their words as an error."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from appliance.box.run import run
from appliance.errors import ExitCode, SystemRefused


def test_what_it_printed_comes_back_and_nothing_passes_a_shell() -> None:
    assert run(["echo", "$HOME; false", "a  b"]) == "$HOME; false a  b\n"


def test_it_speaks_the_language_that_can_be_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", "echo $LC_ALL"]) == "C.UTF-8\n"


def test_its_own_words_are_the_message() -> None:
    with pytest.raises(SystemRefused, match=r"^ls /no/such failed \(exit code 2\): .*No such file") as refused:
        run(["ls", "/no/such"])
    assert refused.value.exit_code is ExitCode.SYSTEM_REFUSED


def test_without_words_on_stderr_what_it_printed_is_the_message() -> None:
    with pytest.raises(SystemRefused, match=r"\(exit code 3\): on the wrong pipe"):
        run([sys.executable, "-c", "print('on the wrong pipe'); raise SystemExit(3)"])


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemRefused, match="no program nosuchprogram on this system"):
        run(["nosuchprogram", "--on"])
    with pytest.raises(SystemRefused, match="Permission denied"):
        run([str(tmp_path)])


def test_one_that_does_not_end_is_stopped() -> None:
    begun = time.monotonic()
    with pytest.raises(SystemRefused, match=r"sleep 60 did not end within 0\.2 s"):
        run(["sleep", "60"], timeout_s=0.2)
    assert time.monotonic() - begun < 10
