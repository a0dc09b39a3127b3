"""A trained model's report: measured, drawn and written into a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from appliance.errors import NotInstalled
from appliance.formats.description import Description
from appliance.storage import save
from appliance.training.history import Epoch
from appliance.training.report.findings import Findings, measure
from appliance.training.report.page import Facts, render_page
from appliance.training.report.players import make_players
from appliance.training.takes import DataSet

PAGE_NAME = "report.html"


def write_report(
    folder: Path,
    description: Description,
    data: DataSet,
    history: Sequence[Epoch] = (),
    *,
    made_on: str = "",
    notes: Sequence[str] = (),
    recipe: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Path, Findings]:
    """Write `report.html` (self-contained) and its figures as PNG files into `folder`; returns the page's path and
    what was measured.

    description: what the engine will play (read back from the written model file, so that the report judges that).
    data: takes with `test` spans; the model is judged there alone. history: one entry per epoch, if it was trained
    here. made_on: a date to print. notes: sentences for the head. recipe: how it was trained, {"Loss": "…"}.
    progress: called with a few words at each step. Blocks for seconds to minutes. Imports no torch.
    Raises BadRequest (nothing to judge by, knobs that don't match), UnsupportedModel, StorageError, NotInstalled.
    """
    try:
        from appliance.training.report.figures import draw_all
    except ImportError as error:
        raise NotInstalled("The report is drawn by matplotlib: pip install 'appliance[train]'") from error
    found = measure(description, data, progress)
    progress("drawing")
    figures = draw_all(found, data, history)
    players = make_players(found.shown.device, found.shown.model, data.sample_rate_hz)
    page = render_page(description, data, history, found, figures, players, Facts(made_on, tuple(notes), recipe))
    for name, dresses in figures.items():
        save(folder / f"{name}.png", dresses["light"], worth_keeping=_never)
    path = folder / PAGE_NAME
    save(path, page.encode("utf-8"), worth_keeping=_never)
    return path, found


def _never(_: bytes) -> bool:
    return False  # an earlier report can be made again
