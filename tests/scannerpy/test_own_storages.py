"""Outputs whose storage is the user's own: what a run keeps for them, and where."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from beam_scanner import (
    CacheMode,
    Client,
    JobFailure,
    Kernel,
    NamedStream,
    PerfParams,
    ScannerException,
    StorageBackend,
    StoredStream,
    register_python_op,
)
from beam_scanner.kernels import registry
from tests.support.client_helpers import PROCESSES, open_client, work_left


class Shelf(StorageBackend):
    """A folder; like most, it has no equality of its own."""

    def __init__(self, folder):
        self.folder = Path(folder)


class Lines(StoredStream):
    """A file for each row, in a folder of the shelf."""

    def __init__(self, name, shelf):
        self._name = name
        self._shelf = shelf

    @property
    def folder(self):
        return self._shelf.folder / self._name

    def name(self):
        return self._name

    def storage(self):
        return Shelf(self._shelf.folder)

    def type(self):
        return Any

    def exists(self):
        return self.folder.exists()

    def committed(self):
        return (self.folder / "rows").exists()

    def len(self):
        return int((self.folder / "rows").read_text())

    def load_bytes(self, rows=None):
        for row in range(self.len()) if rows is None else rows:
            yield (self.folder / str(row)).read_bytes()

    def write(self, first_row, elements, seconds):
        self.folder.mkdir(parents=True, exist_ok=True)
        for row, element in enumerate(elements, first_row):
            (self.folder / str(row)).write_bytes(element)

    def commit(self, rows):
        (self.folder / "rows").write_text(str(rows))


@pytest.fixture(autouse=True)
def _ops_of_this_file():
    @register_python_op()
    class FailsWhileThere(Kernel):
        def __init__(self, config, flag):
            self.flag = flag

        def execute(self, x: Any) -> Any:
            if x == 7 and os.path.exists(self.flag):
                raise ValueError("the flag is there")
            return x * 10

    yield
    registry().remove("FailsWhileThere")


@pytest.fixture
def numbers(sc):
    stream = NamedStream(sc, "numbers")
    stream.save(list(range(8)), Any)
    return stream


def run(sc: Client, column: Any, output: StoredStream) -> Any:
    made = sc.io.Output(column, [output])
    return sc.run(
        made, PerfParams.manual(2, 2), CacheMode.Overwrite, show_progress=False
    )


def test_work_left_for_one_storage_is_not_taken_for_another(sc, numbers, tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    ten = sc.ops.FailsWhileThere(x=sc.io.Input([numbers]), flag=str(flag))
    left, right = (Lines("out", Shelf(tmp_path / side)) for side in "lr")
    with pytest.raises(JobFailure, match="the flag is there"):
        run(sc, ten, left)
    assert not left.committed()
    flag.unlink()
    # The same graph under the same name: only where it goes differs.
    job = run(sc, ten, right)
    assert (sc.report(job).tasks, sc.report(job).reused) == (4, 0)
    expected = [10 * i for i in range(8)]
    assert list(right.load()) == expected
    # What failed goes on where it stopped.
    job = run(sc, ten, left)
    assert sc.report(job).tasks < 4
    assert list(left.load()) == expected
    assert not work_left(sc.db_path)


def test_one_name_on_two_shelves_is_two_streams(sc, numbers, tmp_path):
    shelves = [Shelf(tmp_path / side) for side in "lr"]
    taken = sc.io.Input([numbers])
    outputs = [sc.io.Output(taken, [Lines("same", shelf)]) for shelf in shelves]
    sc.run(outputs, PerfParams.estimate(), show_progress=False)
    copied = [list(Lines("same", shelf).load()) for shelf in shelves]
    assert copied == [list(range(8))] * 2
    twice = sc.io.Output(taken, [Lines("same", shelves[0])])
    with pytest.raises(ScannerException, match="the same stream name 'same'"):
        sc.run([outputs[0], twice], PerfParams.estimate(), CacheMode.Overwrite)
    # From shelf to shelf, but never onto itself.
    again = sc.io.Input([Lines("same", shelves[0])])
    run(sc, sc.streams.Range(again, [(0, 3)]), Lines("same", Shelf(tmp_path / "m")))
    assert list(Lines("same", Shelf(tmp_path / "m")).load()) == [0, 1, 2]
    with pytest.raises(ScannerException, match="both an input and an output"):
        run(sc, again, Lines("same", Shelf(tmp_path / "l")))


@pytest.mark.processes
def test_worker_processes_write_to_it(tmp_path):
    with open_client(tmp_path / "db", PROCESSES) as sc:
        stream = NamedStream(sc, "numbers")
        stream.save(list(range(8)), Any)
        ten = sc.ops.FailsWhileThere(x=sc.io.Input([stream]), flag="no such file")
        output = Lines("out", Shelf(tmp_path / "shelf"))
        run(sc, ten, output)
        assert list(output.load(rows=[7, 0])) == [70, 0]


def test_a_storage_may_hold_what_differs_in_each_process(sc, numbers, tmp_path):
    """Locks and connections say nothing of where a stream lies."""

    class Held(Shelf):
        def __init__(self, folder):
            super().__init__(folder)
            self.lock = threading.Lock()

        def __getstate__(self):
            return {"folder": self.folder}

    class HeldLines(Lines):
        def storage(self):
            return Held(self._shelf.folder)

    flag = tmp_path / "flag"
    flag.touch()
    ten = sc.ops.FailsWhileThere(x=sc.io.Input([numbers]), flag=str(flag))
    with pytest.raises(JobFailure):
        run(sc, ten, HeldLines("out", Held(tmp_path / "l")))
    flag.unlink()
    job = run(sc, ten, HeldLines("out", Held(tmp_path / "l")))
    assert sc.report(job).reused > 0
