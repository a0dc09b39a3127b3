"""appliance.toml: read into values, or refused in words that name the line and the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import BadSettings, ExitCode
from appliance.panel.actions import Kind, Style
from appliance.panel.pickup import Mode
from appliance.panel.pots import Curve
from appliance.panel.wiring import DEFAULT_TEXT, Chip
from appliance.panel.wiring_file import load, read


def refusal(text: str) -> str:
    with pytest.raises(BadSettings) as refused:
        read(text, "appliance.toml")
    assert refused.value.exit_code is ExitCode.USAGE
    return str(refused.value)


def test_the_default_plan_is_the_drawn_box() -> None:
    wiring = load(None)
    assert [(name, pot.channel, pot.pedal) for name, pot in wiring.pots.items()] == [
        ("gain", 0, False), ("tone", 1, False), ("level", 2, False), ("expression", 3, True),
    ]  # fmt: skip
    assert {name: switch.pin for name, switch in wiring.switches.items()} == {"left": 5, "middle": 6, "right": 13}
    assert {name: led.pins for name, led in wiring.leds.items()} == {"left": (17,), "middle": (27,), "right": (26,)}
    assert wiring.switches["right"].press is not None
    assert wiring.switches["right"].press.style is Style.TAP_OR_HOLD
    assert wiring.chords["left", "middle"].kind is Kind.TUNER
    assert wiring.converter.chip is Chip.MCP3008


def test_the_drawing_in_the_docs_shows_the_pins_of_the_default_plan() -> None:
    drawing = (Path(__file__).parents[2] / "docs" / "wiring.md").read_text()
    wiring = load(None)
    for name, pin in [
        *((name, switch.pin) for name, switch in wiring.switches.items()),
        *((f"LED {name}", led.pins[0]) for name, led in wiring.leds.items()),
    ]:
        assert f"| {name} | GPIO {pin} |" in drawing
    for name, pot in wiring.pots.items():
        assert f"| {name} | CH{pot.channel} |" in drawing


def test_everything_that_can_be_said_is_read() -> None:
    wiring = read(
        """
        [converter]
        chip = "ads1115"
        bus = 1
        address = 0x49
        [pot.one]
        channel = 3
        turns = ["knob Presence", "knob Level"]
        curve = "log"
        invert = true
        pickup = "scale"
        low = 0.1
        high = 0.8
        [switch.a]
        pin = 4
        press = "boost momentary"
        double = "scene 2"
        hold_s = 1.5
        [encoder.e]
        pins = [22, 23]
        turns = "knob Gate"
        step = 0.05
        [led.rgb]
        pins = [16, 20, 21]
        shows = "boost"
        colour = "#ff8000"
        pwm = true
        brightness = 0.5
        [led.far]
        strip = 1
        shows = "preset 2"
        colour = "green"
        [strip]
        count = 2
        [midi]
        channel = 3
        program_change = false
        [midi.bind]
        "cc 11" = "morph"
        """,
        "x",
    )
    assert (wiring.converter.chip, wiring.converter.address) == (Chip.ADS1115, 0x49)
    pot = wiring.pots["one"]
    assert (pot.travel.curve, pot.travel.invert, pot.travel.low, pot.travel.high) == (Curve.LOG, True, 0.1, 0.8)
    assert pot.pickup is Mode.SCALE
    assert [action.name for action in pot.turns] == ["Presence", "Level"]
    assert wiring.switches["a"].hold_s == 1.5
    assert wiring.encoders["e"].pins == (22, 23)
    assert wiring.leds["rgb"].colour == (1.0, 128 / 255, 0.0)
    assert wiring.leds["far"].strip == 1
    assert wiring.midi.channel == 3
    assert wiring.midi.bindings["cc 11"].kind is Kind.MORPH


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[swich.a]\npin = 4", "line 1, swich: there is no such key. Did you mean 'switch'?"),
        ("\n[switch.a]\npni = 4", "line 3, [switch.a] pni: there is no such key. Did you mean 'pin'?"),
        ("[switch.a]\ntap = 'bypass'", "line 1, [switch.a]: pin is missing"),
        ("[switch.a]\npin = 4\ntap = 'bypss'", "line 3, [switch.a] tap: there is no action 'bypss'. Did you mean"),
        ("[switch.a]\npin = 40", "[switch.a] pin: should be a whole number from 0 to 27, not 40"),
        ("[switch.a]\npin = true", "not True"),
        ("[switch.a]\npin = 4\npress = 'knob Gain'", "a switch can only be pressed"),
        ("[switch.a]\npin = 8", "GPIO 8 belongs to the converter's SPI bus already"),
        ("[switch.a]\npin = 4\n[led.b]\npin = 4\nshows='bypass'", "line 4, [led.b] pin: GPIO 4 belongs to switch.a"),
        ("[switch.a]\npin = 4\ntap = 'bypass momentary'", "a tap is over when it is known to be one"),
        ("[switch.a]\npin = 4\npress = 'bypass tap-or-hold'\nhold = 'tuner'", "bind one of the two"),
        ("[switch.a]\npin=4\npress='next-preset'\n[switch.b]\npin=5\n[chord]\n'a+b'='tuner'", "use tap instead"),
        ("[switch.a]\npin = 4\n[chord]\n'a+bb' = 'tuner'", "line 4, [chord] a+bb: there is no switch 'bb'"),
        ("[switch.a]\npin = 4\n[chord]\n'a' = 'tuner'", "a chord is two switches"),
        ("[switch.a]\npin = 4\nhold = 'calibrate wah'", "there is no pot or pedal 'wah'"),
        ("[converter]\nchip = 'mcp300'", "line 2, [converter] chip: is not 'mcp300'. Did you mean 'mcp3008'?"),
        ("[converter]\nchip = 'none'\n[pot.a]\nchannel=0\nturns='morph'", "there is no converter to read it"),
        ("[converter]\nchip = 'ads1115'\n[pot.a]\nchannel = 5\nturns = 'morph'", "has channels 0 to 3, not 5"),
        ("[pot.a]\nchannel=0\nturns='morph'\n[pedal.b]\nchannel=0\nturns='morph'", "channel 0 belongs to pot.a"),
        ("[pot.a]\nchannel = 0\nturns = 'bypass'", "a pot turns 'knob NAME' or 'morph'"),
        ("[pot.a]\nchannel = 0\nturns = 'morph'\nlow = 0.9\nhigh = 0.2", "high is at least 0.1 above low"),
        ("[pot.a]\nchannel = 0\nturns = 'morph'\npickup = 'pick'", "Did you mean 'pickup'?"),
        ("[led.a]\nstrip = 1\nshows = 'bypass'", "there is no strip"),
        ("[midi.bind]\n'cc 200' = 'bypass'", "takes a number from 0 to 127, not '200'"),
        ("[pot]\na = 3", "should be a table, not 3"),
        ("switch = 3", "has named parts, such as [switch.left]"),
        ("[switch.a", "is no TOML"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(text: str, words: str) -> None:
    assert words in refusal(text)


def test_every_fault_is_named_at_once() -> None:
    words = refusal("[switch.a]\npin = 99\ntap = 'x'\n[led.b]\npin = 5\nshows = 'morf'")
    assert all(key in words for key in ("pin", "tap", "shows"))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"nothing\.toml can't be read: No such file"):
        load(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings, match="no TOML"):
        load(tmp_path / "binary.toml")


LINES = DEFAULT_TEXT.splitlines()


@given(
    st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.text("[]=\"'.0123 abpin\n", max_size=8)), max_size=4),
    st.sets(st.integers(0, len(LINES) - 1), max_size=3),
)
def test_a_damaged_file_is_read_or_refused_never_a_traceback(edits: list[tuple[int, str]], missing: set[int]) -> None:
    lines = [line for at, line in enumerate(LINES) if at not in missing]
    for at, text in edits:
        lines.insert(min(at, len(lines)), text)
    try:
        read("\n".join(lines), "x")
    except BadSettings:
        return
