"""Any model file → `Description`. What a file is shows in its content; its name is only for messages and hints.

Reading may block (disk, large JSON) and belongs away from the audio thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from appliance.errors import BadModelFile, UnsupportedModel
from appliance.formats import nam
from appliance.formats.description import (
    MAX_HISTORY_VALUES,
    MAX_RECEPTIVE_FIELD_FRAMES,
    Description,
    history_values,
    receptive_field_frames,
)
from appliance.formats.fields import clean_text, parse_json, show
from appliance.formats.guitarml import read_guitarml
from appliance.formats.rtneural import read_rtneural
from appliance.formats.smartamp import read_smartamp
from appliance.formats.smartamppro import read_smartamppro

MAX_FILE_BYTES = 32 * 1024 * 1024
_ONNX_START = b"\x08"  # first field of every ONNX file: its IR version
_WANTED = "Models are .nam, .json (GuitarML), .aidax or the pedal's own .onnx files."
_BINARY = (  # first bytes, what such a file is, what to do
    (b"PK\x03\x04", "a zip archive", "Unpack it and take the model file out of it."),
    (b"\x1f\x8b", "a compressed archive", "Unpack it and take the model file out of it."),
    (b"Rar!", "a rar archive", "Unpack it and take the model file out of it."),
    (b"7z\xbc\xaf", "a 7-zip archive", "Unpack it and take the model file out of it."),
    (b"RIFF", "an audio file", "A cabinet impulse response is loaded as a cabinet, not as a model."),
    (b"fLaC", "an audio file", "A cabinet impulse response is loaded as a cabinet, not as a model."),
    (b"FORM", "an audio file", "A cabinet impulse response is loaded as a cabinet, not as a model."),
    (b"%PDF", "a PDF document", _WANTED),
    (b"\x89PNG", "a picture", _WANTED),
    (b"\xff\xd8\xff", "a picture", _WANTED),
    (b"\x80\x02", "a Python pickle, which can run programs when it is opened", _WANTED),
    (b"\x80\x04", "a Python pickle, which can run programs when it is opened", _WANTED),
    (b"version https://git-lfs", "a Git LFS pointer, not the model", "Download the model itself (git lfs pull)."),
)


def read_model(path: Path, *, quality: float = 1.0) -> Description:
    """Read a model file of any known kind. May block.

    quality: 0…1 picks the size in a file that holds several (1: the biggest).
    Raises BadModelFile (not a model, damaged, too large), UnsupportedModel (a kind that can't be played).
    """
    return read_model_bytes(_read_file(path), path.name, quality=quality)


def read_variants(path: Path) -> tuple[Description, ...]:
    """Every size a file holds, smallest first; one for most files. May block; raises as `read_model`."""
    return read_variants_bytes(_read_file(path), path.name)


def read_model_bytes(data: bytes, name: str, *, quality: float = 1.0) -> Description:
    """`read_model` for bytes already in memory; `name` is the file's name, for messages and the model's name."""
    value = _parse(data, name)
    if value is None:
        from appliance.formats.own import read_own  # onnx takes a while to import and most files don't need it

        return _check_memory(read_own(data, name, quality), name)
    return _read_value(value, name, quality)


def read_variants_bytes(data: bytes, name: str) -> tuple[Description, ...]:
    """`read_variants` for bytes already in memory."""
    value = _parse(data, name)
    if value is None:
        from appliance.formats.own import read_own_sizes

        return tuple(_check_memory(description, name) for description in read_own_sizes(data, name))
    if "architecture" not in value:
        return (_read_value(value, name, 1.0),)
    return tuple(_read_value(value, name, quality) for quality in nam.qualities(value, name))


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BadModelFile(f"{path} is a folder, not a model file. Name the file inside it.")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _too_large(path.name, size)
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise BadModelFile(f"There is no file {path}. Check the name and the folder.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, BadModelFile):
            raise
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise BadModelFile(f"{path} can't be read: {reason}.") from None


def _parse(data: bytes, file: str) -> dict[str, Any] | None:
    """The JSON object of a model file; None for an ONNX file."""
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(file, len(data))
    start = data.removeprefix(b"\xef\xbb\xbf")[:4096].lstrip()
    if not start:
        raise BadModelFile(f"{file} is empty. Download or copy it again.")
    if data.startswith(_ONNX_START):
        return None
    if not start.startswith(b"{"):
        _refuse_content(start, file)
    value = parse_json(data, file)
    if not isinstance(value, dict):
        raise BadModelFile(f"{file} holds {show(value)}, not a model. {_WANTED}")
    return value


def _refuse_content(start: bytes, file: str) -> NoReturn:
    if start[:1] == b"<":
        raise BadModelFile(
            f"{file} is a web page, not a model. The download link led to a page about the file: "
            "open it and press its download (raw) button."
        )
    for magic, what, advice in _BINARY:
        if start.startswith(magic):
            raise BadModelFile(f"{file} is {what}, not a model. {advice}")
    raise BadModelFile(f"{file} is not a model file (it begins with {start[:8]!r}). {_WANTED}")


def _read_value(value: dict[str, Any], file: str, quality: float) -> Description:
    name = clean_text(Path(file).stem) or "model"
    keys = value.keys()
    if keys >= {"model_data", "state_dict"}:
        description = read_guitarml(value, file, name)
    elif keys >= {"layers", "in_shape"}:
        description = read_rtneural(value, file, name)
    elif keys >= {"variables", "residual_channels", "dilations"}:
        description = read_smartamp(value, file, name)
    elif keys >= {"conv1d", "lstm", "dense"}:
        description = read_smartamppro(value, file, name)
    elif "architecture" in keys:
        if missing := [key for key in nam.REQUIRED_KEYS if key not in keys]:
            raise BadModelFile(
                f"{file} looks like a NAM model, but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} "
                "missing. Download or export it again."
            )
        description = nam.read_nam(value, file, name, quality)
    else:
        found = ", ".join(show(key) for key in list(keys)[:6]) or "nothing"
        raise BadModelFile(f"{file} is JSON, but not a model of a known kind (it holds {found}). {_WANTED}")
    return _check_memory(description, file)


def _check_memory(description: Description, file: str) -> Description:
    """Refuse a model that asks for more past audio than any real one: engines allocate all of it."""
    frames = receptive_field_frames(description.architecture) or 0
    if frames > MAX_RECEPTIVE_FIELD_FRAMES or history_values(description.architecture) > MAX_HISTORY_VALUES:
        seconds = frames / description.sample_rate_hz
        raise UnsupportedModel(
            f"{file} looks {seconds:.1f} s into the past, more than this pedal has room for. "
            "Real captures look back a fraction of a second: the file is damaged or a joke."
        )
    return description


def _too_large(file: str, size: int) -> BadModelFile:
    return BadModelFile(
        f"{file} is {size / 1e6:.0f} MB; the largest model file that is accepted is {MAX_FILE_BYTES / 1e6:.0f} MB. "
        "Models are usually below 1 MB: is this the right file?"
    )
