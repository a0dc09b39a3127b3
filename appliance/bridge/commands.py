"""The language between the web (or a script) and the panel: a unix socket, JSON lines.

A client sends one line per request, `{"id": 7, "request": "select", "model": "9f2c…"}`, and gets one line back,
`{"id": 7, "status": "ok", …}`. Only `watch` answers with a line at once and another for every change after it.
A line is at most `MAX_LINE_BYTES`. Never on the audio thread.

| request          | fields                                             | answer            |
|------------------|----------------------------------------------------|-------------------|
| state            |                                                    | state             |
| watch            |                                                    | state, and again at each change |
| select           | model (id) or cabinet (id, or null for none)       | state             |
| set              | any of: bypass, mute, normalise, tuner_mutes (bool), input_gain_db,         | state             |
|                  | gate_threshold_db, bass_db, middle_db, treble_db, level_db, boost_db,       |                   |
|                  | oversample (1, 2 or 4), tuner_reference_hz, tuner_tuning, knobs {name: value} |                 |
| import           | path (a file the panel may read), name             | item              |
| rename           | item (id), name                                    | state             |
| remove           | item (id)                                          | state             |
| preset_recall    | preset (id), place (in the order, from 0)          | state             |
| preset_store     | preset (id; the present one): takes what sounds    | state             |
| preset_add       | name: a new preset of what sounds, behind this one | state             |
| preset_rename    | preset (id), name                                  | state             |
| preset_move      | preset (id), to (place, from 0)                    | state             |
| preset_remove    | preset (id)                                        | state             |
| preset_bind      | preset (id), bindings {control: action}            | state             |
| bank_size        | size                                               | state             |
| scene_store      | number (from 1), name: keeps the knobs as they are | state             |
| scene_remove     | number                                             | state             |
| setlist_add      | name, presets (ids)                                | state             |
| setlist_put      | setlist (id), name, presets (ids)                  | state             |
| setlist_remove   | setlist (id)                                       | state             |
| setlist_choose   | setlist (id): tonight's, or null for none          | state             |
| tuner            | on (bool)                                          | state             |
| tuner            |                                                    | reading           |
| riff             | do ("record"): ten seconds of dry input            | state             |
| preflight        | setlist (id; null: every preset; left out: tonight's) | preflight, after seconds |
| action           | action (text, `panel/actions.py`), phase, value    | state             |
| controls         |                                                    | controls          |
| calibrate        | pot (name), step ("begin", ended by rest; "walk", not; "end"; "cancel"; "forget") | controls |
| learn            | action (text, `panel/actions.py`; null: don't)     | controls          |
| unlearn          | message (such as "cc 11")                          | controls          |
| sim              | of a simulated box: switch and down (bool), pot and level (0…1), encoder and clicks | controls |
| box              |                                                    | box               |
| update           |                                                    | update            |
| update           | do ("check"), path of a bundle: what it is, after seconds | update ({"offer": …}) |
| update           | do ("install" with path, "back"): begins; on the way see update | update |
| backup           |                                                    | backup ({"restoring": …}) |
| backup           | do ("write"): a pipe to read it from               | backup ({"pipe", "name"}) |
| backup           | do ("check", "restore"), path, replace: the panel starts anew when restored | backup |
| power            | do ("off", "restart"): the sound fades, all is saved, then it happens       | state             |
| network          |                                                    | network          |
| network          | do (box/network_wishes.py) and what goes with it: asked of root, told later    | network          |
| network          | do ("settle"), address: that phone stays on the hotspot                        | network          |

Anything but `status: "ok"` comes with `message`: a sentence for the player.

state = {
  "revision": 12,                       # grows with every change
  "model": "9f2c…" | null, "cabinet": "…" | null,
  "preset": "5c0f…" | null, "edited": false,  # recalled last; changed since
  "place": 2 | null,                    # in the order that next and previous go by, where it was gone to by them
  "generation": 4,                      # of the patch last asked for (compare with status.generation)
  "bypass": false, "mute": false, "normalise": true,
  "input_gain_db": 0.0, "gate_threshold_db": -120.0,
  "bass_db": 0.0, "middle_db": 0.0, "treble_db": 0.0, "level_db": 0.0, "boost_db": 3.0,
  "oversample": 1,                      # times the rate that the model runs at
  "tuner_reference_hz": 440.0, "tuner_tuning": "standard", "tuner_mutes": true,
  "boost": false, "compare": false, "tuner": false, "scene": 0,   # on for the moment; scene: its number, 0 for none
  "knobs": {"Gain": 0.5},               # of the selected model
  "riff": false, "riff_words": null,    # whether the player's riff is kept; how recording it goes
  "safe": null | "why the factory sound plays instead of what was saved",
  "leaving": null | "off" | "restart",  # the box is on its way
  "bank_size": 3, "tonight": "77ab…" | null,
  "models":   [{"id", "name", "file_name", "format", "architecture", "sample_rate_hz", "knobs": [{"name", "minimum",
               "maximum", "default", "unit", "heard"}], "loudness_db", "esr", "licence", "factory": bool,
               "notes": ["…sentences for the player…"],
               "pi_estimates": [{"board", "share", "low", "high", "period_frames"}]}],   # engine/pi_cost.py
  "cabinets": [{"id", "name", "file_name", "sample_rate_hz", "frames", "channels", "factory", "notes"}],
  "presets":  [{"id", "name", "model", "model_name", "cabinet", "cabinet_name", "knobs", "input_gain_db",
               "gate_threshold_db", "bass_db", "middle_db", "treble_db", "level_db", "boost_db", "oversample",
               "bindings", "scenes": [{"name", "knobs"}]}],   # in the order of the banks
  "setlists": [{"id", "name", "presets": [ids]}],
  "message": null | "the last thing that went wrong, in words"
}

network = {"report": report | null, "settled": ["10.20.30.57"]}   # settled: phones that stay on the hotspot
report = {                              # what box/network.py tells; null: there is no such service here
  "radio": bool, "hotspot": bool, "wish": "auto" | "on" | "off", "ssid": "Pedal-1A2B", "passphrase": "…",
  "wpa3": bool, "address": "10.20.30.1", "guests": 1, "wifi": null | "name of the network that is joined",
  "near": [{"ssid", "signal": 0…100, "security": "WPA2", "known": bool}], "known": ["names"],
  "country": null | "GB", "name": "pedal.local" | null, "addresses": ["192.168.1.7"],
  "told": null | "what went wrong, in words", "busy": null | "Joining …"
}

update = {"installed": bool, "running": "0.1.0", "current": "0.1.0-9f2c…" | null, "previous": … | null,
          "on_trial": bool,
          "answer": null | {"status": "working" | "done" | "refused" | "failed", "words", "share": 0…1},
          "outcome": null | {"result": "stays" | "went back", "words", "version", "when"},   # of the last trial
          "offer": {"name", "version", "made", "notes", "signed_by", "running", "size_bytes", "was_left",
                    "refusal": null | "…"}}
backup = {"restoring": null | {"status": "working" | "refused" | "failed", "words", "share"}, "pipe", "name",
          "made", "version", "models", "cabinets", "presets", "setlists", "pots": counts, "wiring": bool}
box = {"installed": bool, "missing": null | "why it is none, and what to do"}

preflight = {"go": true, "words": "Go: all 5 presets …", "rate_hz": 48000, "period_frames": 64,
             "presets": [{"preset", "name", "go", "words", "load": 0.12 | null, "lufs": -19.4 | null}]}

reading = {"state": "silent" | "flat" | "in_tune" | "sharp", "frequency_hz": 82.4, "note": "E2", "cents": -3.2,
           "string": 6 | null}          # of the tuning; null in the chromatic one
controls = {                            # every pot, switch and LED as it is now
  "switches": {"left": {"down": bool, "stuck": bool, "last": "tap" | …}}, "chords": {"left+middle": null | "chord" | …},
  "pots": {"gain": {"raw": 0.51, "position": 0.5, "turns": "Gain" | null, "stands_at": 0.3 | null, "waiting": bool,
           "fault": null | "…", "bound": ["knob Gain"], "pedal": bool, "learning": bool, "seen": [0.2, 0.7] | null,
           "low": 0.01, "high": 0.99, "learnt": bool, "outcome": null | "learnt" | "too little"}},   # of the last time
  "bound": {"left": [{"gesture": "tap", "action": "previous-preset", "own": bool}],   # own: the preset's
            "left+middle": […]},
  "encoders": {"name": clicks}, "turned_by": {"name": {"turns": "Gain" | null, "stands_at": 0.3 | null}},
  "leds": {"left": bool},
  "midi": {"devices": ["midiC1D0"], "last": "cc 11 = 0.50 (channel 1)", "learning": null | "bypass",
           "readable": bool, "bindings": {"cc 11": "morph"}, "learnt": ["cc 11"]},   # learnt: can be unlearnt
  "notes": ["…sentences for the player…"], "simulated": bool, "missing": null | "why there is MIDI alone"
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
