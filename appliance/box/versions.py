"""Versions side by side: each a virtual environment that is never changed once made; a link says which one plays.

The links are swapped by renaming, so that at any moment, a power cut included, `current` leads to a whole version.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from appliance import storage
from appliance.box.layout import Box
from appliance.box.run import run
from appliance.errors import StorageError

_COMPLETE = ".complete"  # written last: a version without it was cut off while it was made
_MAKE_TIMEOUT_S = 3600.0
# A wheel made for another processor imports well, and dies of an illegal instruction when it starts to work.
_TRIAL = "from appliance.engine._native import Pedal; Pedal(48_000, 64)"
_PARTS_OF_A_CHECKOUT = ("appliance", "web", "models", "system", "pyproject.toml", "constraints.txt")
_NOT_PARTS = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
_DIGEST_DIGITS = 10


def is_whole(box: Box, name: str) -> bool:
    """Whether a version of that name is there and was made to the end."""
    return (box.versions / name / _COMPLETE).is_file()


def name_of(link: Path) -> str | None:
    """The version that `current` or `previous` leads to; None without one."""
    try:
        return link.readlink().name
    except OSError:
        return None


def name_for_wheels(folder: Path, version: str) -> str:
    """A name that stands for exactly these wheels. Raises OSError."""
    return f"{version}-{_digest(sorted(folder.glob('*.whl')), folder)}"


def name_for_checkout(folder: Path, version: str) -> str:
    """A name that stands for exactly these sources. Raises OSError."""
    found: list[Path] = []
    for part in _PARTS_OF_A_CHECKOUT:
        if (folder / part).is_file():
            found.append(folder / part)
        for at, folders, names in os.walk(folder / part):
            folders[:] = [name for name in folders if name not in _NOT_PARTS]
            found.extend(Path(at) / name for name in names if not name.endswith((".pyc", ".so")))
    return f"{version}-{_digest(sorted(found), folder)}"


def make(
    box: Box,
    name: str,
    pip_arguments: Sequence[str],
    environment: Sequence[str] = (),
    *,
    test: Callable[[str], object] = lambda python: None,
) -> None:
    """Make version `name`: a virtual environment with what `pip install` brings. Blocks for minutes.

    environment: further "NAME=value" for pip. test: gets the path of its Python, and raises if it will not do. A
    half-made version of that name is replaced; nothing is switched.
    Raises SystemRefused (the words of venv or pip), StorageError, whatever `test` raises.
    """
    folder = box.versions / name
    try:
        shutil.rmtree(folder, ignore_errors=True)
        box.versions.mkdir(parents=True, exist_ok=True)
        python = getattr(sys, "_base_executable", sys.executable)
        run([python, "-m", "venv", str(folder)], timeout_s=_MAKE_TIMEOUT_S)
        # -I: the installer was found through PYTHONPATH, which leads to a checkout without the compiled part.
        alone = [str(folder / "bin/python"), "-I"]
        pip = [*alone, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", "install"]
        run(["env", *environment, *pip, *pip_arguments], timeout_s=_MAKE_TIMEOUT_S)
        run([*alone, "-c", _TRIAL])
        test(str(folder / "bin/python"))
        run(["sync", "-f", str(folder)], timeout_s=300.0)
        (folder / _COMPLETE).touch()
        storage.sync_folder(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, StorageError):
            raise
        raise storage.storage_error(f"version {name} could not be made", error) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def switch(box: Box, name: str) -> None:
    """Let `current` lead to version `name`, and `previous` to what it led to. Raises StorageError."""
    before = name_of(box.current)
    if before == name:
        return
    try:
        if before is not None:
            point(box.previous, before)
        point(box.current, name)
    except OSError as error:
        raise storage.storage_error(f"version {name} could not be switched to", error) from error


def forgotten(box: Box) -> list[str]:
    """Versions that neither link leads to, half-made ones among them."""
    kept = {name_of(box.current), name_of(box.previous)}
    try:
        return sorted(path.name for path in box.versions.iterdir() if path.name not in kept)
    except FileNotFoundError:
        return []


def back(box: Box) -> str | None:
    """The version to go back to: a whole one, and not the current one. None where there is no such."""
    name = name_of(box.previous)
    return name if name is not None and name != name_of(box.current) and is_whole(box, name) else None


def point(link: Path, name: str) -> None:
    """Let `current` or `previous` lead to a version, at once or not at all. Raises OSError."""
    temporary = link.with_name(f".{link.name}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # noqa: PTH108 – system calls that a test makes fail all stand in `os`
    os.symlink(f"versions/{name}", temporary)  # noqa: PTH211
    os.replace(temporary, link)  # noqa: PTH105
    storage.sync_folder(link.parent)


def tidy(box: Box) -> None:
    """Throw away what neither link leads to. Never raises; never touches what plays."""
    current = name_of(box.current)
    if current is not None and is_whole(box, current):
        for name in forgotten(box):
            shutil.rmtree(box.versions / name, ignore_errors=True)


def _digest(files: Iterable[Path], base: Path) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(base)}\0{content}\n".encode())
    return digest.hexdigest()[:_DIGEST_DIGITS]
