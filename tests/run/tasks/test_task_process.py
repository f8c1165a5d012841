"""What the process that runs tasks tells its supervisor."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_scanner.engine.position import POSITION_BYTES
from beam_scanner.run.sent_file_systems import WithOptions
from beam_scanner.run.tasks.attempt import Ended, Try
from beam_scanner.run.tasks.channel import Channel
from beam_scanner.run.tasks.supervisor import _relay
from beam_scanner.run.tasks.task_process import _Forwarding, _Host
from beam_scanner.run.worker_run import close_runs
from tests.support.small_runs import FAIL, PACKET, Setting, SteppedRun


@pytest.fixture
def run(tmp_path: Path) -> Iterator[SteppedRun]:
    setting = Setting.make(tmp_path / "db")
    setting.values[0][5] = -5
    setting.input(0).save(setting.values[0], int)
    setting.input(1).save(setting.values[1], int)
    yield SteppedRun(setting, "run")
    close_runs("run")


def served(source: bytes, *tries: Try) -> list[Ended]:
    """What comes back for attempts, made in a thread of this process."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    memory, run = os.memfd_create("positions"), os.memfd_create("run")
    os.truncate(memory, POSITION_BYTES)
    os.write(run, source)
    host = _Host(theirs.detach(), memory, run)
    serving = threading.Thread(target=host.serve)
    serving.start()
    mine, other = socket.socketpair()
    with other:
        socket.send_fds(control, [b"0"], [other.fileno()])
    channel, ended = Channel(mine), []
    for wanted in tries:
        channel.send(wanted)
        kind, result, updates = channel.receive()
        assert (kind, updates) == ("ended", [])
        ended.append(result)
    channel.close()
    control.close()
    serving.join(30)
    assert not serving.is_alive()
    for file in (memory, run):
        os.close(file)
    return ended


def test_attempts_of_one_connection_follow_each_other(
    run: SteppedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAIL, "raise")
    tries = [Try(task, done=False, alone=False, given={}) for task in run.tasks]
    ended = served(pickle.dumps(WithOptions(run.source)), *tries)
    bad = 5 // PACKET
    assert [e.failure is not None for e in ended] == [
        number == bad for number in range(len(tries))
    ]
    failure = ended[bad].failure
    assert failure is not None
    assert (failure.row, failure.op) == (5, "SmallScale")
    made = sorted(number for _, number in run.job_files.manifests())
    assert made == [number for number in range(len(tries)) if number != bad]


def test_a_run_that_cannot_be_loaded_is_a_failure_of_its_tasks(run: SteppedRun) -> None:
    wanted = Try(run.tasks[0], done=False, alone=False, given={})
    for ended in served(b"no pickle", wanted, wanted):
        assert ended.failure is not None
        assert ended.failure.exception == "UnpicklingError"
        assert ended.failure.worker.endswith(f":{os.getpid()}")


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_log_records_come_as_they_were_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by caplog: pytest's own report could not be sent with such a character.
    kept = _Kept()
    here = logging.getLogger("kernels.of.users")
    monkeypatch.setattr(here, "handlers", [kept])
    monkeypatch.setattr(here, "propagate", False)
    mine, theirs = socket.socketpair()
    handler = _Forwarding(theirs.fileno())
    relay = threading.Thread(target=_relay, args=[mine])
    relay.start()
    there = logging.Logger("kernels.of.users")
    there.addHandler(handler)
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        there.exception("row %d\nfailed: %s", 3, "é\udcff")
    there.debug("nobody asked for it")
    # Shut down and not closed: another file might get its number.
    theirs.shutdown(socket.SHUT_RDWR)
    relay.join(30)
    # Nothing to write to any more, which must not end a task.
    there.error("lost")
    theirs.close()
    (record,) = kept.records
    assert (record.name, record.levelname) == ("kernels.of.users", "ERROR")
    assert record.funcName == "test_log_records_come_as_they_were_logged"
    message = record.getMessage()
    assert message.startswith("row 3\nfailed: é\udcff\nTraceback")
    assert message.endswith("ZeroDivisionError: by zero")


def test_a_record_that_a_killed_process_has_not_written_whole_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = _Kept()
    monkeypatch.setattr(logging.getLogger("kernels.of.users"), "handlers", [kept])
    mine, theirs = socket.socketpair()
    with theirs:
        there = logging.Logger("kernels.of.users")
        there.addHandler(_Forwarding(theirs.fileno()))
        there.error("whole")
        theirs.sendall(b'{"name": "kernels.of.users", "lev')
    _relay(mine)
    assert [record.getMessage() for record in kept.records] == ["whole"]
