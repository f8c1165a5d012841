"""What notebooks show of stored streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ArgumentError
from beam_scanner.notebook.overlays import is_seen
from beam_scanner.notebook.plots import plot, series_of
from beam_scanner.notebook.thumbnails import Shot, at_keyframes, caption, spread, strip
from beam_scanner.notebook.view import View
from beam_scanner.rows.row_numbers import row_numbers
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.text.cards import card, note, table, value_text
from beam_scanner.text.quantities import byte_text
from beam_scanner.types.element_types import ColumnType
from beam_scanner.types.type_info import ScannerTypeInfo

if TYPE_CHECKING:
    from beam_scanner.storage.streams.backend import StoredStream

Kind = ScannerTypeInfo | None
"""Type of a stream's elements; None for bytes."""

THUMBNAILS = 8
_MOST_ROWS = 24
_MOST_VALUES = 2000
_MOST_BYTES = 50 << 20
_LISTED = 5


def stream_card(stream: StoredStream, kind: Kind) -> str:
    """Facts, and frames or values from all over a stream."""
    path = getattr(stream, "path", None)
    if not stream.committed() and not (path and stream.exists()):
        facts = {"state": "not committed: no run has made it yet", "path": path}
        return card(stream.name(), facts)
    with stream.reader() as reader:
        facts = _facts(stream, reader, kind)
        if not len(reader):
            return card(stream.name(), facts)
        if stream.column_type() is ColumnType.Video:
            keyframes = reader.keyframes
            rows = at_keyframes(
                spread(len(reader), THUMBNAILS),
                () if keyframes is None else keyframes,
            )
            return card(stream.name(), facts, strip(_shots(reader, rows)))
        rows = _some_rows(stream, len(reader))
        seconds = reader.seconds(_numbers(rows))
    values = list(stream.load(rows=rows))
    return card(
        stream.name(), facts, _plotted(rows, seconds, values, {}), _listed(rows, values)
    )


def show(
    stream: StoredStream,
    kind: Kind,
    rows: Iterable[int] | None,
    on: StoredStream | None,
) -> View:
    """What ``StoredStream.show`` gives."""
    if on is not None and on.column_type() is not ColumnType.Video:
        raise ArgumentError(
            f"on={on!r} must be a stream of frames, in which things are seen"
        )
    total = stream.len()
    chosen = None if rows is None else row_numbers(rows, total, stream.name()).tolist()
    if chosen is not None and len(chosen) > _MOST_ROWS:
        raise ArgumentError(
            f"show takes at most {_MOST_ROWS} rows, got {len(chosen)}: choose some of "
            "them, or none for rows from all over the stream"
        )
    what = stream.name() if on is None else f"{stream.name()} on {on.name()}"
    return View(what, lambda: _shown(stream, kind, chosen, on))


def _shown(
    stream: StoredStream, kind: Kind, rows: list[int] | None, on: StoredStream | None
) -> str:
    frames = stream.column_type() is ColumnType.Video
    some = rows if rows is not None else spread(stream.len(), THUMBNAILS)
    with stream.reader() as reader:
        facts = _facts(stream, reader, kind)
        seconds = reader.seconds(_numbers(some))
        plain = on is None and frames
        shots = _shots(reader, some) if plain else []
    if plain:
        return card(stream.name(), facts, strip(shots))
    parts = []
    values = list(stream.load(rows=some))
    if on is not None:
        under = _frames_at(on, stream, some, seconds)
        shots = [
            Shot(frame, caption(row, float(when)), value)
            for frame, row, when, value in zip(
                under, some, seconds, values, strict=True
            )
        ]
    drawn = bool(shots) and any(map(is_seen, values))
    if not frames and rows is None:
        every = _some_rows(stream, stream.len())
        with stream.reader() as reader:
            times = reader.seconds(_numbers(every))
        linked = {} if drawn else dict(zip(some, shots, strict=False))
        parts.append(_plotted(every, times, list(stream.load(rows=every)), linked))
    elif not frames:
        parts.append(_plotted(some, seconds, values, {}))
    if shots and (drawn or rows is not None):
        parts.append(strip(shots))
    if not frames:
        parts.append(_listed(some, values))
    return card(stream.name(), facts, *parts)


def _facts(stream: StoredStream, reader: RowReader, kind: Kind) -> dict[str, object]:
    facts: dict[str, object] = {
        "rows": f"{len(reader):,}",
        "type": "bytes" if kind is None else kind.label,
        "path": getattr(stream, "path", None),
    }
    rows = np.array([0, len(reader) - 1]) if len(reader) else np.zeros(0, np.int64)
    times = reader.seconds(rows)
    if len(times) and np.isfinite(times).all():
        facts["time"] = f"{times[0]:.3f} to {times[1]:.3f} s"
    if stream.column_type() is ColumnType.Video and len(reader) and reader.frame_bytes:
        facts["a frame"] = byte_text(reader.frame_bytes)
    return facts


def _shots(reader: RowReader, rows: Sequence[int]) -> list[Shot]:
    unique = sorted(set(rows))
    frames = dict(zip(unique, reader.read(unique), strict=True))
    seconds = reader.seconds(_numbers(rows))
    return [
        Shot(frames[row], caption(row, float(when)))
        for row, when in zip(rows, seconds, strict=True)
    ]


def _some_rows(stream: StoredStream, total: int) -> list[int]:
    """As many rows of a stream as are quick to load."""
    size = max(stream.estimate_size(), 1)
    return spread(total, max(2, min(_MOST_VALUES, _MOST_BYTES // size)))


def _frames_at(
    on: StoredStream,
    stream: StoredStream,
    rows: Sequence[int],
    seconds: NDArray[np.float64],
) -> list[Any]:
    """The frames in which values of some rows were found.

    Streams of equal length have the same rows; else times say which frame it was.
    """
    with on.reader() as reader:
        wanted = _numbers(rows)
        if len(reader) != stream.len():
            if not np.isfinite(seconds).all():
                raise ArgumentError(
                    f"{stream.name()!r} has {stream.len()} rows, {on.name()!r} has "
                    f"{len(reader)}, and times are not known of all"
                )
            times = reader.seconds(np.arange(len(reader)))
            wanted = np.abs(times[None, :] - seconds[:, None]).argmin(axis=1)
        unique = np.unique(wanted)
        frames = dict(zip(unique.tolist(), reader.read(unique.tolist()), strict=True))
    return [frames[row] for row in wanted.tolist()]


def _plotted(
    rows: Sequence[int],
    seconds: NDArray[np.float64],
    values: Sequence[Any],
    frames: dict[int, Shot],
) -> str:
    series = series_of(values)
    if not series or len(rows) < 2:
        return ""
    known = bool(np.isfinite(seconds).all() and (np.diff(seconds) > 0).all())
    places = seconds if known else np.asarray(rows, np.float64)
    numbers = {row: number for number, row in enumerate(rows)}
    linked = {numbers[row]: shot for row, shot in frames.items() if row in numbers}
    return plot(places, series, linked, "s" if known else "rows")


def _listed(rows: Sequence[int], values: Sequence[Any]) -> str:
    """The first values as text."""
    shown = [(row, value_text(value)) for row, value in zip(rows, values, strict=True)]
    rest = len(shown) - _LISTED
    more = note(f"and {rest:,} more rows that were read") if rest > 0 else ""
    return table(["row", "value"], shown[:_LISTED]) + more


def _numbers(rows: Sequence[int]) -> NDArray[np.int64]:
    return np.asarray(rows, np.int64)
