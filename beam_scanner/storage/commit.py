"""Publishing, removing and tidying up: what makes streams appear and go.

The order of steps is what keeps a crash harmless. Segment files come first, then
the descriptor in one atomic step, then files that nothing names any more go. So a
reader sees the old stream or the new one, and what a crash leaves behind is only
ever unused files, which :func:`gc` finds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from beam_scanner.errors import (
    ElementTypeError,
    StorageError,
    StreamExistsError,
)
from beam_scanner.storage.base import Record
from beam_scanner.storage.checked import SegmentFiles
from beam_scanner.storage.descriptor import (
    StreamDescriptor,
    begin_writing,
    check_database,
    parse_at,
    read_descriptor,
)
from beam_scanner.storage.names import (
    DESCRIPTOR,
    SEGMENTS,
    WORK,
    descriptor_key,
    generation_key,
    is_generation,
    stream_key,
)
from beam_scanner.storage.store import ObjectNotFoundError, ObjectStore

_SCRATCH_SECONDS = 24 * 3600.0


def tiled(name: str, segments: Iterable[Record]) -> tuple[Record, ...]:
    """Segments in row order, checked to cover rows 0 to the last without a gap.

    Raises:
        StorageError: Rows are missing or written twice.

    Example:
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
        kind: ``'blob'`` or ``'video'`` if there is no segment to tell.
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


def publish(store: ObjectStore, new: StreamDescriptor) -> None:
    """Makes a stream visible, atomically, in place of what had its name.

    Publishing the same fingerprint and run again changes nothing, but finishes
    the tidying that a crash may have cut short.

    Raises:
        StorageError: A segment's file is missing.
        StreamExistsError: Another source of the same run has taken the name.
    """
    begin_writing(store)
    current = read_descriptor(store, new.name)
    if current is not None and new.run and current.run == new.run:
        if current.source != new.source:
            raise StreamExistsError(
                f"two sources of one run write stream {new.name!r}: give each its name"
            )
        if current.fingerprint == new.fingerprint:
            tidy(store, current)
            return
    folder = generation_key(new.name, new.generation)
    lost = lost_file(store, new.name, folder, new.segments)
    if lost is not None:
        raise StorageError(f"cannot commit stream {new.name!r}: {lost}")
    if current is not None:
        replaced = current.generation != new.generation
        previous = current.generation if replaced else current.previous
        new = replace(new, previous=previous)
    store.put(descriptor_key(new.name), new.to_json())
    tidy(store, new)


def lost_file(
    store: ObjectStore, name: str, folder: str, segments: Iterable[Record]
) -> str | None:
    """Says which file of some segments is missing or cut short; None if none is.

    Args:
        store: The database's store.
        name: The stream's name.
        folder: Key of the generation's folder.
        segments: Records of the segments.
    """
    for record in segments:
        files = SegmentFiles(store, name, folder, record)
        for file in record["files"]:
            key = f"{folder}/{file}"
            try:
                size, written = store.size(key), files.size(file)
            except ObjectNotFoundError:
                return f"{store.describe(key)!r} is missing"
            if written is not None and size != written:
                return (
                    f"{store.describe(key)!r} has {size} bytes, {written} were written"
                )
    return None


def tidy(store: ObjectStore, current: StreamDescriptor) -> None:
    """Removes files of this generation that lost, and the one it replaced."""
    keep = set(current.file_keys())
    _remove_generation(store, current.name, current.generation, keep)
    if current.previous:
        _remove_generation(store, current.name, current.previous, ())


def _remove_generation(
    store: ObjectStore, name: str, generation: str, keep: Collection[str]
) -> None:
    for key in list(store.list(f"{generation_key(name, generation)}/")):
        if key not in keep:
            store.delete(key)


def unpublish(store: ObjectStore, name: str) -> None:
    """Takes a stream's descriptor away; its segment files stay for ``gc``."""
    check_database(store)
    store.delete(descriptor_key(name))


def remove_stream(store: ObjectStore, name: str) -> None:
    """Removes a stream: its descriptor first, then the files of all generations.

    A name that has no stream is no error. A video that is read in place stays.
    """
    unpublish(store, name)
    folder = f"{stream_key(name)}/"
    generations = store.list(folder, lambda found: not is_generation(found))
    for key in list(generations):
        # Files right below the folder belong to no generation of this stream.
        if "/" in key[len(folder) :]:
            store.delete(key)


@dataclass(frozen=True)
class Garbage:
    """What :func:`gc` found.

    Attributes:
        keys: Keys of the unused files.
        size_bytes: Their size.
        scratch_files: How many abandoned temporary files were removed.
    """

    keys: tuple[str, ...]
    size_bytes: int
    scratch_files: int


def gc(
    store: ObjectStore,
    live: Callable[[], Collection[str]] = tuple,
    dry_run: bool = False,
    scratch_seconds: float = _SCRATCH_SECONDS,
) -> Garbage:
    """Removes segment files that belong to no committed stream and no live run.

    What is written at the same time by other means than runs, such as ``save``, is
    not known to be in use before it is committed: nothing else may be at work.

    Args:
        store: The database's store.
        live: Gives the generations that runs are still writing, or may resume; asked
            when all files have been listed.
        dry_run: Only say what would go.
        scratch_seconds: Temporary files untouched for so long are abandoned.

    Example:
        >>> import tempfile
        >>> from beam_scanner.storage.store import LocalStore
        >>> store = LocalStore(tempfile.mkdtemp())
        >>> store.put('a/g1.segments/00000000-x.parquet', b'left by a crash')
        >>> gc(store, live=lambda: {'g2'}).keys
        ('a/g1.segments/00000000-x.parquet',)
    """
    check_database(store)
    folders: dict[str, list[str]] = {}
    for key in store.list("", lambda found: found == WORK):
        folder, _, _ = key.rpartition("/")
        if is_generation(f"{folder}/"):
            folders.setdefault(folder, []).append(key)
    unused = []
    size = scratch = 0
    # A run that began since has listed files too: only now it is known which are live.
    needed = frozenset(live())
    for folder, keys in folders.items():
        if folder.rpartition("/")[2].removesuffix(SEGMENTS) in needed:
            continue
        keep = _used(store, folder, keys)
        for key in keys:
            if key not in keep:
                unused.append(key)
                size += store.size(key)
                if not dry_run:
                    store.delete(key)
    if not dry_run:
        scratch = store.clear_scratch(scratch_seconds)
    return Garbage(tuple(unused), size, scratch)


def _used(store: ObjectStore, folder: str, keys: Sequence[str]) -> set[str]:
    """Files of a generation that are needed, as far as anybody can tell."""
    stream, _, last = folder.rpartition("/")
    generation = last.removesuffix(SEGMENTS)
    key = f"{stream}/{DESCRIPTOR}"
    data = store.try_read(key)
    if data is None:
        return set()
    current = parse_at(store, key, data)
    if descriptor_key(current.name) != key:
        raise StorageError(
            f"{store.describe(key)!r} is the descriptor of stream {current.name!r}, so "
            "nobody knows which files are needed here"
        )
    keep = set(current.file_keys()) if current.generation == generation else set()
    if keep.issuperset(keys):
        return keep
    # Without a checksum a descriptor may name what never was.
    own = generation_key(current.name, current.generation)
    lost = lost_file(store, current.name, own, current.segments)
    return keep if lost is None else set(keys)
