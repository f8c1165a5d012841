"""A result is made again when anything that its kernel uses has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import python
from tests.support.tiers import most_slow

PROGRAM = """
import sys
from typing import Any
import pandas as pd
import helpers
from beam_scanner import CacheMode, Client, NamedStream, PerfParams, register_python_op

CONFIG = {"t": 1}
TABLE = pd.DataFrame({"a": [1]})

@register_python_op()
def Scaled(config, x: bytes) -> Any:
    return [len(x), CONFIG["t"], int(TABLE["a"].sum()), helpers.scale()]

@register_python_op()
def Held(config, x: bytes) -> Any:
    return list(helpers.HELD.values)

def run(op="Scaled"):
    mode = "multi_processing" if sys.argv[2] == "2" else "in_memory"
    flags = [f"--direct_num_workers={sys.argv[2]}", f"--direct_running_mode={mode}"]
    with Client(db_path=sys.argv[1], options=flags) as sc:
        given, made = NamedStream(sc, "in"), NamedStream(sc, "out")
        if not given.committed():
            given.save([b"a", b"bb"])
        job = sc.run(
            sc.io.Output(getattr(sc.ops, op)(x=sc.io.Input([given])), [made]),
            PerfParams.manual(1, 1),
            cache_mode=CacheMode.Ignore,
            show_progress=False,
        )
        return list(made.load())[0][1:], job is None

if __name__ == "__main__":
    told = [run(), run()]
    CONFIG["t"] = 2
    told += [run(), run()]
    TABLE.loc[0, "a"] = 3
    told += [run(), run()]
    helpers.SETTINGS["scale"] = 4
    told += [run(), run()]
    helpers.TABLE.loc[0, "a"] = 2
    helpers.LARGE[9] = 3
    told += [run(), run()]
    print(told)
"""


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("workers", most_slow([1, 2]))
def test_what_is_changed_in_place_is_computed_with_and_stored_under_its_name(
    tmp_path: Path, workers: int
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "helpers.py").write_text(
        "import pandas as pd, numpy as np\n"
        "SETTINGS, TABLE = {'scale': 1}, pd.DataFrame({'a': [1]})\n"
        "LARGE = np.zeros(300_000)\n"
        "def scale(): return SETTINGS['scale'] * int(TABLE['a'][0] + LARGE.sum())\n"
    )
    made = [[1, 1, 1], [2, 1, 1], [2, 3, 1], [2, 3, 4], [2, 3, 20]]
    expected = [(values, cached) for values in made for cached in (False, True)]
    done = python("program.py", tmp_path / "db", str(workers), cwd=tmp_path)
    assert done == str(expected)


HELD = """
import collections, socket
class Holder:
    def __init__(self):
        self.link, self.values = socket.socket(), collections.deque([1])
HELD = Holder()
def scale(): return 1
"""


@pytest.mark.slow
@pytest.mark.processes
def test_what_cannot_be_sent_and_was_changed_is_an_error_that_names_it(
    tmp_path: Path,
) -> None:
    program = PROGRAM[: PROGRAM.index("if __name__")]
    (tmp_path / "helpers.py").write_text(HELD)
    (tmp_path / "program.py").write_text(
        program
        + "if __name__ == '__main__':\n"
        + "    run('Held')\n"
        + "    helpers.HELD.values.append(2)\n"
        + "    try: run('Held')\n"
        + "    except Exception as error: print(type(error).__name__, error)\n"
    )
    done = python("program.py", tmp_path / "db", "2", cwd=tmp_path)
    assert done.startswith("JobFailure")
    assert "global HELD of module helpers (helpers.Holder)" in done


LAZY = """
import os
import sys
import time
from typing import Any
from beam_scanner import CacheMode, Client, NamedStream, PerfParams, register_python_op
import helpers

CALLS, STOP = os.path.abspath('calls'), os.path.abspath('stop')

@register_python_op()
def Lazy(config, x: bytes) -> Any:
    with open(CALLS, "ab") as calls: calls.write(b"x")
    with open(STOP) as stop:
        if x in stop.read().encode():
            # Two workers have begun three tasks: one has ended.
            end = time.monotonic() + 60
            while os.path.getsize(CALLS) < 3 and time.monotonic() < end:
                time.sleep(0.01)
            raise RuntimeError("stop")
    return helpers.work()

def run(mode, name):
    open(CALLS, "w").close()
    flags = [f"--direct_num_workers={len(mode) // 8}", f"--direct_running_mode={mode}"]
    with Client(db_path=sys.argv[1], options=flags, max_attempts=1) as sc:
        given, made = NamedStream(sc, "in"), NamedStream(sc, name)
        if not given.committed():
            given.save([b"%d" % row for row in range(10)])
        sc.run(
            sc.io.Output(sc.ops.Lazy(x=sc.io.Input([given])), [made]),
            PerfParams.manual(1, 1),
            cache_mode=CacheMode.Ignore,
            show_progress=False,
            on_failure="return",
        )
        told = list(made.load()) if made.committed() else None
        with open(CALLS) as calls:
            return told, len(calls.read())

def stop(row):
    with open(STOP, "w") as file: file.write(row)

if __name__ == "__main__":
    stop("")
    right = [[2.0, 1.0]] * 10
    assert run("in_memory", "a") == (right, 10)
    assert helpers._model is not None
    # What code has filled in meanwhile costs that it is made again.
    assert run("in_memory", "a") == (right, 10)
    assert run("multi_processing", "a") == (right, 0)
    helpers._model = helpers._session = helpers._large = None
    stop("7")
    told, calls = run("multi_processing", "b")
    assert told is None
    stop("")
    told, calls = run("multi_processing", "b")
    assert told == right
    assert calls < 10
    stop("7")
    told, calls = run("in_memory", "c")
    assert told is None
    stop("")
    assert run("multi_processing", "c") == (right, 10)
"""
LAZY_HELPERS = """
import re, threading
import numpy as np
_model = _session = _large = None
def work():
    global _model, _session, _large
    if _model is None:
        _model = {"weights": np.ones(2), "pattern": re.compile("a")}
        _session, _large = threading.local(), np.ones(300_000)
    return [float(_model["weights"].sum()), float(_large[0])]
"""


@pytest.mark.slow
@pytest.mark.processes
def test_what_kernels_fill_in_costs_time_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(LAZY_HELPERS)
    (tmp_path / "program.py").write_text(LAZY)
    python("program.py", "db", cwd=tmp_path)
