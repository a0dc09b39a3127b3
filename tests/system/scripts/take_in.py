"""take_in.py FILE…: sends files as the page does, and plays the first of them without a cabinet."""

from __future__ import annotations

import json
import sys

import page


def main(files: list[str]) -> None:
    """See above."""
    results = [page.upload(file)["results"][0] for file in files]
    page.post("/api/select", model=results[0]["item"]["id"])
    page.post("/api/select", cabinet=None)
    print(json.dumps(results))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
