"""Updates, backups and large files over HTTP."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from appliance.errors import BadBundle, StorageError
from appliance.web import transfer
from tests.web.scripted_pedal import ScriptedPedal

CONFIRM = {"X-Pedal": "1"}


def begin(phone: FlaskClient, name: str = "p.whl-bundle", size_bytes: int = 10) -> Any:
    return phone.post("/api/transfer", json={"name": name, "bytes": size_bytes})


def piece(phone: FlaskClient, identity: str, at: object, data: bytes) -> Any:
    return phone.post(f"/api/transfer/{identity}?at={at}", data=data, headers=CONFIRM)


def sent(phone: FlaskClient, name: str = "p.whl-bundle", data: bytes = b"0123456789") -> str:
    identity: str = begin(phone, name, len(data)).json["transfer"]
    assert piece(phone, identity, 0, data).json["at"] == len(data)
    return identity


@pytest.fixture
def asked(pedal: ScriptedPedal, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A panel that answers `update` and `backup` with what it was asked, and what of the file it can see."""
    found: list[dict[str, Any]] = []

    def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        asked = {name: value for name, value in request.items() if name != "id"}
        found.append(asked)
        if "path" in asked:
            asked["content"] = Path(asked["path"]).read_bytes()
            assert Path(asked["path"]).stat().st_mode & 0o040  # the panel's group may read it
        return {asked["request"]: {"installed": True}}

    monkeypatch.setattr(pedal.panel, "answer", answer)
    return found


def test_a_file_comes_in_pieces_and_a_lost_or_repeated_one_does_no_harm(
    asked: list[dict[str, Any]], phone: FlaskClient
) -> None:
    started = begin(phone).json
    assert started["piece_bytes"] == transfer.PIECE_BYTES
    identity = started["transfer"]
    assert piece(phone, identity, 0, b"0123").json["at"] == 4
    assert piece(phone, identity, 0, b"0123").json["at"] == 4  # its answer was lost
    assert piece(phone, identity, 2, b"2345").json["at"] == 6
    assert phone.post("/api/update/check", json={"transfer": identity}).status_code == 400  # not whole yet
    assert piece(phone, identity, 8, b"89").status_code == 400  # a hole
    assert piece(phone, identity, 6, b"67890").status_code == 400  # more than was announced
    assert piece(phone, identity, 6, b"6789").json["at"] == 10
    assert phone.post("/api/update/check", json={"transfer": identity}).status_code == 200
    assert asked == [{"request": "update", "do": "check", "path": asked[0]["path"], "content": b"0123456789"}]
    assert Path(asked[0]["path"]).name == "p.whl-bundle"


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("update/install", {}, {"request": "update", "do": "install"}),
        ("restore/check", {}, {"request": "backup", "do": "check"}),
        ("restore", {}, {"request": "backup", "do": "restore", "replace": False}),
        ("restore", {"replace": True}, {"request": "backup", "do": "restore", "replace": True}),
    ],
)
def test_what_is_to_happen_reaches_the_panel_with_the_file(
    asked: list[dict[str, Any]], phone: FlaskClient, path: str, body: dict[str, Any], wanted: dict[str, Any]
) -> None:
    identity = sent(phone)
    answer = phone.post(f"/api/{path}", json={"transfer": identity, **body})
    assert answer.status_code == 200, answer.data
    (request,) = asked
    assert {name: value for name, value in request.items() if name not in ("path", "content")} == wanted
    assert request["content"] == b"0123456789"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("transfer", {"name": "x.whl-bundle"}),
        ("transfer", {"name": 3, "bytes": 3}),
        ("transfer", {"name": "x.whl-bundle", "bytes": True}),
        ("transfer", {"name": "x.exe", "bytes": 3}),
        ("transfer", {"name": "x.whl-bundle", "bytes": 3, "path": "/etc"}),
        ("update/check", {}),
        ("update/check", {"path": "/etc/passwd"}),
        ("update/install", {"transfer": 7}),
        ("update/install", {"force_older": True}),
        ("update/back", {"to": "0.0.1"}),
        ("restore", {"transfer": "x" * 500}),
    ],
)
def test_what_makes_no_sense_never_reaches_the_panel(
    asked: list[dict[str, Any]], phone: FlaskClient, path: str, body: dict[str, Any]
) -> None:
    answer = phone.post(f"/api/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["message"]
    assert asked == []


@pytest.mark.parametrize("at", ["", "-1", "x", "1e3", "9" * 13, "²"])
def test_a_piece_without_a_place_is_refused(phone: FlaskClient, at: str) -> None:
    assert piece(phone, begin(phone).json["transfer"], at, b"0").status_code == 400


def test_files_that_are_too_large_are_refused_before_they_are_sent(phone: FlaskClient, tmp_path: Path) -> None:
    assert begin(phone, size_bytes=1 << 40).status_code == 413
    assert begin(phone, size_bytes=0).status_code == 413
    assert piece(phone, sent(phone), 0, bytes(transfer.PIECE_BYTES + 1)).status_code == 413


def test_a_full_card_is_said_before_anything_is_sent(
    phone: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[4] = (transfer.SPARE_BYTES + (5 << 20)) // real.f_frsize
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    answer = begin(phone, size_bytes=6 << 20)
    assert answer.status_code == 507
    assert "takes 6 MB and 5 MB are free" in answer.json["message"]
    assert begin(phone, size_bytes=4 << 20).status_code == 200
    assert begin(phone, size_bytes=4 << 20).status_code == 507  # the room is promised already


def test_only_two_files_are_held_and_what_an_earlier_run_left_goes(phone: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "transfer-old").mkdir(parents=True)
    first, second, third = (sent(phone, f"{name}.whl-bundle") for name in "abc")
    assert piece(phone, first, 0, b"0").status_code == 404
    assert piece(phone, second, 0, b"0").status_code == 200
    names = {path.name for path in (tmp_path / "inbox").iterdir()}
    assert names == {f"transfer-{second}", f"transfer-{third}"}


def test_names_from_a_phone_make_no_paths(asked: list[dict[str, Any]], phone: FlaskClient, tmp_path: Path) -> None:
    identity = sent(phone, "../../..//etc/cron.d/\u202ex.whl-bundle")
    phone.post("/api/restore/check", json={"transfer": identity})
    assert Path(asked[0]["path"]).parent.parent == tmp_path / "inbox"


@pytest.mark.parametrize("path", ["transfer", "transfer/x?at=0", "update/install", "update/back", "restore"])
def test_another_site_may_not_change_the_box(asked: list[dict[str, Any]], phone: FlaskClient, path: str) -> None:
    assert phone.post(f"/api/{path}", json={}, headers={"Origin": "http://elsewhere.example"}).status_code == 403
    assert phone.post(f"/api/{path}", data="x").status_code == 403
    assert phone.get("/api/backup", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert asked == []


def test_the_panels_refusal_is_the_phones(pedal: ScriptedPedal, phone: FlaskClient, monkeypatch: Any) -> None:
    def refuse(request: Mapping[str, Any]) -> dict[str, Any]:
        raise BadBundle("p.whl-bundle can't be used: it is not signed.")

    monkeypatch.setattr(pedal.panel, "answer", refuse)
    answer = phone.post("/api/update/check", json={"transfer": sent(phone)})
    assert answer.status_code == 422
    assert answer.json == {"status": "bad_file", "message": "p.whl-bundle can't be used: it is not signed."}


def _backup_from(pedal: ScriptedPedal, folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)

    def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        threading.Thread(target=lambda: pipe.write_bytes(data)).start()
        return {"backup": {"pipe": str(pipe), "name": 'pedal-2026-01-02.pedal-backup"\r\nX: y'}}

    monkeypatch.setattr(pedal.panel, "answer", answer)


def test_a_backup_is_streamed_as_the_panel_writes_it(
    pedal: ScriptedPedal, phone: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(300_000) + bytes(1024)
    _backup_from(pedal, tmp_path, monkeypatch, data)
    answer = phone.get("/api/backup")
    assert answer.data == data
    assert answer.headers["Content-Disposition"] == 'attachment; filename="pedal-2026-01-02.pedal-backupXy"'


def test_a_backup_that_is_cut_off_does_not_end_as_if_it_were_whole(
    pedal: ScriptedPedal, phone: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _backup_from(pedal, tmp_path, monkeypatch, os.urandom(5000))
    with pytest.raises(StorageError, match="cut off"):
        phone.get("/api/backup", buffered=True)
