"""Forks of a process that has loaded all they need, the fork server.

Loading Beam takes a process two seconds. Here one process does so for all others of a
program, in the background; they are forks of it and start at once. It ends with the
program. What needs no Beam has a server of its own, which is ready sooner. A worker process, itself such a fork, gets a fork server of its own: what it
starts must end with it. ``docs/decisions/fork-server.md`` says why this is not the
``forkserver`` of ``multiprocessing``.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVER = (
    # A terminal interrupts all its processes, also those that are still loading.
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "from beam_scanner.forks.fork_server import main; main()"
)
"""The program of the fork server, by which its processes are recognized."""

TASKS = (
    "av",
    "beam_scanner.beam_internals.sdk_harness",
    "beam_scanner.run.pipeline_stages",
    "beam_scanner.run.tasks.task_process",
)
"""Modules of what runs tasks. By name, since they are above the runners."""

_PASSING = ("PYTEST_CURRENT_TEST",)
"""Variables that change often and that no package reads while it is imported."""


@dataclass(frozen=True)
class Request:
    """The work of a fork.

    Attributes:
        program: Module and function, which is given the arguments and files.
        arguments: JSON-able.
        variables: Environment variables beside those of this process.
        files: Descriptors that it is to have, whose numbers will be others.
        forks: Whether it is to have a fork server of its own.
        loads: Modules that are to be loaded already.
    """

    program: tuple[str, str]
    arguments: dict[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[int] = ()
    forks: bool = False
    loads: tuple[str, ...] = TASKS


class Fork:
    """A process that is, or is about to be, a fork of the fork server.

    Attributes:
        theirs: The server's end of the connection about this process.
    """

    def __init__(self) -> None:
        self._connection, self.theirs = connection()
        self._received = b""

    def started(self) -> int | None:
        """Waits for its process id; None if it could not be started."""
        while b"\n" not in self._received and self._listen():
            pass
        return self.process()

    def has_ended(self, seconds: float) -> bool:
        """Waits so long for its end; whether there is nothing more to wait for."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(seconds * 1000)) and not self._listen()

    def wait(self) -> int | None:
        """Gives the exit code; None if the server does not know it."""
        with self._connection:
            while self._listen():
                pass
        lines = self._received.splitlines()
        return int(lines[1]) if len(lines) == 2 else None

    def process(self) -> int | None:
        """Its process id, if that is known; also when it has ended."""
        number, line_end, _ = self._received.partition(b"\n")
        return int(number) if line_end else None

    def interrupt(self) -> None:
        """Sends it an interrupt; nothing if it is not known to run."""
        process = self.process()
        has_ended = self._received.count(b"\n") > 1
        if process is not None and not has_ended:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGINT)

    def kill(self) -> None:
        """Kills it, also before it has begun; nothing if it has ended."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def _listen(self) -> bool:
        with suppress(ConnectionError):
            more = self._connection.recv(100)
            self._received += more
            return bool(more)
        return False


class _Server:
    """A fork server as its user sees it.

    Args:
        control: Where it takes requests.
        known: Its environment variables.
    """

    def __init__(self, control: socket.socket, known: Mapping[str, str]) -> None:
        self._control = control
        self._known = known

    def fork(self, fork: Fork, request: Request) -> None:
        """Asks for a fork, which is there as soon as the server has loaded all.

        Args:
            fork: Gets its process id and exit code.
            request: What it is to do.
        """
        changed = {k: v for k, v in os.environ.items() if self._known.get(k) != v}
        body = {**vars(request), "variables": {**changed, **request.variables}}
        with fork.theirs as theirs, ExitStack() as stack:
            files = [_standard(number, stack) for number in range(3)]
            folder = os.open(working_folder(), os.O_PATH | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            # A server that has died is noticed by whoever waits for the fork.
            with suppress(ConnectionError):
                socket.send_fds(
                    self._control,
                    [json.dumps(body).encode()],
                    [*files, folder, theirs.fileno(), *request.files],
                )

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        try:
            return bool(self._control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def retire(self) -> None:
        """Lets it end when its last fork has."""
        self._control.close()


class _OwnServer(_Server):
    """A fork server that this process has started.

    Args:
        loads: Modules that it loads before it forks.
    """

    def __init__(self, loads: tuple[str, ...]) -> None:
        control, theirs = connection(socket.SOCK_SEQPACKET)
        known = {k: v for k, v in os.environ.items() if k not in _PASSING}
        super().__init__(control, known)
        with theirs, ExitStack() as stack:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVER, *loads, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=_standard(2, stack),
                env=worker_variables(),
                cwd=working_folder(),
            )

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        """Ends it and its forks."""
        self._control.close()
        if self.is_alive():
            self.process.kill()
            self.process.wait()


def connection(
    kind: socket.SocketKind = socket.SOCK_STREAM,
) -> tuple[socket.socket, socket.socket]:
    """Two ends, whatever timeout the program has given to all its sockets.

    Not in the place of standard files that are closed: prints would go there.
    """
    ends = []
    for end in socket.socketpair(socket.AF_UNIX, kind):
        with end:
            moved = fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
        ends.append(socket.socket(fileno=moved))
        ends[-1].settimeout(None)
    return ends[0], ends[1]


def _standard(number: int, stack: ExitStack) -> int:
    """Standard input, output or error; nothing where this process has none."""
    # What has taken the place of one that was closed would not be inherited.
    with suppress(OSError):
        if os.get_inheritable(number):
            return number
    file = os.open(os.devnull, os.O_RDWR)
    stack.callback(os.close, file)
    return file


def worker_variables() -> dict[str, str]:
    """Environment variables of processes that are to find what this one finds."""
    return {
        **os.environ,
        "PYTHONPATH": _module_path(),
        # Each task has a thread that reads; by default glibc gives every new thread
        # a heap of its own, and memory grows with the number of tasks.
        "MALLOC_ARENA_MAX": "2",
    }


def _module_path() -> str:
    """Where this process finds modules, but for those of Python itself.

    Workers find them in the same places: a script's folder, or what it has put into
    ``sys.path``.
    """
    own = tuple(
        sysconfig.get_path(name)
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    entries = dict.fromkeys(_absolute(entry) for entry in sys.path)
    return os.pathsep.join(
        entry
        for entry in entries
        if not entry.startswith(own)
        and os.pathsep not in entry
        and os.path.exists(entry)
    )


def working_folder() -> str:
    """Where such processes are to work: as we do, unless that folder was removed.

    Python looks there for every module, and fails where there is none.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _absolute(entry: str) -> str:
    try:
        return os.path.abspath(entry)
    except FileNotFoundError:
        # The working folder was removed, and nothing can be found in it.
        return entry


_current: dict[tuple[str, ...], tuple[tuple[Any, ...], _OwnServer]] = {}
"""The servers in use, and what each was started with, by the modules they load."""

_others: list[_OwnServer] = []
"""Earlier ones whose workers have not ended; in a fork of a program, the program's."""

_servers_lock = threading.Lock()


def _after_fork() -> None:
    """A fork of this process must not talk to the same server."""
    global _servers_lock
    _servers_lock = threading.Lock()
    _others.extend(server for _, server in _current.values())
    _current.clear()
    global _given
    _given = None


os.register_at_fork(after_in_child=_after_fork)

_LIMITS = [each for each in dir(resource) if each.startswith("RLIMIT_")]


def _setting() -> tuple[Any, ...]:
    """What a server has inherited from this process and cannot change.

    When this process has changed since, its workers need another server.
    """
    variables = {k: v for k, v in worker_variables().items() if k not in _PASSING}
    status = Path("/proc/self/status").read_text()
    return (
        os.geteuid(),
        os.getegid(),
        tuple(os.getgroups()),
        # Python has no way to ask for it without changing it.
        next(line for line in status.splitlines() if line.startswith("Umask:")),
        tuple(resource.getrlimit(getattr(resource, each)) for each in _LIMITS),
        frozenset(os.sched_getaffinity(0)),
        sys.executable,
        frozenset(variables.items()),
    )


_given: _Server | None = None
"""The server that this process was given, being itself a fork."""


def adopt(control: socket.socket) -> None:
    """Lets this process, a fork, use the server that it was given.

    Args:
        control: Where that takes requests.
    """
    global _given
    _given = _Server(control, dict(os.environ))


def get_ready(loads: tuple[str, ...] = TASKS) -> None:
    """Begins to load what forks need, in the background, unless that has been done.

    For a run that will need them soon.

    Args:
        loads: As in their requests.
    """
    with _servers_lock:
        _server(loads)


def fork(fork: Fork, request: Request) -> None:
    """Asks for a fork.

    Args:
        fork: Gets its process id and exit code.
        request: What it is to do.
    """
    with _servers_lock:
        _server(request.loads).fork(fork, request)


def _server(loads: tuple[str, ...]) -> _Server:
    """The fork server for this process as it is now."""
    if _given is not None and _given.is_alive():
        return _given
    setting = _setting()
    _others[:] = [server for server in _others if server.is_alive()]
    started_with, server = _current.get(loads, (None, None))
    if server is None or started_with != setting or not server.is_alive():
        if server is not None:
            server.retire()
            _others.append(server)
        server = _OwnServer(loads)
        _current[loads] = setting, server
        # Once, and only in programs that have a server.
        atexit.unregister(_end_servers)
        atexit.register(_end_servers)
    return server


def _end_servers() -> None:
    for server in (*(server for _, server in _current.values()), *_others):
        server.end()
