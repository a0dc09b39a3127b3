"""The compiled engine and `layout.py` mean the same bytes."""

from __future__ import annotations

import ctypes

import pytest

from appliance.bridge import layout

BLOCKS: dict[str, type[ctypes.Structure]] = {
    "controls": layout.ControlsBlock,
    "payload": layout.ControlsPayload,
    "prepared": layout.PreparedBlock,
    "controls_memory": layout.ControlsMemory,
    "status": layout.StatusBlock,
    "tap": layout.TapHeader,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_no_field_depends_on_padding(name: str) -> None:
    block = BLOCKS[name]
    end = 0
    for field, *_ in block._fields_:
        assert getattr(block, field).offset == end, f"padding before {field}"
        end += getattr(block, field).size
    assert end == ctypes.sizeof(block)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_compiled_engine_has_the_same_layout(name: str) -> None:
    native = pytest.importorskip("appliance.engine._native", reason="the native engine is not built")
    block = BLOCKS[name]
    ours = {field: getattr(block, field).offset for field, *_ in block._fields_}
    assert native.shared_memory_layout()[name] == {"size": ctypes.sizeof(block), **ours}
