"""Boot settings of a Raspberry Pi: our lines in config.txt, our words in cmdline.txt, and nothing else touched.

Both functions work on bytes and are exact inverses: what `remove` gives is what there was before `put`, byte for byte,
with whatever others changed outside of our part. The firmware reads config.txt from top to bottom, so our block stands
at the end, behind whatever section (`[pi4]`, …) came last, and opens `[all]` for itself.

cmdline.txt is one line and knows no comments: our words stand between two that the kernel ignores (it takes a word with
a dot for a parameter of a module that may come).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BEGIN = b"# >>> appliance: lines up to the next mark belong to its installer"
_JOINED = b" (no line end stood before this)"  # so that removing gives back a file without a last line end
_END = b"# <<< appliance"
_BLOCK = re.compile(
    rb"(?P<before>\n?)" + re.escape(_BEGIN) + rb"(?P<joined>" + re.escape(_JOINED) + rb")?\r?\n"
    rb".*?" + re.escape(_END) + rb"\r?\n?",
    re.DOTALL,
)  # fmt: skip

_FIRST_WORD, _LAST_WORD = b"appliance.begin", b"appliance.end"
_WORDS = re.compile(rb" " + re.escape(_FIRST_WORD) + rb"(?: [^\n]*?)? " + re.escape(_LAST_WORD) + rb"(?=[ \r\n]|\Z)")


def put_lines(config: bytes, lines: Sequence[str]) -> bytes:
    """config.txt with our block holding `lines`; one that is there is replaced where it stands. No lines: no block."""
    found = _found(config)
    if not lines:
        return remove_lines(config)
    as_before = config if found is None else config[found[0] : found[1]]  # lines added behind the block change nothing
    end = b"\r\n" if b"\r\n" in as_before else b"\n"
    inside = end.join((b"[all]", *(line.encode() for line in lines), _END))
    if found is not None:
        start, stop, joined = found
        mark = _BEGIN + (_JOINED if joined else b"")
        return config[:start] + (b"\n" if joined else b"") + mark + end + inside + b"\n" + config[stop:]
    joined = bool(config) and not config.endswith(b"\n")
    return config + (b"\n" if joined else b"") + _BEGIN + (_JOINED if joined else b"") + end + inside + b"\n"


def remove_lines(config: bytes) -> bytes:
    """config.txt without our block."""
    found = _found(config)
    if found is None:
        return config
    start, stop, joined = found
    rest = config[stop:]
    # Lines that somebody added behind the block still begin on a line of their own.
    return config[:start] + (b"\n" + rest if joined and rest else rest)


def put_words(cmdline: bytes, words: Sequence[str]) -> bytes:
    """cmdline.txt with our words at the end of its line; those that are there are replaced. No words: none are left.

    A word whose name (`isolcpus=`) the owner has set by hand is left out: the owner's counts.
    """
    cmdline = remove_words(cmdline)
    line, newline, rest = cmdline.partition(b"\n")
    carriage = b"\r" if line.endswith(b"\r") else b""
    line = line.removesuffix(b"\r")
    taken = {word.partition(b"=")[0] for word in line.split()}
    ours = [word.encode() for word in words if word.encode().partition(b"=")[0] not in taken]
    if not ours:
        return cmdline
    return line + b" " + b" ".join((_FIRST_WORD, *ours, _LAST_WORD)) + carriage + newline + rest


def remove_words(cmdline: bytes) -> bytes:
    """cmdline.txt without our words."""
    return _WORDS.sub(b"", cmdline, count=1)


def active_lines(config: bytes) -> list[str]:
    """The lines of config.txt outside of our block that say something, without comments, in any section."""
    text = remove_lines(config).decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "["))]


def isolation_words(core: int, cores: int) -> list[str]:
    """Kernel words that keep a core for the sound.

    isolcpus=domain: the scheduler puts nothing there by itself; managed_irq: nor do drivers that spread their
    interrupts (NVMe); irqaffinity: all other interrupts go to the other cores; rcu_nocbs: the kernel's deferred
    clean-up too. Not nohz_full: it saves the tick of a thread that computes without pause, and makes each entry into
    the kernel dearer; the sound enters it 1,500 times a second. Source: the kernel's admin-guide/kernel-parameters.
    """
    others = f"0-{core - 1}" if core == cores - 1 else ",".join(str(n) for n in range(cores) if n != core)
    others = "0" if others == "0-0" else others
    return [f"isolcpus=domain,managed_irq,{core}", f"irqaffinity={others}", f"rcu_nocbs={core}"]


def _found(config: bytes) -> tuple[int, int, bool] | None:
    """Where the block begins and ends, and whether the line end before it is ours."""
    match = _BLOCK.search(config)
    if match is None:
        return None
    joined = match["joined"] is not None
    return (match.start() if joined else match.start() + len(match["before"])), match.end(), joined
