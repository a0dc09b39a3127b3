"""The language between the web (or a script) and the panel: a unix socket, JSON lines.

A client sends one line per request, `{"id": 7, "request": "select", "model": "9f2c…"}`, and gets one line back,
`{"id": 7, "status": "ok", …}`. Only `watch` answers with a line at once and another for every change after it.
A line is at most `MAX_LINE_BYTES`. Never on the audio thread.

| request          | fields                                             | answer            |
|------------------|----------------------------------------------------|-------------------|
| state            |                                                    | state             |
| watch            |                                                    | state, and again at each change |
| select           | model (id) or cabinet (id, or null for none)       | state             |
| set              | any of: bypass, mute, normalise (bool), input_gain_db, gate_threshold_db,   | state             |
|                  | level_db, oversample (1, 2 or 4), knobs {name: value} |                   |
| import           | path (a file the panel may read), name             | item              |
| rename           | item (id), name                                    | state             |
| remove           | item (id)                                          | state             |
| controls         |                                                    | controls          |
| calibrate        | pot (name), step ("begin", "end" or "forget")      | controls          |
| learn            | action (text, `panel/actions.py`; null: don't)     | controls          |
| unlearn          | message (such as "cc 11")                          | controls          |
| sim              | of a simulated box: switch and down (bool), pot and level (0…1), encoder and clicks | controls |

Anything but `status: "ok"` comes with `message`: a sentence for the player.

state = {
  "revision": 12,                       # grows with every change
  "model": "9f2c…" | null, "cabinet": "…" | null,
  "generation": 4,                      # of the patch last asked for (compare with status.generation)
  "bypass": false, "mute": false, "normalise": true,
  "input_gain_db": 0.0, "gate_threshold_db": -120.0, "level_db": 0.0,
  "oversample": 1,                      # times the rate that the model runs at
  "knobs": {"Gain": 0.5},               # of the selected model
  "models":   [{"id", "name", "file_name", "format", "architecture", "sample_rate_hz", "knobs": [{"name", "minimum",
               "maximum", "default", "unit", "heard"}], "loudness_db", "esr", "licence", "factory": bool,
               "notes": ["…sentences for the player…"],
               "pi_estimates": [{"board", "share", "low", "high", "period_frames"}]}],   # engine/pi_cost.py
  "cabinets": [{"id", "name", "file_name", "sample_rate_hz", "frames", "channels", "factory", "notes"}],
  "message": null | "the last thing that went wrong, in words"
}

controls = {                            # every pot, switch and LED as it is now
  "switches": {"left": {"down": bool, "stuck": bool, "last": "tap" | …}}, "chords": {"left+middle": null | "chord" | …},
  "pots": {"gain": {"raw": 0.51, "position": 0.5, "turns": "Gain" | null, "stands_at": 0.3 | null, "waiting": bool,
           "fault": null | "…", "learning": bool, "low": 0.01, "high": 0.99}},
  "encoders": {"name": clicks}, "leds": {"left": bool},
  "midi": {"devices": ["midiC1D0"], "last": "cc 11 = 0.50 (channel 1)", "learning": null | "bypass",
           "bindings": {"cc 11": "morph"}},
  "notes": ["…sentences for the player…"], "simulated": bool
}
"""

from __future__ import annotations

import enum

MAX_LINE_BYTES = 1 << 20


class Status(enum.Enum):
    """How a request ended."""

    OK = "ok"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    BAD_FILE = "bad_file"
    TOO_LARGE = "too_large"
    STORAGE_FULL = "storage_full"
    NOT_ALLOWED = "not_allowed"
    INTERNAL = "internal"
