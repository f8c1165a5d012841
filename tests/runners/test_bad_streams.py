"""One bad stream costs that stream alone: deaths, hangs and what else kernels do."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from beam_scanner import Client, NamedStream, PerfParams
from beam_scanner.errors import ArgumentError, Failure, JobFailure
from tests.support.bad_kernels import HARMFUL, HARMLESS, ROW, ROWS
from tests.support.targets import Target, params
from tests.support.tiers import most_slow

pytestmark = pytest.mark.processes

PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
ONE = ["--direct_running_mode=multi_processing", "--direct_num_workers=1"]
THREADS = ["--direct_running_mode=multi_threading", "--direct_num_workers=4"]
MEMORY = ["--direct_running_mode=in_memory"]
TIMEOUT = 5.0


def streams(sc: Client, what: str, count: int) -> list[NamedStream]:
    return [NamedStream(sc, f"{what}/{number}") for number in range(count)]


def inputs(sc: Client, count: int) -> list[NamedStream]:
    made = streams(sc, "in", count)
    for stream in made:
        if not stream.committed():
            stream.save(range(ROWS), Any)
    return made


def run(
    sc: Client, op: str, count: int, packet: int = ROWS, **arguments: Any
) -> tuple[dict[int, Failure], list[NamedStream], float]:
    """Runs an op over streams; gives failures by the number of their stream."""
    timeout = arguments.pop("timeout", 0)
    outputs = streams(sc, op, count)
    made = getattr(sc.ops, op)(x=sc.io.Input(inputs(sc, count)), **arguments)
    began = time.monotonic()
    number = sc.run(
        sc.io.Output(made, outputs),
        PerfParams.manual(min(packet, ROWS), packet),
        show_progress=False,
        on_failure="return",
        task_timeout=timeout,
    )
    assert number is not None
    found = sc.report(number).failures
    by_number = {int(failure.stream.split("/")[1]): failure for failure in found}
    assert len(by_number) == len(found)
    return by_number, outputs, time.monotonic() - began


def check(
    ways: Sequence[str],
    failures: dict[int, Failure],
    outputs: Sequence[NamedStream],
    op: str = "Misbehave",
    row: int | None = ROW,
) -> None:
    for number, way in enumerate(ways):
        if way in HARMLESS:
            assert number not in failures, (way, failures[number])
            assert list(outputs[number].load()) == list(range(1, ROWS + 1)), way
            continue
        _, kind, words = HARMFUL[way]
        failure = failures[number]
        assert failure.kind == kind, failure
        if way not in ("close files", "limit files"):  # Which are noticed later.
            assert (failure.op, failure.row) == (op, row), failure
        assert words in failure.reason, failure
        assert failure.attempts == 3
        assert (failure.task, failure.first_row, failure.last_row) == (0, 0, ROWS - 1)
        assert failure.worker.count(":") == 1
        assert failure.started is not None
        assert failure.ended is not None
        assert time.time() - 600 < failure.started <= failure.ended
        assert not outputs[number].committed()


def left_behind(before: set[psutil.Process]) -> list[psutil.Process]:
    """Processes that are new, and that are no children of this one itself."""
    found = []
    for child in set(psutil.Process().children(recursive=True)) - before:
        with suppress(psutil.NoSuchProcess):
            if child.parent() != psutil.Process():
                found.append(child)
    return found


@pytest.mark.slow
def test_each_way_costs_its_stream_alone(tmp_path: Path) -> None:
    ways = [*HARMFUL, *HARMLESS] + ["nothing"] * 20
    before = set(psutil.Process().children(recursive=True))
    with Client(db_path=str(tmp_path / "db"), options=PROCESSES) as sc:
        # A process that is stopped is noticed after three seconds at work.
        failures, outputs, _ = run(
            sc, "Misbehave", len(ways), way=ways, timeout=2 * TIMEOUT
        )
        check(ways, failures, outputs)
    # What is left is for another run of the streams that failed.
    assert not list((tmp_path / "db" / ".work").glob("runs/*"))
    # But for the fork server, and a daemon, which is nobody's child.
    until = time.monotonic() + 60
    while extra := left_behind(before):
        assert time.monotonic() < until, extra
        time.sleep(0.1)


FEW = ["exit 0", "nothing", "segfault", "sleep", "nothing", "fork"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", [ONE, THREADS, MEMORY], ids=["one", "threads", "memory"]
)
def test_however_many_workers_there_are(flags: list[str], tmp_path: Path) -> None:
    with Client(db_path=str(tmp_path / "db"), options=flags) as sc:
        failures, outputs, _ = run(sc, "Misbehave", len(FEW), way=FEW, timeout=TIMEOUT)
        check(FEW, failures, outputs)


@pytest.mark.slow
@pytest.mark.parametrize("target", params("prism", "flink-embedded"), indirect=True)
def test_on_other_runners(target: Target, tmp_path: Path) -> None:
    # Tasks are run side by side, and some are charged with what others do.
    ways = [*FEW, *["nothing"] * 6]
    flags = target.flags(4)
    with Client(db_path=str(tmp_path / "db"), options=flags) as sc:
        failures, outputs, _ = run(
            sc, "Misbehave", len(ways), way=ways, timeout=2 * TIMEOUT
        )
        check(ways, failures, outputs)


@pytest.mark.parametrize(
    ("op", "row"),
    [("MisbehaveInBatches", 3), ("MisbehaveNear", ROW), ("MisbehaveInOrder", ROW)],
)
def test_kinds_of_ops(op: str, row: int, tmp_path: Path) -> None:
    with Client(db_path=str(tmp_path / "db"), options=PROCESSES) as sc:
        failures, _, _ = run(sc, op, 2, packet=2 * ROWS, way="segfault")
        for failure in failures.values():
            assert (failure.kind, failure.op, failure.row) == ("death", op, row)
        assert len(failures) == 2


@pytest.mark.parametrize(
    ("place", "row"), [("init", None), ("fetch", None), ("setup", None), ("reset", 0)]
)
def test_other_places_of_a_kernels_life(
    place: str, row: int | None, tmp_path: Path
) -> None:
    with Client(db_path=str(tmp_path / "db"), options=PROCESSES) as sc:
        op = "MisbehaveElsewhere"
        failures, _, _ = run(sc, op, 2, way="segfault", place=place)
        for failure in failures.values():
            assert (failure.kind, failure.op, failure.row) == ("death", op, row)
        assert len(failures) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", most_slow(["init", "fetch", "setup", "reset", "close", "del"])
)
@pytest.mark.parametrize("way", ["exit 0", "sleep"])
def test_what_happens_once_fails_nothing(place: str, way: str, tmp_path: Path) -> None:
    once = str(tmp_path / "once")
    with Client(db_path=str(tmp_path / "db"), options=ONE) as sc:
        failures, outputs, _ = run(
            sc,
            "MisbehaveElsewhere",
            4,
            way=way,
            place=place,
            once=once,
            timeout=TIMEOUT,
        )
        assert not failures
        for stream in outputs:
            assert list(stream.load()) == list(range(1, ROWS + 1))
    assert os.path.exists(once)


def test_two_outputs_of_which_one_is_bad(tmp_path: Path) -> None:
    with Client(db_path=str(tmp_path / "db"), options=PROCESSES) as sc:
        x = sc.io.Input(inputs(sc, 3))
        ways = ["nothing", "segfault", "nothing"]
        bad, good = streams(sc, "bad", 3), streams(sc, "good", 3)
        kept = sc.io.Output(sc.ops.Misbehave(x=x), good)
        harmed = sc.io.Output(sc.ops.Misbehave(x=x, way=ways), bad)
        with pytest.raises(JobFailure) as found:
            sc.run([kept, harmed], PerfParams.manual(2, 2), show_progress=False)
        (failure,) = found.value.failures
        assert (failure.kind, failure.row, failure.task) == ("death", ROW, 2)
        assert (failure.first_row, failure.last_row) == (4, 5)
        for number, way in enumerate(ways):
            assert bad[number].committed() == (way == "nothing")


@pytest.mark.slow
def test_phases(tmp_path: Path) -> None:
    with Client(db_path=str(tmp_path / "db"), options=PROCESSES) as sc:
        ways = ["nothing", "exit 0", "nothing"]
        made = sc.ops.Misbehave(x=sc.io.Input(inputs(sc, 3)), way=ways)
        outputs = streams(sc, "out", 3)
        output = sc.io.Output(sc.ops.MisbehaveInOrder(x=made), outputs)
        with pytest.raises(JobFailure) as found:
            sc.run(output, PerfParams.manual(2, 2), show_progress=False)
        (failure,) = found.value.failures
        assert (failure.stream, failure.kind, failure.row) == ("out/1", "death", ROW)
        assert [stream.committed() for stream in outputs] == [True, False, True]


@pytest.mark.slow
def test_attempts_are_as_many_as_wanted(tmp_path: Path) -> None:
    ways = ["exit 0", "nothing", "raise"]
    for most in (1, 2):
        path = str(tmp_path / str(most))
        with Client(db_path=path, options=PROCESSES, max_attempts=most) as sc:
            failures, _, _ = run(sc, "Misbehave", len(ways), way=ways)
            assert failures[2].attempts == most
            # The last one was alone, perhaps beyond the number.
            assert failures[0].attempts in (most, 2)
            assert set(failures) == {0, 2}


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True, float("nan")])
def test_impossible_numbers_of_attempts(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="max_attempts must be"):
        Client(db_path=str(tmp_path / "db"), max_attempts=value)


@pytest.mark.parametrize("value", [-1, "3", True, float("inf"), float("nan")])
def test_impossible_timeouts(value: Any, tmp_path: Path) -> None:
    with (
        Client(db_path=str(tmp_path / "db")) as sc,
        pytest.raises(ArgumentError, match="task_timeout must be"),
    ):
        run(sc, "Misbehave", 1, timeout=value)


def test_what_kernels_log_is_seen(tmp_path: Path, capfd: Any) -> None:
    with Client(db_path=str(tmp_path / "db"), options=PROCESSES) as sc:
        run(sc, "Misbehave", 3, way=["log", "nothing", "nothing"])
    assert f"op Misbehave, row {ROW}] a word" in capfd.readouterr().err


def test_what_kernels_log_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(db_path=str(tmp_path / "db"), options=MEMORY) as sc:
        run(sc, "Misbehave", 1, way=["log"], timeout=60)
        until = time.monotonic() + 60
        while "a word" not in caplog.text:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert f"op Misbehave, row {ROW}] a word" in caplog.text
