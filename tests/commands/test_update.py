"""The commands that make, check and take updates, and those of backups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.box import signing
from appliance.cli import cli
from appliance.commands import backup
from appliance.errors import BadBundle, NotAllowed, NotInstalled
from appliance.library.store import Library
from tests.box.bundles import wheel
from tests.library_files import write_linear


def call(*arguments: object, typed: str = "") -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=typed, standalone_mode=False)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("APPLIANCE_CONFIG", str(tmp_path / "appliance.toml"))
    monkeypatch.chdir(tmp_path)


def test_from_a_key_to_a_bundle_that_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = call("bundle", "key", tmp_path / "maker.key", typed="secret\nsecret\n")
    assert made.exception is None, made.output
    assert "keep it to yourself" in made.output
    wheel(tmp_path / "wheels")
    bundle = tmp_path / "p.whl-bundle"
    arguments = ("bundle", "make", bundle, "--key", tmp_path / "maker.key", "--wheels", tmp_path / "wheels")
    made = call(*arguments, "--notes", "New amps.", typed="secret\n")
    assert made.exception is None, made.output
    assert "version 9.1, 1 wheels" in made.output

    assert isinstance(call("update", "--check", bundle).exception, BadBundle)
    trusted = signing.keys_in([tmp_path])
    monkeypatch.setattr("appliance.box.updating.trusted_keys", lambda root: trusted)
    told = call("update", "--check", bundle)
    assert (told.return_value, told.exception) == (0, None)
    assert "version 9.1" in told.output
    assert "signed by maker.key" in told.output
    assert "New amps." in told.output
    assert "This box takes it." in told.output
    offer = json.loads(call("update", "--check", "--json", bundle).output)
    assert (offer["version"], offer["refusal"]) == ("9.1", None)


def test_a_bundle_that_this_box_can_not_take_ends_with_the_code_of_a_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("bundle", "key", "--no-passphrase", tmp_path / "k")
    wheel(tmp_path / "wheels", version="0.0.1")
    call("bundle", "make", tmp_path / "p.whl-bundle", "--key", tmp_path / "k", "--wheels", tmp_path / "wheels")
    trusted = signing.keys_in([tmp_path])
    monkeypatch.setattr("appliance.box.updating.trusted_keys", lambda root: trusted)
    told = call("update", "--check", tmp_path / "p.whl-bundle")
    assert told.return_value == 3
    assert "Not for this box: the update is version 0.0.1, older than" in told.output
    assert call("update", "--check", "--force-older", tmp_path / "p.whl-bundle").return_value == 0


def test_on_a_pc_nothing_is_installed(tmp_path: Path) -> None:
    assert isinstance(call("update", "--back").exception, NotInstalled)
    assert "Name one bundle, or --back" in str(call("update").exception)


def test_a_backup_is_made_shown_and_brought_back_without_a_running_pedal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = Library(tmp_path / "data").import_file(write_linear(tmp_path / "a.nam"), name="Mine")
    (tmp_path / "appliance.toml").write_text("[midi]\n")
    saved = call("backup", tmp_path / "b.pedal-backup")
    assert saved.exception is None, saved.output
    assert "1 models, 0 cabinets, 0 presets" in saved.output
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "other"))
    monkeypatch.setenv("APPLIANCE_CONFIG", str(tmp_path / "other.toml"))
    shown = call("restore", "--check", tmp_path / "b.pedal-backup")
    assert shown.exception is None, shown.output
    assert "1 models" in shown.output
    assert not (tmp_path / "other").exists()
    back = call("restore", tmp_path / "b.pedal-backup")
    assert back.exception is None, back.output
    assert "differs from this pedal's, which stays" in back.output
    assert [found.id for found in Library(tmp_path / "other").models()] == [item.id]
    wired = call("restore", "--wiring", tmp_path / "b.pedal-backup")
    assert wired.exception is None, wired.output
    assert (tmp_path / "other.toml").read_text() == "[midi]\n"


def test_what_is_handed_to_the_panel_is_written_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"backup")
    (tmp_path / "precious").write_bytes(b"root")
    (tmp_path / "copy").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        backup.hand_over(tmp_path / "b", tmp_path / "copy")
    assert (tmp_path / "precious").read_bytes() == b"root"
    backup.hand_over(tmp_path / "b", tmp_path / "inbox")
    assert (tmp_path / "inbox").read_bytes() == b"backup"
    assert (tmp_path / "inbox").stat().st_mode & 0o777 == 0o644


def test_a_backup_of_a_box_by_somebody_without_rights_says_to_take_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: False)
    told = call("backup", tmp_path / "b.pedal-backup").exception
    assert isinstance(told, NotAllowed)
    assert "put sudo before the command" in str(told)
