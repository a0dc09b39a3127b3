"""Files from a phone: stored under our names, judged by the panel, gone afterwards."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from appliance.web import upload
from appliance.web.control import MAX_NAME_CHARACTERS
from tests.web.scripted_pedal import MODELS, ScriptedPedal

CONFIRM = {"X-Pedal": "1"}


def send(phone: FlaskClient, *files: tuple[bytes, str]) -> TestResponse:
    form = {"file": [(io.BytesIO(data), name) for data, name in files]}
    answer = phone.post("/api/upload", data=form, headers=CONFIRM)
    answer.request.input_stream.close()  # the test client keeps large bodies in a temporary file
    return answer


def test_a_file_reaches_the_panel_whole_and_leaves_the_inbox(
    pedal: ScriptedPedal, phone: FlaskClient, tmp_path: Path
) -> None:
    seen: list[tuple[bytes, Path]] = []

    def judge(path: Path) -> dict[str, Any]:
        seen.append((path.read_bytes(), path))
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        return MODELS[0]

    pedal.panel.imports = judge
    answer = send(phone, (b"{}" * 50_000, "Größe 1.nam"))
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["results"][0]["item"]["id"] == "m-clean"
    (data, path) = seen[0]
    assert data == b"{}" * 50_000
    assert path.name == "Größe 1.nam"
    assert path.parent.parent == tmp_path / "inbox"
    assert list((tmp_path / "inbox").iterdir()) == []


def test_the_panels_words_are_passed_on_and_the_file_goes(
    pedal: ScriptedPedal, phone: FlaskClient, tmp_path: Path
) -> None:
    pedal.panel.refuse_files("this is a web page, not a model: download the file itself")
    answer = send(phone, (b"<!DOCTYPE html>", "bluesJR-Clean.json"))
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["status"] == "bad_file"
    assert "this is a web page" in answer.json["message"]
    assert list((tmp_path / "inbox").iterdir()) == []


def test_one_bad_file_among_good_ones_is_told_apart(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    pedal.panel.imports = lambda _path: MODELS[0]
    answer = send(phone, (b"good", "good.nam"), (b"", "empty.nam"))
    assert answer.status_code == 200
    assert answer.json is not None
    assert [result["status"] for result in answer.json["results"]] == ["ok", "bad_file"]
    assert "empty.nam is empty" in answer.json["results"][1]["message"]


@pytest.mark.parametrize(("name", "cap"), [("big.nam", "MAX_MODEL_BYTES"), ("big.WAV", "MAX_CABINET_BYTES")])
def test_too_large_is_refused_before_the_panel_hears_of_it(
    pedal: ScriptedPedal, phone: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, cap: str
) -> None:
    monkeypatch.setattr(upload, cap, 1 << 20)
    answer = send(phone, (bytes((1 << 20) + 1), name))
    assert answer.status_code == 413
    assert answer.json is not None
    assert "larger than 1 MB" in answer.json["message"]
    assert pedal.panel.requests == []
    assert list((tmp_path / "inbox").iterdir()) == []


def test_a_request_larger_than_any_file_is_refused_in_words(phone: FlaskClient) -> None:
    kind = "multipart/form-data; boundary=x"
    size = {"CONTENT_LENGTH": str(1 << 30)}
    answer = phone.post("/api/upload", content_type=kind, headers=CONFIRM, environ_overrides=size)
    assert answer.status_code == 413
    assert answer.json is not None
    assert "32 MB" in answer.json["message"]


def test_no_file_is_an_error_in_words(phone: FlaskClient) -> None:
    answer = phone.post("/api/upload", data={"other": "x"}, headers=CONFIRM)
    assert answer.status_code == 400
    assert answer.json is not None
    assert "No file came" in answer.json["message"]


def test_a_plain_form_of_another_page_cannot_upload(pedal: ScriptedPedal, phone: FlaskClient) -> None:
    answer = phone.post("/api/upload", data={"file": (io.BytesIO(b"x"), "x.nam")})
    assert answer.status_code == 403
    assert pedal.panel.requests == []


def test_an_inbox_that_cannot_be_written_is_told(pedal: ScriptedPedal, phone: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("a file where the folder should be")
    answer = send(phone, (b"x", "x.nam"))
    assert answer.status_code == 507
    assert answer.json is not None
    assert "could not be stored" in answer.json["message"]


def test_without_a_panel_the_file_is_not_kept(phone: FlaskClient, tmp_path: Path) -> None:
    assert send(phone, (b"x", "x.nam")).status_code == 503
    assert list((tmp_path / "inbox").iterdir()) == []


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\Amp.nam", "Amp.nam"),
        ("a\x00b\nc.nam", "a b c.nam"),
        ("", "unnamed file"),
        (None, "unnamed file"),
        ("x" * 200 + ".nam", "x" * 76 + ".nam"),
    ],
)
def test_names_are_made_safe(sent: str | None, shown: str) -> None:
    assert upload.shown_name(sent) == shown


@given(st.text(max_size=300))
def test_no_name_has_a_folder_or_a_control_character(sent: str) -> None:
    shown = upload.shown_name(sent)
    assert 0 < len(shown) <= MAX_NAME_CHARACTERS
    assert shown.isprintable()
    assert "/" not in shown
    assert "\\" not in shown


@given(st.text(min_size=1, max_size=80))
def test_what_is_stored_is_never_hidden_nor_a_folder(sent: str) -> None:
    stored = upload.stored_name(sent)
    assert 0 < len(stored.encode()) <= 200
    assert not stored.startswith(".")
    assert not set(stored) & set("/\\\0<>\"'|;$`")
