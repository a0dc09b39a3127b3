"""What pots, pedals and footswitches ask for (`actions.py`), done to the panel; and what their LEDs show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bridge.layout import AudioState
from appliance.bridge.status import StatusReader
from appliance.errors import BadRequest, NotFound
from appliance.panel.actions import Action, Condition, Kind, Phase, parse
from appliance.panel.recall import bank_places, bank_step, morphed, step
from appliance.panel.state import knob_positions
from appliance.panel.targets import Target, target

if TYPE_CHECKING:
    from appliance.panel.panel import Panel

_HEARD_PERIODS = 2  # audio takes the controls at the start of a period: after two it surely has
_STALE_S = 0.5


class PanelPerformer:
    """The protocols of `actions.py` for a panel. `perform` and `turns` are thread-safe."""

    def __init__(self, panel: Panel, status: Path) -> None:
        self._panel = panel
        self._morph = 0.0  # where the pedal left it
        self._status = StatusReader(status)
        self._asking = StatusReader(status)  # of its own: requests come from other threads
        self._guard = threading.Lock()
        self._asked_at_period = -_HEARD_PERIODS
        self._seen: tuple[int, int] = (0, 0)  # pid, periods …
        self._moved_s = float("-inf")  # … and when they last moved
        self._does: dict[Kind, Callable[[Action, Phase], None]] = {
            Kind.NEXT_PRESET: lambda _action, _phase: self._go(1),
            Kind.PREVIOUS_PRESET: lambda _action, _phase: self._go(-1),
            Kind.PRESET: lambda action, _phase: self._go_to(action.number),
            Kind.BANK_UP: lambda _action, _phase: self._go_bank(1),
            Kind.BANK_DOWN: lambda _action, _phase: self._go_bank(-1),
            Kind.BYPASS: lambda _action, _phase: panel.set({"bypass": not panel.live.bypass}),
            Kind.BOOST: lambda _action, _phase: panel.hold(replace(panel.moment, boost=not panel.moment.boost)),
            Kind.TUNER: lambda _action, _phase: panel.hold(replace(panel.moment, tuner=not panel.moment.tuner)),
            Kind.COMPARE: lambda _action, _phase: self._compare(),
            Kind.SCENE: lambda action, _phase: self._scene(action.number),
            Kind.HOTSPOT: lambda _action, _phase: self._hotspot(),
            Kind.SHUTDOWN: lambda _action, _phase: panel.leave("off"),
            Kind.RESTART: lambda _action, _phase: panel.leave("restart"),
            Kind.SAFE_MODE: lambda _action, _phase: panel.safe_mode("a switch was held"),
        }

    def perform(self, action: Action, phase: Phase, value: float | None = None) -> None:
        """See `actions.Performer`. May block for milliseconds where a sound was not prepared."""
        self._perform(action, phase, value)
        with self._guard:
            status = self._asking.read()
        self._asked_at_period = status.periods if status is not None else -_HEARD_PERIODS

    def _perform(self, action: Action, phase: Phase, value: float | None) -> None:
        if action.continuous:
            if phase is not Phase.VALUE or value is None:
                raise BadRequest(f"{action} takes a position from 0 to 1")
            self._turn(action, min(max(value, 0.0), 1.0))
            return
        if phase is Phase.RELEASE and action.kind not in (
            Kind.BYPASS,
            Kind.BOOST,
            Kind.TUNER,
            Kind.COMPARE,
            Kind.SCENE,
        ):
            return
        does = self._does.get(action.kind)
        if does is None:
            raise BadRequest(f"{action} does nothing yet")
        does(action, phase)

    # ---- actions.Stage ----

    @property
    def sound(self) -> object:
        """See `actions.Stage`."""
        live = self._panel.live
        return live.preset, live.model

    def position(self, action: Action) -> float | None:
        """See `actions.Stage`."""
        panel = self._panel
        if action.kind is Kind.MORPH:
            return self._morph if panel.preset is not None and panel.preset.scenes else None
        if action.kind is not Kind.KNOB:
            return None
        found = self._target(action)
        if found is None:
            return None
        if found.setting == "knobs":
            standing = {**knob_positions(panel.live, panel.knobs_of(panel.live.model)), **panel.moment.overlay}
            return found.scale.to_position(standing[found.name])
        return found.scale.to_position(getattr(panel.live, found.setting))

    def turns(self, action: Action) -> str | None:
        """See `actions.Names`."""
        found = self._target(action)
        return None if found is None else found.name or found.setting.removesuffix("_db").replace("_", " ")

    def binding(self, control: str) -> Action | None:
        """See `actions.Bindings`."""
        preset = self._panel.preset
        text = preset.bindings.get(control) if preset is not None else None
        return None if text is None else parse(text)

    def condition(self) -> Condition:
        """See `actions.Whole`."""
        if self._panel.leaving.going is not None:
            return Condition.LEAVING
        if self._panel.updates.working:
            return Condition.UPDATING
        return Condition.PLAYING if self._panel.safe is None else Condition.SAFE

    def lit(self, action: Action) -> bool | None:
        """See `actions.Stage`."""
        panel = self._panel
        switches: dict[Kind, bool] = {
            Kind.BYPASS: not panel.live.bypass,
            Kind.BOOST: panel.moment.boost,
            Kind.TUNER: panel.moment.tuner,
            Kind.COMPARE: panel.moment.compare,
            Kind.SCENE: panel.moment.scene == action.number,
        }
        if action.kind is Kind.PRESET:
            places = self._bank()
            return 1 <= action.number <= len(places) and places[action.number - 1] == self._place()
        return switches.get(action.kind)

    def confirmed(self) -> bool | None:
        """See `actions.Stage`."""
        found = self._status.read()
        if found is None:
            return False
        now_s = time.monotonic()
        if (found.pid, found.periods) != self._seen:
            self._seen, self._moved_s = (found.pid, found.periods), now_s
        if found.state is not AudioState.PLAYING or now_s - self._moved_s > _STALE_S:
            return False
        wanted = self._panel.generation
        if found.generation != wanted:
            return False if found.failed_generation == wanted else None
        return None if 0 <= found.periods - self._asked_at_period < _HEARD_PERIODS else True

    def close(self) -> None:
        """Let go of the shared memory."""
        self._status.close()
        with self._guard:
            self._asking.close()

    # ---- presets ----

    def _place(self) -> int | None:
        """Where in the order the present preset stands."""
        order, current = self._panel.order, self._panel.live.preset
        if current not in order:
            return None
        return step(order, current, self._panel.moment.place, 0)

    def _bank(self) -> range:
        return bank_places(len(self._panel.order), self._panel.presets.bank_size, self._place() or 0)

    def _go(self, by: int) -> None:
        order = self._panel.order
        self._recall(step(order, self._panel.live.preset, self._panel.moment.place, by))

    def _go_to(self, number: int) -> None:
        places = self._bank()
        if not 1 <= number <= len(places):
            raise NotFound(f"this bank has {len(places)} presets; there is no number {number}")
        self._recall(places[number - 1])

    def _go_bank(self, by: int) -> None:
        count = len(self._panel.order)
        if not count:
            raise NotFound("there are no presets yet: save the sound that plays as one")
        self._recall(bank_step(count, self._panel.presets.bank_size, self._place() or 0, by))

    def _recall(self, place: int) -> None:
        self._panel.recall(self._panel.order[place], place)

    # ---- what is on for the moment ----

    def _compare(self) -> None:
        panel = self._panel
        if panel.preset is None:
            raise NotFound("there is no preset to compare with: recall or save one first")
        panel.hold(replace(panel.moment, compare=not panel.moment.compare))

    def _scene(self, number: int) -> None:
        panel = self._panel
        scenes = panel.preset.scenes if panel.preset else ()
        if not 1 <= number <= len(scenes):
            raise NotFound(f"this preset has {len(scenes)} scenes; there is no number {number}")
        if panel.moment.scene == number:
            panel.hold(replace(panel.moment, scene=0, overlay={}))
        else:
            panel.hold(replace(panel.moment, scene=number, overlay=dict(scenes[number - 1].knobs)))

    def _hotspot(self) -> None:
        self._panel.say(self._panel.network.change_over())

    # ---- positions ----

    def _turn(self, action: Action, value: float) -> None:
        panel = self._panel
        if action.kind is Kind.MORPH:
            panel.hold(replace(panel.moment, scene=0, overlay=self._between_scenes(value)))
            self._morph = value
            return
        found = self._target(action)
        if found is None:
            raise NotFound(f"this sound has no {action.name}, and nothing on the pedal stands for it")
        panel.set(found.request(value))

    def _between_scenes(self, value: float) -> dict[str, float]:
        """Two scenes: from the first to the second. One: from the preset as it is to the scene."""
        panel = self._panel
        scenes = panel.preset.scenes if panel.preset else ()
        if not scenes:
            raise NotFound("this preset has no scenes to morph between: save one or two first")
        resting = knob_positions(panel.live, panel.knobs_of(panel.live.model))
        if len(scenes) == 1:
            return morphed(resting, {**resting, **scenes[0].knobs}, value)
        return morphed({**resting, **scenes[0].knobs}, {**resting, **scenes[1].knobs}, value)

    def _target(self, action: Action) -> Target | None:
        return target(action.name, self._panel.knobs_of(self._panel.live.model)) if action.kind is Kind.KNOB else None
