"""Bundles: what is taken, what is refused and in which words."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.tags import Tag

from appliance.box import plain_tar, signing
from appliance.box.bundle import MANIFEST, SIGNATURE, Bundle, Manifest, open_bundle, signature_line
from appliance.box.bundle_make import make_bundle
from appliance.box.fitting import check_age, check_room, fitting_wheels, needed_bytes
from appliance.box.signing import TrustedKey, keys_in, load_private
from appliance.errors import BadBundle, BadRequest, NotAllowed, StorageError, TooLarge
from tests.box.bundles import bundle_of, key_pair, wheel


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrustedKey]:
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, TrustedKey]) -> Path:
    """A good bundle: the pedal for two Pythons, and a library."""
    folder = tmp_path_factory.mktemp("bundle")
    wheel(folder / "wheels", tag="cp311-cp311-linux_aarch64", needs=["helper>=1", 'strip; extra == "strip"'])
    wheel(folder / "wheels", tag="cp313-cp313-linux_aarch64", needs=["helper>=1"])
    return bundle_of(folder, keys[0], wheel(folder / "wheels", "helper", "1.2"), oldest="0.1")


def _opened(path: Path, *trusted: TrustedKey) -> Bundle:
    return open_bundle(path, trusted)


def _forged(path: Path, key: Path, manifest: bytes, *rest: tuple[str, bytes], key_id: str | None = None) -> Path:
    """A bundle of just these bytes, signed by `key`."""
    private = load_private(key)
    made_id, signature = signing.sign(manifest, private)
    with path.open("wb") as stream:
        plain_tar.write(stream, MANIFEST, manifest)
        plain_tar.write(stream, SIGNATURE, signature_line(key_id or made_id, signature))
        for name, data in rest:
            plain_tar.write(stream, name, data)
        plain_tar.finish(stream)
    return path


def test_a_bundle_says_what_it_is_and_its_wheels_come_out_as_they_went_in(
    whole: Path, keys: tuple[Path, TrustedKey], tmp_path: Path
) -> None:
    with _opened(whole, keys[1]) as bundle:
        assert (bundle.manifest.version, bundle.manifest.notes, bundle.manifest.oldest) == (
            "9.1",
            "Two new amps.",
            "0.1",
        )
        assert bundle.key.who == "maker"
        shares: list[float] = []
        wanted = bundle.manifest.files[1:]
        made = bundle.unpack(tmp_path, wanted, shares.append)
        bundle.verify()
    assert [path.name for path in made] == [file.name for file in wanted]
    for path in made:
        assert path.read_bytes() == (whole.parent / "wheels" / path.name).read_bytes()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in made)


def test_other_tools_can_look_into_a_bundle(whole: Path) -> None:
    with tarfile.open(whole) as archive:
        assert archive.getnames()[:2] == [MANIFEST, SIGNATURE]
        assert len(archive.getnames()) == 5


def test_one_changed_bit_anywhere_is_noticed(whole: Path, keys: tuple[Path, TrustedKey], tmp_path: Path) -> None:
    data = whole.read_bytes()
    padding = _padding(whole)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(at=st.integers(0, len(data) - 1), bit=st.integers(0, 7))
    def changed(at: int, bit: int) -> None:
        flipped = bytearray(data)
        flipped[at] ^= 1 << bit
        path = tmp_path / "flipped.whl-bundle"
        path.write_bytes(flipped)
        try:
            with _opened(path, keys[1]) as bundle:
                bundle.verify()
        except BadBundle:
            return
        assert at in padding, f"byte {at}, bit {bit} was not noticed"

    changed()


def _padding(path: Path) -> set[int]:
    """Bytes that mean nothing: between the files, behind the last, and owner and time in the headers (checksummed)."""
    meaningless: set[int] = set()
    with path.open("rb") as stream:
        for member in plain_tar.members(stream):
            end = stream.tell() + member.size_bytes
            meaningless |= set(range(end, -(-end // 512) * 512))
            last = -(-end // 512) * 512
    return meaningless | set(range(last + 512, path.stat().st_size))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_bundle_that_was_not_sent_whole_is_refused(
    whole: Path, keys: tuple[Path, TrustedKey], tmp_path: Path, share: float
) -> None:
    data = whole.read_bytes()
    path = tmp_path / "short.whl-bundle"
    path.write_bytes(data[: int(share * len(data))])
    with (
        pytest.raises(BadBundle, match=r"not .* whole|missing or not whole|is not what was signed|in the middle"),
        _opened(path, keys[1]) as bundle,
    ):
        bundle.verify()


def test_only_keys_that_the_box_trusts_count(whole: Path, keys: tuple[Path, TrustedKey], tmp_path: Path) -> None:
    _, other = key_pair(tmp_path, "somebody")
    with pytest.raises(BadBundle, match=f"key {keys[1].id}, which this box doesn't trust; it trusts somebody"):
        _opened(whole, other)
    with pytest.raises(BadBundle, match="trusts nobody's updates yet"):
        _opened(whole)


def test_a_signature_by_another_key_under_the_trusted_ones_name_is_refused(
    keys: tuple[Path, TrustedKey], tmp_path: Path
) -> None:
    forger, _ = key_pair(tmp_path, "forger")
    manifest = Manifest("9.9", "", "", "", (), ()).to_bytes()
    path = _forged(tmp_path / "forged.whl-bundle", forger, manifest, key_id=keys[1].id)
    with pytest.raises(BadBundle, match="not by maker, as it says"):
        _opened(path, keys[1])


def test_a_signature_made_for_another_purpose_is_refused(keys: tuple[Path, TrustedKey], tmp_path: Path) -> None:
    manifest = Manifest("9.9", "", "", "", (), ()).to_bytes()
    path = tmp_path / "x.whl-bundle"
    with path.open("wb") as stream:
        plain_tar.write(stream, MANIFEST, manifest)
        plain_tar.write(stream, SIGNATURE, signature_line(keys[1].id, load_private(keys[0]).sign(manifest)))
        plain_tar.finish(stream)
    with pytest.raises(BadBundle, match="changed after it was signed"):
        _opened(path, keys[1])


def _wheel_entry(name: str) -> bytes:
    manifest = Manifest("9.9", "", "", "", (), ()).to_bytes().decode()
    entry = f'{{"name": "{name}", "size_bytes": 3, "sha256": "x", "unpacked_bytes": 3}}'
    return manifest.replace('"files": []', f'"files": [{entry}]').encode()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"[", "makes no sense"),
        (b"{}", "makes no sense"),
        (b'{"product": "toaster", "format": 1}', "of 'toaster', not of appliance"),
        (b'{"product": "appliance", "format": 7}', "format 7, this version reads 1"),
        (Manifest("9.9", "", "", "", (), ()).to_bytes(), "lists no files"),
        (_wheel_entry("../../etc/passwd"), "no wheel"),
        (_wheel_entry("/root/.ssh/a.whl"), "no wheel"),
        (_wheel_entry(".hidden.whl"), "no wheel"),
        (_wheel_entry("a.tar.gz"), "no wheel"),
        (_wheel_entry("a.whl").replace(b"3,", b"-3,", 1), "makes no sense"),
        (_wheel_entry("a.whl").replace(b'bytes": 3}', b'bytes": 1e99}'), "makes no sense"),
    ],
)
def test_a_signed_manifest_is_checked_all_the_same(
    keys: tuple[Path, TrustedKey], tmp_path: Path, manifest: bytes, words: str
) -> None:
    path = _forged(tmp_path / "odd.whl-bundle", keys[0], manifest)
    with pytest.raises(BadBundle, match=words):
        _opened(path, keys[1])


def test_before_the_signature_fits_the_manifest_is_not_even_parsed(
    keys: tuple[Path, TrustedKey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forger, _ = key_pair(tmp_path, "forger")
    monkeypatch.setattr("appliance.box.bundle.json.loads", lambda data: pytest.fail("parsed"))
    with pytest.raises(BadBundle, match="doesn't trust"):
        _opened(_forged(tmp_path / "x.whl-bundle", forger, b"{}"), keys[1])


def test_a_file_behind_those_of_the_manifest_is_refused(
    whole: Path, keys: tuple[Path, TrustedKey], tmp_path: Path
) -> None:
    path = tmp_path / "more.whl-bundle"
    with path.open("wb") as stream:
        stream.write(whole.read_bytes().rstrip(b"\0"))
        stream.write(bytes(-stream.tell() % 512))
        plain_tar.write(stream, "more-1-py3-none-any.whl", b"x")
        plain_tar.finish(stream)
    with pytest.raises(BadBundle, match="more than its manifest says"), _opened(path, keys[1]) as bundle:
        bundle.verify()


def _tar_with(kind: bytes, name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "in the middle"),
        (b"PK\x03\x04" + bytes(600), "no update bundle"),
        (os.urandom(2048), "no update bundle"),
        (bytes(2048), "does not begin with a manifest"),
        (_tar_with(tarfile.SYMTYPE, MANIFEST), "no plain file"),
        (_tar_with(tarfile.LNKTYPE, MANIFEST), "no plain file"),
        (_tar_with(tarfile.DIRTYPE, MANIFEST), "no plain file"),
        (_tar_with(tarfile.REGTYPE, "../manifest.json"), "no plain file"),
        (_tar_with(tarfile.REGTYPE, "/manifest.json"), "no plain file"),
        (_tar_with(tarfile.REGTYPE, "x" * 90 + "/" + "y" * 60), "no plain file"),
        (_tar_with(tarfile.REGTYPE, MANIFEST).replace(b"00000000000\0", b"0000000000x\0", 1), "makes no sense"),
        (_tar_with(tarfile.REGTYPE, MANIFEST), "too long"),
    ],
)
def test_what_is_no_bundle_is_refused(keys: tuple[Path, TrustedKey], tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "x.whl-bundle"
    path.write_bytes(data)
    with pytest.raises(BadBundle, match=words):
        _opened(path, keys[1])


def test_an_unsigned_bundle_is_refused(keys: tuple[Path, TrustedKey], tmp_path: Path) -> None:
    path = tmp_path / "x.whl-bundle"
    with path.open("wb") as stream:
        plain_tar.write(stream, MANIFEST, b"{}")
        plain_tar.finish(stream)
    with pytest.raises(BadBundle, match="not signed"):
        _opened(path, keys[1])
    for line in (b"", b"one", b"\xff\xfe x", b"0123456789abcdef AAAA", b"0123456789abcdef !!!!"):
        with path.open("wb") as stream:
            plain_tar.write(stream, MANIFEST, b"{}")
            plain_tar.write(stream, SIGNATURE, line)
            plain_tar.finish(stream)
        with pytest.raises(BadBundle, match="signature can't be read"):
            _opened(path, keys[1])


@pytest.mark.timeout(10)
def test_a_pipe_a_folder_and_a_link_hold_nobody_up(whole: Path, keys: tuple[Path, TrustedKey], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.whl-bundle")
    for path in (tmp_path / "pipe.whl-bundle", tmp_path):
        with pytest.raises(BadBundle, match="is no file"):
            _opened(path, keys[1])
    (tmp_path / "link.whl-bundle").symlink_to(whole)
    with pytest.raises(BadBundle, match="can't be opened"):
        open_bundle(tmp_path / "link.whl-bundle", [keys[1]], follow_links=False)


def test_a_file_that_grows_too_large_is_refused_unread(keys: tuple[Path, TrustedKey], tmp_path: Path) -> None:
    path = tmp_path / "big.whl-bundle"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(TooLarge, match="at most 768"):
        _opened(path, keys[1])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "own").mkdir()
    (tmp_path / "wheels").mkdir()
    return tmp_path


def test_the_owners_keys_come_first_and_an_empty_file_masks_the_wheels(folder: Path) -> None:
    key_pair(folder / "wheels", "maker")
    key_pair(folder / "wheels", "second")
    assert [key.who for key in keys_in([folder / "own", folder / "wheels"])] == ["maker", "second"]
    (folder / "own" / "maker.pub").touch()
    assert [key.who for key in keys_in([folder / "own", folder / "wheels"])] == ["second"]
    (folder / "own" / "friend.pub").write_text("ssh-rsa AAAA")
    with pytest.raises(BadBundle, match=r"friend\.pub is no Ed25519"):
        keys_in([folder / "own", folder / "wheels"])


def test_private_keys_are_private_locked_if_wanted_and_never_overwritten(tmp_path: Path) -> None:
    signing.make_key(tmp_path / "k", "open sesame")
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert signing.is_locked(tmp_path / "k")
    assert signing.sign(b"x", load_private(tmp_path / "k", "open sesame"))
    for wrong in (None, "open"):
        with pytest.raises(BadRequest, match="pass-phrase is wrong"):
            load_private(tmp_path / "k", wrong)
    with pytest.raises(BadRequest, match="not overwritten"):
        signing.make_key(tmp_path / "k")


# ---- is it for this box ----

PI_11 = [Tag("cp311", "cp311", "linux_aarch64"), Tag("py3", "none", "any")]


def test_of_several_only_what_this_python_takes_is_chosen(whole: Path, keys: tuple[Path, TrustedKey]) -> None:
    with _opened(whole, keys[1]) as bundle:
        chosen = fitting_wheels(bundle.manifest, PI_11)
        assert [file.name for file in chosen] == [
            "appliance-9.1-cp311-cp311-linux_aarch64.whl",
            "helper-1.2-py3-none-any.whl",
        ]
        assert needed_bytes(chosen) > sum(file.size_bytes + file.unpacked_bytes for file in chosen)
        with pytest.raises(BadBundle, match=r"for cp311 linux_aarch64, cp313 linux_aarch64; this box has Python 3"):
            fitting_wheels(bundle.manifest, [Tag("cp312", "cp312", "linux_x86_64"), Tag("py3", "none", "any")])
        check_room(chosen, 1 << 30)
        with pytest.raises(StorageError, match=r"takes \d+ MiB and 1 MiB are free"):
            check_room(chosen, 1 << 20)


@pytest.mark.parametrize(
    ("running", "force", "words"),
    [
        ("9.0", False, None),
        ("9.1", False, None),  # again, to mend it
        ("9.1.1", False, "older than 9.1.1"),
        ("10.0", False, "older"),
        ("10.0", True, None),
        ("9.2.dev1", False, "older"),
        ("0.0.9", False, "updates from 0.1 on"),
        ("0.0.9", True, "updates from 0.1 on"),
    ],
)
def test_older_versions_and_leaps_are_refused(
    whole: Path, keys: tuple[Path, TrustedKey], running: str, force: bool, words: str | None
) -> None:
    with _opened(whole, keys[1]) as bundle:
        if words is None:
            check_age(bundle.manifest, running, force_older=force)
        else:
            with pytest.raises(NotAllowed, match=words):
                check_age(bundle.manifest, running, force_older=force)


# ---- making ----


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: wheel(folder, "helper", "1"), "no wheel of appliance"),
        (lambda folder: [wheel(folder, version="1"), wheel(folder, version="2")], "1 and 2: a bundle brings one"),
        (lambda folder: wheel(folder, needs=["numpy>=2"]), "appliance needs numpy>=2, and there is no wheel"),
        (lambda folder: wheel(folder, needs=['gpio; extra == "pi"']), "needs gpio"),
        (
            lambda folder: [
                wheel(folder, needs=["helper[fast]"]),
                wheel(folder, "helper", needs=['c; extra == "fast"']),
            ],
            "helper needs c",
        ),
        (lambda folder: (folder / "appliance-1-py3-none-any.whl").write_bytes(b"x"), "is no wheel"),
    ],
)
def test_the_maker_hears_what_is_missing(
    keys: tuple[Path, TrustedKey], folder: Path, prepare: Callable[[Path], object], words: str
) -> None:
    prepare(folder / "wheels")
    with pytest.raises((BadRequest, BadBundle), match=words):
        make_bundle(folder / "x.whl-bundle", folder / "wheels", load_private(keys[0]))
    assert not (folder / "x.whl-bundle").exists()
