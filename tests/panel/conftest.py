"""A stocked library, and a panel that has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.library.store import Library
from tests.library_files import write_cabinet, write_knobbed, write_linear
from tests.panel.bench import Bench


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with a knobbed model, a plain one and two cabinets, to be copied."""
    folder = tmp_path_factory.mktemp("stocked")
    library = Library(folder / "data")
    library.import_file(write_knobbed(folder / "OD DriveKnob.json"), name="OD")
    library.import_file(write_linear(folder / "plain.nam"), name="Plain")
    library.import_file(write_cabinet(folder / "one.wav", 1, 44_100), name="One")
    library.import_file(write_cabinet(folder / "two.wav", 2), name="Two")
    return folder / "data"


@pytest.fixture
def bench(tmp_path: Path, stocked: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, stocked)
    yield made
    made.panel.close()
