"""Presets on disk: kept whole through damage and power cuts, in their order, within their limits."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import storage
from appliance.errors import BadRequest, NotAllowed, NotFound, StorageError
from appliance.library import presets
from appliance.library.presets import Preset, PresetBook, Scene, clean_bindings

LEAD = Preset(
    "",
    "Lead",
    model="m1",
    model_name="Amp",
    cabinet="c1",
    cabinet_name="Box",
    knobs={"Gain": 0.7},
    gate_threshold_db=-60.0,
    bass_db=3.0,
    level_db=-1.5,
    boost_db=6.0,
    oversample=2,
    bindings={"switch 1": "boost"},
    scenes=(Scene("Solo", {"Gain": 0.9}), Scene("Verse", {"Gain": 0.2})),
)


def names(book: PresetBook) -> list[str]:
    return [preset.name for preset in book.presets]


def filled(file: Path, *wanted: str) -> PresetBook:
    book = PresetBook(file)
    book.add([Preset("", name) for name in wanted])
    return book


def test_every_field_of_a_preset_is_back_after_power_off(tmp_path: Path) -> None:
    book = PresetBook(tmp_path / "presets.json")
    assert book.is_new
    (made,) = book.add([LEAD])
    book.set_bank_size(4)
    again = PresetBook(tmp_path / "presets.json")
    assert again.presets == (replace(LEAD, id=made.id),)
    assert (again.bank_size, again.is_new, again.note) == (4, False, None)


def test_presets_are_added_behind_moved_renamed_and_removed(tmp_path: Path) -> None:
    book = filled(tmp_path / "p.json", "A", "B", "C")
    first = book.presets[0].id
    book.add([Preset("", "A2")], behind=first)
    assert names(book) == ["A", "A2", "B", "C"]
    book.move(first, 2)
    assert names(book) == ["A2", "B", "A", "C"]
    book.move(first, 99)
    book.rename(first, "  Amp \n one ")
    assert names(book) == ["A2", "B", "C", "Amp one"]
    book.remove(book.presets[0].id)
    assert names(PresetBook(tmp_path / "p.json")) == ["B", "C", "Amp one"]


def test_ids_are_never_shared(tmp_path: Path) -> None:
    book = filled(tmp_path / "p.json", *"ABCDEFGH")
    assert len({preset.id for preset in book.presets}) == 8


def test_what_is_not_there_or_makes_no_sense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = filled(tmp_path / "p.json", "A")
    for act in (book.get, book.remove, lambda one: book.rename(one, "x"), lambda one: book.move(one, 0)):
        with pytest.raises(NotFound, match="no preset 'nothing'"):
            act("nothing")
    for size in (0, 11, True):
        with pytest.raises(BadRequest, match="1 to 10"):
            book.set_bank_size(size)
    monkeypatch.setattr(presets, "MAX_PRESETS", 1)
    with pytest.raises(NotAllowed, match="delete some first"):
        book.add([LEAD])


def test_a_torn_file_falls_back_to_the_copy_before_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "presets.json"
    book = filled(file, "A", "B")
    book.rename(book.presets[0].id, "Changed")
    file.write_bytes(file.read_bytes()[:-40])
    again = PresetBook(file)
    assert names(again) == ["A", "B"]
    assert again.note is not None
    assert "presets.json.prev" in again.note
    assert not again.is_new  # or the factory's would be added to them


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "link"])
def test_a_save_that_fails_leaves_the_presets_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    book = filled(tmp_path / "p.json", "A", "B")
    with monkeypatch.context() as patched:
        patched.setattr(storage.os, call, full)
        with pytest.raises(StorageError, match="disk is full"):
            book.remove(book.presets[0].id)
    assert names(book) == names(PresetBook(tmp_path / "p.json")) == ["A", "B"]


def test_bindings_are_texts(tmp_path: Path) -> None:
    assert clean_bindings({"switch 1": "next-preset"}) == {"switch 1": "next-preset"}
    for wrong in ([], {"a": 1}, {"a": ""}, {"a": "x" * 99}, {str(n): "boost" for n in range(99)}):
        with pytest.raises(BadRequest):
            clean_bindings(wrong)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(entry=st.dictionaries(st.sampled_from([*LEAD.to_json()]), junk), size=junk)
def test_junk_with_a_good_checksum_becomes_defaults_never_an_error(entry: dict[str, object], size: object) -> None:
    content = presets._content_from({"presets": [{"id": "x", **entry}], "bank_size": size})
    assert 1 <= content.bank_size <= 10
    for preset in content.presets:
        json.dumps(preset.to_json(), allow_nan=False)
        assert preset.oversample in (1, 2, 4)
