"""The worker processes that decode, as the program sees them.

They are forks of the fork server: they begin as the program is now, need no guard of its
main module, and end with it, however it ends.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Protocol

from beam_scanner.data.decoding_worker import Decoding, Job, Progress
from beam_scanner.data.given_videos import OpenedVideo, pickled_reader
from beam_scanner.data.stretches import Stretch
from beam_scanner.errors import WorkerError
from beam_scanner.forks import fork_client
from beam_scanner.forks.stopped_processes import LOOK_SECONDS, StoppedWatch

LOADS = (
    "beam_scanner.data.decoding_worker",
    "beam_scanner.storage.segments.video_rows",
)
"""Modules that the processes are forked with."""

_SEEK_FRAMES = 4
_OPEN_FRAMES = 20
"""What a seek, and opening a video, cost beside decoding, in frames."""

_OPEN_BYTES = 256 << 20
_OPEN_VIDEOS = 64
_HELD_FRAMES = 8
"""What a process keeps open: about as many bytes, of which each decoder has as much as so
many of its frames, and so many videos."""

_END_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """A stretch, and the video that it is of."""

    stretch: Stretch
    video: OpenedVideo


class Decoders(Protocol):
    """Whoever decodes."""

    def submit(self, tasks: Sequence[Task]) -> None:
        """Has stretches read; what is needed first comes first."""

    def progress(self, waits: bool) -> Iterable[Progress]:
        """What has been done since the last call; waits until there is something."""

    def counters(self) -> dict[str, int]:
        """Work done so far, as that of a ``RowReader``."""

    def close(self) -> None:
        """Ends all work."""


class VideosKept:
    """Which videos a worker keeps open: those that were read last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, int] = OrderedDict()

    def __contains__(self, video: int) -> bool:
        return video in self._kept

    def job(self, number: int, task: Task) -> Job:
        """The job to read a stretch, with what the worker must open and may close."""
        stretch, video = task.stretch, task.video
        fresh = stretch.video not in self._kept
        self._kept[stretch.video] = _HELD_FRAMES * video.frame_bytes
        self._kept.move_to_end(stretch.video)
        forget = []
        while len(self._kept) > 1 and (
            len(self._kept) > _OPEN_VIDEOS or sum(self._kept.values()) > _OPEN_BYTES
        ):
            forget.append(self._kept.popitem(last=False)[0])
        return Job(
            number,
            stretch,
            video.name,
            video.frame_bytes,
            video.shape,
            pickled_reader(video.reader) if fresh else None,
            forget,
        )


class DecodingHere:
    """Decodes in this process, when something is waited for.

    Args:
        file: Descriptor of the shared memory.
    """

    def __init__(self, file: int) -> None:
        self._decoding = Decoding(file)
        self._videos = VideosKept()
        self._jobs: deque[Task] = deque()
        self._number = 0
        self._current: Iterator[Progress] = iter(())

    def submit(self, tasks: Sequence[Task]) -> None:
        """See ``Decoders``."""
        self._jobs.extend(tasks)

    def progress(self, waits: bool) -> Iterable[Progress]:
        """See ``Decoders``."""
        while waits:
            for progress in self._current:
                return [progress]
            self._number += 1
            job = self._videos.job(self._number, self._jobs.popleft())
            self._current = self._decoding.work(job)
        return ()

    def counters(self) -> dict[str, int]:
        """See ``Decoders``."""
        return self._decoding.counters()

    def close(self) -> None:
        """See ``Decoders``."""
        self._jobs.clear()
        self._current = iter(())
        self._decoding.close()


class DecodingProcesses:
    """Decodes in worker processes.

    Args:
        file: Descriptor of the shared memory.
        workers: How many processes.
    """

    def __init__(self, file: int, workers: int) -> None:
        self._workers = [_Worker(file) for _ in range(workers)]
        self._numbers = 0
        self._process = os.getpid()

    def submit(self, tasks: Sequence[Task]) -> None:
        """See ``Decoders``; each goes to the worker that will be done with it first."""
        for task in tasks:
            costs = [worker.cost(task) for worker in self._workers]
            cheapest = min(costs)
            # What one worker decodes again is time that another loses.
            _, number = min(
                (worker.load + 2 * cost - cheapest, number)
                for number, (worker, cost) in enumerate(
                    zip(self._workers, costs, strict=True)
                )
            )
            self._numbers += 1
            try:
                self._workers[number].give(self._numbers, task)
            except OSError:
                raise self._workers[number].died() from None

    def progress(self, waits: bool) -> Iterable[Progress]:
        """See ``Decoders``.

        Raises:
            WorkerError: One of the processes has ended, or was stopped.
        """
        found: list[Progress] = []
        by_connection = {worker.connection: worker for worker in self._workers}
        while True:
            pauses = LOOK_SECONDS if waits and not found else 0
            ready = wait(list(by_connection), pauses)
            for connection in ready:
                assert isinstance(connection, Connection)
                found.append(by_connection[connection].receive())
            if not ready and (found or not waits):
                return found
            if not ready:
                for worker in self._workers:
                    worker.look()

    def counters(self) -> dict[str, int]:
        """See ``Decoders``."""
        counts: Counter[str] = Counter()
        for worker in self._workers:
            counts.update(worker.counters)
        return dict(counts)

    def close(self) -> None:
        """See ``Decoders``; a fork of the process that has started them changes nothing."""
        if os.getpid() == self._process:
            for worker in self._workers:
                worker.kill()
            for worker in self._workers:
                worker.wait()


class _Worker:
    """A worker process.

    Args:
        file: Descriptor of the shared memory.

    Attributes:
        connection: To it.
        load: What it has to do yet, in bytes of frames to decode.
        tasks: These, by number, with their costs.
        counters: What it has done.
    """

    def __init__(self, file: int) -> None:
        self._fork = fork_client.Fork()
        mine, theirs = fork_client.connection()
        self.connection: Connection[Job, Progress] = Connection(mine.detach())
        self.load = 0
        self.tasks: dict[int, tuple[Task, int]] = {}
        self.counters: dict[str, int] = {}
        self._videos = VideosKept()
        # Where its decoder of each video will be.
        self._next_rows: dict[int, int] = {}
        self._watch: StoppedWatch | None = None
        program = ("beam_scanner.data.decoding_worker", "main")
        files = [theirs.fileno(), file]
        with theirs:
            fork_client.fork(
                self._fork, fork_client.Request(program, {}, files=files, loads=LOADS)
            )

    def cost(self, task: Task) -> int:
        """What it costs this worker to read a stretch, in bytes of frames."""
        stretch = task.stretch
        frames, first = stretch.frames, int(stretch.rows[0])
        at = self._next_rows.get(stretch.video)
        if at is not None and stretch.keyframe <= at <= first:
            frames -= at - stretch.keyframe
        else:
            frames += _SEEK_FRAMES
        if stretch.video not in self._videos:
            frames += _OPEN_FRAMES
        return frames * task.video.frame_bytes

    def give(self, number: int, task: Task) -> None:
        """Has it read a stretch.

        Raises:
            OSError: It has ended.
        """
        cost = self.cost(task)
        self.load += cost
        self.tasks[number] = task, cost
        job = self._videos.job(number, task)
        for video in job.forget:
            self._next_rows.pop(video, None)
        self._next_rows[task.stretch.video] = int(task.stretch.rows[-1]) + 1
        self.connection.send(job)

    def receive(self) -> Progress:
        """What it says next.

        Raises:
            WorkerError: It has ended.
        """
        try:
            progress = self.connection.recv()
        except (EOFError, OSError):
            raise self.died() from None
        self.counters = progress.counters
        if progress.ended:
            self.load -= self.tasks.pop(progress.job)[1]
        return progress

    def look(self) -> None:
        """Sees whether it was stopped; is called twice a second.

        Raises:
            WorkerError: It was stopped some seconds ago.
        """
        if self._watch is None:
            process = self._fork.started()
            self._watch = None if process is None else StoppedWatch(process)
        elif self._watch.is_given_up():
            raise self._error("was stopped (SIGSTOP), and did not go on")

    def died(self) -> WorkerError:
        """The error that says how it ended."""
        code = self._fork.wait() if self._has_ended(_END_SECONDS) else None
        if code is None:
            return self._error("could not be started, or was killed")
        if code < 0:
            with suppress(ValueError):
                return self._error(f"was killed by {signal.Signals(-code).name}")
        return self._error(f"ended with exit code {code}")

    def kill(self) -> None:
        """Kills it, also before it has begun."""
        self.connection.close()
        self._fork.kill()

    def wait(self) -> None:
        """Waits for its end, for some seconds at most."""
        with suppress(OSError, ValueError):
            self._has_ended(_END_SECONDS)

    def _has_ended(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._fork.has_ended(left):
                return True
        return False

    def _error(self, what: str) -> WorkerError:
        doing = ""
        if self.tasks:
            task = next(iter(self.tasks.values()))[0]
            rows = task.stretch.rows
            doing = (
                f"; it was to read {task.video.name!r}, rows {rows[0]} to {rows[-1]}"
            )
        return WorkerError(f"a process that decodes frames {what}{doing}")
