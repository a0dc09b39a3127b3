"""The kept sound on disk: whole or not believed, the one before it in its place, nobody else's."""

from __future__ import annotations

import ctypes
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import storage
from appliance.bridge import kept_sound, layout
from appliance.bridge.kept_sound import (
    KeptBlock,
    KeptSound,
    find_kept,
    from_bytes,
    kept_generation,
    patch_file,
    to_bytes,
)
from appliance.engine.patch_bytes import seal_patch, stamped


def a_patch(gain: float = 1.0) -> bytes:
    patch = seal_patch(generation=7, sample_rate_hz=48_000, normalise_gain=gain)
    return stamped(patch, kept_generation(patch))


def a_sound(name: str = "Crunch", patch: bytes | None = None) -> KeptSound:
    patch = a_patch() if patch is None else patch
    payload = layout.ControlsPayload(generation=kept_generation(patch), level_db=-7.5, knob_count=1)
    payload.knobs[0] = 0.25
    return KeptSound(name, 48_000, "p1", "m1", None, 2, -1.5, zlib.crc32(patch), payload)


def keep(folder: Path, sound: KeptSound, patch: bytes) -> None:
    folder.mkdir(exist_ok=True)
    patch_file(folder, sound.generation).write_bytes(patch)
    storage.save(folder / kept_sound.NAMES[0], to_bytes(sound))


def test_the_names_are_those_that_saving_uses() -> None:
    newest, before = (Path(name) for name in kept_sound.NAMES)
    assert storage.previous_copy(newest) == before


@given(name=st.text(max_size=200))
def test_what_is_written_is_read_again_with_a_name_that_is_cut_where_it_must(name: str) -> None:
    found = from_bytes(to_bytes(a_sound(name)))
    assert isinstance(found, KeptSound)
    assert bytes(found.payload) == bytes(a_sound().payload)
    assert (found.preset, found.model, found.cabinet, found.oversample, found.match_db) == ("p1", "m1", None, 2, -1.5)
    assert name.startswith(found.name) or "\0" in name
    if len(name.encode()) < 128 and "\0" not in name:
        assert found.name == name


@given(at=st.integers(0, ctypes.sizeof(KeptBlock) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(at: int, bit: int) -> None:
    data = bytearray(to_bytes(a_sound()))
    data[at] ^= 1 << bit
    assert isinstance(from_bytes(bytes(data)), str)


@given(size=st.integers(0, ctypes.sizeof(KeptBlock) + 4))
def test_any_other_length_is_noticed(size: int) -> None:
    data = to_bytes(a_sound())
    if size != len(data):
        assert isinstance(from_bytes(data.ljust(size, b"\0")[:size]), str)


def test_a_damaged_sound_and_a_damaged_patch_give_way_to_the_one_before(tmp_path: Path) -> None:
    old, new = a_patch(0.5), a_patch(0.25)
    keep(tmp_path, a_sound("Old", old), old)
    keep(tmp_path, a_sound("New", new), new)
    assert find_kept(tmp_path).note is None
    assert find_kept(tmp_path).sound.name == "New"  # type: ignore[union-attr]

    file = patch_file(tmp_path, kept_generation(new))
    file.write_bytes(new[:-1])
    found = find_kept(tmp_path)
    assert found.sound is not None
    assert (found.sound.name, found.patch) == ("Old", old)
    assert found.note == f"{file.name} is damaged"

    file.unlink()
    assert find_kept(tmp_path).note == f"{file.name} is missing"
    (tmp_path / "sound").write_bytes(b"\xff" * 900)
    found = find_kept(tmp_path)
    assert found.sound is not None
    assert found.sound.name == "Old"
    assert found.note == "sound is damaged (it is no kept sound)"


def test_nothing_kept_is_nothing_found_and_nothing_to_say(tmp_path: Path) -> None:
    assert find_kept(tmp_path / "kept") == kept_sound.Found()


def test_what_other_software_or_another_machine_kept_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = kept_sound.made_for()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(kept_sound, "made_for", lambda: "9.9.9 riscv64")
        keep(tmp_path, a_sound(), a_patch())
        assert find_kept(tmp_path).sound is not None
    found = find_kept(tmp_path)
    assert found.sound is None
    assert found.note == f"sound was kept by 9.9.9 riscv64, this is {here}"


def test_another_layout_of_controls_or_patch_or_file_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = to_bytes(a_sound())
    for module, name in ((kept_sound, "PATCH_VERSION"), (layout, "LAYOUT_VERSION"), (kept_sound, "KEPT_VERSION")):
        with monkeypatch.context() as later:
            later.setattr(module, name, 99)
            assert "version" in str(from_bytes(data))


def test_a_generation_follows_from_what_is_in_the_patch_alone_and_is_none_that_is_counted() -> None:
    one, again, other = (
        seal_patch(generation=n, sample_rate_hz=48_000, normalise_gain=g) for n, g in ((1, 1), (2, 1), (1, 2))
    )
    assert kept_generation(one) == kept_generation(again) == kept_generation(a_patch())
    assert kept_generation(one) != kept_generation(other)
    assert layout.COUNTED_GENERATIONS < kept_generation(one) < 0xFFFF_FFFE


def test_who_may_not_read_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "sound").mkdir()  # as good as a file one may not read, also for root
    assert "sound can't be read" in str(find_kept(tmp_path).note)
