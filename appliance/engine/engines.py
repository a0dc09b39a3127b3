"""Choose an engine by name."""

from __future__ import annotations

from appliance.engine.contract import ModelEngine
from appliance.formats.description import Description
from appliance.formats.foreign_graph import ForeignGraph

ENGINES = ("native", "onnx", "reference")


def make_engine(name: str, description: Description) -> ModelEngine:
    """The engine `name` (one of `ENGINES`), prepared for the model. May block (ONNX Runtime: tens of milliseconds).

    Imports only what that engine needs. Raises ValueError for another name, UnsupportedModel for a model that the
    engine can't play (other people's ONNX graphs: "onnx" alone).
    """
    if name == "native":
        from appliance.engine.native_engine import NativeEngine

        return NativeEngine(description)
    if name == "onnx":
        if isinstance(description.architecture, ForeignGraph):
            from appliance.engine.foreign_engine import ForeignEngine

            return ForeignEngine(description)
        from appliance.engine.onnx_engine import OnnxEngine

        return OnnxEngine(description)
    if name == "reference":
        from appliance.engine.reference import ReferenceEngine

        return ReferenceEngine(description)
    raise ValueError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")


def engine_for(description: Description) -> str:
    """The engine that plays a model best: "native", or "onnx" where that is the only one."""
    return "onnx" if isinstance(description.architecture, ForeignGraph) else "native"
