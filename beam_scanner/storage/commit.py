"""Publishing, removing and tidying up: what makes streams appear and go.

The order of steps is what keeps a crash harmless. Segment files come first, then
the descriptor in one conditional put, then files that nothing names any more go. So
a reader sees the old stream or the new one, of two writers that began with the same
one publishes, and what a crash leaves behind is only ever unused files, which
:func:`~beam_scanner.storage.garbage.gc` finds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from beam_scanner.errors import (
    ElementTypeError,
    OutcomeUnknownError,
    ScannerException,
    StorageError,
    StreamExistsError,
    StreamReplacedError,
)
from beam_scanner.storage.checked_files import SegmentFiles
from beam_scanner.storage.descriptor import (
    StreamDescriptor,
    begin_writing,
    check_database,
    parse_descriptor,
)
from beam_scanner.storage.stored_rows import Record
from beam_scanner.storage.stream_names import (
    DESCRIPTOR,
    FOR_PEOPLE,
    MARKER,
    descriptor_key,
    generation_key,
    is_segment_file,
    stream_key,
)
from beam_scanner.storage.writer_marks import writing
from beam_scanner.stores.object_store import ObjectNotFoundError, ObjectStore


def tiled(name: str, segments: Iterable[Record]) -> tuple[Record, ...]:
    """Segments in row order, checked to cover rows 0 to the last without a gap.

    Raises:
        StorageError: Rows are missing or written twice.

    Examples:
        >>> [s['first'] for s in tiled('a', [{'first': 3, 'rows': 1},
        ...                                  {'first': 0, 'rows': 3}])]
        [0, 3]
    """
    ordered = sorted(segments, key=lambda record: (record["first"], record["rows"]))
    expected = 0
    for record in ordered:
        if record["first"] != expected:
            problem = "are missing" if record["first"] > expected else "overlap"
            low, high = sorted((expected, int(record["first"])))
            raise StorageError(
                f"cannot commit stream {name!r}: rows {low} to {high - 1} {problem}"
            )
        expected += record["rows"]
    return tuple(record for record in ordered if record["rows"])


def describe_segments(
    name: str, kind: str, generation: str, segments: Iterable[Record]
) -> StreamDescriptor:
    """The descriptor of a stream made of these segments.

    Args:
        name: The stream's name.
        kind: ``'blob'`` or ``'video'``, for a stream without segments.
        generation: Where their files lie.
        segments: Records of all segments, in any order.

    Raises:
        StorageError: Rows are missing.
        ElementTypeError: Segments differ in type; lossy ones in frame size.
    """
    given = list(segments)
    ordered = tiled(name, given)
    # A segment without rows holds nothing, but still says of what type.
    first = (ordered or given or [{"kind": kind, "type": ""}])[0]
    for record in ordered:
        for what in ("kind", "type"):
            if record[what] != first[what]:
                raise ElementTypeError(
                    f"row {record['first']} of stream {name!r} has {what} "
                    f"{record[what]!r}, earlier rows have {first[what]!r}"
                )
    width, height = _frame_size(name, ordered)
    return StreamDescriptor(
        name=name,
        kind=first["kind"],
        type_name=first["type"],
        rows=sum(int(record["rows"]) for record in ordered),
        generation=generation,
        segments=ordered,
        width=width,
        height=height,
    )


def _frame_size(name: str, segments: Sequence[Record]) -> tuple[int, int]:
    """The one (width, height) of all frames, or (0, 0)."""
    sizes = set()
    lossy: tuple[int, int] | None = None
    for record in segments:
        size = (int(record.get("width", 0)), int(record.get("height", 0)))
        if record.get("nulls", -1) == record["rows"]:
            continue
        sizes.add(size)
        if record.get("lossy"):
            if lossy is not None and size != lossy:
                raise ElementTypeError(
                    f"row {record['first']} of stream {name!r} is {size[0]}x{size[1]}, "
                    f"earlier rows are {lossy[0]}x{lossy[1]}: only lossless() video may "
                    "change its size"
                )
            lossy = size
    return sizes.pop() if len(sizes) == 1 else (0, 0)


def generation_of(current: StreamDescriptor | None) -> str:
    """What a writer has seen of a stream: its generation, '' if there is none."""
    return "" if current is None else current.generation


def missing_files(store: ObjectStore, stream: StreamDescriptor) -> list[str]:
    """Keys of the files of a stream that are not there, or not of their size."""
    folder = generation_key(stream.name, stream.generation)
    sizes = store.sizes(f"{folder}/") if stream.segments else {}
    return [
        key
        for record in stream.segments
        for key in _missing(store, stream.name, stream.generation, record, sizes.get)
    ]


def has_segment(store: ObjectStore, name: str, generation: str, record: Record) -> bool:
    """Whether all files of one segment are there, with their sizes.

    Args:
        store: The database's store.
        name: The stream's name.
        generation: Of the segment.
        record: Of the segment.
    """

    def size_of(key: str) -> int | None:
        try:
            return store.size(key)
        except ObjectNotFoundError:
            return None

    return not _missing(store, name, generation, record, size_of)


def _missing(
    store: ObjectStore,
    name: str,
    generation: str,
    record: Record,
    size_of: Callable[[str], int | None],
) -> list[str]:
    """Keys of the files of a segment that are not there, or not of their size."""
    files = SegmentFiles(store, name, generation, record)
    written = {files.key(file): files.size(file) for file in record.get("files", ())}
    found = {key: size_of(key) for key in written}
    gone = [
        key
        for key, wanted in written.items()
        if found[key] is None or wanted not in (None, found[key])
    ]
    # Older releases wrote the size of all files together.
    if not gone and None in written.values():
        gone = (
            list(written)
            if sum(filter(None, found.values())) != record["bytes"]
            else []
        )
    return gone


def is_whole(store: ObjectStore, stream: StreamDescriptor) -> bool:
    """Whether all that a descriptor lists is there, with its size."""
    return not missing_files(store, stream)


def publish(
    store: ObjectStore, new: StreamDescriptor, seen: str | None = None
) -> StreamDescriptor:
    """Makes a stream visible, atomically, in place of what the writer has seen there.

    Publishing the same generation again changes nothing, but finishes the tidying
    that a crash may have cut short. Where another writer has published the same
    result meanwhile, that stays.

    Args:
        store: The database's store.
        new: The stream.
        seen: The generation that was there when the writer began, '' for none; None
            for whatever is there now. If it was removed since, nothing is in the way.

    Returns:
        The stream as it is stored now.

    Raises:
        StorageError: A segment's file is missing.
        OutcomeUnknownError: The store did not say whether the stream was published:
            its files must stay.
        StreamReplacedError: Another writer has published the stream since.
        StreamExistsError: Another source of the same run has taken the name.
    """
    begin_writing(store)
    _check_own(store, new.name)
    key = descriptor_key(new.name)
    while True:
        data = store.try_read(key)
        current = None if data is None else parse_descriptor(store, new.name, data)
        if current is not None and _stays(store, current, new, seen):
            # The stream stands; what cannot be removed now is garbage, which gc finds.
            with suppress(StorageError):
                tidy(store, current)
            if current.generation != new.generation:
                discard(store, new.name, new.generation)
            return current
        missing = missing_files(store, new)
        if missing:
            raise StorageError(
                f"cannot commit stream {new.name!r}: {store.describe(missing[0])!r} is "
                "missing, or not of the size that was written"
            )
        put = _after(new, current)
        if _put(store, key, put, data):
            with suppress(StorageError):
                tidy(store, put)
            return put


def _folders_to(name: str) -> list[str]:
    """Keys of the folders from the root of a database to that of a stream."""
    parts = stream_key(name).split("/")
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def _check_own(store: ObjectStore, name: str) -> None:
    """Refuses to store a stream in another database, to which a link leads."""
    folders = _folders_to(name)
    linked = next((f for f in folders if store.is_link(f"{f}/")), None)
    here, there = store.local_path(MARKER), store.local_path(folders[-1])
    if linked is None or here is None or there is None:
        return
    at = os.path.realpath(there)
    while not os.path.exists(os.path.join(at, MARKER)) and at != os.path.dirname(at):
        at = os.path.dirname(at)
    if at not in (os.path.realpath(os.path.dirname(here)), os.path.dirname(at)):
        raise StorageError(
            f"stream {name!r} is not stored: {store.describe(linked)!r} is a link into "
            f"another database, {at!r}"
        )


def _stays(
    store: ObjectStore,
    current: StreamDescriptor,
    new: StreamDescriptor,
    seen: str | None,
) -> bool:
    """Whether the stored stream is the new one, or has the same result."""
    mine = current.generation == new.generation
    if new.run and current.run == new.run:
        if current.source != new.source:
            raise StreamExistsError(
                f"two sources of one run write stream {new.name!r}: give each its name"
            )
        mine = mine or current.fingerprint == new.fingerprint
    if mine:
        return is_whole(store, current)
    if seen is None or current.generation == seen:
        return False
    if _is_same_result(current, new) and is_whole(store, current):
        return True
    raise StreamReplacedError(replaced(current))


def _is_same_result(one: StreamDescriptor, other: StreamDescriptor) -> bool:
    def compared(found: StreamDescriptor) -> tuple[object, ...]:
        is_copy = found.copy is not None
        return found.path, is_copy, found.verified, found.lost, found.type_name

    return (
        bool(one.fingerprint)
        and one.fingerprint == other.fingerprint
        and compared(one) == compared(other)
    )


def replaced(current: StreamDescriptor) -> str:
    """What to tell a writer that has lost to another one."""
    when = f" at {current.published}" if current.published else ""
    return (
        f"stream {current.name!r} was replaced by another run{when}, after this one "
        "had begun; what that one has stored stays, this one stored nothing"
    )


def _after(new: StreamDescriptor, current: StreamDescriptor | None) -> StreamDescriptor:
    previous = new.previous
    if current is not None:
        is_other = current.generation != new.generation
        previous = current.generation if is_other else current.previous
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(new, previous=previous, published=now)


def _put(
    store: ObjectStore, key: str, new: StreamDescriptor, seen: bytes | None
) -> bool:
    """Puts a descriptor in place of what was read there.

    A put that fails may have succeeded, if only its answer was lost: the descriptor
    that is stored now decides.
    """
    try:
        return store.put_if(key, new.to_json(), seen)
    except StorageError as error:
        with suppress(StorageError):
            data = store.try_read(key)
            if data is not None and data != seen:
                there = parse_descriptor(store, new.name, data)
                return there.generation == new.generation
        raise OutcomeUnknownError(
            f"cannot tell whether stream {new.name!r} was published: {error}"
        ) from error


def tidy(store: ObjectStore, current: StreamDescriptor) -> None:
    """Removes files of this generation that lost, and the one it replaced."""
    keep = set(current.file_keys())
    _remove_generation(store, current.name, current.generation, keep)
    if current.previous:
        _remove_generation(store, current.name, current.previous, ())


def discard(store: ObjectStore, name: str, generation: str) -> None:
    """Removes what was written of a generation that will not be published.

    The generation of the stream as it is stored now stays, and so does everything if
    that cannot be read. Errors of the store are ignored: they leave only unused files.
    """
    with suppress(StorageError):
        data = store.try_read(descriptor_key(name))
        if data is not None:
            current = parse_descriptor(store, name, data)
            if current.generation == generation:
                return
        _remove_generation(store, name, generation, ())


@contextmanager
def new_generation(store: ObjectStore, name: str, generation: str) -> Iterator[None]:
    """Marks a generation as being written; removes it if it is not published.

    Where nobody can tell whether it was published, its files stay.
    """
    with writing(store, generation):
        try:
            yield
        except OutcomeUnknownError:
            raise
        except ScannerException:
            discard(store, name, generation)
            raise


def _remove_generation(
    store: ObjectStore, name: str, generation: str, keep: Collection[str]
) -> None:
    folder = f"{generation_key(name, generation)}/"
    # Files of people, and folders, which may be other databases, are not the stream's.
    for key in list(store.list(folder, lambda f: f != folder and f.startswith(folder))):
        file = key.removeprefix(folder)
        if key not in keep and "/" not in file and is_segment_file(file):
            store.delete(key)


def unpublish(store: ObjectStore, name: str) -> bytes | None:
    """Takes a stream's descriptor away; its segment files stay for ``gc``.

    Returns:
        The descriptor; None if there was none.
    """
    check_database(store)
    key = descriptor_key(name)
    while True:
        data = store.try_read(key)
        if data is None or store.delete_if(key, data):
            return data


def remove_stream(store: ObjectStore, name: str) -> None:
    """Removes a stream: its descriptor, then its files, those for people too.

    A name without a stream is not an error. A video that is read in place stays, and so
    does what a run is just writing under that name.

    Raises:
        StorageError: A link leads to it, so that it is perhaps another database's.
    """
    _check_no_link(store, name)
    data = unpublish(store, name)
    for key in files_beside(store, name):
        if key.rpartition("/")[2] in FOR_PEOPLE:
            store.delete(key)
    if data is None:
        return
    try:
        current = parse_descriptor(store, name, data)
    except StorageError:
        # Which of the generations was its own, only gc can prove now.
        return
    for generation in filter(None, (current.generation, current.previous)):
        _remove_generation(store, name, generation, ())


def _check_no_link(store: ObjectStore, name: str) -> None:
    folders = _folders_to(name)
    generations = {key.rpartition("/")[0] for key in store.list(f"{folders[-1]}/")}
    for folder in [*folders, *sorted(generations)]:
        if store.is_link(f"{folder}/"):
            raise StorageError(
                f"stream {name!r} is not removed: {store.describe(folder)!r} is a link, "
                "and what it leads to may be needed elsewhere; remove the link itself"
            )


def files_beside(store: ObjectStore, name: str) -> list[str]:
    """Keys of files right in a stream's folder that are for people, not for us.

    The contact sheet, tables and previews of commands lie there.
    """
    folder = f"{stream_key(name)}/"
    found = store.list(folder, lambda f: f != folder and f.startswith(folder))
    ours = (f"{folder}{DESCRIPTOR}", f"{folder}.")
    return [key for key in found if not key.startswith(ours)]
