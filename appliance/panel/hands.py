"""Pots, footswitches, encoders, LEDs and MIDI, from a look at the hardware to what a `Performer` is asked for.

`tick` is one look. It is called 200 times a second while everything rests and faster while something moves, so that
what a hand does is in the controls within 10 ms. Thread-safe: one thread ticks, others ask and report.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import ApplianceError, BadRequest, NotFound
from appliance.panel import lamps
from appliance.panel.actions import STYLED, Action, Condition, Kind, Performer, Phase, Stage, Style, Whole
from appliance.panel.board import Board
from appliance.panel.deliberate import BOOT_HELD_S, BOOT_LATEST_S, MEANT, Deliberate
from appliance.panel.gestures import Event, Feet, Gesture
from appliance.panel.kept import Kept
from appliance.panel.lamps import Lamp
from appliance.panel.midi import MidiIn
from appliance.panel.midi_hand import MidiHand
from appliance.panel.pot_hand import PotHand
from appliance.panel.pots import Fault
from appliance.panel.switch_bindings import SwitchBindings
from appliance.panel.wiring import Wiring
from appliance.spelling import did_you_mean

log = logging.getLogger(__name__)

_BUSY_S = 0.1  # so long after the last move looks stay close together
_LAMPS_S = 0.02
_CONVERTER_AGAIN_S = 0.25  # a converter that does not answer is asked so often
_OFF = (0.0, 0.0, 0.0)


class Hands:
    """One box. `say` is told each thing that the player should know, once.

    `fresh`: the box was switched on just now, and a switch held since then means what `boot` binds.
    """

    def __init__(
        self,
        wiring: Wiring,
        board: Board,
        performer: Performer,
        stage: Stage,
        say: Callable[[str], None],
        *,
        kept: Kept | None = None,
        midi: MidiIn | None = None,
        fresh: bool = True,
    ) -> None:
        self._wiring = wiring
        self._board = board
        self._performer = performer
        self._stage = stage
        self._say = say
        self._guard = threading.RLock()
        self.kept = kept or Kept()
        self._bindings = SwitchBindings(wiring, stage, board.switches)
        self._feet = Feet(board.switches, hold_s={name: switch.hold_s for name, switch in wiring.switches.items()})
        self._pots = {name: PotHand(name, pot, self.kept.travel(name, pot.travel)) for name, pot in wiring.pots.items()}
        self._clicks = {name: read() for name, read in board.encoders.items()}
        self._lamps = {name: Lamp(invert=wiring.leds[name].invert) for name in board.leds}
        self._midi = MidiHand(wiring.midi, midi, self.kept)
        self._pressed: dict[str, Action] = {}  # control → what its press did, until its release
        self._stuck: tuple[str, ...] = ()
        self._fresh = fresh
        self._let_go_now = False  # a switch was held since the box was switched on, long enough
        self._deliberate = Deliberate()
        self._told: dict[str, str] = {}
        self._moved_s = float("-inf")
        self._lamps_s = float("-inf")
        self._converter_again_s = float("-inf")
        self._last: dict[str, str] = {}
        self._shown: dict[str, bool] = {}
        for fault in board.faults:
            self._tell(fault, fault)

    # ---- each look ----

    def tick(self, now_s: float) -> float:
        """Take one look at everything (monotonic seconds). Returns the seconds until the next one is due."""
        with self._guard:
            levels = {name: read() for name, read in self._board.switches.items()}
            if any(levels.values()) or self._feet.down:  # what a preset binds matters while a foot is there
                self._feet.listen(self._bindings.doubles(), self._bindings.chords())
            for event in self._feet.step(now_s, levels):
                self._foot(event)
            if (meant := self._deliberate.step(now_s, self._feet.down)) is not None:
                self._perform(*meant, Phase.PRESS, None, now_s)
            self._tell_stuck(now_s)
            self._turn_pots(now_s)
            self._turn_encoders(now_s)
            for control, action, phase, value in self._midi.poll(now_s):
                self._perform(control, action, phase, value, now_s)
            if now_s - self._lamps_s >= _LAMPS_S:
                self._light(now_s)
        busy = self._feet.in_doubt or now_s - self._moved_s < _BUSY_S
        return self._board.busy_s if busy else self._board.rest_s

    def _foot(self, event: Event) -> None:
        name, now_s = event.switch, event.at_s
        if event.gesture is Gesture.LET_GO:
            action = self._bindings.bound(name, event.gesture)
            if action is not None and self._counts_at_boot(event.down_s):
                self._perform(name, action, Phase.PRESS, None, now_s)
            return
        if event.gesture not in (Gesture.RELEASE, Gesture.CHORD_RELEASE):
            self._last[name] = event.gesture.value
        if event.gesture is Gesture.PRESS and self._stop_learning(now_s):
            return
        if event.gesture in (Gesture.CHORD, Gesture.CHORD_RELEASE):
            self._chord(event)
            return
        if event.gesture is Gesture.RELEASE:
            done = self._pressed.pop(name, None)
            if done is not None and (done.style is Style.MOMENTARY or (done.style is Style.TAP_OR_HOLD and event.held)):
                self._perform(name, done, Phase.RELEASE, None, now_s)
            return
        action = self._bindings.bound(name, event.gesture)
        if action is not None:
            self._press(name, action, now_s)

    def _counts_at_boot(self, down_s: float) -> bool:
        return self._fresh and BOOT_HELD_S <= down_s <= BOOT_LATEST_S

    def _press(self, name: str, action: Action, now_s: float) -> None:
        if action.kind in MEANT:
            self._deliberate.begin(name, action, now_s)
            return
        if self._perform(name, action, Phase.PRESS, None, now_s) and action.kind in STYLED:
            self._pressed[name] = action

    def _chord(self, event: Event) -> None:
        first, second = event.switch.split("+")
        if event.gesture is Gesture.CHORD:
            for name in (first, second):  # what was taken for a press was half a chord
                if (done := self._pressed.pop(name, None)) is not None:
                    self._perform(name, done, Phase.RELEASE, None, event.at_s)
            if (action := self._bindings.bound_together(first, second)) is not None:
                self._press(event.switch, action, event.at_s)
        elif (done := self._pressed.pop(event.switch, None)) is not None and done.style is Style.MOMENTARY:
            self._perform(event.switch, done, Phase.RELEASE, None, event.at_s)

    def _turn_pots(self, now_s: float) -> None:
        converter = self._board.converter
        if converter is None or not self._pots or now_s < self._converter_again_s:
            return
        channels = [pot.channel for pot in self._pots.values()]
        try:
            readings: Mapping[int, float | None] = converter.read(channels)
        except OSError as error:
            self._converter_again_s = now_s + _CONVERTER_AGAIN_S
            log.debug("the converter: %s", error)
            readings = dict.fromkeys(channels)
        for name, pot in self._pots.items():
            if pot.channel not in readings:
                continue  # a slow converter: its turn comes
            asked = pot.step(now_s, readings[pot.channel], self._stage)
            if pot.moved:
                self._moved_s = now_s
            if asked is not None:
                action, position = asked
                if self._perform(name, action, Phase.VALUE, position, now_s):
                    pot.settled(self._stage)
        self._tell_pots()
        self._finish_learning(now_s)

    def _turn_encoders(self, now_s: float) -> None:
        for name, read in self._board.encoders.items():
            clicks = read()
            moved, self._clicks[name] = clicks - self._clicks[name], clicks
            if not moved:
                continue
            self._moved_s = now_s
            wired = self._wiring.encoders[name]
            for action in wired.turns:
                stands_at = self._stage.position(action)
                if stands_at is not None:
                    position = min(max(stands_at + moved * wired.step, 0.0), 1.0)
                    self._perform(name, action, Phase.VALUE, position, now_s)
                    break

    def _perform(self, control: str, action: Action, phase: Phase, value: float | None, now_s: float) -> bool:
        """Ask the performer; True when it did. What it refuses is said once, until it does something else."""
        shown = [lamp for name, lamp in self._lamps.items() if self._shows(name, action)]
        try:
            if action.kind is Kind.CALIBRATE:
                self.calibrate(action.name, "begin", now_s)
            else:
                self._performer.perform(action, phase, value)
        except ApplianceError as error:
            self._tell(control, str(error))
            for lamp in shown:
                lamp.refused(now_s)
            return False
        self._told.pop(control, None)
        if phase is Phase.PRESS:
            for lamp in shown:
                lamp.pressed(now_s)
        if phase is not Phase.VALUE:
            self._light(now_s)
        return True

    def _shows(self, led: str, action: Action) -> bool:
        shown = self._wiring.leds[led].shows
        return (shown.kind, shown.number) == (action.kind, action.number)

    def _light(self, now_s: float) -> None:
        self._lamps_s = now_s
        if not self._lamps:
            return
        confirmed = self._stage.confirmed()
        condition = self._stage.condition() if isinstance(self._stage, Whole) else Condition.PLAYING
        teaching = any(pot.learner is not None for pot in self._pots.values())
        for name, lamp in self._lamps.items():
            wired = self._wiring.leds[name]
            on = lamp.step(now_s, self._stage.lit(wired.shows), confirmed)
            self._shown[name] = on = self._all_show(now_s, on, condition, teaching=teaching)
            red, green, blue = wired.colour
            share = wired.brightness
            self._board.leds[name]((red * share, green * share, blue * share) if on else _OFF)
        try:
            self._board.show()
        except OSError as error:
            self._tell("strip", f"The LED strip does not answer: {error}")

    def _all_show(self, now_s: float, on: bool, condition: Condition, *, teaching: bool) -> bool:
        """What an LED shows, where there is something that all of them say."""
        if condition is Condition.LEAVING:
            return lamps.leaving(now_s)
        if self._deliberate.action is not None or self._let_go_now:
            return lamps.held_for(now_s)
        if teaching:
            return lamps.learning(now_s)
        if condition is Condition.UPDATING:
            return lamps.updating(now_s, on)
        return lamps.in_safe_mode(now_s, on) if condition is Condition.SAFE else on

    # ---- what is said ----

    def _tell(self, about: str, words: str) -> None:
        if self._told.get(about) != words:
            self._told[about] = words
            log.warning("%s", words)
            self._say(words)

    def _tell_stuck(self, now_s: float) -> None:
        stuck = self._feet.stuck
        self._let_go_now = False
        for name in stuck:
            action = self._bindings.bound(name, Gesture.LET_GO)
            if action is not None and self._counts_at_boot(self._feet.stuck_for_s(name, now_s)):
                self._let_go_now = True
                words = f"Let go of switch {name} now for {action}"
            else:
                words = f"Switch {name} is held down, or its wire is shorted: ignored until it is let go"
            self._tell(f"stuck {name}", words)
        for name in self._stuck:
            if name not in stuck:
                self._told.pop(f"stuck {name}", None)
        self._stuck = stuck

    def _tell_pots(self) -> None:
        faults = {name: pot.fault for name, pot in self._pots.items() if pot.fault is not None}
        if faults and all(fault is Fault.SILENT for fault in faults.values()) and len(faults) == len(self._pots):
            words = "The pots can't be read: is the converter connected? Everything stays as it was"
            self._told.update({f"pot {name}": "" for name in faults})
            self._tell("converter", words)
            return
        self._told.pop("converter", None)
        for name in self._pots:
            if name in faults:
                self._tell(f"pot {name}", f"Pot {name} {faults[name].value} Its last position stays")
            else:
                self._told.pop(f"pot {name}", None)

    # ---- what others ask (any thread) ----

    def calibrate(self, name: str, step: str, now_s: float) -> None:
        """Teach a pot its ends: `begin`, then move it from end to end, then `end` (or let it rest); `forget`.

        `walk` begins likewise, for somebody who is told each step and says when: rest does not end it. `cancel` ends
        either and keeps nothing.

        Raises NotFound, BadRequest.
        """
        with self._guard:
            pot = self._pot(name)
            if step == "begin":
                pot.begin_learning(now_s)
                self._say(f"Move {name} slowly from one end to the other and back, then let it rest")
            elif step == "walk":
                pot.begin_learning(now_s, until_told=True)
            elif step == "end":
                self._learnt(name, pot)
            elif step == "cancel":
                pot.stop_learning()
            elif step == "forget":
                pot.forget(self._wiring.pots[name].travel)
                pot.outcome = None
                self.kept.forget_travel(name)
            else:
                raise BadRequest(f"calibrate takes step begin, walk, end, cancel or forget, not {step!r:.40}")

    def learn(self, action: Action | None) -> None:
        """Bind the next MIDI message to the action; None: don't."""
        with self._guard:
            self._midi.learning = action

    def unlearn(self, message: str) -> None:
        """Forget a learnt MIDI binding. Raises NotFound."""
        with self._guard:
            self.kept.forget_midi(message)

    def report(self, describe: Callable[[Action], str | None] = lambda _: None) -> dict[str, Any]:
        """Everything as it is now, for people and tests. `describe`: what an action turns, by name."""
        with self._guard:
            down, stuck = self._feet.down, self._feet.stuck
            return {
                "switches": {
                    name: {"down": name in down, "stuck": name in stuck, "last": self._last.get(name)}
                    for name in self._board.switches
                },
                "chords": {"+".join(pair): self._last.get("+".join(pair)) for pair in self._wiring.chords},
                "bound": self._bindings.report(),
                "pots": {
                    name: {
                        **pot.report(self._stage, describe),
                        "pedal": self._wiring.pots[name].pedal,
                        "learnt": self.kept.knows(name),
                    }
                    for name, pot in self._pots.items()
                },
                "encoders": dict(self._clicks),
                "turned_by": {name: self._turned_by(name, describe) for name in self._clicks},
                "leds": dict(self._shown),
                "midi": self._midi.report(),
                "notes": sorted({words for words in self._told.values() if words}),
            }

    def close(self) -> None:
        """LEDs out, pins and MIDI inputs let go."""
        with self._guard:
            for light in self._board.leds.values():
                light(_OFF)
            self._midi.close()
            self._board.close()

    def _turned_by(self, encoder: str, describe: Callable[[Action], str | None]) -> dict[str, Any]:
        """What an encoder turns at present, and where that stands."""
        for action in self._wiring.encoders[encoder].turns:
            stands_at = self._stage.position(action)
            if stands_at is not None:
                return {"turns": describe(action) or str(action), "stands_at": stands_at}
        return {"turns": None, "stands_at": None}

    def _pot(self, name: str) -> PotHand:
        if name not in self._pots:
            raise NotFound(f"there is no pot or pedal {name!r:.40}{did_you_mean(str(name), list(self._pots))}")
        return self._pots[name]

    def _learnt(self, name: str, pot: PotHand) -> None:
        travel = pot.learnt()
        if travel is not None:
            self.kept.keep_travel(name, travel)
        if not pot.walked:  # else the report's outcome says it to who asks
            well = "knows its ends" if travel is not None else "was hardly moved: its ends are as they were"
            self._say(f"{name} {well}")

    def _finish_learning(self, now_s: float) -> None:
        for name, pot in self._pots.items():
            if pot.learnt_enough(now_s):
                self._learnt(name, pot)
            elif pot.left_alone(now_s):
                pot.stop_learning()
                self._say(f"Nobody said that {name} is done: its ends are as they were")

    def _stop_learning(self, now_s: float) -> bool:
        """A press while a pot learns ends that, and means nothing else."""
        taught = [(name, pot) for name, pot in self._pots.items() if pot.learner is not None]
        for name, pot in taught:
            self._learnt(name, pot)
        return bool(taught)
