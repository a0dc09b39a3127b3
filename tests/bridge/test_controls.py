"""The controls block: what is published is whole, and a new writer goes on where the old one stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.bridge import controls, layout


def read_block(path: Path) -> layout.ControlsBlock:
    return layout.ControlsBlock.from_buffer_copy(path.read_bytes())


def some_payload(generation: int = 1, level_db: float = -6.0) -> layout.ControlsPayload:
    return controls.payload(
        generation=generation,
        flags=layout.Flag.NORMALISE | layout.Flag.MUTE,
        input_gain_db=3.0,
        gate_threshold_db=-70.0,
        level_db=level_db,
        knobs=(0.25, 0.75),
        patch_path="/run/pedal/patches/1.patch",
    )


def test_what_is_published_can_be_read_back_field_by_field(tmp_path: Path) -> None:
    with controls.ControlsWriter(tmp_path / "controls") as writer:
        writer.publish(some_payload(7))
        found = read_block(tmp_path / "controls")
    assert (found.magic, found.version, found.sequence) == (layout.CONTROLS_MAGIC, layout.LAYOUT_VERSION, 1)
    assert found.checksum == layout.controls_checksum(found.sequence, bytes(found.payload))
    assert found.payload.generation == 7
    assert layout.Flag(found.payload.flags) == layout.Flag.NORMALISE | layout.Flag.MUTE
    assert (found.payload.input_gain_db, found.payload.gate_threshold_db, found.payload.level_db) == (3.0, -70.0, -6.0)
    assert found.payload.knob_count == 2
    assert list(found.payload.knobs)[:3] == [0.25, 0.75, 0.0]
    assert found.payload.patch_path == b"/run/pedal/patches/1.patch"


def test_a_new_writer_continues_generation_and_sequence(tmp_path: Path) -> None:
    path = tmp_path / "controls"
    with controls.ControlsWriter(path) as writer:
        writer.publish(some_payload(41))
        writer.publish(some_payload(42))
    with controls.ControlsWriter(path) as writer:
        assert writer.generation == 42
        assert read_block(path).payload.generation == 42  # opening changes nothing for audio
        writer.publish(some_payload(43))
    assert read_block(path).sequence == 3


def test_after_a_torn_payload_generation_and_sequence_go_on(tmp_path: Path) -> None:
    path = tmp_path / "controls"
    with controls.ControlsWriter(path) as writer:
        writer.publish(some_payload(41))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with controls.ControlsWriter(path) as writer:
        assert writer.generation == 41
        assert writer.sequence == 1


def test_the_sequence_wraps_round(tmp_path: Path) -> None:
    path = tmp_path / "controls"
    with controls.ControlsWriter(path) as writer:
        writer.sequence = 0xFFFF_FFFF
        writer.publish(some_payload())
        assert read_block(path).sequence == 0


def test_too_long_a_path_or_too_many_knobs_are_refused_with_both_numbers() -> None:
    plain = {
        "generation": 1,
        "flags": layout.Flag(0),
        "input_gain_db": 0.0,
        "gate_threshold_db": -120.0,
        "level_db": 0.0,
    }
    with pytest.raises(ValueError, match=r"600 bytes.*511"):
        controls.payload(**plain, knobs=(), patch_path="x" * 600)
    with pytest.raises(ValueError, match=r"17 knobs.*16"):
        controls.payload(**plain, knobs=(0.0,) * 17, patch_path="")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(level=st.floats(-60, 20, width=32), knobs=st.lists(st.floats(-10, 10, width=32), max_size=layout.MAX_KNOBS))
def test_any_payload_survives_the_file(tmp_path: Path, level: float, knobs: list[float]) -> None:
    path = tmp_path / "controls"
    with controls.ControlsWriter(path) as writer:
        writer.publish(
            controls.payload(
                generation=1,
                flags=layout.Flag(0),
                input_gain_db=0.0,
                gate_threshold_db=-120.0,
                level_db=level,
                knobs=tuple(knobs),
                patch_path="é" * 100,
            )
        )
    found = read_block(path)
    assert layout.controls_checksum(found.sequence, bytes(found.payload)) == found.checksum
    assert found.payload.level_db == level
    assert list(found.payload.knobs)[: found.payload.knob_count] == knobs
    assert found.payload.patch_path.decode() == "é" * 100


def test_a_new_writer_counts_on_from_what_was_to_be_made_ready(tmp_path: Path) -> None:
    """Those are ready in the audio process: another sound of the same generation would not be heard."""
    path = tmp_path / "controls"
    with controls.ControlsWriter(path) as writer:
        assert writer.last_counted == 0
        writer.publish(some_payload(5))
        writer.prepare([some_payload(7), some_payload(6)])
    with controls.ControlsWriter(path) as writer:
        assert (writer.generation, writer.last_counted) == (5, 7)
        writer.publish(some_payload(layout.KEPT_GENERATION + 3))
    with controls.ControlsWriter(path) as writer:
        assert (writer.generation, writer.last_counted) == (layout.KEPT_GENERATION + 3, 7)
