"""The page: small, from one place, kept by browsers for as long as it is the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance import paths
from appliance.errors import StorageError
from appliance.web import bundle
from appliance.web.app import create_app
from appliance.web.settings import WebSettings

MAX_FIRST_LOAD_BYTES = 64_000


def _links(html: str) -> list[str]:
    return sorted(set(re.findall(r'(?:href|src)="([^"]+)"', html)))


def test_the_first_load_is_small_and_whole(phone: FlaskClient) -> None:
    page = phone.get("/", headers={"Accept-Encoding": "gzip"})
    total = len(page.data)
    links = _links(page.get_data(as_text=True))
    assert any(link.endswith("main.js") for link in links)
    for link in links:
        answer = phone.get(link, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200, link
        total += len(answer.data)
    assert total < MAX_FIRST_LOAD_BYTES


def test_nothing_comes_from_the_internet() -> None:
    for path in [*paths.assets("web").glob("static/*"), *paths.assets("web").glob("templates/*")]:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z]", re.sub(r"//[^\n]*", "", text) if path.suffix == ".js" else text), (
            path
        )
        assert not re.search(r"[\"'`(]https?://(?!\$\{)", text), path  # of an address of the box's own a page may speak


def test_every_module_that_is_imported_is_preloaded(phone: FlaskClient) -> None:
    page = phone.get("/").get_data(as_text=True)
    for path in paths.assets("web").glob("static/*.js"):
        for imported in re.findall(r'from "\./([^"]+)"', path.read_text()):
            assert f"/{imported}" in page


def test_files_are_kept_for_ever_under_their_build_and_not_under_another(app: Flask, phone: FlaskClient) -> None:
    build = app.config["BUNDLE"].build
    kept = phone.get(f"/static/{build}/main.js")
    assert "immutable" in kept.headers["Cache-Control"]
    assert kept.headers["Content-Type"].startswith("text/javascript")
    old = phone.get("/static/0123/main.js")
    assert old.headers["Cache-Control"] == "no-cache"
    assert old.data == kept.data


def test_compressed_only_for_who_can_read_it(app: Flask, phone: FlaskClient) -> None:
    address = f"/static/{app.config['BUNDLE'].build}/main.js"
    assert "Content-Encoding" not in phone.get(address, headers={"Accept-Encoding": "gzip;q=0"}).headers
    assert phone.get(address, headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"


def test_an_unchanged_page_costs_nothing(phone: FlaskClient) -> None:
    tag = phone.get("/").headers["ETag"]
    assert phone.get("/", headers={"If-None-Match": tag}).status_code == 304


def test_a_changed_file_changes_the_build(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("1")
    before = bundle.load(tmp_path).build
    (tmp_path / "main.js").write_text("2")
    assert bundle.load(tmp_path).build != before


def test_listen_is_offered_on_the_demo_card_only(phone: FlaskClient) -> None:
    assert 'id="listen"' in phone.get("/").get_data(as_text=True)
    plain = create_app(WebSettings()).test_client()
    assert 'id="listen"' not in plain.get("/").get_data(as_text=True)


def test_an_installation_without_the_page_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"main\.js is missing"):
        create_app(WebSettings(assets=tmp_path))


def test_the_manifest_names_the_pedal(phone: FlaskClient) -> None:
    manifest = phone.get("/manifest.webmanifest").json
    assert manifest is not None
    assert manifest["name"] == "Pedal"
    assert phone.get(manifest["icons"][0]["src"]).status_code == 200
