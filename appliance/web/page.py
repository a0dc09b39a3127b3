"""The page itself and its static files."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, request

from appliance.bridge.commands import Status
from appliance.web.answers import RefusedError
from appliance.web.bundle import Bundle
from appliance.web.safety import settings

blueprint = Blueprint("page", __name__)


def _bundle() -> Bundle:
    found: Bundle = current_app.config["BUNDLE"]
    return found


@blueprint.get("/")
def page() -> Response:
    """The one page. Small, always revalidated; everything else it needs may be kept for ever."""
    bundle = _bundle()
    modules = sorted(name for name in bundle.files if name.endswith(".js"))
    response = make_response(render_template("page.html", build=bundle.build, modules=modules, demo=settings().demo))
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/static/<build>/<name>")
def static_file(build: str, name: str) -> Response:
    """A file of the page. Under an outdated build the present file is sent, not to be kept."""
    bundle = _bundle()
    asset = bundle.files.get(name)
    if asset is None:
        raise RefusedError(Status.NOT_FOUND.value, "The page has no such file. Reload it.")
    zipped = request.accept_encodings.quality("gzip") > 0
    response = make_response(asset.gzipped if zipped else asset.plain)
    response.headers["Content-Type"] = asset.content_type
    response.headers["Vary"] = "Accept-Encoding"
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if build == bundle.build else "no-cache"
    return response


@blueprint.get("/manifest.webmanifest")
def manifest() -> Response:
    """So that the page can live on a home screen."""
    icon = f"/static/{_bundle().build}/icon.svg"
    described: dict[str, Any] = {
        "name": "Pedal",
        "short_name": "Pedal",
        "start_url": "/",
        "display": "standalone",
        "orientation": "portrait",
        "background_color": "#12100e",
        "theme_color": "#12100e",
        "icons": [{"src": icon, "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }
    response = jsonify(described)
    response.headers["Content-Type"] = "application/manifest+json"
    return response
