"""Installs the pedal on this system: `sudo ./system/install.sh`, whose second half this is.

Standard library only: it runs from a checkout before anything is installed, and from an installed version when an
update brings its own units (`--system-only`). Every stage looks at what is there and does only what is missing, so it
can be run again at any time; `--dry-run` says what it would do.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from appliance import paths
from appliance.box import choices, host, network_setup, record, stages, undo
from appliance.box.layout import Box
from appliance.box.stages import Change, Wanted
from appliance.errors import ApplianceError, ExitCode

_EPILOG = """examples:
  sudo ./system/install.sh                              asks which HAT
  sudo ./system/install.sh --hat hifiberry-dacplusadc
  sudo ./system/install.sh --hat none --card USB        a USB interface, by the name `aplay -l` shows
  ./system/install.sh --dry-run --hat pisound           only says what it would do
  sudo ./system/install.sh --uninstall                  keeps presets and settings; --purge removes them too
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, or take away again. Returns the exit code."""
    options = parse(arguments)
    try:
        if not options.dry_run:
            host.must_be_root("installing", " (or look first, with --dry-run)")
        box = Box(options.root.resolve())
        what = uninstall(options, box) if options.uninstall else install(options, box)
        _say(what)
    except ApplianceError as error:
        print(f"Not done: {error}.", file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    except OSError as error:
        print(f"Not done: {error.filename or 'the disk'}: {error.strerror or error}.", file=sys.stderr)  # noqa: T201
        return int(ExitCode.NO_STORAGE)
    return int(ExitCode.OK)


def install(options: argparse.Namespace, box: Box) -> str:
    """Do what is missing. Returns the last words. Raises ApplianceError, OSError."""
    found = host.look(box)
    kept = record.load(box.record)
    wished = choices.choose(
        box.root,
        kept.choices,
        hat=options.hat,
        card=options.card,
        input_device=options.input,
        output_device=options.output,
        period_frames=options.period,
        channel=options.channel,
        ask=choices.ask_for_hat if choices.somebody_is_there() and not options.yes and not options.dry_run else None,
    )
    wanted = Wanted(
        box=box,
        host=found,
        choices=wished,
        record=kept,
        system=paths.assets("system"),
        checkout=paths.PACKAGE.parent,
        wheels=options.wheels.resolve() if options.wheels else None,
        settings_named=any(
            value is not None for value in (options.hat, options.card, options.input, options.output, options.period)
        )
        or options.channel is not None,
        with_version=not options.system_only and box.is_this_system,
        country=options.country,
        with_start=not options.no_start,
    )
    if options.country is None and choices.somebody_is_there() and not options.yes and not options.dry_run:
        known = network_setup.country_of(box)
        wanted.country = known if network_setup.is_ours(box) else network_setup.ask_for_country(known)
    _say(f"{found.title}{f', {found.board}' if found.board else ''}.")
    for warning in stages.warnings(wanted):
        _say(f"Note: {warning}.")
    keep = None if options.dry_run else partial(record.save, box.record, kept)
    if not box.opt.parent.is_dir():
        kept.folders.append(str(box.opt.parent.relative_to(box.root)))
    kept.choices = wished.to_json()
    done = [change for stage in stages.STAGES for change in _carry_out(stage(wanted), keep)]
    if not done:
        return "Nothing to do: everything is as it should be."
    if options.dry_run:
        return "That is what would be done; nothing was changed."
    if wanted.reboot:
        return f"{network_setup.card(box) if host.systemd_runs(box) else ''}\nDone. Restart to finish: sudo reboot"
    if not host.systemd_runs(box):
        return "Done. It plays at the next start."
    return f"{network_setup.card(box)}\nDone. The page: http://localhost/"


def uninstall(options: argparse.Namespace, box: Box) -> str:
    """Take everything away again. Returns the last words. Raises ApplianceError, OSError."""
    kept = record.load(box.record)
    keep = None if options.dry_run else partial(_keep_if_installed, box, kept)
    done = list(_carry_out(undo.changes(box, kept, purge=options.purge), keep))
    if not done:
        return "Nothing to do: the pedal is not installed here."
    if options.dry_run:
        return "That is what would be done; nothing was changed."
    left = "" if options.purge else " Presets, models and settings are still there; --purge removes them too."
    return f"Done.{left} Boot settings are the old ones from the next start on."


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; ends the process with a sentence (code 2) when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="install.sh",
        description="Installs the pedal as services that start with the Pi; run again, it does what is missing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--hat", metavar="NAME", help="the audio HAT: a name of docs/install.md, ask, or none")
    add("--card", metavar="NAME", help="sound card without a HAT: a card's name, an ALSA device, or demo")
    add("--input", metavar="DEV", help="ALSA capture device, where it is not that of the card")
    add("--output", metavar="DEV", help="ALSA playback device, where it is not that of the card")
    add("--period", type=int, metavar="N", help="frames a period, 16…1024 (default 64)")
    add("--channel", type=int, metavar="N", help="input channel of the guitar, 1…64 (default 1)")
    add("--country", metavar="XX", help="where the pedal is, for its Wi-Fi: a country's two letters, such as DE")
    add("--wheels", type=Path, metavar="DIR", help="install from wheels in this folder; no network is needed")
    add("--yes", action="store_true", help="ask nothing")
    add("--dry-run", action="store_true", help="say what would be done, change nothing; needs no root")
    add("--uninstall", action="store_true", help="take everything away again but presets, models and settings")
    add("--purge", action="store_true", help="with --uninstall: those too, and the users")
    add("--root", type=Path, default=Path("/"), metavar="DIR", help="lay the files into a tree (for making images)")
    add("--no-start", action="store_true", help="with --system-only: start nothing; what plays goes on as it is")
    add("--system-only", action="store_true", help="units and settings alone; the version is there already")
    options = parser.parse_args(arguments)
    if options.period is not None and not 16 <= options.period <= 1024:
        parser.error(f"--period is {options.period}; it must be 16…1024")
    if options.channel is not None and not 1 <= options.channel <= 64:
        parser.error(f"--channel is {options.channel}; it must be 1…64")
    if options.purge and not options.uninstall:
        parser.error("--purge goes with --uninstall")
    if options.wheels is not None and not any(options.wheels.glob("appliance-*.whl")):
        parser.error(f"--wheels {options.wheels}: there is no appliance-*.whl in that folder")
    return options


def _carry_out(changes: stages.Changes, keep: Callable[[], None] | None) -> list[Change]:
    """Do each change and remember it at once, so that whatever is cut off can be gone on with; without `keep` only
    say it."""
    done = []
    for change in changes:
        _say(f"would {change.words}" if keep is None else f"{change.words} …")
        if keep is not None:
            change.foresee()
            keep()
            change.do()
            keep()
        done.append(change)
    return done


def _keep_if_installed(box: Box, kept: record.Record) -> None:
    if box.opt.is_dir():
        record.save(box.record, kept)


def _say(words: str) -> None:
    """A reader who has gone (a dropped line, `| head`) is no reason to stop half-way."""
    with contextlib.suppress(BrokenPipeError):
        print(words, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
