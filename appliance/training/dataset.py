"""Recordings on disk → `DataSet`: a pair, several pairs, or a folder with a manifest. May block (seconds a take).

What is done to each file is in the notes of its take, in words for the player.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from appliance.capture.take import Dry, PreparedTake, prepare_take, read_dry
from appliance.errors import BadDataSet, BadRequest
from appliance.formats.description import Knob
from appliance.training.contract import DataSet, Take
from appliance.training.exchanged import exchanged_takes
from appliance.training.manifest import NAME, read_manifest
from appliance.training.splits import Split, SplitWish, split

Progress = Callable[[str], None]
_SAME_DEVICE_FRAMES = 6  # takes of one session start alike; what differs less than this is the device's filter


@dataclass(frozen=True)
class _Source:
    dry: Path
    wet: Path
    knobs: tuple[float, ...] = ()
    held_out: bool = False
    invert: bool = False
    accept: frozenset[str] = frozenset()


def _silent(take: str) -> None:
    """Progress for callers who don't want any."""


def load(sources: Sequence[Path], *, accept: Collection[str] = (), progress: Progress = _silent) -> DataSet:
    """A folder with a `device.toml` (or that file), or dry and wet files in pairs: in1 out1 in2 out2 …

    accept: names of checks to pass over (`capture.take.ACCEPTABLE`). progress: called with each take's name.
    Raises BadRequest (no such combination), BadDataSet (manifest, takes that don't fit), BadAudioFile (a recording).
    """
    if len(sources) == 1:
        (source,) = sources
        if source.is_dir():
            return load_folder(source, accept=accept, progress=progress)
        if source.suffix.lower() == ".toml":
            return _load_manifest(source, accept, progress)
        if not source.exists():
            raise BadRequest(f"{source} does not exist: give a folder with a {NAME}, or two files (played, recorded).")
    if len(sources) % 2 or not sources:
        names = ", ".join(source.name for source in sources) or "nothing"
        raise BadRequest(
            f"{names}: files come in pairs, what was played and then what was recorded. Give both, or a folder with a "
            f"{NAME}."
        )
    for source in sources:
        if source.is_dir():
            raise BadRequest(f"{source} is a folder: give one folder alone, or files in pairs.")
    return load_pairs(list(zip(sources[::2], sources[1::2], strict=True)), accept=accept, progress=progress)


def load_pair(dry: Path, wet: Path, *, accept: Collection[str] = (), progress: Progress = _silent) -> DataSet:
    """One recording of a device without knobs. Raises as `load`."""
    return load_pairs([(dry, wet)], accept=accept, progress=progress)


def load_pairs(
    pairs: Sequence[tuple[Path, Path]], *, accept: Collection[str] = (), progress: Progress = _silent
) -> DataSet:
    """Several recordings (dry, wet) of one device at one setting. Raises as `load`."""
    sources = [_Source(dry, wet, accept=frozenset(accept)) for dry, wet in pairs]
    return _load(pairs[0][1].stem, (), sources, SplitWish(), None, progress)


def load_folder(folder: Path, *, accept: Collection[str] = (), progress: Progress = _silent) -> DataSet:
    """A data set with its `device.toml`. Raises as `load`."""
    return _load_manifest(folder / NAME, accept, progress)


def _load_manifest(path: Path, accept: Collection[str], progress: Progress) -> DataSet:
    manifest = read_manifest(path)
    sources = [
        _Source(take.input, take.output, take.knobs, take.held_out, take.invert, take.accept | frozenset(accept))
        for take in manifest.takes
    ]
    return _load(manifest.name, manifest.knobs, sources, manifest.split, manifest.sample_rate_hz, progress)


def _load(
    name: str,
    knobs: tuple[Knob, ...],
    sources: Sequence[_Source],
    wish: SplitWish,
    rate_hz: int | None,
    progress: Progress,
) -> DataSet:
    dries: dict[Path, Dry] = {}
    for source in sources:
        if source.dry.resolve() == source.wet.resolve():
            raise BadDataSet(
                f"{source.wet} is given as what was played and as what was recorded: one of them is wrong."
            )
        if source.dry not in dries:
            dries[source.dry] = read_dry(source.dry, rate_hz)
            rate_hz = dries[source.dry].recording.rate_hz  # the first file decides for all
    prepared = []
    for source in sources:
        progress(source.wet.name)
        own = dries[source.dry]
        prepared.append(
            prepare_take(
                own,
                source.wet,
                invert=source.invert,
                accept=source.accept,
                where=_position_words(knobs, source.knobs),
                others=lambda own=own: [dry for dry in dries.values() if dry is not own],  # type: ignore[misc]
            )
        )
    _refuse_duplicates(sources, prepared)
    prepared = _aligned_alike(sources, prepared)
    takes = _split_takes(sources, prepared, wish)
    heard = [sorted({s.knobs[i] for s in sources if not s.held_out}) for i in range(len(knobs))]
    notes = [note for dry in dries.values() for note in _dry_notes(dry)]
    notes += exchanged_takes(knobs, takes)
    own_knobs = tuple(replace(knob, heard=tuple(values)) for knob, values in zip(knobs, heard, strict=True))
    return DataSet(name, prepared[0].rate_hz, takes, own_knobs, tuple(notes))


def _position_words(knobs: tuple[Knob, ...], values: tuple[float, ...]) -> str:
    return ", ".join(f"{knob.name} = {value:g}" for knob, value in zip(knobs, values, strict=True))


def _dry_notes(dry: Dry) -> list[str]:
    known = [] if dry.layout is None else [f"{dry.recording.path.name} is {dry.layout.name}."]
    return [*known, *dry.recording.notes]


def _refuse_duplicates(sources: Sequence[_Source], prepared: Sequence[PreparedTake]) -> None:
    for j, later in enumerate(prepared):
        for i, earlier in enumerate(prepared[:j]):
            if sources[i].wet.resolve() == sources[j].wet.resolve() or (
                len(earlier.wet) == len(later.wet) and np.array_equal(earlier.wet, later.wet)
            ):
                raise BadDataSet(
                    f"{sources[j].wet} holds the same recording as {sources[i].wet.name}: no device plays the same "
                    "noise twice, so one was copied or named wrongly. Replace one, or leave it out."
                )


def _aligned_alike(sources: Sequence[_Source], prepared: Sequence[PreparedTake]) -> list[PreparedTake]:
    """Takes of one dry file that start within a few frames of each other started together: the earliest is right.

    What a knob does to the highs moves the start that is found, not the start.
    """
    result = list(prepared)
    for path in {source.dry for source in sources}:
        of_it = [i for i, source in enumerate(sources) if source.dry == path]
        earliest = min(prepared[i].alignment.shift_frames for i in of_it)
        for i in of_it:
            late = prepared[i].alignment.shift_frames - earliest
            if 0 < late <= _SAME_DEVICE_FRAMES:
                take = prepared[i]
                wet = np.concatenate([np.repeat(take.wet[:1], late), take.wet[:-late]])
                alignment = replace(take.alignment, shift_frames=earliest)
                notes = (*take.notes, f"It was moved {late} frames back, to start with the other takes.")
                result[i] = replace(take, wet=wet, alignment=alignment, notes=notes)
    return result


def _split_takes(sources: Sequence[_Source], prepared: Sequence[PreparedTake], wish: SplitWish) -> tuple[Take, ...]:
    """Takes of the same dry file are split at the same times, so that nothing heard at one knob position is asked at
    another.
    """
    takes = []
    for source, take in zip(sources, prepared, strict=True):
        alike = [other for s, other in zip(sources, prepared, strict=True) if s.dry == source.dry]
        frames = min(len(other.wet) for other in alike)
        first = max(other.first_frame for other in alike)
        layout = take.layout if all(other.layout for other in alike) else None
        try:
            parts = split(take.dry, take.rate_hz, frames, layout, wish, ((0, first),) if first else ())
        except ValueError as error:
            raise BadDataSet(f"{source.dry.name} can't be split: {error}.") from error
        if source.held_out:
            parts = Split((), (), parts.test)
        takes.append(
            Take(
                source.wet.stem,
                take.dry,
                take.wet,
                source.knobs,
                source.held_out,
                parts.train,
                parts.validation,
                parts.test,
                take.notes,
            )
        )
    return tuple(takes)
