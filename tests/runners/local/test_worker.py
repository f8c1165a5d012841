"""What a worker takes over from the program that starts it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from beam_scanner import Client, NamedStream, PerfParams, register_python_op
from beam_scanner.kernels import Kernel

WORKERS = 2
FLAGS = [
    "--direct_running_mode=multi_processing",
    f"--direct_num_workers={WORKERS}",
]


@register_python_op(name="WorkersTell")
class Tell(Kernel):
    """What the worker is like; tells nothing before each worker has something to tell.

    Args:
        config: Of the kernel.
        folder: Where those that are at work leave a file.
    """

    def __init__(self, config: Any, folder: str) -> None:
        self.folder = Path(folder)

    def execute(self, x: Any) -> Any:
        import numpy as np

        (self.folder / str(os.getpid())).touch()
        until = time.monotonic() + 60
        while len(os.listdir(self.folder)) < WORKERS:
            if time.monotonic() > until:
                raise TimeoutError(f"fewer than {WORKERS} workers are at work")
            time.sleep(0.02)
        print(f"printed {x}")
        os.write(2, f"written {x}\n".encode())
        return {
            "process": os.getpid(),
            # It is run by a fork of a fork of a fork.
            "server": psutil.Process().parents()[2].pid,
            "folder": os.getcwd(),
            "variable": os.environ.get("WORKERS_TELL"),
            "path": [os.path.abspath(entry) for entry in sys.path],
            "drawn": int(np.random.randint(1 << 30)),
            "open": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        }


Told = Callable[[], list[dict[str, Any]]]


pytestmark = pytest.mark.processes


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with Client(db_path=str(tmp_path / "db"), options=FLAGS) as sc:
        given = NamedStream(sc, "in")
        given.save(range(8), Any)
        runs = iter(range(100))

        def run() -> list[dict[str, Any]]:
            number = next(runs)
            made, folder = NamedStream(sc, f"out {number}"), tmp_path / f"met {number}"
            folder.mkdir()
            rows = sc.ops.WorkersTell(x=sc.io.Input([given]), folder=str(folder))
            output = sc.io.Output(rows, [made])
            sc.run(output, PerfParams.manual(1, 1), show_progress=False)
            return list(made.load())

        yield run


def each(found: list[dict[str, Any]], name: str) -> set[Any]:
    return {json.dumps(row[name]) for row in found}


@pytest.mark.slow
def test_workers_are_as_the_program_is_now(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = told()
    assert len(each(first, "process")) == WORKERS
    (server,) = each(first, "server")
    assert len(each(first, "drawn")) == 8, "generators of workers are copies"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    second = told()
    assert each(second, "folder") == {json.dumps(os.getcwd())}
    assert each(second, "server") == {server}, "loaded all anew"
    assert not each(first, "process") & each(second, "process")
    monkeypatch.setenv("WORKERS_TELL", "ü\udc80")
    monkeypatch.syspath_prepend(tmp_path)
    third = told()
    assert {row["variable"] for row in third} == {"ü\udc80"}
    assert all(str(tmp_path) in row["path"] for row in third)
    assert each(third, "server") != {server}, "the old one has other variables"


@pytest.mark.slow
def test_workers_write_where_the_program_writes_now(
    told: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        told()
        out, err = capfd.readouterr()
        assert sorted(out.splitlines()) == [f"printed {x}" for x in range(8)]
        lines = [line for line in err.splitlines() if line.startswith("written")]
        assert sorted(lines) == [f"written {x}" for x in range(8)]


@pytest.mark.slow
def test_workers_have_no_files_of_each_other(told: Told) -> None:
    # 0 to 2, the folder that is listed, and connections of its own.
    assert max(len(row["open"]) for row in told()) < 40
