"""A result is made again when anything that its kernel uses has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

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


@pytest.mark.processes
@pytest.mark.parametrize("workers", [1, 2])
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
    done = subprocess.run(
        [sys.executable, "program.py", tmp_path / "db", str(workers)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(expected)


HELD = """
import collections, socket
class Holder:
    def __init__(self):
        self.link, self.values = socket.socket(), collections.deque([1])
HELD = Holder()
def scale(): return 1
"""


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
    done = subprocess.run(
        [sys.executable, "program.py", tmp_path / "db", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("JobFailure")
    assert "global HELD of module helpers (helpers.Holder)" in done.stdout
