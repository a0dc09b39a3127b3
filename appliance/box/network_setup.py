"""The installer's part for the network: the box's name, the country of its radio. Each undone at the uninstallation.

The hotspot itself needs nothing of it: its pass-phrase is made when the service starts for the first time, so that no
two boxes made from one image share one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import partial

from appliance import storage
from appliance.box import network_wishes
from appliance.box.host import systemd_runs, text_of
from appliance.box.layout import Box
from appliance.box.network_settings import check_country
from appliance.box.record import Record
from appliance.box.run import run
from appliance.errors import BadRequest, SystemRefused

NAME = "pedal"
_NOBODYS_NAMES = frozenset({"", "raspberrypi", "localhost", "debian"})  # what systems are called that nobody named
_CARD_S = 8.0  # after its first start the network service has made the pass-phrase
_HOSTNAME = "etc/hostname"
_HOSTS = "etc/hosts"
_RADIO = "etc/modprobe.d/appliance-wifi.conf"
_COUNTRY_OF_RADIO = re.compile(r"\bieee80211_regdom=([A-Z]{2})\b")

Pending = Iterator[tuple[str, Callable[[], object]]]


def pending(box: Box, country: str | None, record: Record) -> Pending:
    """What is missing, each with the words for it. `country`: None leaves the radio as it is.

    Raises BadRequest for what is no country.
    """
    before = _hostname(box)
    if before in _NOBODYS_NAMES:
        yield f"call this box {NAME}, so that http://{NAME}.local finds it", partial(_call_ours, box, before, record)
    if country is not None and check_country(country) != _country_kept(box):
        code = check_country(country)
        yield f"write /{_RADIO}: {code}'s rules for the radio", partial(_set_country, box, code, record)


def undo(box: Box, record: Record) -> Pending:
    """What of it is to be taken back. A name that the owner gave since stays."""
    if record.name_before is not None and _hostname(box) == NAME:
        before = record.name_before or "localhost"
        yield f"call this box {before} again", partial(_call_again, box, before, record)
    if _RADIO in record.own:
        yield f"remove /{_RADIO}", partial(_forget_country, box, record)


def country_of(box: Box) -> str | None:
    """The country that this system's radio goes by already: ours, or what raspi-config has set; None: nobody said."""
    return _country_kept(box) or _found(text_of(box.root / "boot/firmware/cmdline.txt"))


def is_ours(box: Box) -> bool:
    """Whether the installer has been told a country before."""
    return _country_kept(box) is not None


def ask_for_country(found: str | None) -> str | None:
    """Ask the person at the terminal. None: they don't want to say; the world's common rules hold then."""
    print("\nWhere is the pedal? The rules for its Wi-Fi depend on the country.")  # noqa: T201
    while True:
        try:
            words = input(f"Two letters, such as GB or DE [{found or 'leave it open'}]: ").strip()
            return check_country(words) if words else found
        except BadRequest as error:
            print(f"{error}.")  # noqa: T201
        except (EOFError, KeyboardInterrupt):
            return found


def card(box: Box) -> str:
    """The card for a terminal, as the installed version draws it; "" while there is none. Blocks for some seconds."""
    until_s = time.monotonic() + _CARD_S
    while True:
        try:
            return run([str(box.command), "card"])
        except SystemRefused:
            if time.monotonic() > until_s:
                return ""
            time.sleep(0.5)


def _call_ours(box: Box, before: str, record: Record) -> None:
    if record.name_before is None:
        record.name_before = before
    _call(box, NAME)


def _call_again(box: Box, before: str, record: Record) -> None:
    _call(box, before)
    record.name_before = None


def _call(box: Box, name: str) -> None:
    if systemd_runs(box):
        run(["hostnamectl", "set-hostname", name])
    else:
        storage.save(box.root / _HOSTNAME, f"{name}\n".encode(), keep_previous=False)
        (box.root / _HOSTNAME).chmod(0o644)
    lines = text_of(box.root / _HOSTS).splitlines()
    own = [index for index, line in enumerate(lines) if line.split()[:1] == ["127.0.1.1"]]
    if own:  # sudo looks itself up there
        lines[own[0]] = f"127.0.1.1\t{name}"
    else:
        lines.append(f"127.0.1.1\t{name}")
    storage.save(box.root / _HOSTS, ("\n".join(lines) + "\n").encode(), keep_previous=False)
    (box.root / _HOSTS).chmod(0o644)


def _set_country(box: Box, code: str, record: Record) -> None:
    path = box.root / _RADIO
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.save(
        path,
        f"# Whose radio rules hold for Wi-Fi, from the start.\noptions cfg80211 ieee80211_regdom={code}\n".encode(),
        keep_previous=False,
    )
    path.chmod(0o644)
    if _RADIO not in record.own:
        record.own.append(_RADIO)
    if systemd_runs(box):
        network_wishes.leave(box.root, {"do": "country", "country": code})  # the service takes it when it starts


def _forget_country(box: Box, record: Record) -> None:
    (box.root / _RADIO).unlink(missing_ok=True)
    record.own.remove(_RADIO)


def _hostname(box: Box) -> str:
    return text_of(box.root / _HOSTNAME).strip()


def _country_kept(box: Box) -> str | None:
    return _found(text_of(box.root / _RADIO))


def _found(text: str) -> str | None:
    match = _COUNTRY_OF_RADIO.search(text)
    return match[1] if match else None
