"""`appliance panel`: try the controls of a box, or play with one that isn't there."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from appliance import paths
from appliance.commands.options import examples
from appliance.errors import BadRequest, NotFound, NotRunning

_EVERY_S = 0.1
_START_S = 30.0


@click.group()
def panel() -> None:
    """Pots, footswitches and LEDs: test them, simulate them."""


@panel.command(
    epilog=examples("appliance panel test", "appliance panel test --config box.toml --seconds 20"),
)
@click.option("--config", type=click.Path(path_type=Path), help="appliance.toml, if no pedal runs.")
@click.option("--seconds", type=click.FloatRange(0), help="End after so long; until Ctrl-C if left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the controls as they are, and end.")
def test(config: Path | None, seconds: float | None, as_json: bool) -> None:
    """Show every control live. Asks the pedal that runs; without one it reads the pins itself."""
    from appliance.bridge.client import PanelClient
    from appliance.panel.live_view import lines

    client = PanelClient()
    try:
        client.request("state")
    except NotRunning:
        source: contextlib.AbstractContextManager[Callable[[], dict[str, Any]]] = _own_hands(config)
    else:
        if config is not None:
            raise BadRequest("a pedal runs, and its own appliance.toml holds: stop it first, or leave out --config")
        source = contextlib.nullcontext(lambda: _controls(client))
    with source as look:
        if as_json:
            click.echo(json.dumps(look(), indent=2, ensure_ascii=False))
            return
        until_s = None if seconds is None else time.monotonic() + seconds
        with contextlib.suppress(KeyboardInterrupt):
            _show(lambda: lines(look()), until_s)


@panel.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8090, show_default=True, help="Port of the box's page.")
@click.option("--pedal-port", type=click.IntRange(1, 65_535), default=8080, show_default=True, help="Pedal's page.")
def sim(port: int, pedal_port: int) -> None:
    """A box without hardware: its controls on the keyboard and on a page. Starts the demo pedal if none runs."""
    from appliance.bridge.client import PanelClient
    from appliance.panel.live_view import lines
    from appliance.panel.sim_keys import Keys
    from appliance.panel.sim_page import SimPage

    client = PanelClient()
    with _demo_pedal(client, pedal_port):
        report = _controls(client)
        if not report["simulated"]:
            raise BadRequest("the pedal that runs has real controls: stop it first, then this starts a simulated one")
        keys = Keys(client.request, time.sleep, report)
        page = SimPage(client.request, paths.assets("web") / "sim.html", port)
        page.start()
        try:
            click.echo(f"\nThe box: {page.url}\n" + "\n".join(keys.help()) + "\n")
            with contextlib.suppress(KeyboardInterrupt), _single_keys() as next_key:
                _show(lambda: lines(_controls(client)), None, lambda: _one_key(next_key, keys))
        finally:
            page.close()


@panel.command()
def wiring() -> None:
    """Print the default plan as an appliance.toml, to begin one of your own with."""
    from appliance.panel.wiring import DEFAULT_TEXT

    click.echo(DEFAULT_TEXT, nl=False)


def _controls(client: Any) -> dict[str, Any]:
    reply = client.request("controls")
    if "controls" not in reply:
        raise NotFound(f"the pedal has no controls to show: {reply.get('message', reply['status'])}")
    found: dict[str, Any] = reply["controls"]
    return found


@contextlib.contextmanager
def _own_hands(config: Path | None) -> Iterator[Callable[[], dict[str, Any]]]:
    """Hands that nothing follows, ticked by whoever looks."""
    from appliance.panel import hands_service, wiring_file
    from appliance.panel.hands import Hands
    from appliance.panel.midi import MidiIn
    from appliance.panel.nobody import Nobody

    wiring = wiring_file.load(config or paths.settings_file())
    board = hands_service.real_board(wiring)
    if board is None:
        raise NotFound("there is no GPIO header here: `appliance panel sim` gives you a box without one")
    nobody = Nobody()
    hands = Hands(wiring, board, nobody, nobody, lambda _: None, midi=MidiIn() if wiring.midi.enabled else None)

    def look() -> dict[str, Any]:
        end_s = time.monotonic() + _EVERY_S
        while (now_s := time.monotonic()) < end_s:
            time.sleep(hands.tick(now_s))
        return hands.report(str)

    try:
        yield look
    finally:
        hands.close()


@contextlib.contextmanager
def _demo_pedal(client: Any, port: int) -> Iterator[None]:
    """The demo pedal with a simulated box, unless a pedal runs already."""
    from appliance.supervisor import die_with_parent

    try:
        client.request("state")
    except NotRunning:
        environment = {**os.environ, "APPLIANCE_HANDS": "sim"}
        command = [sys.executable, "-m", "appliance", "run", "--demo", "--port", str(port)]
        process = subprocess.Popen(
            command, env=environment, start_new_session=True, preexec_fn=die_with_parent(os.getpid())
        )
        try:
            _wait_for_controls(client, process)
            yield
        finally:
            process.terminate()
            process.wait()
    else:
        yield


def _wait_for_controls(client: Any, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise NotRunning("the demo pedal did not start; what it said stands above")
        with contextlib.suppress(NotRunning):
            if "controls" in client.request("controls"):
                time.sleep(1.0)  # the pedal's own announcement comes first
                return
        time.sleep(_EVERY_S)
    raise NotRunning(f"the demo pedal's controls were not there after {_START_S:g} s")


def _show(look: Callable[[], list[str]], until_s: float | None, between: Callable[[], bool] | None = None) -> None:
    """Draw lines over each other on a terminal; elsewhere print them when they change. `between`: True to end."""
    drawn: list[str] = []
    live = sys.stdout.isatty()
    while until_s is None or time.monotonic() < until_s:
        fresh = look()
        if fresh != drawn:
            back = f"\x1b[{len(drawn)}F\x1b[J" if live and drawn else ""
            click.echo(back + "\n".join(fresh))
            drawn = fresh
        if between is None:
            time.sleep(_EVERY_S / 2)
        elif between():
            return


@contextlib.contextmanager
def _single_keys() -> Iterator[Callable[[], str | None]]:
    """Keys as they are pressed, without waiting for Enter; '' at the end of the input."""
    if not sys.stdin.isatty():
        yield lambda: _waiting_key(sys.stdin.fileno())
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield lambda: _waiting_key(sys.stdin.fileno())
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _waiting_key(descriptor: int) -> str | None:
    if not select.select([descriptor], [], [], _EVERY_S)[0]:
        return None
    return os.read(descriptor, 1).decode(errors="replace")


def _one_key(next_key: Callable[[], str | None], keys: Any) -> bool:
    key = next_key()
    if key == "\x1b":
        return True
    if key == "":  # the input ended: the page goes on
        time.sleep(_EVERY_S)
    elif key is not None:
        keys.press(key)
    return False
