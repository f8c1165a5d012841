"""The process that runs tasks: a fork of the fork server, started by ``supervisor``.

It may die, hang or be killed: its supervisor notices, and starts another.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import pickle
import signal
import socket
import threading
import time
from contextlib import suppress

from beam_scanner.beam_internals.metrics_tracker import tracked_metrics
from beam_scanner.engine.memory import release_memory
from beam_scanner.engine.position import LOAD, POSITION_BYTES, Position
from beam_scanner.kernels.module_values import check_values
from beam_scanner.run.tasks.attempt import Ended, Try, failed, make_attempt
from beam_scanner.run.tasks.channel import Channel, Closed
from beam_scanner.run.tasks.generator_result import WithResult
from beam_scanner.run.worker_run import RunSource, close_runs, run_of
from beam_scanner.runners.local import worker

CLOSED_CODE = 71
"""Exit code where what connects the process to its supervisor was closed."""

_OOM_SCORE = "800"


def main(
    control: int, memory: int, run: int, log: int, level: int, prints: bool
) -> None:
    """Serves a supervisor until it has no more tasks; ends the process.

    Args:
        control: Where new channels come from, and the number of their memory.
        memory: For the positions of tasks.
        run: Holds the pickled ``RunSource``, in ``WithOptions``.
        log: Where log records go.
        level: Of those that are wanted.
        prints: Whether they are printed instead.
    """
    for file in (control, memory, run, log):
        os.set_inheritable(file, False)
    # A group of its own: what kernels have started ends with it, and a kernel that
    # kills its group kills no more.
    os.setsid()
    # As in a worker: a handler, unlike SIG_IGN, is not inherited by other programs.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        # Where memory runs out, rather this one than its worker or driver.
        score.write(_OOM_SCORE)
    if prints:
        worker.log_to_stderr(level)
    else:
        logging.getLogger().addHandler(_Forwarding(log))
    logging.getLogger().setLevel(level)
    _Host(control, memory, run).serve()
    worker.leave()


class _Host:
    def __init__(self, control: int, memory: int, run: int) -> None:
        self._control = socket.socket(fileno=control)
        self._memory = memoryview(mmap.mmap(memory, 0))
        self._run = run
        self._lock = threading.Lock()
        self._source: RunSource | None = None

    def serve(self) -> None:
        """Takes channels until there will be no more."""
        while True:
            try:
                message, files, _, _ = socket.recv_fds(self._control, 100, 1)
            except ConnectionError:
                break
            except OSError:
                # A kernel has closed what is not its own.
                os._exit(CLOSED_CODE)
            if not message:
                break
            os.set_inheritable(files[0], False)
            threading.Thread(
                target=self._work,
                args=[Channel(socket.socket(fileno=files[0])), int(message)],
                name="task",
                daemon=True,
            ).start()
        close_runs()

    def _work(self, channel: Channel, slot: int) -> None:
        first = slot * POSITION_BYTES
        memory = self._memory[first : first + POSITION_BYTES]
        with suppress(Closed):
            while True:
                wanted: Try = channel.receive()
                position = Position(memory, in_turns=wanted.alone)
                with tracked_metrics() as metrics:
                    ended = self._attempt(channel, wanted, position)
                position.clear()
                release_memory()
                channel.send(("ended", ended, list(metrics.updates())))
        channel.close()

    def _attempt(self, channel: Channel, wanted: Try, position: Position) -> Ended:
        began = time.time()
        try:
            with position.work.doing(LOAD, ""):
                run = run_of(self._loaded())
                _ = run.job(wanted.task.job).graphs
                check_values()
        except BaseException as error:
            return failed("", error)
        with WithResult(make_attempt(run, wanted, position, began)) as steps:
            for tag, held in steps:
                channel.send(("rows", tag, held))
        return steps.result

    def _loaded(self) -> RunSource:
        with self._lock:
            if self._source is None:
                size = os.fstat(self._run).st_size
                self._source = pickle.loads(os.pread(self._run, size, 0)).take()
            return self._source


_LOGGED = [
    "name",
    "levelno",
    "levelname",
    "pathname",
    "lineno",
    "funcName",
    "beam_scanner",
]
"""Fields of a log record that the supervisor gets, beside the message."""


class _Forwarding(logging.Handler):
    """Sends log records to the supervisor, a line each."""

    def __init__(self, file: int) -> None:
        super().__init__()
        self._file = open(file, "w", encoding="ascii", closefd=False)  # noqa: SIM115

    def emit(self, record: logging.LogRecord) -> None:
        """See the class."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        fields = {name: getattr(record, name, None) for name in _LOGGED}
        line = json.dumps({**fields, "msg": text})
        with suppress(OSError, ValueError):
            self._file.write(line + "\n")
            self._file.flush()
