"""What a phone would send to the page, from inside the machine. page.py [PATH JSON]: prints the answer."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

ADDRESS = "http://127.0.0.1"


def get(path: str = "/api/state") -> dict[str, Any]:
    """A GET; the JSON it answers with. Raises urllib.error.HTTPError."""
    return _ask(urllib.request.Request(ADDRESS + path))


def post(path: str, **body: Any) -> dict[str, Any]:
    """A POST of a JSON object; the JSON it answers with. Raises urllib.error.HTTPError."""
    data = json.dumps(body).encode()
    return _ask(urllib.request.Request(ADDRESS + path, data, {"Content-Type": "application/json"}))


def upload(path: str) -> dict[str, Any]:
    """Send a file as the page does."""
    with open(path, "rb") as file:  # noqa: PTH123
        data = file.read()
    boundary = "----pedal"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.rsplit("/", 1)[-1]}"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    return _ask(urllib.request.Request(ADDRESS + "/api/upload", body, {"Content-Type": kind}))


def wait(what: Callable[[dict[str, Any]], bool], seconds: float = 30.0) -> dict[str, Any]:
    """The first state that fits. Raises TimeoutError with the last one."""
    end = time.monotonic() + seconds
    while not what(state := get()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s; the state is {state}")
        time.sleep(0.1)
    return state


def _ask(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


if __name__ == "__main__":
    print(json.dumps(post(sys.argv[1], **json.loads(sys.argv[2])) if len(sys.argv) > 2 else get()))  # noqa: T201
