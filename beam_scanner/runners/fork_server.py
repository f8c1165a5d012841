"""The process that worker processes are forked from; see ``processes``.

It has no threads of Python's own, and has opened nothing but what its starter gave it;
what packages do when they are loaded is all that a worker inherits.
"""

from __future__ import annotations

import gc
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

from beam_scanner.runners import worker

_LOOK_SECONDS = 0.5
HEAD = 8
"""Bytes that give the length of a request, with which its file descriptors come."""


class ForkServer:
    """Forks a worker for each request, and reports how it ended.

    Args:
        control: Where requests come from.
        driver: The process that sends them.
    """

    def __init__(self, control: socket.socket, driver: int) -> None:
        self._control: socket.socket | None = control
        self._driver = driver
        self._reports: dict[int, int] = {}
        """Where to tell of each worker that lives."""
        self._ended, wake = socket.socketpair()
        self._ended.setblocking(False)
        wake.setblocking(False)
        self._wake = wake

    def serve(self) -> None:
        """Returns when nobody wants workers, or the driver has died."""
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        while os.getppid() == self._driver and (self._control or self._reports):
            listened = [s for s in (self._control, self._ended) if s]
            ready, _, _ = select.select(listened, [], [], _LOOK_SECONDS)
            if self._ended in ready:
                self._ended.recv(4096)
            self._report_ends()
            if self._control in ready:
                self._answer()

    def _report_ends(self) -> None:
        for process in list(self._reports):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                self._tell(process, os.waitstatus_to_exitcode(status))
                os.close(self._reports.pop(process))

    def _tell(self, process: int, number: int) -> None:
        # It may be that nobody waits any more.
        with suppress(BrokenPipeError):
            os.write(self._reports[process], f"{number}\n".encode())

    def _answer(self) -> None:
        assert self._control is not None
        try:
            head, files, _, _ = socket.recv_fds(self._control, HEAD, 4)
            body = _read(self._control, int.from_bytes(head, "big")) if head else b""
        except ConnectionError:
            head = b""
        if not head:
            self._control.close()
            self._control = None
            return
        *standard, report = files
        server = os.getpid()
        process = os.fork()
        if not process:
            os.close(report)
            self._become_worker(json.loads(body), standard, server)
        self._reports[process] = report
        self._tell(process, process)
        for file in standard:
            os.close(file)

    def _become_worker(
        self, request: dict[str, Any], standard: list[int], server: int
    ) -> NoReturn:
        """Makes this fork look as if the driver had started it."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            assert self._control is not None
            for each in (self._control, self._ended, self._wake):
                each.close()
            for other in self._reports.values():
                os.close(other)
            for number, file in enumerate(standard):
                os.dup2(file, number)
                os.close(file)
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(line_buffering=os.isatty(1))
            os.environ.clear()
            os.environ.update(request["variables"])
            # Somebody may have removed it.
            with suppress(OSError):
                os.chdir(request.get("folder", "."))
            if "numpy" in sys.modules:
                # Python's own generator does so itself.
                sys.modules["numpy"].random.seed()
            worker.main(server, request["level"])
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)


def _read(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        parts.append(connection.recv(size))
        if not parts[-1]:
            raise ConnectionError
        size -= len(parts[-1])
    return b"".join(parts)


def main() -> None:
    """Loads what workers need and serves whoever started this process."""
    control, driver = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    worker.load()
    # Packages have threads of native code, which they look after when a process forks.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded")
    # Collecting garbage would touch, and so copy, all that workers share.
    gc.collect()
    gc.freeze()
    ForkServer(control, driver).serve()
    os._exit(0)
