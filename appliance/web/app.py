"""The Flask app: put together from one blueprint per area."""

from __future__ import annotations

import threading

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from appliance.web import (
    answers,
    box,
    bundle,
    captive,
    control,
    controls,
    listen,
    live,
    network,
    page,
    performing,
    safety,
    transfer,
    updates,
    upload,
)
from appliance.web.hub import Hub
from appliance.web.settings import MAX_LISTENERS, MAX_UPLOAD_BYTES, WebSettings


def create_app(settings: WebSettings | None = None) -> Flask:
    """Make the app. Touches no other process until a request needs it. Raises StorageError when the page's own files
    are missing."""
    settings = settings or WebSettings()
    app = Flask("appliance.web", static_folder=None, template_folder=str(settings.assets / "templates"))
    app.config["PEDAL"] = settings
    app.config["BUNDLE"] = bundle.load(settings.assets / "static")
    app.config["HUB"] = Hub(settings)
    app.config["TRANSFERS"] = transfer.Transfers(settings.inbox)
    app.config["LISTENERS"] = threading.BoundedSemaphore(MAX_LISTENERS)
    app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD_BYTES
    if isinstance(app.json, DefaultJSONProvider):
        app.json.sort_keys = False  # the order of the box, as it is wired
    captive.register(app)
    safety.register(app)
    answers.register(app)
    for area in (page, control, performing, controls, box, network, live, upload, listen, transfer, updates):
        app.register_blueprint(area.blueprint)
    return app
