"""Kernels that do, at one row of a stream, whatever a kernel should not."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beam_scanner.kernels import Kernel, register_python_op

ROWS, ROW = 8, 5
"""Rows of a stream, and the one at which its kernel misbehaves."""


class OwnBase(BaseException):
    """As bindings of other languages raise them."""


def _overflow() -> None:
    ctypes.string_at(0)


def _memory() -> None:
    held = []
    while True:
        held.append(bytearray(64 << 20))
        if len(held) > 4:
            # As the system does it.
            os.kill(os.getpid(), signal.SIGKILL)


def _kill_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def _child() -> None:
    """Forks, and lets the child come back from the call as well."""
    os.fork()


def _lasting_child() -> None:
    if not os.fork():
        time.sleep(600)
        os._exit(0)


def _daemon() -> None:
    if not os.fork():
        os.setsid()
        if not os.fork():
            time.sleep(5)
        os._exit(0)


def _in_a_thread() -> None:
    def fail() -> None:
        raise ValueError("in a thread")

    threading.Thread(target=fail).start()


def _limit_files() -> None:
    """Lets the process write no file any more, as long as it lives."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def _raise(error: BaseException) -> None:
    raise error


HARMFUL = {
    "segfault": (_overflow, "death", "SIGSEGV"),
    "abort": (os.abort, "death", "SIGABRT"),
    "exit 3": (lambda: os._exit(3), "death", "exit code 3"),
    "exit 0": (lambda: os._exit(0), "death", "exit code 0"),
    "kill": (lambda: os.kill(os.getpid(), signal.SIGKILL), "death", "SIGKILL"),
    "kill group": (lambda: os.killpg(0, signal.SIGKILL), "death", "SIGKILL"),
    "terminate": (lambda: os.kill(os.getpid(), signal.SIGTERM), "death", "SIGTERM"),
    "kill parent": (_kill_parent, "death", "what starts it has died"),
    "alarm": (lambda: (signal.alarm(1), time.sleep(60)), "death", "SIGALRM"),  # type: ignore[func-returns-value]
    "memory": (_memory, "death", "memory ran out"),
    "close files": (lambda: os.closerange(3, 4096), "death", "closed its connection"),
    "limit files": (_limit_files, "exception", "larger than is allowed"),
    "stop": (lambda: signal.raise_signal(signal.SIGSTOP), "death", "SIGSTOP"),
    "loop": (lambda: [None for _ in iter(int, 1)], "timeout", "task_timeout"),
    "sleep": (lambda: time.sleep(600), "timeout", "task_timeout"),
    "hold": (lambda: ctypes.PyDLL(None).sleep(600), "timeout", "task_timeout"),
    "raise": (lambda: _raise(ValueError("told to")), "exception", "told to"),
    "memory error": (lambda: bytearray(1 << 62), "exception", "MemoryError"),
    "exit": (lambda: sys.exit(4), "exception", "SystemExit"),
    "cancel": (lambda: _raise(asyncio.CancelledError()), "exception", "Cancelled"),
    "interrupt": (lambda: _raise(KeyboardInterrupt()), "exception", "KeyboardInt"),
    "generator": (lambda: _raise(GeneratorExit()), "exception", "GeneratorExit"),
    "base": (lambda: _raise(OwnBase("panic")), "exception", "panic"),
}
"""What fails a stream: how, the kind of the failure, and words of its reason."""

HARMLESS = {
    "fork": _child,
    "lasting child": _lasting_child,
    "daemon": _daemon,
    "thread": lambda: threading.Thread(target=time.sleep, args=[600]).start(),
    "thread raises": _in_a_thread,
    "child": lambda: subprocess.Popen(["sleep", "600"]),
    "folder": lambda: os.chdir("/"),
    "interrupt itself": lambda: os.kill(os.getpid(), signal.SIGINT),
    "print": lambda: [sys.stderr.write("") for _ in range(1000)],
    "log": lambda: logging.getLogger("bad.kernels").warning("a word"),
    "nothing": lambda: None,
}
"""What fails none."""


def do(way: str) -> None:
    """Does as it is told."""
    if way in HARMFUL:
        HARMFUL[way][0]()
    else:
        HARMLESS[way]()


@register_python_op(name="Misbehave")
class Misbehave(Kernel):
    """Adds one, and misbehaves at one row."""

    def __init__(self, config: Any) -> None:
        self.way = "nothing"

    def new_stream(self, way: str = "nothing", place: str = "row") -> None:
        self.way, self.place = way, place
        if place == "new_stream":
            do(way)

    def execute(self, x: Any) -> Any:
        if x == ROW and self.place == "row":
            do(self.way)
        return x + 1


@register_python_op(name="MisbehaveInBatches", batch=3)
class InBatches(Kernel):
    """Adds one, and misbehaves in the batch with the row."""

    def __init__(self, config: Any, way: str = "nothing") -> None:
        self.way = way

    def execute(self, x: Sequence[Any]) -> Sequence[Any]:
        if ROW in x:
            do(self.way)
        return [each + 1 for each in x]


@register_python_op(name="MisbehaveNear", stencil=[-1, 0, 1])
class Near(Kernel):
    """Adds one, and misbehaves at the row of the middle."""

    def __init__(self, config: Any, way: str = "nothing") -> None:
        self.way = way

    def execute(self, x: Sequence[Any]) -> Any:
        if x[1] == ROW:
            do(self.way)
        return x[1] + 1


@register_python_op(name="MisbehaveInOrder", unbounded_state=True)
class InOrder(Kernel):
    """Adds one, in order."""

    def __init__(self, config: Any, way: str = "nothing") -> None:
        self.way = way

    def execute(self, x: Any) -> Any:
        if x == ROW:
            do(self.way)
        return x + 1


@register_python_op(name="MisbehaveElsewhere")
class Elsewhere(Kernel):
    """Adds one; misbehaves at a place of its life, once or always.

    Does nothing of the kind when a file is there, which it makes.
    """

    def __init__(self, config: Any, way: str, place: str, once: str = "") -> None:
        self.way, self.place, self.once = way, place, once
        self._at("init")

    def _at(self, place: str) -> None:
        if place != self.place or (self.once and Path(self.once).exists()):
            return
        if self.once:
            Path(self.once).touch()
        do(self.way)

    def fetch_resources(self) -> None:
        self._at("fetch")

    def setup_with_resources(self) -> None:
        self._at("setup")

    def reset(self) -> None:
        self._at("reset")

    def close(self) -> None:
        self._at("close")

    def __del__(self) -> None:
        if hasattr(self, "place"):
            self._at("del")

    def execute(self, x: Any) -> Any:
        return x + 1
