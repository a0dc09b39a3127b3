"""Each outside library of the hands has one module that imports it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import appliance

PACKAGE = Path(appliance.__file__).parent


def importers(library: str) -> set[str]:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            if any(name.partition(".")[0] == library for name in names):
                found.add(str(path.relative_to(PACKAGE)))
    return found


@pytest.mark.parametrize(
    ("library", "module"),
    [
        ("gpiozero", "panel/pins.py"),
        ("mido", "panel/midi.py"),
        ("smbus2", "panel/ads1x15.py"),
        ("pi5neo", "panel/strip.py"),
    ],
)
def test_one_module_imports_it(library: str, module: str) -> None:
    assert importers(library) == {module}
