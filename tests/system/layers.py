"""Folders that are slow to make, kept under a hash of what they are made of."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

_KEPT_OF_EACH = 3


def cache() -> Path:
    """$APPLIANCE_TEST_CACHE, or a folder in the user's cache."""
    value = os.environ.get("APPLIANCE_TEST_CACHE")
    return Path(value) if value else Path.home() / ".cache" / "appliance-test-system"


def layer(name: str, ingredients: Iterable[str | Path], make: Callable[[Path], None]) -> Path:
    """The folder `make` fills, made once for the same ingredients (words, files, folders of files). Blocks, for
    minutes at times. Two test runs that want the same wait for each other; older ones of that name are removed."""
    folder = cache() / f"{name}-{digest(ingredients)}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _make(name, folder, make)
        os.utime(folder)
        kept = sorted(cache().glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-_KEPT_OF_EACH]:
            shutil.rmtree(old)
    return folder


def digest(ingredients: Iterable[str | Path]) -> str:
    """A short hash of words, files' contents and folders' files."""
    found = hashlib.sha256()
    for ingredient in ingredients:
        for part in _parts(ingredient):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()[:12]


def command(words: Sequence[str | Path], *, cwd: Path | None = None, more: dict[str, str] | None = None) -> str:
    """Run a program of this machine; what it printed. RuntimeError with the end of what it said when it fails."""
    environment = {**os.environ, **(more or {})}
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def _make(name: str, folder: Path, make: Callable[[Path], None]) -> None:
    began = time.monotonic()
    for cut_off in cache().glob(f".{name}-*"):
        shutil.rmtree(cut_off)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache()) as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        make(made)
        made.rename(folder)
    sys.stderr.write(f"[{name} made in {time.monotonic() - began:.0f} s]\n")


def _parts(ingredient: str | Path) -> Iterable[bytes]:
    if isinstance(ingredient, str):
        yield ingredient.encode()
    elif ingredient.is_dir():
        for path in sorted(ingredient.rglob("*")):
            if path.is_file() and path.suffix != ".so" and "__pycache__" not in path.parts:  # made from the others
                yield str(path.relative_to(ingredient)).encode()
                yield path.read_bytes()
    else:
        yield ingredient.read_bytes()
