"""The commands ``ls``, ``show``, ``rm`` and ``gc``: what is in a database."""

from __future__ import annotations

import argparse
import fnmatch
import itertools
from collections.abc import Sequence

import numpy as np

from beam_scanner._cli_args import PROGRAM
from beam_scanner.errors import ElementTypeError, StorageError, StreamNotFoundError
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    StreamDescriptor,
    gc,
    list_streams,
)
from beam_scanner.storage.commit import files_beside
from beam_scanner.storage.names import MARKER
from beam_scanner.transforms.work import (
    WORK,
    live_runs,
    remove_garbage,
    unfinished_tokens,
)

_SHOWN_WIDTH = 100


def open_database(path: str) -> NamedStorage:
    """The database of a folder.

    Raises:
        StorageError: There is none.
    """
    storage = NamedStorage(path)
    if not storage.raw_store().exists(MARKER):
        raise StorageError(f"there is no database in {path!r}")
    storage.store()
    return storage


def list_command(args: argparse.Namespace) -> None:
    """Prints a line for each stream."""
    storage = open_database(args.database)
    found = _matching(storage, [args.pattern])
    table = [("STREAM", "ROWS", "TYPE", "SIZE", "")]
    for stream in found:
        size = "in place" if stream.inplace else byte_text(stream.size_bytes)
        table.append(
            (stream.name, str(stream.rows), _kind(stream), size, _what(stream))
        )
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for name, rows, kind, size, what in table:
        line = (
            f"{name:{widths[0]}}  {rows:>{widths[1]}}  {kind:{widths[2]}}  "
            f"{size:>{widths[3]}}  {what}"
        )
        print(line.rstrip())


def _kind(stream: StreamDescriptor) -> str:
    return "video" if stream.kind == "video" else stream.type_name or "-"


def _what(stream: StreamDescriptor) -> str:
    size = f"{stream.width}x{stream.height}" if stream.width else ""
    return " ".join(part for part in (size, stream.path or "") if part)


def byte_text(count: int) -> str:
    """A number of bytes for people.

    Example:
        >>> byte_text(999), byte_text(1_234_567)
        ('999 B', '1.2 MB')
    """
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _matching(storage: NamedStorage, patterns: Sequence[str]) -> list[StreamDescriptor]:
    """Streams that a pattern, or their name, fits; names may look like patterns."""
    return [
        stream
        for stream in list_streams(storage)
        if any(_fits(stream.name, pattern) for pattern in patterns)
    ]


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern)


def show_command(args: argparse.Namespace) -> None:
    """Prints what a stream is."""
    storage = open_database(args.database)
    plain = NamedStream(storage, args.name)
    try:
        found = plain.descriptor()
    except StreamNotFoundError as error:
        raise StreamNotFoundError(
            f"no stream of {args.database!r} is called {args.name!r}; "
            f"'{PROGRAM} ls {args.database}' lists all"
        ) from error
    print(f"stream       {found.name}")
    print(f"type         {_kind(found)}")
    print(f"rows         {found.rows}")
    if found.width:
        print(f"size         {found.width} x {found.height} pixels")
    if found.path is not None:
        print(f"read from    {found.path}")
    else:
        print(f"stored       {byte_text(found.size_bytes)}")
        _show_files("files", plain.files())
    store = storage.store()
    beside = files_beside(store, found.name)
    _show_files("beside it", [store.describe(key) for key in beside])
    if found.published:
        print(f"published    {found.published}")
    missing = plain.missing_files(found)
    _show_files("MISSING", missing)
    if missing:
        return
    kind = NamedVideoStream if found.kind == "video" else NamedStream
    stream = kind(storage, found.name)
    _show_rows(stream, min(args.rows, found.rows))


def _show_files(what: str, files: Sequence[str]) -> None:
    for number, file in enumerate(files):
        print(f"{what if number == 0 else '':12} {file}")


def _show_rows(stream: NamedStream, rows: int) -> None:
    wanted = list(range(rows))
    with stream.reader() as reader:
        times = reader.seconds(np.asarray(wanted, np.int64))
    try:
        for row, time, value in zip(
            wanted, times, stream.load(rows=wanted), strict=True
        ):
            print(f"row {row:<8} {time:10.3f} s  {_short(value)}")
    except ElementTypeError as error:
        print(f"its rows cannot be shown: {error}")


def _short(value: object) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) > 1:
        return f"array {' x '.join(map(str, shape))} {getattr(value, 'dtype', '')}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN_WIDTH else f"{text[: _SHOWN_WIDTH - 3]}..."


def remove_command(args: argparse.Namespace) -> None:
    """Removes streams."""
    storage = open_database(args.database)
    found = _matching(storage, args.pattern)
    for pattern in args.pattern:
        if not any(_fits(stream.name, pattern) for stream in found):
            raise StreamNotFoundError(
                f"no stream of {args.database!r} is called, or matches, {pattern!r}"
            )
    store = storage.store()
    for stream in found:
        NamedStream(storage, stream.name).delete()
        print(f"removed {stream.name}")
        for key in files_beside(store, stream.name):
            print(f"  left, since beam_scanner did not make it: {store.describe(key)}")


def gc_command(args: argparse.Namespace) -> None:
    """Removes files that nothing needs."""
    storage = open_database(args.database)
    store = storage.store()
    live: list[str] = []

    def needed() -> list[str]:
        if not args.unfinished:
            live.extend(unfinished_tokens(store))
        return live

    work = 0
    if not args.unfinished:
        if not args.dry_run:
            remove_garbage(store)
    else:
        running = live_runs(store)
        if running:
            raise StorageError(
                f"{len(running)} run(s) work in {args.database!r} on this machine: their "
                "unfinished work is not given up; nothing was removed"
            )
        for key in itertools.chain(store.list(f"{WORK}/jobs/"), store.list(_RUNS)):
            work += 1
            if not args.dry_run:
                store.delete(key)
    found = gc(storage, needed, dry_run=args.dry_run)
    verb = "would remove" if args.dry_run else "removed"
    print(
        f"{verb} {len(found.keys)} segment files ({byte_text(found.size_bytes)}), "
        f"{work} files of unfinished runs, {found.scratch_files} temporary files"
    )
    for key in found.keys if args.dry_run else ():
        print(f"  {store.describe(key)}")
    for reason in found.left:
        print(f"left alone: {reason}")
    if live:
        print(
            f"kept what {len(live)} unfinished jobs can go on with (see --unfinished)"
        )


_RUNS = f"{WORK}/runs/"
