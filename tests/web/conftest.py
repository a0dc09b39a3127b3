"""A scripted pedal, and the web app in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.web.app import create_app
from appliance.web.settings import WebSettings
from tests.web.scripted_pedal import ScriptedPedal


@pytest.fixture
def pedal(tmp_path: Path) -> Iterator[ScriptedPedal]:
    """A scripted pedal that plays."""
    pedal = ScriptedPedal(tmp_path)
    yield pedal
    pedal.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The app, pointed at the folder of `pedal` (whether or not there is one)."""
    app = create_app(
        WebSettings(
            panel_socket=tmp_path / "panel.sock",
            status_file=tmp_path / "status",
            tap_file=tmp_path / "tap",
            inbox=tmp_path / "inbox",
            network_file=tmp_path / "network.json",
            demo=True,
        )
    )
    yield app
    app.config["HUB"].close()


@pytest.fixture
def phone(app: Flask) -> FlaskClient:
    """A browser without a browser."""
    return app.test_client()
