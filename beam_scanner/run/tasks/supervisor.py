"""Supervises the processes that run tasks, so that a task takes nothing with it.

A worker keeps one such process, a *host*, for all tasks of a run that it works on at a
time: models are loaded once. When a host dies, or a task takes too long in it, all that
is lost is one attempt at each task that it was running; the worker starts another host. So no
runner ever sees a worker die of what a kernel does.
"""

from __future__ import annotations

import errno
import json
import logging
import mmap
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from beam_scanner.engine.position import POSITION_BYTES, Doing, Position
from beam_scanner.errors import Failure
from beam_scanner.forks import fork_client
from beam_scanner.forks.stopped_processes import (
    LOOK_SECONDS,
    STOPPED_SECONDS,
    StoppedWatch,
)
from beam_scanner.run.run_settings import RunSettings
from beam_scanner.run.sent_file_systems import WithOptions
from beam_scanner.run.tasks.attempt import Chunk, Ended, Try, cancelled
from beam_scanner.run.tasks.channel import Channel, Closed
from beam_scanner.run.tasks.task_process import CLOSED_CODE
from beam_scanner.run.worker_run import Run, RunSource, process_token
from beam_scanner.runners.local import worker

_SLOTS = 512
"""Most connections of one host, each with its part of the shared memory; a host that has
had so many is replaced."""

_END_SECONDS = 10.0
"""For kernels to close, and for threads of theirs to end."""

_START_SECONDS = 1.0
"""Before another is started, where one could not."""

_CANCEL_SECONDS = 5.0
"""For a task to end by itself when its run is cancelled."""

_TELL_SECONDS = 5.0
"""For the end of a process to be known, when its connection has ended."""

_log = logging.getLogger(__name__)


def needs_host(settings: RunSettings) -> bool:
    """Whether tasks are run in a child process.

    Not for the process of the driver, which the user controls, unless tasks must be
    stopped when they take too long.
    """
    return settings.limits.timeout > 0 or settings.here != process_token()


_hosts: dict[tuple[str, str], TaskHosts] = {}
_hosts_lock = threading.Lock()


def hosts_of(source: RunSource) -> TaskHosts:
    """The hosts of a run in this process."""
    key = source.run, source.part
    with _hosts_lock:
        if key not in _hosts:
            _hosts[key] = TaskHosts(source)
        return _hosts[key]


def retire_hosts(run: str) -> None:
    """Ends the hosts of a run when they run no task any more."""
    for hosts in _taken(run):
        hosts.retire()


def end_hosts(run: str) -> None:
    """Ends the hosts of a run that is over, with the tasks that they run."""
    for hosts in _taken(run):
        hosts.end()


def _taken(run: str) -> list[TaskHosts]:
    with _hosts_lock:
        return [_hosts.pop(key) for key in list(_hosts) if key[0] == run]


class TaskHosts:
    """The hosts of one run, one at a time.

    Args:
        source: Where they find the run.
    """

    def __init__(self, source: RunSource) -> None:
        self._source = source
        self._turns = _Turns()
        self._lock = threading.Lock()
        self._host: _Host | None = None

    def attempt(
        self, run: Run, wanted: Try, mark: AbstractContextManager[None]
    ) -> Generator[Chunk, None, Ended]:
        """Makes an attempt in a host; an ``Attempt``."""
        # Of each stream that shares the task.
        limit = run.settings.limits.timeout * (1 + len(wanted.others))
        with self._turns.held(wanted.alone), mark, self._lent() as host:
            ended = yield from host.attempt(wanted, limit, run.is_cancelled)
            if ended.failure is not None and _is_spoilt(ended.failure):
                # Others would fail in it for what this task has used up.
                host.spoilt = True
        failure = ended.failure
        if wanted.others:
            # Of whom it is the fault shows when they are tried one by one.
            return ended
        if failure is not None and failure.kind not in ("exception", "skipped"):
            stream = run.job(wanted.task.job).record.name
            _log.warning("%s of %s", wanted.task, failure._replace(stream=stream))
        return ended

    def retire(self) -> None:
        """Ends the host as soon as it runs no task."""
        host = self._taken()
        if host is not None:
            host.retire()

    def end(self) -> None:
        """Ends the host."""
        host = self._taken()
        if host is not None:
            host.end()

    def _taken(self) -> _Host | None:
        with self._lock:
            host, self._host = self._host, None
        return host

    @contextmanager
    def _lent(self) -> Iterator[_Host]:
        with self._lock:
            if self._host is None or not self._host.is_fit():
                if self._host is not None:
                    self._host.retire()
                self._host = _Host(pickle.dumps(WithOptions(self._source)))
            host = self._host
            host.lend()
        try:
            yield host
        finally:
            host.give_back()


class _Turns:
    """Lets many work at a time, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._waiting = 0
        self._alone = False

    @contextmanager
    def held(self, alone: bool) -> Iterator[None]:
        """Waits for a turn and keeps it while open."""
        with self._changed:
            if alone:
                self._waiting += 1
                try:
                    self._changed.wait_for(lambda: not self._running)
                finally:
                    self._waiting -= 1
                    self._changed.notify_all()
                self._alone = True
            else:
                self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._alone = False
                self._changed.notify_all()


_USED_UP = (
    os.strerror(errno.EMFILE),
    os.strerror(errno.ENFILE),
    os.strerror(errno.ENOMEM),
    "can't start new thread",
    # After these nothing works on the device until another process takes it.
    "CUDA error",
    "CUDA failure",
    "illegal memory access",
)


def _is_spoilt(failure: Failure) -> bool:
    """Whether a process has lost something that others in it need, too."""
    if failure.exception in ("MemoryError", "DeviceMemoryError"):
        return True
    # Kernels can limit what a process may write, read or reach. It may as well be the
    # storage: then a new process changes nothing.
    if failure.op is None and failure.exception in ("StorageError", "OSError"):
        return True
    return any(said in failure.reason for said in _USED_UP)


class _TooLong(Exception):
    """A task has taken too long."""


class _Cancelled(Exception):
    """A task has not ended although the run was cancelled."""


class _Stopped(Exception):
    """A host has been stopped and does not go on."""


class _Host:
    """A process that runs tasks, as its supervisor sees it.

    Args:
        run: The pickled source of the run.

    Attributes:
        spoilt: Whether it has run out of files, memory or threads.
    """

    def __init__(self, run: bytes) -> None:
        self._users = 0
        self._retired = False
        self._has_ended = False
        self.spoilt = False
        self._links: list[_Link] = []
        self._idle: list[_Link] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._code: int | None = None
        self._killed_for: _Link | None = None
        self._reason = ""
        self._fork = fork_client.Fork()
        self._control, theirs = fork_client.connection(socket.SOCK_SEQPACKET)
        log, their_log = fork_client.connection()
        memory = os.memfd_create("positions")
        source = os.memfd_create("run")
        try:
            os.truncate(memory, _SLOTS * POSITION_BYTES)
            self._memory = memoryview(mmap.mmap(memory, 0))
            with open(source, "wb", closefd=False) as file:
                file.write(run)
            files = [theirs.fileno(), memory, source, their_log.fileno()]
            fork_client.fork(self._fork, _request(files))
        finally:
            os.close(memory)
            os.close(source)
            theirs.close()
            their_log.close()
        self.process = self._fork.started()
        for target, args in ((self._follow, []), (_relay, [log])):
            threading.Thread(
                target=target, args=args, name="task host", daemon=True
            ).start()

    def is_fit(self) -> bool:
        """Whether it can be given tasks."""
        has_slots = len(self._links) < _SLOTS or bool(self._idle)
        return (
            not self.spoilt
            and has_slots
            and not self._over.is_set()
            and self._killed_for is None
        )

    def attempt(
        self, wanted: Try, limit: float, is_cancelled: Callable[[], bool]
    ) -> Generator[Chunk, None, Ended]:
        """Makes an attempt.

        Args:
            wanted: The attempt.
            limit: Seconds that it may take; 0 for any number.
            is_cancelled: Whether it is to end.
        """
        began = time.time()
        clock = _Clock(limit, self.process, is_cancelled)
        with self._linked() as link:
            return (yield from self._attempt(link, wanted, clock, limit, began))

    def _attempt(
        self, link: _Link, wanted: Try, clock: _Clock, limit: float, began: float
    ) -> Generator[Chunk, None, Ended]:
        try:
            try:
                return (yield from link.attempt(wanted, clock))
            except _TooLong:
                doing = link.position.now()
                self._kill(link)
                reason = f"the task took longer than task_timeout={limit:g} seconds"
                return self._lost("timeout", reason, doing, began)
            except _Cancelled:
                self._kill(link)
                return cancelled()
            except _Stopped:
                self._reason = (
                    f"was stopped (SIGSTOP), and did not go on for {STOPPED_SECONDS:g} "
                    "seconds"
                )
                self._kill(None)
                raise Closed from None
        except Closed:
            if not self._over.wait(_TELL_SECONDS):
                self._reason = self._reason or "closed its connection to the worker"
                self._kill(None)
            doing, reason = link.position.now(), f"its process {self._end_reason()}"
            if self._killed_for not in (None, link):
                ended = self._lost("death", "another task took too long", doing, began)
                return Ended({}, ended.failure, counts=False)
            return self._lost("death", reason, doing, began)

    def retire(self) -> None:
        """Ends it as soon as it runs no task."""
        with self._lock:
            self._retired = True
            unused = not self._users
        if unused:
            self.end()

    def lend(self) -> None:
        """Counts a user of it."""
        with self._lock:
            self._users += 1

    def give_back(self) -> None:
        """Ends a use; the last one of a host that is retired ends the host."""
        with self._lock:
            self._users -= 1
            ends = self._retired and not self._users
        if ends:
            # The attempt is over: it does not wait for kernels to close.
            threading.Thread(target=self.end, name="task host", daemon=True).start()

    def end(self) -> None:
        """Ends it; its kernels may close if it runs no task."""
        self._control.close()
        # A link that is not idle belongs to a task whose result nobody waits for.
        idle = len(self._idle) == len(self._links)
        if idle and not self._over.wait(_END_SECONDS):
            _log.warning(
                "a process that ran tasks is killed: its kernels, or threads of "
                "theirs, have not ended in %g seconds",
                _END_SECONDS,
            )
        self._fork.kill()
        with self._lock:
            self._has_ended = True
            unused, self._idle = self._idle, []
        for link in unused:
            link.channel.close()

    @contextmanager
    def _linked(self) -> Iterator[_Link]:
        """Lends a connection; the next task has it, too, if no error ends this one."""
        link = self._link()
        try:
            yield link
        finally:
            with self._lock:
                is_kept = link.is_whole and not self._has_ended
                if is_kept:
                    self._idle.append(link)
            if not is_kept:
                link.channel.close()

    def _link(self) -> _Link:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            number = len(self._links)
            first = number % _SLOTS * POSITION_BYTES
            memory = self._memory[first : first + POSITION_BYTES]
            mine, theirs = fork_client.connection()
            link = _Link(Channel(mine), Position(memory))
            self._links.append(link)
            with theirs, suppress(OSError):
                message = b"%d" % (number % _SLOTS)
                socket.send_fds(self._control, [message], [theirs.fileno()])
            if self._over.is_set():
                link.channel.hang_up()
            return link

    def _kill(self, by: _Link | None) -> None:
        """Kills the process, and waits until it has gone.

        Args:
            by: Whose fault it is, if that is known.
        """
        self._killed_for = self._killed_for or by
        self._fork.kill()
        self._over.wait(_END_SECONDS)

    def _follow(self) -> None:
        self._code = self._fork.wait()
        with self._lock:
            self._over.set()
            for link in self._links:
                link.channel.hang_up()

    def _end_reason(self) -> str:
        if self._reason:
            return self._reason
        if self._code is None:
            return "could not be started, or what starts it has died"
        if self._code == CLOSED_CODE:
            return "closed its connection to the worker"
        if self._code >= 0:
            return f"ended with exit code {self._code} before the task was done"
        hint = ", perhaps since memory ran out" if self._code == -signal.SIGKILL else ""
        return f"was killed by signal {-self._code} ({_name(-self._code)}){hint}"

    def _lost(self, kind: str, reason: str, doing: Doing, began: float) -> Ended:
        if self.process is None:
            time.sleep(_START_SECONDS)
        failure = Failure(
            "",
            " ".join(filter(None, [reason, str(doing)])),
            row=doing.row,
            op=doing.op,
            kind=kind,
            worker=f"{socket.gethostname()}:{self.process}" if self.process else "",
            started=began,
            ended=time.time(),
        )
        return Ended({}, failure)


class _Link:
    """What connects one task to a host.

    Args:
        channel: To it.
        position: Where the task is.

    Attributes:
        is_whole: Whether the latest task has told its end.
    """

    def __init__(self, channel: Channel, position: Position) -> None:
        self.channel = channel
        self.position = position
        self.is_whole = True

    def attempt(self, wanted: Try, clock: _Clock) -> Generator[Chunk, None, Ended]:
        """Makes an attempt; the clock's errors end it."""
        self.channel.look = clock.look
        self.is_whole = False
        try:
            self.channel.send(wanted)
            while True:
                clock.begin()
                kind, *values = self.channel.receive()
                clock.look()
                if kind == "ended":
                    ended: Ended = values[0]
                    for update, value in values[1]:
                        update(value)
                    self.is_whole = True
                    return ended
                yield values[0], values[1]
        except BaseException:
            # Whatever comes yet is for nobody.
            self.channel.hang_up()
            raise


class _Clock:
    """Ends the wait for a host.

    Args:
        limit: Seconds that may be spent waiting; 0 for any number. Those do not count
            in which this process did not run itself, or was busy with rows.
        process: The host.
        is_cancelled: Whether the run is to end: the host ends its tasks between two
            packets, and is killed if that takes too long.
    """

    def __init__(
        self, limit: float, process: int | None, is_cancelled: Callable[[], bool]
    ) -> None:
        self._limit = limit
        self._is_cancelled = is_cancelled
        self._grace = _CANCEL_SECONDS
        self._watch = StoppedWatch(process) if process else None
        self._spent = 0.0
        self._looked = time.monotonic()

    def begin(self) -> None:
        """Begins to wait."""
        self._looked = time.monotonic()

    def look(self) -> None:
        """Is called twice a second.

        Raises:
            _TooLong: The time is up.
            _Cancelled: The run was cancelled a while ago.
            _Stopped: The process has been stopped.
        """
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        self._spent += min(passed, 2 * LOOK_SECONDS)
        if self._is_cancelled():
            self._grace -= min(passed, 2 * LOOK_SECONDS)
            if self._grace < 0:
                raise _Cancelled
        if 0 < self._limit < self._spent:
            raise _TooLong
        if self._watch is not None and self._watch.is_given_up():
            raise _Stopped


def _request(files: list[int]) -> fork_client.Request:
    printed = worker.printed
    level = logging.getLogger().getEffectiveLevel() if printed is None else printed
    return fork_client.Request(
        ("beam_scanner.run.tasks.task_process", "main"),
        {"level": level, "prints": printed is not None},
        files=files,
    )


def _relay(log: socket.socket) -> None:
    """Logs here what a host logs."""
    with log, log.makefile("r", encoding="ascii") as lines:
        for line in lines:
            if not line.endswith("\n"):
                # The host was killed as it wrote this one.
                break
            fields: dict[str, Any] = json.loads(line)
            logger = logging.getLogger(fields["name"])
            if logger.isEnabledFor(fields["levelno"]):
                logger.handle(logging.makeLogRecord(fields))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
