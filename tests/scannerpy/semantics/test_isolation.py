"""What kernels are, keep and share: nothing of other streams."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from beam_scanner import (
    FrameType,
    JobFailure,
    Kernel,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
    register_module,
    register_python_op,
)
from tests.support.client_helpers import (
    IN_MEMORY,
    PROCESSES,
    THREADS,
    open_client,
)
from tests.support.folders import ROOT
from tests.support.semantics import run
from tests.support.video_fixtures import frame_number

# Kernels


@register_python_op()
class SemWrites(Kernel):
    def execute(self, frame: FrameType) -> FrameType:
        frame[:] = 0
        return frame


@register_python_op()
class SemKeeps(Kernel):
    """Goes on changing an array that it has returned."""

    def __init__(self, config):
        self.frame = np.zeros((8, 8, 3), np.uint8)

    def execute(self, frame: FrameType) -> FrameType:
        self.frame[:] = frame_number(frame)
        return self.frame


@register_python_op()
class SemChangesList(Kernel):
    def execute(self, x: Any) -> Any:
        x.append("changed")
        return x


@register_python_op()
def SemList(config, frame: FrameType) -> Any:
    return [frame_number(frame)]


def test_nothing_is_shared_by_mistake(sc, frame):
    """A kernel that writes into its input never changes what others see."""
    few = sc.streams.Range(frame, [(0, 6)])
    with pytest.raises(JobFailure, match=r"SemWrites, row 0: .*read-only.*copy it"):
        run(
            sc,
            [
                sc.io.Output(sc.ops.SemWrites(frame=few), [NamedVideoStream(sc, "w")]),
                sc.io.Output(few, [NamedVideoStream(sc, "f")]),
            ],
        )
    # Its own frame it may change.
    alone = NamedVideoStream(sc, "alone")
    run(sc, sc.io.Output(sc.ops.SemWrites(frame=few).lossless(), [alone]))
    assert all(not picture.any() for picture in alone.load())
    kept = NamedVideoStream(sc, "kept")
    lists = sc.ops.SemList(frame=few)
    changed = [sc.ops.SemChangesList(x=lists), lists]
    streams = [NamedStream(sc, f"list{i}") for i in range(2)]
    run(
        sc,
        [
            sc.io.Output(sc.ops.SemKeeps(frame=few).lossless(), [kept]),
            *(sc.io.Output(c, [s]) for c, s in zip(changed, streams, strict=True)),
        ],
    )
    assert [int(picture[0, 0, 0]) for picture in kept.load()] == list(range(6))
    assert list(streams[0].load()) == [[i, "changed"] for i in range(6)]
    assert list(streams[1].load()) == [[i] for i in range(6)]


@register_python_op()
class SemLogs(Kernel):
    def execute(self, frame: FrameType) -> bytes:
        logging.getLogger("own").warning("seen %d", frame_number(frame))
        return b""


def test_logs_say_where(sc, frame, caplog):
    made = sc.ops.SemLogs(frame=sc.streams.Gather(frame, [[3, 100]]))
    run(sc, sc.io.Output(made, [NamedStream(sc, "logged")]))
    found = [r.getMessage() for r in caplog.records if r.name == "own"]
    assert found == [
        "[stream 'logged', op SemLogs, row 0] seen 3",
        "[stream 'logged', op SemLogs, row 1] seen 100",
    ]


@register_python_op(unbounded_state=True)
class SemHistory(Kernel):
    """Everything that it has seen since it was told to forget."""

    def __init__(self, config):
        self.calls = []

    def new_stream(self, name):
        self.calls.append(name)

    def reset(self):
        self.calls = []

    def execute(self, frame: FrameType) -> Any:
        self.calls.append(frame_number(frame))
        return list(self.calls)


def test_state_never_comes_from_another_stream(sc, test_video, small_video):
    videos = [test_video, small_video] * 3
    streams = [NamedVideoStream(sc, f"v{i}", path=v) for i, v in enumerate(videos)]
    few = sc.streams.Range(sc.io.Input(streams), [(i, i + 3) for i in range(6)])
    made = sc.ops.SemHistory(frame=few, name=[f"s{i}" for i in range(6)])
    outputs = [NamedStream(sc, f"h{i}") for i in range(6)]
    run(sc, sc.io.Output(made, outputs))
    for i, output in enumerate(outputs):
        first = i + 1000 * (i % 2)
        rows = [f"s{i}", first, first + 1, first + 2]
        assert list(output.load()) == [rows[:2], rows[:3], rows]


class Base(Kernel):
    def __init__(self, config, factor):
        super().__init__(config)
        self.factor = factor


@pytest.mark.processes
def test_a_kernel_of_a_test_function_in_worker_processes(tmp_path, test_video):
    """With a base class of this module, zero-argument super and a closure."""
    shift = 1000

    @register_python_op(name="SemLocal")
    class Local(Base):
        def __init__(self, config, factor):
            super().__init__(config, factor)

        def execute(self, frame: FrameType) -> Any:
            return frame_number(frame) * self.factor + shift

    with open_client(tmp_path / "db", PROCESSES) as sc:
        source = sc.io.Input([NamedVideoStream(sc, "film", path=test_video)])
        made = sc.ops.SemLocal(frame=source, factor=2)
        output = NamedStream(sc, "out")
        run(sc, sc.io.Output(made, [output]), PerfParams.manual(8, 48))
        assert list(output.load()) == [1000 + 2 * i for i in range(720)]


SCRIPT = '''
import logging
import os
import sys
sys.path[:0] = [{root!r}]
from typing import Any
from beam_scanner import *
from tests.support.video_fixtures import frame_number
import own_module

LIMIT = 7

def helper(number):
    return number + LIMIT

@register_python_op()
def InMain(config, frame: FrameType) -> Any:
    return helper(frame_number(frame))

@register_python_op()
class Fetches(Kernel):
    def fetch_resources(self):
        with open({fetched!r}, 'a') as file:
            file.write(f'{{os.getpid()}}\\n')
    def setup_with_resources(self):
        assert os.path.exists({fetched!r})
    def execute(self, frame: FrameType) -> Any:
        number = frame_number(frame)
        if number % 100 == 0:
            logging.getLogger('kernel').warning('at %d', number)
        return os.getpid()

def make():
    factor = 3
    @register_python_op()
    def InFunction(config, frame: FrameType) -> Any:
        return frame_number(frame) * factor
make()

exec("""
@register_python_op()
class InCell(Kernel):
    def execute(self, frame: FrameType) -> Any:
        return helper(frame_number(frame)) * 2
""")
register_module({by_path!r})

sc = Client(db_path={db!r}, options={options!r})
frame = sc.io.Input([NamedVideoStream(sc, 'film', path={video!r})])
names = ['InMain', 'InFunction', 'InCell', 'InModule', 'ByPath', 'Fetches']
outputs = [
    sc.io.Output(getattr(sc.ops, name)(frame=frame), [NamedStream(sc, name)])
    for name in names
]
sc.run(outputs, PerfParams.manual(8, 48), show_progress=False)
'''

MODULE = """
from typing import Any
from beam_scanner import FrameType, Kernel, register_python_op
from tests.support.video_fixtures import frame_number

class Base{name}(Kernel):
    constant = {constant}

@register_python_op()
class {name}(Base{name}):
    def execute(self, frame: FrameType) -> Any:
        return frame_number(frame) + self.constant
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [IN_MEMORY, THREADS, pytest.param(PROCESSES, marks=pytest.mark.processes)],
    ids=["here", "threads", "processes"],
)
def test_kernels_of_a_script(tmp_path, test_video, options):
    """In ``__main__``, a function, a cell, a module beside it, a file by its path."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    by_path = elsewhere / "some ops.py"
    by_path.write_text(MODULE.format(name="ByPath", constant=50))
    (tmp_path / "own_module.py").write_text(MODULE.format(name="InModule", constant=90))
    script = tmp_path / "script.py"
    fetched = tmp_path / "fetched"
    script.write_text(
        SCRIPT.format(
            root=str(ROOT),
            by_path=str(by_path),
            db=str(tmp_path / "db"),
            fetched=str(fetched),
            options=options,
            video=test_video,
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=elsewhere,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with open_client(tmp_path / "db") as sc:
        loaded = {
            name: list(NamedStream(sc, name).load())
            for name in [
                "InMain",
                "InFunction",
                "InCell",
                "InModule",
                "ByPath",
                "Fetches",
            ]
        }
    assert loaded["InMain"] == [i + 7 for i in range(720)]
    assert loaded["InFunction"] == [i * 3 for i in range(720)]
    assert loaded["InCell"] == [(i + 7) * 2 for i in range(720)]
    assert loaded["InModule"] == [i + 90 for i in range(720)]
    assert loaded["ByPath"] == [i + 50 for i in range(720)]
    # All processes worked, and one of them fetched.
    workers = set(loaded["Fetches"])
    assert len(workers) == (2 if options is PROCESSES else 1)
    fetchers = [int(line) for line in fetched.read_text().split()]
    assert len(fetchers) == 1
    assert set(fetchers) <= workers
    lines = re.findall(
        r"\[stream 'InMain', op Fetches, row (\d+)\] at (\d+)", done.stderr
    )
    assert sorted(int(row) for row, _ in lines) == list(range(0, 720, 100))
    assert all(row == number for row, number in lines)


def test_a_file_given_by_its_path(sc, frame, tmp_path):
    path = tmp_path / "semantic ops.py"
    path.write_text(MODULE.format(name="SemByPath", constant=5))
    module = register_module(str(path))
    assert register_module(str(path)) is module
    output = NamedStream(sc, "out")
    few = sc.streams.Range(frame, [(0, 3)])
    run(sc, sc.io.Output(sc.ops.SemByPath(frame=few), [output]))
    assert list(output.load()) == [5, 6, 7]
    with pytest.raises(ScannerException, match=r"gone\.py"):
        register_module(str(tmp_path / "gone.py"))


@pytest.mark.slow
def test_fetch_resources_once_per_run_and_op(sc, frame, tmp_path):
    log = tmp_path / "log"

    @register_python_op(name="SemFetches")
    class Fetches(Kernel):
        def __init__(self, config, name):
            self.name = name

        def fetch_resources(self):
            with open(log, "a") as file:
                file.write(f"{self.name}\n")

        def execute(self, frame: FrameType) -> Any:
            return self.name

    def outputs():
        return [
            sc.io.Output(
                sc.ops.SemFetches(frame=frame, name=name), [NamedStream(sc, name)]
            )
            for name in "ab"
        ]

    run(sc, outputs(), PerfParams.manual(8, 24))
    assert sorted(log.read_text().split()) == ["a", "b"]
    run(sc, outputs(), PerfParams.manual(8, 24))
    assert sorted(log.read_text().split()) == ["a", "a", "b", "b"]
