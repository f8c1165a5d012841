"""Worker processes of this machine, forked from one that has loaded all they need.

Loading Beam takes a worker two seconds. Here one process, the fork server, does so once
for all workers of all runs of a program, while the program is busy otherwise; workers
are forks of it and start at once. It ends with the program.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import logging
import os
import resource
import socket
import subprocess
import sys
import sysconfig
import threading
import uuid
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from google.protobuf import json_format, text_format

_URN = "beam_scanner:env:forked:v1"
SERVER = (
    # A terminal interrupts all its processes, also those that are still loading.
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "from beam_scanner.runners.fork_server import main; main()"
)
"""The program of the fork server, by which its processes can be told from others."""

_PASSING = ("PYTEST_CURRENT_TEST",)
"""Variables that change all the time, and that nothing reads when it is loaded."""


class WorkerProcesses:
    """The workers of one run.

    Args:
        died: Is told why, in a thread of its own, when a worker ends by an error.
    """

    def __init__(self, died: Callable[[str], None]) -> None:
        self.name = uuid.uuid4().hex
        self._died = died
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._closed = False
        _runs[self.name] = self
        get_ready()

    def environment(self) -> Environment:
        """For Beam's runner, which starts workers as it needs them."""
        return _Forked(self.name, python_sdk_capabilities())

    def start(self, variables: Mapping[str, str]) -> threading.Thread:
        """Starts a worker; gives a thread that ends with it."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the run is over")
            worker = _Worker()
            self._workers.append(worker)
            _fork(worker, variables)
        thread = threading.Thread(
            target=self._follow, args=[worker], name="run_worker", daemon=True
        )
        thread.start()
        return thread

    def kill(self) -> None:
        """Kills all workers; there will be no others."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()

    def _follow(self, worker: _Worker) -> None:
        code = worker.wait()
        if code is None:
            self._died("it could not start, or the process that starts them has ended")
        elif code:
            self._died(f"exit code {code}")


_runs: weakref.WeakValueDictionary[str, WorkerProcesses]
_runs = weakref.WeakValueDictionary()


class _Worker:
    """A process that is, or is about to be, a fork of the fork server.

    Attributes:
        theirs: The server's end of the connection about it.
    """

    def __init__(self) -> None:
        self._connection, self.theirs = _connection()

    def wait(self) -> int | None:
        """Gives the exit code; None if the server does not know it."""
        with self._connection:
            code = self._connection.recv(100)
        return int(code) if code else None

    def kill(self) -> None:
        """Kills it, also before it has begun; nothing if it has ended."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)


class _ForkServer:
    """The fork server as its starter sees it."""

    def __init__(self) -> None:
        self._control, theirs = _connection(socket.SOCK_SEQPACKET)
        with theirs, ExitStack() as stack:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=_standard(2, stack),
                env=_variables(),
                cwd=_working_folder(),
            )

    def fork(self, worker: _Worker, variables: Mapping[str, str]) -> None:
        """Asks for a worker, which is there as soon as the server has loaded all.

        Args:
            worker: Is told of it.
            variables: Environment variables beside those of this process.
        """
        passing = {k: os.environ[k] for k in _PASSING if k in os.environ}
        request = {
            "variables": {**passing, **variables},
            "level": logging.getLogger().getEffectiveLevel(),
        }
        with worker.theirs as theirs, ExitStack() as stack:
            files = [_standard(number, stack) for number in range(3)]
            folder = os.open(_working_folder(), os.O_PATH | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            # A server that has died is noticed by whoever waits for the worker.
            with suppress(ConnectionError):
                socket.send_fds(
                    self._control,
                    [json.dumps(request).encode()],
                    [*files, folder, theirs.fileno()],
                )

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def retire(self) -> None:
        """Lets it end when its last worker has."""
        self._control.close()

    def end(self) -> None:
        """Ends it and its workers."""
        self._control.close()
        if self.is_alive():
            self.process.kill()
            self.process.wait()


def _connection(
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


def _variables() -> dict[str, str]:
    """Environment variables of workers."""
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


def _working_folder() -> str:
    """Where workers are to work: as we do, unless that folder was removed.

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


_current: dict[tuple[Any, ...], _ForkServer] = {}
"""The server in use, if there is one, by what it was started with."""

_others: list[_ForkServer] = []
"""Those before it whose workers have not ended; in a fork of a program, its own."""

_servers_lock = threading.Lock()


def _after_fork() -> None:
    """A fork of this process must not talk to the same server."""
    global _servers_lock
    _servers_lock = threading.Lock()
    _others.extend(_current.values())
    _current.clear()


os.register_at_fork(after_in_child=_after_fork)

_LIMITS = [each for each in dir(resource) if each.startswith("RLIMIT_")]


def _setting() -> tuple[Any, ...]:
    """What a server has taken from this process for good.

    Workers of a process that is unlike it need another.
    """
    variables = {k: v for k, v in _variables().items() if k not in _PASSING}
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


def get_ready() -> None:
    """Starts loading what workers need, if that has not been done.

    Beside what this process does meanwhile: for a run that is about to need workers.
    """
    with _servers_lock:
        _server()


def _fork(worker: _Worker, variables: Mapping[str, str]) -> None:
    with _servers_lock:
        _server().fork(worker, variables)


def _server() -> _ForkServer:
    """The fork server for this process as it is now."""
    setting = _setting()
    _others[:] = [server for server in _others if server.is_alive()]
    if setting not in _current or not _current[setting].is_alive():
        for server in _current.values():
            server.retire()
            _others.append(server)
        _current.clear()
        _current[setting] = _ForkServer()
    return _current[setting]


@atexit.register
def _end_servers() -> None:
    for server in (*_current.values(), *_others):
        server.end()


@Environment.register_urn(_URN, bytes)
class _Forked(Environment):  # type: ignore[misc]
    """Beam's name for the workers of a run."""

    def __init__(
        self,
        run: str,
        capabilities: Any = (),
        artifacts: Any = (),
        resource_hints: Any = None,
    ) -> None:
        super().__init__(capabilities, artifacts, resource_hints)
        self.run = run

    def __eq__(self, other: object) -> bool:
        return bool(super().__eq__(other)) and self.run == getattr(other, "run", None)

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.run))

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return _URN, self.run.encode()

    @staticmethod
    def from_runner_api_parameter(
        payload: bytes,
        capabilities: Any,
        artifacts: Any,
        resource_hints: Any,
        context: Any,
    ) -> _Forked:
        return _Forked(payload.decode(), capabilities, artifacts, resource_hints)


@WorkerHandler.register_environment(_URN, bytes)
class _Handler(GrpcWorkerHandler):  # type: ignore[misc]
    """What Beam's runner starts and stops a worker by."""

    def __init__(
        self, run: bytes, state: Any, provision_info: Any, grpc_server: Any
    ) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._run = _runs[run.decode()]
        self._thread: threading.Thread | None = None

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        self._thread = self._run.start(
            {
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
                "PIPELINE_OPTIONS": json_format.MessageToJson(options),
                "WORKER_ID": self.worker_id,
            }
        )

    def stop_worker(self) -> None:
        if self._thread is not None:
            self._thread.join()
