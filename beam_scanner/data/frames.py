"""Frames of videos, decoded ahead by worker processes."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from beam_scanner.data.asked_rows import AskedRows
from beam_scanner.data.decoding_processes import (
    LOADS,
    Decoders,
    DecodingHere,
    DecodingProcesses,
    Task,
)
from beam_scanner.data.decoding_worker import Look, Problem, Progress
from beam_scanner.data.given_videos import OpenedVideo, Video
from beam_scanner.data.shared_memory import SharedMemory, whole_pages
from beam_scanner.data.stretches import Wanted, stretches
from beam_scanner.data.video_list import VideoList
from beam_scanner.errors import ArgumentError
from beam_scanner.forks import fork_client
from beam_scanner.rows.row_maps import Int64Array
from beam_scanner.rows.whole_numbers import whole_number
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.text.quantities import byte_count, byte_text
from beam_scanner.video.video_reader import VideoReader

_AHEAD = 256_000_000
_MOST_CHUNKS, _MOST_ROWS = 1 << 10, 1 << 16
"""That are planned and not delivered yet, however small frames are."""

_MOST_WORKERS = 8
_SKIPPED_AT_ONCE = 1 << 16
_STATE_VERSION = 1

Delivered = tuple[Int64Array, NDArray[Any]]
"""Rows, in the form in which they were asked for, and their frames."""


@dataclass
class _Chunk:
    """Rows that are given out together.

    Attributes:
        pairs: int64[n, 2]: videos and rows.
        offset: Where its frames lie in the shared memory.
        place_bytes: Of each frame there.
        look: Shape and dtype that frames have unless ``looks`` says something else.
        waits: How many stretches have frames of it that are not there yet.
        looks: By position.
        problems: Rows that could not be read, by position.
    """

    pairs: Int64Array
    offset: int
    place_bytes: int
    look: Look
    waits: int = 0
    looks: dict[int, Look] = field(default_factory=dict)
    problems: dict[int, Problem] = field(default_factory=dict)


class Frames:
    """An iterator over frames of videos, decoded ahead in worker processes.

    It gives chunks of rows and frames in the order in which they were asked for:

    ```python
    with Frames("film.mp4", rows=range(0, 9000, 30), chunk=32) as frames:
        for rows, pixels in frames:  # int64[32], uint8[32, height, width, 3]
            ...
    ```

    All rows within the look-ahead are planned together: each group of pictures is
    decoded once for all of them, whatever their order. Frames are those of ``load``, and
    lie in memory that is shared with the workers: nothing is copied. An array is the
    receiver's own; its memory is used again when it, and all views of it, are gone.

    Reading begins with the first ``next``. It is for one thread at a time. Worker
    processes end with the last chunk, with ``close``, with the object and with the
    program, however that ends.

    Args:
        videos: One video, or a sequence of them: paths or URLs, ``VideoReader``, or
            streams of frames such as ``NamedVideoStream``. Those that are given by path
            are indexed, one after the other.
        rows: Of one video, row numbers from 0. Of several, pairs of a video's number in
            the sequence and a row: int64[n, 2], or tuples. In any order, also more than
            once. All rows for None. What is no sequence, an endless sampler, say, is
            read as far as the look-ahead reaches, and its videos are opened then.
        chunk: How many frames are given at a time. Fewer at the end, and where the next
            frame has another shape.
        ahead: How much memory frames may take that are decoded ahead: bytes, or text
            such as ``'256MB'``. By default that, or two chunks if they are larger.
        workers: How many processes decode; by default, one for each core, and 8 at
            most. 0: this process decodes, when it waits for a chunk.

    Raises:
        ArgumentError: Rows are no rows, or a chunk has no room in ``ahead``.
        RowError: There is no such video or row.
        VideoError: A video cannot be read, or rows that are asked for are lost.

    Examples:
        >>> import tempfile
        >>> from beam_scanner.video.encoder import Encoding, VideoEncoder
        >>> path = os.path.join(tempfile.mkdtemp(), 'a.mp4')
        >>> with VideoEncoder(path, Encoding('lossless', keyframe_distance=10)) as film:
        ...     for i in range(25):
        ...         film.write(np.full((16, 32, 3), i, np.uint8), i / 25)
        >>> with Frames(path, rows=[7, 21, 0, 7], chunk=3, workers=1) as frames:
        ...     for rows, pixels in frames:
        ...         print(rows.tolist(), pixels.shape, pixels[:, 0, 0, 0].tolist())
        [7, 21, 0] (3, 16, 32, 3) [7, 21, 0]
        [7] (1, 16, 32, 3) [7]
    """

    def __init__(
        self,
        videos: Video | Sequence[Video],
        rows: Any = None,
        chunk: int = 64,
        ahead: int | str | None = None,
        workers: int | None = None,
    ) -> None:
        single = isinstance(videos, (str, os.PathLike, VideoReader, StoredStream))
        self._videos = VideoList([videos] if single else list(videos))  # type: ignore[arg-type]
        self._given = {"videos": videos, "rows": rows}
        self._chunk = _at_least(chunk, 1, "chunk")
        self._ahead = _ahead(ahead)
        cores = len(os.sched_getaffinity(0))
        self._workers = min(_MOST_WORKERS, cores)
        if workers is not None:
            self._workers = _at_least(workers, 0, "workers")
        self._largest = 0
        if rows is None:
            rows = self._videos.all_rows()
            rows = rows[:, 1] if single else rows
        self._asked = AskedRows(rows, single)
        self._checked = self._asked.known is not None
        if self._asked.known is not None:
            self._check(self._asked.known)
        self._begin()
        self._delivered, self._digest = 0, _new_digest()
        if self._workers:
            fork_client.get_ready(LOADS)

    def _begin(self) -> None:
        """Nothing is planned yet."""
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._memory: SharedMemory | None = None
        self._decoders: Decoders | None = None
        self._chunks: OrderedDict[int, _Chunk] = OrderedDict()
        # What is left of a chunk whose frames differ in shape.
        self._pieces: deque[tuple[Int64Array, NDArray[Any]]] = deque()
        self._rest = 0
        self._number = 0
        self._last: tuple[int, int] = (-1, 0)
        self._done: Counter[str] = Counter()

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self._given,
            "chunk": self._chunk,
            "ahead": self._ahead,
            "workers": self._workers,
            "state": self.state_dict(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        position = state.pop("state")
        self.__init__(**state)  # type: ignore[misc]
        self.load_state_dict(position)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begins to read now, rather than with the first ``next``."""
        with self._current() as frames:
            frames._plan()

    def close(self) -> None:
        """Ends the worker processes, and gives back the memory of what was not taken.

        Reading on starts others.
        """
        with self._lock:
            self._stop()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delivered:
        """The next chunk.

        Returns:
            Rows, int64[n] or int64[n, 2] as they were asked for, and their frames,
            uint8[n, height, width, 3]; of stored streams that hold other arrays, these.

        Raises:
            StopIteration: There are no more rows.
            VideoError: A row cannot be decoded; names the video and the row, as do all
                other errors about one. The chunks before it have been given.
            RowError: A row is null, or not there.
            WorkerError: A worker process has died.
        """
        with self._current() as frames:
            return frames._next()

    @contextmanager
    def _current(self) -> Iterator[Self]:
        """This object in this process, for one thread at a time."""
        if os.getpid() != self._process:
            self._leave_to_parent()
        with self._lock:
            try:
                yield self
            except BaseException:
                # Whatever was on its way is not known any more.
                self._stop()
                raise

    def state_dict(self) -> dict[str, Any]:
        """Where it is: what to give to ``load_state_dict``, JSON-able.

        The rows that have been given are not read again, whatever has been decoded
        ahead.
        """
        with self._lock:
            return {
                "version": _STATE_VERSION,
                "rows": self._delivered,
                "rest": self._rest or sum(len(pairs) for pairs, _ in self._pieces),
                "digest": self._digest.hexdigest(),
                "videos": self._videos.digest(self._checked),
            }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where another one, of the same videos and rows, has been.

        Args:
            state: From ``state_dict``.

        Raises:
            ArgumentError: It is of other rows or other videos, or the rows come from an
                iterator that cannot go back.
        """
        try:
            version, rows, rest, digest, videos = (
                state[name] for name in ("version", "rows", "rest", "digest", "videos")
            )
        except (KeyError, TypeError):
            raise ArgumentError(f"{state!r} is no state of Frames") from None
        if version != _STATE_VERSION:
            raise ArgumentError(
                f"the state is of version {version!r}, not {_STATE_VERSION}"
            )
        with self._lock:
            self._stop()
            if videos != self._videos.digest(self._checked):
                raise ArgumentError(
                    "the state is of other videos, or these have changed"
                )
            self._asked.restart()
            skipped, found = 0, _new_digest()
            while skipped < rows:
                pairs = self._asked.take(min(_SKIPPED_AT_ONCE, rows - skipped))
                if not len(pairs):
                    break
                skipped += len(pairs)
                found.update(pairs.tobytes())
            if found.hexdigest() != digest:
                self._asked.restart()
                self._delivered, self._digest, self._rest = 0, _new_digest(), 0
                raise ArgumentError(
                    f"the state is of other rows: the first {rows} are not those that "
                    "were read"
                )
            self._delivered, self._digest, self._rest = skipped, found, int(rest)

    def counters(self) -> dict[str, int]:
        """Work done so far, which runs ahead of what has been given.

        Returns:
            ``frames_decoded``, those on the way to others included; ``bytes_read`` of
            encoded video; ``seeks``; ``rows``, how many have been given.
        """
        counts = Counter({"frames_decoded": 0, "bytes_read": 0, "seeks": 0})
        counts.update(self._done)
        if self._decoders is not None:
            counts.update(self._decoders.counters())
        return {**counts, "rows": self._delivered}

    # --- giving out -------------------------------------------------------------------

    def _next(self) -> Delivered:
        if not self._pieces:
            self._plan()
            if not self._chunks:
                raise StopIteration
            assert self._decoders is not None
            head = next(iter(self._chunks.values()))
            self._note(self._decoders.progress(waits=False))
            while head.waits:
                self._note(self._decoders.progress(waits=True))
            if head.problems:
                raise head.problems[min(head.problems)].error()
            self._take(head)
            # So that it is decoded while the program has this one.
            self._plan()
        pairs, pixels = self._pieces.popleft()
        self._delivered += len(pairs)
        self._digest.update(pairs.tobytes())
        return self._asked.as_asked(pairs), pixels

    def _note(self, found: Iterable[Progress]) -> None:
        for progress in found:
            for number in progress.chunks:
                self._chunks[number].waits -= 1
            for (number, position), look in progress.looks.items():
                self._chunks[number].looks[position] = look
            for (number, position), problem in progress.problems.items():
                self._chunks[number].problems[position] = problem

    def _take(self, chunk: _Chunk) -> None:
        """Makes arrays of a chunk that is complete, one for each shape of frames."""
        assert self._memory is not None
        self._chunks.popitem(last=False)
        memory = self._memory.lend(chunk.offset)
        looks = [chunk.looks.get(i, chunk.look) for i in range(len(chunk.pairs))]
        begin = 0
        for end in range(1, len(looks) + 1):
            if end < len(looks) and looks[end] == looks[begin]:
                continue
            shape, dtype = looks[begin]
            pixels = np.ndarray(
                (end - begin, *shape),
                dtype,
                memory,
                begin * chunk.place_bytes,
                (chunk.place_bytes, *np.empty(shape, dtype).strides),
            )
            self._pieces.append((chunk.pairs[begin:end], pixels))
            begin = end

    # --- planning ---------------------------------------------------------------------

    def _plan(self) -> None:
        """Plans more chunks, if there is room and it is time to."""
        before = self._number
        try:
            self._add_chunks()
        except Exception:
            # It has its turn when what precedes it has been given.
            if not (self._chunks or self._pieces):
                raise
        fresh = [(n, chunk) for n, chunk in self._chunks.items() if n > before]
        if not fresh:
            return
        assert self._decoders is not None
        found = stretches(
            _wanted(fresh),
            lambda video: self._videos[video].keyframes,
            parts=2 * max(1, self._workers),
        )
        for stretch in found:
            for number in np.unique(stretch.wanted.chunks).tolist():
                self._chunks[number].waits += 1
        self._decoders.submit([Task(s, self._videos[s.video]) for s in found])

    def _add_chunks(self) -> None:
        rows = sum(len(chunk.pairs) for chunk in self._chunks.values())
        if not self._is_time():
            return
        while rows < _MOST_ROWS and len(self._chunks) < _MOST_CHUNKS:
            chunk = self._new_chunk()
            if chunk is None:
                return
            rows += len(chunk.pairs)
            self._number += 1
            self._chunks[self._number] = chunk

    def _started(self) -> SharedMemory:
        """Starts those who decode; returns the memory that they have."""
        memory = SharedMemory(self._budget())
        self._decoders = (
            DecodingProcesses(memory.file, self._workers)
            if self._workers
            else DecodingHere(memory.file)
        )
        self._end = weakref.finalize(self, _end, self._decoders, memory)
        # Of the program: worker processes end with it.
        self._end.atexit = False
        return memory

    def _is_time(self) -> bool:
        """Whether to plan now, rather than to wait for more room.

        A plan is the better the more rows it has. But rows that read on from the last
        ones lose nothing.
        """
        if self._memory is None or not self._chunks:
            return True
        room = 1 - self._memory.reserved / self._memory.budget
        if room >= 0.5 or room < 0.25:
            return room >= 0.5
        pairs = self._asked.take(1)
        self._asked.put_back(pairs)
        if not len(pairs):
            return False
        video, row = pairs[0].tolist()
        return bool(video == self._last[0] and row > self._last[1])

    def _new_chunk(self) -> _Chunk | None:
        """The next chunk; None if there are no more rows, or is no room for it."""
        pairs = self._asked.take(self._rest or self._chunk)
        if not len(pairs):
            return None
        if not self._checked:
            try:
                self._check(pairs)
            except BaseException:
                self._asked.put_back(pairs)
                raise
        count = self._videos.equal_shapes(pairs)
        self._asked.put_back(pairs[count:])
        pairs = pairs[:count]
        video = self._videos[int(pairs[0, 0])]
        if self._memory is None:
            self._memory = self._started()
        # It may have grown by a larger video.
        self._memory.budget = self._budget()
        size = whole_pages(count * video.frame_bytes)
        if self._memory.reserved + size > self._memory.budget and self._chunks:
            self._asked.put_back(pairs)
            return None
        self._rest = 0
        self._last = int(pairs[-1, 0]), int(pairs[-1, 1])
        look = video.shape or (), np.dtype(np.uint8).str
        return _Chunk(pairs, self._memory.reserve(size), video.frame_bytes, look)

    # --- memory -----------------------------------------------------------------------

    def _check(self, pairs: Int64Array) -> None:
        """Raises an error for rows that cannot be read, or frames too large for memory."""
        self._videos.check(pairs, self._fits)

    def _fits(self, video: OpenedVideo) -> None:
        self._largest = max(self._largest, video.frame_bytes)
        size = whole_pages(self._chunk * video.frame_bytes)
        if size > self._budget():
            raise ArgumentError(
                f"a chunk of {self._chunk} frames of {video.name!r} takes "
                f"{byte_text(size)}, more than ahead={byte_text(self._budget())}"
            )

    def _budget(self) -> int:
        if self._ahead is not None:
            return self._ahead
        return max(_AHEAD, 2 * whole_pages(self._chunk * self._largest))

    # --- the end ----------------------------------------------------------------------

    def _stop(self) -> None:
        """Ends what is going on; what was not given out will be read again."""
        if os.getpid() != self._process:
            return
        self._take_back()
        if self._decoders is not None:
            self._end()
            self._done.update(self._decoders.counters())
            self._decoders = self._memory = None

    def _take_back(self) -> None:
        if self._pieces:
            self._rest = sum(len(pairs) for pairs, _ in self._pieces)
        waiting = [pairs for pairs, _ in self._pieces]
        waiting += [chunk.pairs for chunk in self._chunks.values()]
        self._pieces.clear()
        self._chunks.clear()
        if waiting:
            self._asked.put_back(np.concatenate(waiting))

    def _leave_to_parent(self) -> None:
        """In a fork of the process that has begun: begins at the same place."""
        self._take_back()
        rest = self._rest
        self._begin()
        self._rest = rest


def _end(decoders: Decoders, memory: SharedMemory) -> None:
    decoders.close()
    memory.close()


def _wanted(chunks: Sequence[tuple[int, _Chunk]]) -> Wanted:
    pairs = np.concatenate([chunk.pairs for _, chunk in chunks])
    counts = [len(chunk.pairs) for _, chunk in chunks]
    positions = np.concatenate([np.arange(count) for count in counts])
    starts = np.repeat([chunk.offset for _, chunk in chunks], counts)
    sizes = np.repeat([chunk.place_bytes for _, chunk in chunks], counts)
    return Wanted(
        pairs[:, 0],
        pairs[:, 1],
        np.repeat([number for number, _ in chunks], counts),
        positions,
        starts + positions * sizes,
    )


def _new_digest() -> Any:
    return hashlib.blake2b(digest_size=16)


def _at_least(value: Any, least: int, name: str) -> int:
    number = whole_number(value, name)
    if number < least:
        raise ArgumentError(f"{name} must be {least} or more, got {number}")
    return number


def _ahead(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        found = byte_count(value)
        if found is None:
            raise ArgumentError(f"ahead: expected bytes, as '256MB', got {value!r}")
        value = found
    return _at_least(value, 1, "ahead")
