"""The process that others are forked from; see ``fork_client``.

It has no threads of Python's own and no files but connections to its starter; what
packages do when they are loaded is all that a fork inherits.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import sys
import warnings
from contextlib import suppress
from typing import Any, NoReturn

from beam_scanner.forks import fork_client

_PR_SET_PDEATHSIG = 1
"""See prctl(2)."""

_LOOK_SECONDS = 0.5
_MOST_BYTES = 1 << 20
"""Of a request: more than the system lets through."""

_FILES = 5
"""Descriptors that come with every request: standard input, output and error, the
working folder, and a connection about the fork."""

_MOST_FILES = _FILES + 8


class ForkServer:
    """Forks a process for each request.

    Over the connection that comes with a request it sends the process id and the exit
    code; when the other end hangs up, it kills the process.

    Args:
        control: Where requests come from, each one message.
        driver: The process that sends them.
    """

    def __init__(self, control: socket.socket, driver: int) -> None:
        self._control = control
        self._wanted = True
        self._driver = driver
        self._forks: dict[int, socket.socket] = {}
        self._ended, self._wake = socket.socketpair()
        self._ended.setblocking(False)
        self._wake.setblocking(False)
        self._poll = select.poll()

    def serve(self) -> None:
        """Serves until no process needs forks, or the driver has died."""
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._poll.register(self._ended, select.POLLIN)
        self._poll.register(self._control, select.POLLIN)
        while os.getppid() == self._driver and (self._wanted or self._forks):
            ready = {file for file, _ in self._poll.poll(_LOOK_SECONDS * 1000)}
            if self._ended.fileno() in ready:
                self._ended.recv(4096)
            self._kill(ready)
            self._report_ends()
            if self._control.fileno() in ready:
                self._answer()
        for process, connection in self._forks.items():
            os.kill(process, signal.SIGKILL)
            _kill_group(process)
            connection.close()
        signal.set_wakeup_fd(-1)
        for each in (self._control, self._ended, self._wake):
            each.close()

    def _kill(self, ready: set[int]) -> None:
        for process, connection in self._forks.items():
            if connection.fileno() in ready:
                self._poll.unregister(connection)
                os.kill(process, signal.SIGKILL)

    def _report_ends(self) -> None:
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        for process in list(self._forks):
            if os.waitid(os.P_PID, process, flags) is None:
                continue
            # Before it is waited for, so that no other can have its number.
            _kill_group(process)
            _, status = os.waitpid(process, 0)
            with self._forks.pop(process) as connection, suppress(OSError):
                with suppress(KeyError):
                    self._poll.unregister(connection)
                connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))

    def _answer(self) -> None:
        try:
            body, files, _, _ = socket.recv_fds(self._control, _MOST_BYTES, _MOST_FILES)
        except ConnectionError:
            body, files = b"", []
        if not body:
            self._wanted = False
            self._poll.unregister(self._control)
        # If the system has no room for it, whoever asked sees the connection end.
        with suppress(OSError):
            # There are fewer if this process may not have more.
            if len(files) >= _FILES:
                self._fork(json.loads(body), files)
        for file in files:
            os.close(file)

    def _fork(self, request: dict[str, Any], files: list[int]) -> None:
        connection = socket.socket(fileno=os.dup(files[4]))
        server = os.getpid()
        try:
            process = os.fork()
        except OSError:
            connection.close()
            raise
        if not process:
            connection.close()
            self._become(request, files, server)
        self._forks[process] = connection
        self._poll.register(connection, select.POLLIN)
        with suppress(OSError):
            connection.sendall(b"%d\n" % process)

    def _become(
        self, request: dict[str, Any], files: list[int], server: int
    ) -> NoReturn:
        """Makes this fork look as if the driver had started it."""
        try:
            leave_with(server)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (self._control, self._ended, self._wake):
                each.close()
            for connection in self._forks.values():
                connection.close()
            for number in range(3):
                os.dup2(files[number], number)
            os.fchdir(files[3])
            for file in files[:_FILES]:
                os.close(file)
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(line_buffering=os.isatty(1))
            os.environ.update(request["variables"])
            if "numpy" in sys.modules:
                # Python's own generator does so itself.
                sys.modules["numpy"].random.seed()
            if request["forks"]:
                fork_client.adopt(_server_of_its_own())
            module, function = request["program"]
            program = getattr(importlib.import_module(module), function)
            program(*files[_FILES:], **request["arguments"])
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)


def leave_with(parent: int) -> None:
    """Ends this process, whatever it is doing, as soon as its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _kill_group(leader: int) -> None:
    """Kills what a process has started, if it leads a group of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _server_of_its_own() -> socket.socket:
    """Starts a fork server for this process; gives where it takes requests."""
    control, theirs = fork_client.connection(socket.SOCK_SEQPACKET)
    user = os.getpid()
    if not os.fork():
        with suppress(BaseException):
            control.close()
            ForkServer(theirs, user).serve()
        os._exit(0)
    theirs.close()
    return control


def main() -> None:
    """Loads what workers need and serves whoever started this process."""
    # Standard input is the connection; there is no other way that is open everywhere.
    control, driver = socket.socket(fileno=os.dup(0)), int(sys.argv.pop())
    # Of what is loaded next to nothing is garbage.
    gc.disable()
    while len(sys.argv) > 1:
        importlib.import_module(sys.argv.pop(1))
    # Those of the program may have another end that waits for all to close them.
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.close(nothing)
    # Packages have threads of native code, which they look after when a process forks.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded")
    # Collecting garbage would touch, and so copy, all that workers share.
    gc.collect()
    gc.freeze()
    gc.enable()
    ForkServer(control, driver).serve()
    os._exit(0)
