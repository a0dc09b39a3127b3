"""Items survive about.json, and names are fit to be shown."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from appliance.formats.description import Knob
from appliance.library.items import CabinetItem, ModelItem, Prepared, clean_name

PREPARED = Prepared("model.blob", 10, 99, 1)


def test_items_come_back_from_json_as_they_were() -> None:
    model = ModelItem(
        id="0123456789abcdef",
        name="Blüe",
        file_name="b.nam",
        sample_rate_hz=48000,
        factory=False,
        notes=("one", "two"),
        prepared=PREPARED,
        format="NAM 0.5.4",
        architecture="LSTM 1×16",
        knobs=(Knob("Gain", 0.0, 1.0, 0.5, "", (0.0, 1.0)),),
        loudness_db=-18.5,
        esr=None,
        licence=None,
        pi_estimates=({"board": "Pi 4", "share": 0.1, "low": 0.07, "high": 0.13, "period_frames": 16},),
    )
    assert ModelItem.from_json(json.loads(json.dumps(model.to_json()))) == model
    older = model.to_json()
    del older["pi_estimates"]
    assert ModelItem.from_json(older).pi_estimates == ()
    cabinet = CabinetItem("f" * 16, "4x12", "c.wav", 44100, True, (), PREPARED, 2000, 2)
    assert CabinetItem.from_json(json.loads(json.dumps(cabinet.to_json()))) == cabinet


def test_the_state_says_what_the_table_of_commands_says() -> None:
    cabinet = CabinetItem("f" * 16, "4x12", "c.wav", 44100, True, (), PREPARED, 2000, 2)
    assert set(cabinet.to_state()) == {
        "id",
        "name",
        "file_name",
        "sample_rate_hz",
        "frames",
        "channels",
        "factory",
        "notes",
    }


@given(st.text())
def test_any_name_becomes_one_short_printable_line(text: str) -> None:
    name = clean_name(text, otherwise="nameless")
    assert name
    assert len(name) <= 80
    assert name.isprintable()
    assert name == name.strip()
    assert clean_name(name, otherwise="") == name


def test_ordinary_names_stay_as_they_are() -> None:
    assert clean_name("Fender ’65 – Überdrive 🎸", otherwise="") == "Fender ’65 – Überdrive 🎸"
    assert clean_name(" a\n\tb\u202ec\x00 ", otherwise="") == "a b c"
    assert clean_name("\u200b\n", otherwise="nameless") == "nameless"
