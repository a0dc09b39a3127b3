"""Server-sent events: the state when it changes and the meters about fifteen times a second."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, current_app

from appliance.web.hub import Hub

blueprint = Blueprint("live", __name__, url_prefix="/api")

# A comment this often keeps a quiet stream alive through sleeping radios, and finds phones that are gone.
HEARTBEAT_S = 5.0


@blueprint.get("/events")
def events() -> Response:
    """Endless. Everything known is sent at once, then what changes. One thread for as long as the phone stays."""
    hub: Hub = current_app.config["HUB"]
    subscribing = hub.subscribe()
    subscription = subscribing.__enter__()

    def stream() -> Iterator[str]:
        yield "retry: 1000\n\n"
        while not hub.is_closed:
            news = subscription.wait(HEARTBEAT_S)
            yield "".join(f"event: {topic}\ndata: {text}\n\n" for topic, text in news) or ": still here\n\n"

    response = Response(stream(), mimetype="text/event-stream")
    response.call_on_close(lambda: subscribing.__exit__(None, None, None))
    response.headers["X-Accel-Buffering"] = "no"
    return response
