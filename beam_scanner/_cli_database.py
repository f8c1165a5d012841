"""The commands ``ls``, ``show``, ``rm`` and ``gc``: what is in a database."""

from __future__ import annotations

import argparse
import fnmatch
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from beam_scanner._cli_args import PROGRAM
from beam_scanner.errors import (
    ElementTypeError,
    StorageError,
    StreamNotFoundError,
    UntrustedDataError,
)
from beam_scanner.storage import (
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    StreamDescriptor,
    gc,
    list_streams,
)
from beam_scanner.storage.names import MARKER
from beam_scanner.transforms.work import WORK, remove_garbage, unfinished_tokens
from beam_scanner.types import NullElement

_SHOWN_WIDTH = 100


def open_database(path: str) -> NamedStorage:
    """The database of a folder.

    Raises:
        StorageError: There is none.
    """
    # Nothing here has a use for values that must be unpickled.
    storage = NamedStorage(path, trusted=False)
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
        for number, file in enumerate(plain.files()):
            print(f"{'files' if number == 0 else '':12} {file}")
    kind = NamedVideoStream if found.kind == "video" else NamedStream
    stream = kind(storage, found.name)
    _show_rows(stream, min(args.rows, found.rows))


def _show_rows(stream: NamedStream, rows: int) -> None:
    wanted = list(range(rows))
    with stream.reader() as reader:
        times = reader.seconds(np.asarray(wanted, np.int64))
    try:
        values = _shown_values(stream, wanted)
        for row, time, value in zip(wanted, times, values, strict=True):
            print(f"row {row:<8} {time:10.3f} s  {value}")
    except ElementTypeError as error:
        print(f"its rows cannot be shown: {error}")
    except UntrustedDataError:
        kind = stream.descriptor().type_name
        print(f"its rows are not shown: reading {kind} would run code that they name")


def _shown_values(stream: NamedStream, rows: list[int]) -> Iterator[str]:
    found = stream.type()
    if found is None or not found.unpickles or found.to_arrow is not None:
        yield from map(_short, stream.load(rows=rows))
        return
    for value in stream.load(fn=len, rows=rows):
        is_null = isinstance(value, NullElement)
        yield "null" if is_null else f"pickled value, {value} bytes"
    if rows:
        print("pickled values run code when they are read, so they are not shown;")
        print(f"NamedStream(..., {stream.name()!r}).load() reads them")


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
    for stream in found:
        NamedStream(storage, stream.name).delete()
        print(f"removed {stream.name}")


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
    if live:
        print(
            f"kept what {len(live)} unfinished jobs can go on with (see --unfinished)"
        )


_RUNS = f"{WORK}/runs/"
