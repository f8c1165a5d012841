"""Decodes what is asked for into shared memory: a process of its own, or the caller's."""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner import errors
from beam_scanner.data.given_videos import unpickled_reader
from beam_scanner.data.shared_memory import MappedFile
from beam_scanner.data.stretches import Stretch
from beam_scanner.errors import RowError, ScannerException, VideoError
from beam_scanner.storage.stored_rows import RowReader
from beam_scanner.types.element_types import NullElement
from beam_scanner.video import frame_pool

Look = tuple[tuple[int, ...], str]
"""Shape and dtype of a frame."""


@dataclass(frozen=True)
class Job:
    """A stretch to be read.

    Attributes:
        number: Of the job.
        stretch: What to read, and where to put it.
        name: The video's name.
        place_bytes: How large each place is.
        shape: What shape of frames, of uint8, need not be told; None for none.
        reader: The pickled reader of a video that the worker does not have yet.
        forget: Numbers of videos that it need not keep any longer.
    """

    number: int
    stretch: Stretch
    name: str
    place_bytes: int
    shape: tuple[int, ...] | None
    reader: tuple[bool, bytes] | None = None
    forget: Sequence[int] = ()


@dataclass(frozen=True)
class Problem:
    """Why a row could not be read.

    Attributes:
        kind: Name of the exception's class.
        text: Names the video and the row.
        traceback: Of an exception that is not this package's.
    """

    kind: str
    text: str
    traceback: str = ""

    def error(self) -> ScannerException:
        """The exception to raise; ``RowError`` in place of one of other packages."""
        kind = getattr(errors, self.kind, RowError)
        if not (isinstance(kind, type) and issubclass(kind, ScannerException)):
            kind = RowError
        error: ScannerException = kind(self.text)
        if self.traceback:
            error.add_note(self.traceback)
        return error


@dataclass
class Progress:
    """How far a job is.

    Attributes:
        job: Its number.
        chunks: Those for which nothing more will come of this job.
        looks: Of frames that are not of the job's ``shape``: chunk and position.
        problems: Rows that could not be read: chunk and position.
        ended: Whether that was all.
        counters: What the worker has done since it began.
    """

    job: int
    chunks: list[int] = field(default_factory=list)
    looks: dict[tuple[int, int], Look] = field(default_factory=dict)
    problems: dict[tuple[int, int], Problem] = field(default_factory=dict)
    ended: bool = False
    counters: dict[str, int] = field(default_factory=dict)


class Decoding:
    """Reads stretches into shared memory.

    Args:
        file: Descriptor of the memory.
    """

    def __init__(self, file: int) -> None:
        self._memory = MappedFile(file)
        self._readers: dict[int, RowReader] = {}
        # Of readers that are closed.
        self._counts: Counter[str] = Counter()

    def work(self, job: Job) -> Iterator[Progress]:
        """Does a job; yields whenever a chunk has all that it gets of it."""
        for number in job.forget:
            self._forget(number)
        stretch, begin = job.stretch, 0
        for end in _ends(stretch):
            progress = Progress(job.number, ended=end == len(stretch.rows))
            self._read(job, begin, end, progress)
            begin = end
            progress.chunks = _completed(stretch, end)
            progress.counters = self.counters()
            yield progress

    def counters(self) -> dict[str, int]:
        """Work done so far, as that of a ``RowReader``."""
        counts = self._counts.copy()
        for reader in self._readers.values():
            counts.update(reader.counters())
        return dict(counts)

    def close(self) -> None:
        """Closes all videos."""
        for number in list(self._readers):
            self._forget(number)

    def _forget(self, number: int) -> None:
        reader = self._readers.pop(number, None)
        if reader is not None:
            self._counts.update(reader.counters())
            reader.close()

    def _reader(self, job: Job) -> RowReader:
        video = job.stretch.video
        if video not in self._readers:
            assert job.reader is not None
            self._readers[video] = unpickled_reader(job.reader)()
        return self._readers[video]

    def _read(self, job: Job, begin: int, end: int, progress: Progress) -> None:
        """Reads some rows of a job; one by one if they cannot be read together."""
        try:
            self._put(job, begin, end, progress)
        except Exception as error:
            if end - begin > 1:
                for index in range(begin, end):
                    self._read(job, index, index + 1, progress)
                return
            problem = _problem(job.name, int(job.stretch.rows[begin]), error)
            for use in _uses(job.stretch, begin, end)[0]:
                progress.problems[_where(job, use)] = problem

    def _put(self, job: Job, begin: int, end: int, progress: Progress) -> None:
        uses = _uses(job.stretch, begin, end)
        places = [self._place(job, found[0]) for found in uses]
        with frame_pool.SHARED.placed(places):
            frames = self._reader(job).read(job.stretch.rows[begin:end].tolist())
        _check(frames, job.place_bytes)
        # A reader may decode in another order: what lies elsewhere is copied first.
        moved = [
            None if _lies_at(frame, place) else np.array(frame, order="C")
            for frame, place in zip(frames, places, strict=True)
        ]
        for frame, copy, place, found in zip(frames, moved, places, uses, strict=True):
            if copy is not None:
                place[: copy.nbytes] = copy.reshape(-1).view(np.uint8)
            for use in found[1:]:
                self._place(job, use)[: frame.nbytes] = place[: frame.nbytes]
            if frame.shape != job.shape or frame.dtype != np.uint8:
                for use in found:
                    progress.looks[_where(job, use)] = frame.shape, frame.dtype.str

    def _place(self, job: Job, use: int) -> NDArray[np.uint8]:
        offset = int(job.stretch.wanted.places[use])
        return self._memory.part(offset, job.place_bytes)


def _ends(stretch: Stretch) -> list[int]:
    """Behind which rows a chunk has all that it gets, ascending; the last is the end."""
    chunks, uses = stretch.wanted.chunks[::-1], stretch.uses[::-1]
    last = np.unique(chunks, return_index=True)[1]
    found: list[int] = np.unique(uses[last] + 1).tolist()
    return found


def _completed(stretch: Stretch, end: int) -> list[int]:
    """Chunks whose last row of a stretch is the one before ``end``."""
    here = np.unique(stretch.wanted.chunks[stretch.uses == end - 1])
    later = stretch.wanted.chunks[stretch.uses >= end]
    found: list[int] = here[~np.isin(here, later)].tolist()
    return found


def _uses(stretch: Stretch, begin: int, end: int) -> list[range]:
    """Which of the wanted rows are each of ``rows[begin:end]``."""
    edges = np.searchsorted(stretch.uses, np.arange(begin, end + 1)).tolist()
    return [range(first, last) for first, last in pairwise(edges)]


def _where(job: Job, use: int) -> tuple[int, int]:
    wanted = job.stretch.wanted
    return int(wanted.chunks[use]), int(wanted.positions[use])


def _lies_at(frame: NDArray[Any], place: NDArray[np.uint8]) -> bool:
    return _address(frame) == _address(place) and frame.flags.c_contiguous


def _address(array: NDArray[Any]) -> int:
    # As array.ctypes.data, which takes several times as long.
    address: int = array.__array_interface__["data"][0]
    return address


def _check(frames: Sequence[Any], most: int) -> None:
    """Refuses what is no frame, or has no room.

    Raises:
        RowError: A row is null.
        VideoError: A frame is larger than all others were said to be.
    """
    for frame in frames:
        if isinstance(frame, NullElement):
            raise RowError("it is null")
        if frame.nbytes > most:
            raise VideoError(
                f"its frame of shape {frame.shape} and type {frame.dtype} has "
                f"{frame.nbytes} bytes; frames of this video should have {most}"
            )


def _problem(name: str, row: int, error: Exception) -> Problem:
    text = str(error)
    where = f"{name!r}, row {row}"
    if isinstance(error, ScannerException):
        return Problem(type(error).__name__, f"{where}: {text}")
    described = f"{where}: {type(error).__name__}: {text}"
    return Problem(type(error).__name__, described, traceback.format_exc())


def main(connection: int, memory: int) -> None:
    """Does the jobs that come over a connection, until it is closed; ends the process.

    Args:
        connection: Descriptor of a socket.
        memory: Descriptor of the shared memory.
    """
    for file in (connection, memory):
        os.set_inheritable(file, False)
    # A terminal interrupts all its processes; it is for the program to end this one.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    channel: Connection[Progress, Job] = Connection(connection)
    threading.Thread(target=_receive, args=[channel, jobs.put], daemon=True).start()
    decoding = Decoding(memory)
    while True:
        for progress in decoding.work(jobs.get()):
            try:
                channel.send(progress)
            except OSError:
                os._exit(0)


def _receive(channel: Connection[Any, Job], put: Callable[[Job], None]) -> None:
    """Passes jobs on; ends the process, whatever it is doing, when nobody needs them."""
    try:
        while True:
            put(channel.recv())
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
