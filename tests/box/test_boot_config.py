"""Boot files: our part goes in and comes out again, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box import boot_config

# Bytes as people and their editors leave them: any line ends, none at the end, sections, comments, damage.
_PIECES = st.sampled_from(
    [b"\n", b"\r\n", b"[pi4]", b"[all]", b"# comment", b"dtparam=audio=on", b" ", b"\t", b"\xff\x00", b"=", b"#", b"x"]
)
_FILES = st.lists(st.one_of(_PIECES, st.binary(max_size=4)), max_size=30).map(b"".join)
_LINES = st.lists(
    st.sampled_from(["dtoverlay=pisound", "dtparam=spi=on", "dtparam=audio=off", "gpu_mem=16"]), max_size=4, unique=True
)
_WORDS = st.lists(st.sampled_from(["isolcpus=3", "irqaffinity=0-2", "rcu_nocbs=3", "quiet"]), max_size=4, unique=True)


@given(_FILES, _LINES)
def test_config_is_byte_for_byte_what_it_was_once_our_lines_are_out(config: bytes, lines: list[str]) -> None:
    assert boot_config.remove_lines(boot_config.put_lines(config, lines)) == config


@given(_FILES, _LINES, _LINES)
def test_putting_lines_again_leaves_the_last_ones_only(config: bytes, first: list[str], last: list[str]) -> None:
    twice = boot_config.put_lines(boot_config.put_lines(config, first), last)
    assert twice == boot_config.put_lines(config, last)
    assert boot_config.put_lines(twice, last) == twice


@given(_FILES, _LINES.filter(bool), _FILES)
def test_what_others_append_later_stays_on_lines_of_its_own(config: bytes, lines: list[str], added: bytes) -> None:
    later = boot_config.put_lines(config, lines) + added
    assert boot_config.put_lines(later, lines) == later
    kept = boot_config.remove_lines(later)
    newline = b"" if not added or not config or config.endswith(b"\n") else b"\n"
    assert kept == config + newline + added


@given(_FILES, _WORDS)
def test_cmdline_is_byte_for_byte_what_it_was_once_our_words_are_out(cmdline: bytes, words: list[str]) -> None:
    assert boot_config.remove_words(boot_config.put_words(cmdline, words)) == cmdline


@given(_FILES, _WORDS, _WORDS)
def test_putting_words_again_leaves_the_last_ones_only(cmdline: bytes, first: list[str], last: list[str]) -> None:
    twice = boot_config.put_words(boot_config.put_words(cmdline, first), last)
    assert twice == boot_config.put_words(cmdline, last)
    assert boot_config.put_words(twice, last) == twice


@given(_FILES, _WORDS)
def test_cmdline_stays_as_many_lines_as_it_was(cmdline: bytes, words: list[str]) -> None:
    assert boot_config.put_words(cmdline, words).count(b"\n") == cmdline.count(b"\n")


def test_our_lines_hold_on_every_pi_whatever_section_came_last() -> None:
    text = boot_config.put_lines(b"dtparam=audio=on\n[cm5]\ndtoverlay=dwc2\n", ["dtparam=audio=off"]).decode()
    sections = [line for line in text.splitlines() if line.startswith("[")]
    assert sections == ["[cm5]", "[all]"]
    assert text.index("[all]") < text.index("dtparam=audio=off")
    assert text.rindex("dtparam=audio=off") > text.rindex("dtparam=audio=on")


def test_our_words_come_behind_the_kernels_on_its_line() -> None:
    made = boot_config.put_words(b"console=tty1 root=PARTUUID=1 rootwait\n", ["isolcpus=3", "rcu_nocbs=3"])
    assert made == b"console=tty1 root=PARTUUID=1 rootwait appliance.begin isolcpus=3 rcu_nocbs=3 appliance.end\n"


def test_a_word_that_the_owner_has_set_is_left_to_the_owner() -> None:
    made = boot_config.put_words(b"root=1 isolcpus=2\n", ["isolcpus=3", "rcu_nocbs=3"])
    assert made == b"root=1 isolcpus=2 appliance.begin rcu_nocbs=3 appliance.end\n"


def test_active_lines_are_the_owners_alone() -> None:
    config = boot_config.put_lines(b"# dtoverlay=old\n [pi4]\n dtoverlay=wm8960-soundcard \n\n", ["dtoverlay=pisound"])
    assert boot_config.active_lines(config) == ["dtoverlay=wm8960-soundcard"]


@pytest.mark.parametrize(
    ("core", "cores", "others"), [(3, 4, "0-2"), (1, 2, "0"), (0, 4, "1,2,3"), (2, 4, "0,1,3"), (7, 8, "0-6")]
)
def test_interrupts_go_to_every_core_but_the_sounds(core: int, cores: int, others: str) -> None:
    words = boot_config.isolation_words(core, cores)
    assert words == [f"isolcpus=domain,managed_irq,{core}", f"irqaffinity={others}", f"rcu_nocbs={core}"]
