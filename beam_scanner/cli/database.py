"""The commands ``ls``, ``show``, ``rm`` and ``gc``: what is in a database."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from beam_scanner.cli.args import PROGRAM
from beam_scanner.cli.output import put
from beam_scanner.errors import (
    ElementTypeError,
    StorageError,
    StreamNotFoundError,
    UntrustedDataError,
    did_you_mean,
)
from beam_scanner.run.job_files import unfinished_tokens
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    StreamDescriptor,
    gc,
    list_streams,
)
from beam_scanner.storage.commit import files_beside
from beam_scanner.storage.segments.inferred_writer import inferred_text
from beam_scanner.storage.stream_names import JOBS, MARKER, RUNS
from beam_scanner.stores.patterns import matching_names
from beam_scanner.text.natural_order import natural_key
from beam_scanner.text.printable import printable
from beam_scanner.text.quantities import byte_text, counted
from beam_scanner.text.tables import aligned
from beam_scanner.types.element_types import NullElement
from beam_scanner.types.type_text import label_of_text

_SHOWN_WIDTH = 100


def open_database(path: str) -> NamedStorage:
    """The database of a folder.

    Raises:
        StorageError: There is none.
    """
    # No command here needs unpickled values, so none of them runs code of the database.
    storage = NamedStorage(path, trusted=False)
    if not storage.raw_store().exists(MARKER):
        raise StorageError(f"there is no database in {path!r}")
    storage.store()
    return storage


def list_command(args: argparse.Namespace) -> None:
    """Prints a line for each stream."""
    storage = open_database(args.database)
    streams = _streams(storage)
    names = list(streams)
    if args.pattern is not None:
        names = _matching(args.pattern, streams, args.database)
    table: list[tuple[object, ...]] = [("STREAM", "ROWS", "TYPE", "SIZE", "")]
    for stream in map(streams.__getitem__, sorted(names, key=natural_key)):
        size = "in place" if stream.inplace else byte_text(stream.size_bytes)
        table.append((stream.name, stream.rows, _kind(stream), size, _what(stream)))
    put("\n".join(aligned(table, right=[1, 3])))


def _streams(storage: NamedStorage) -> dict[str, StreamDescriptor]:
    return {stream.name: stream for stream in list_streams(storage)}


def _kind(stream: StreamDescriptor) -> str:
    if stream.kind == "video" or not stream.type_name:
        return "video" if stream.kind == "video" else "-"
    inferred = inferred_text(stream.type_name)
    label = label_of_text(inferred or stream.type_name)
    return f"Any[{label}]" if inferred else label


def _what(stream: StreamDescriptor) -> str:
    size = f"{stream.width}x{stream.height}" if stream.width else ""
    return " ".join(part for part in (size, stream.path or "") if part)


def show_command(args: argparse.Namespace) -> None:
    """Prints what a stream is."""
    storage = open_database(args.database)
    plain = NamedStream(storage, args.name)
    try:
        found = plain.descriptor()
    except StreamNotFoundError as error:
        near = did_you_mean(args.name, _streams(storage))
        raise StreamNotFoundError(
            f"no stream of {args.database!r} is called {args.name!r}{near or ';'} "
            f"'{PROGRAM} ls {args.database}' lists all"
        ) from error
    put(f"stream       {printable(found.name)}")
    put(f"type         {printable(_kind(found))}")
    put(f"rows         {found.rows}")
    if found.width:
        put(f"size         {found.width} x {found.height} pixels")
    if found.path is not None:
        put(f"read from    {printable(found.path)}")
    else:
        put(f"stored       {byte_text(found.size_bytes)}")
        _show_files("files", plain.files())
    store = storage.store()
    beside = files_beside(store, found.name)
    _show_files("beside it", [store.describe(key) for key in beside])
    if found.published:
        put(f"published    {printable(found.published)}")
    missing = plain.missing_files(found)
    _show_files("MISSING", missing)
    if missing:
        return
    kind = NamedVideoStream if found.kind == "video" else NamedStream
    stream = kind(storage, found.name)
    _show_rows(stream, min(args.rows, found.rows))


def _show_files(what: str, files: Sequence[str]) -> None:
    for number, file in enumerate(files):
        put(f"{what if number == 0 else '':12} {printable(file)}")


def _show_rows(stream: NamedStream, rows: int) -> None:
    wanted = list(range(rows))
    with stream.reader() as reader:
        times = reader.seconds(np.asarray(wanted, np.int64))
    try:
        values = _shown_values(stream, wanted)
        for row, time, value in zip(wanted, times, values, strict=True):
            put(f"row {row:<8} {time:10.3f} s  {printable(value)}")
    except ElementTypeError as error:
        put(f"its rows cannot be shown: {printable(str(error))}")
    except UntrustedDataError:
        kind = printable(stream.descriptor().type_name)
        put(f"its rows are not shown: reading {kind} would run code that they name")


def _shown_values(stream: NamedStream, rows: list[int]) -> Iterator[str]:
    found = stream.type()
    inferred = bool(inferred_text(stream.descriptor().type_name))
    if found is None or inferred or not found.unpickles or found.to_arrow is not None:
        yield from map(_short, stream.load(rows=rows))
        return
    for value in stream.load(fn=len, rows=rows):
        is_null = isinstance(value, NullElement)
        yield "null" if is_null else f"pickled value, {value} bytes"
    if rows:
        put("pickled values run code when they are read, so they are not shown;")
        put(f"NamedStream(..., {printable(stream.name())!r}).load() reads them")


def _short(value: object) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) > 1:
        return f"array {' x '.join(map(str, shape))} {getattr(value, 'dtype', '')}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN_WIDTH else f"{text[: _SHOWN_WIDTH - 3]}..."


def chosen_streams(storage: NamedStorage, args: argparse.Namespace) -> list[str]:
    """Names of the streams that the patterns of a command match.

    Args:
        storage: The database.
        args: With ``database`` and ``pattern``, a list.

    Raises:
        StreamNotFoundError: A pattern matches none.
    """
    streams = _streams(storage)
    found: dict[str, None] = {}
    for pattern in args.pattern:
        names = _matching(pattern, streams, args.database)
        found.update(dict.fromkeys(sorted(names, key=natural_key)))
    return list(found)


def _matching(pattern: str, streams: Iterable[str], database: str) -> list[str]:
    """The streams that a pattern matches.

    Raises:
        StreamNotFoundError: There is none.
    """
    names = list(matching_names(pattern, streams))
    if not names:
        near = did_you_mean(pattern, streams)
        hint = "" if "**" in pattern or "*" not in pattern else _ACROSS
        raise StreamNotFoundError(
            f"no stream of {database!r} is called, or matches, {pattern!r}{near}{hint}"
        )
    return names


def remove_command(args: argparse.Namespace) -> None:
    """Removes streams."""
    storage = open_database(args.database)
    names = chosen_streams(storage, args)
    store = storage.store()
    for name in names:
        NamedStream(storage, name).delete()
        put(f"removed {printable(name)}")
        for key in files_beside(store, name):
            left = printable(store.describe(key))
            put(f"  left, since beam_scanner did not make it: {left}")


_ACROSS = " ('*' stays between slashes, '**' crosses them)"


def gc_command(args: argparse.Namespace) -> None:
    """Removes files that no stream needs."""
    # Late: importing runs takes longer than all that the other commands do.
    from beam_scanner.run.active_runs import bury_dead
    from beam_scanner.run.run_files import live_runs, remove_garbage

    storage = open_database(args.database)
    store = storage.store()
    live: list[str] = []
    if not args.dry_run:
        bury_dead(store)

    def needed() -> list[str]:
        if not args.unfinished:
            live.extend(unfinished_tokens(store))
        return live

    work = 0
    if not args.unfinished:
        if not args.dry_run:
            remove_garbage(store)
    else:
        # Late: it loads Beam.
        from beam_scanner.run.follow import going_on

        running = live_runs(store) or going_on(storage)
        if running:
            raise StorageError(
                f"{counted(len(running), 'run')} still "
                f"{'uses' if len(running) == 1 else 'use'} {args.database!r} and "
                "unfinished work in it; nothing was removed"
            )
        for key in itertools.chain(store.list(JOBS), store.list(RUNS)):
            work += 1
            if not args.dry_run:
                store.delete(key)
    found = gc(storage, needed, dry_run=args.dry_run)
    verb = "would remove" if args.dry_run else "removed"
    put(
        f"{verb} {counted(len(found.keys), 'segment file')} "
        f"({byte_text(found.size_bytes)}), {counted(work, 'file')} of unfinished runs, "
        f"{counted(found.scratch_files, 'temporary file')}"
    )
    for key in found.keys if args.dry_run else ():
        put(f"  {printable(store.describe(key))}")
    for reason in found.left:
        put(f"left alone: {printable(reason)}")
    if live:
        jobs = counted(len(live), "unfinished job")
        put(f"kept what {jobs} can resume from (see --unfinished)")
