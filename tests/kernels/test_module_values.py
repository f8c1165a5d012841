"""Workers compute with what the program has made of its modules, or refuse to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.programs import python

HELPERS = """
import collections, contextlib, dataclasses, enum, functools, os, re, socket, threading
import pydantic
import numpy as np
import pandas as pd
import others
from others import shared

TABLE = pd.DataFrame({"a": [1, 2]})
LARGE = np.zeros(300_000)
UNCHANGED = np.arange(400_000.0)
LONG = list(range(20_000))
PATTERN = re.compile("a+")
QUEUE = collections.deque([1])
NESTED = {"model": {"table": pd.Series([1, 2])}}
BACKEND = others
RNG = np.random.default_rng(1)
MODEL = None
CALLS = collections.Counter()
CACHE = {}
LOCK = threading.Lock()

class Model:
    steps = collections.deque([1])
    def __init__(self, weight): self.weight = np.full(4, float(weight)); self.n = 1
    def run(self, x): return x + self.weight.sum() * self.n
    @staticmethod
    def fixed(x): return x
    @functools.lru_cache
    def cached(self): return self.n
FITTED = Model(1)
OTHER = Model(1)
GIVEN = re.compile("a")
class Holder:
    def __init__(self): self.link, self.value = socket.socket(), collections.deque([1])
HELD = Holder()
class Kind(enum.Enum):
    A = 1
UNUSED = np.random.default_rng().random(300_000)

D = [pd.Series([1]) for _ in range(14)]
D0, D1, D2, D3, D4, D5, D6, D7, D8, D9, D10, D11, D12, D13 = D
def decorated(f):
    @functools.wraps(f)
    def g(*a, **k): return f(*a, **k)
    return g
@decorated
def wrapped(): return int(D0.sum())
@decorated
@decorated
def twice(): return int(D1.sum())
@decorated
def default(x=D2): return int(x.sum())
@contextlib.contextmanager
def context(): yield int(D3.sum())
@functools.singledispatch
def dispatched(x): return 0
@dispatched.register
def of_int(x: int): return int(D4.sum())
@functools.cache
@decorated
def cached(): return int(D5.sum())
class Decorated:
    @decorated
    def method(self): return int(D6.sum())
    @classmethod
    @decorated
    def of_class(cls): return int(D7.sum())
    @property
    @decorated
    def computed(self): return int(D8.sum())
class Stateless:
    def __call__(self): return int(D9.sum())
STATELESS = Stateless()
class Linked:
    def __init__(self): self.link = socket.socket()
    def read(self): return int(D10.sum())
LINKED = Linked()
def keeping():
    kept = {"a": D11}
    @decorated
    def get(): return int(kept["a"].sum())
    return get
kept = keeping()
def setting():
    held = {"a": 1}
    def get(): return held["a"]
    def set_to(value): held["a"] = value
    return get, set_to
get_held, set_held = setting()
@pydantic.validate_call
def validated(x: int): return x + int(D13.sum())
@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int = 1
def from_text(): return int(globals()["D12"].sum()) + eval("int(D12.sum())")

def addend(x, more=1): return x + more
addend.scale = pd.Series([1])
def hook(x): return x
def hook2(x): return x
def work():
    return {
        "table": int(TABLE["a"].sum()),
        "large array": float(LARGE.sum()),
        "long list": sum(LONG),
        "pattern": PATTERN.pattern,
        "deque": list(QUEUE),
        "nested": int(NESTED["model"]["table"].sum()),
        "module": BACKEND.name(),
        "class attribute": list(Model.steps),
        "object": float(FITTED.weight.sum()),
        "method": FITTED.run(1),
        "static method": FITTED.fixed(1),
        "object of the program": OTHER.run(1),
        "default": addend(1),
        "function attribute": int(addend.scale.sum()),
        "function": hook(2),
        "library function": hook2(2),
        "of a second module": [int(shared().sum()), int(others.DATA.sum())],
        "generator": float(RNG.random()),
        "lazily made": None if MODEL is None else MODEL.n,
        "set to nothing": GIVEN,
        "decorated": wrapped(),
        "twice decorated": twice(),
        "default of a decorated one": default(),
        "context manager": context().__enter__(),
        "dispatched": dispatched(1),
        "cached": cached(),
        "decorated method": Decorated().method(),
        "decorated method of a class": Decorated.of_class(),
        "decorated property": Decorated().computed,
        "object without state": STATELESS(),
        "object that cannot be sent": LINKED.read(),
        "in a closure": kept(),
        "set in a closure": get_held(),
        "named in text": from_text(),
        "validated": validated(Frozen().x),
    } | ({"unchanged": float(UNCHANGED[1])} if Kind.A.value and FITTED.cached() else {})
def count():
    CALLS["x"] += 1
    CACHE[CALLS["x"]] = [LOCK]
    LONG.append(CALLS["x"])
    return CALLS["x"]
def opened():
    global MODEL
    if MODEL is None:
        MODEL = socket.socket()
    return type(MODEL).__name__
def held(): return list(HELD.value)
def found(): raise OSError("no device here")
class Device:
    def __reduce__(self): return found, ()
DEVICE = Device()
def with_device(): return type(DEVICE).__name__, list(QUEUE)
def late():
    import later
    return later.work()
"""
OTHERS = """
import pandas as pd
DATA = pd.Series([1, 2])
def shared(): return DATA
def name(): return "others"
"""
LATER = """
import pandas as pd
DATA, PLAIN = pd.Series([1]), 1
def work(): return int(DATA.sum()) + PLAIN
def name(): return "later"
"""
PROGRAM = """
import sys
import numpy as np, pandas as pd, re
import helpers, others, later
from beam_scanner.kernels import dumps_graph, read_spec
def direct(config, x: bytes) -> bytes: return repr(helpers.{call}()).encode()
{change}
spec = read_spec(direct)
open(sys.argv[1], "wb").write(dumps_graph(spec))
print(spec.digest, direct(None, b"").decode())
"""
WORKER = """
import sys
from beam_scanner.kernels.module_values import check_values
from beam_scanner.kernels import loads_graph
data = open(sys.argv[1], "rb").read()
spec = loads_graph(data)
check_values()
print(spec.digest, spec.kernel(None, b"").decode())
"""


def both(
    folder: Path, change: str, call: str = "work", worker: str = WORKER
) -> tuple[str, str]:
    """What the program and a worker print."""
    (folder / "helpers.py").write_text(HELPERS)
    (folder / "others.py").write_text(OTHERS)
    (folder / "later.py").write_text(LATER)
    (folder / "program.py").write_text(PROGRAM.format(change=change, call=call))
    told = python("program.py", folder / "graph", cwd=folder)
    return told, python("-c", worker, folder / "graph", cwd=folder)


CHANGES = """
helpers.TABLE.loc[0, "a"] = 5
helpers.LARGE[7] = 5
helpers.LONG[15_000] = 0
helpers.PATTERN = re.compile("b")
helpers.QUEUE.append(2)
helpers.NESTED["model"]["table"][0] = 7
helpers.FITTED.weight[0] = 3
helpers.MODEL = helpers.Model(2)
helpers.Model.steps.append(2)
helpers.Model.run = lambda self, x: -x
helpers.Model.fixed = staticmethod(lambda x: x + 9)
helpers.hook = lambda x: x * 7
helpers.hook2 = str
helpers.GIVEN = None
class Mine(helpers.Model):
    def run(self, x): return LIMIT
LIMIT = 8
helpers.OTHER = Mine(1)
helpers.addend.__defaults__ = (9,)
helpers.addend.scale[0] = 4
helpers.BACKEND = later
others.DATA[0] = 6
helpers.RNG.random()
helpers.set_held(2)
for number, series in enumerate(helpers.D):
    series[0] = 3 + number
"""


def values(told: str) -> dict[str, Any]:
    found: dict[str, Any] = eval(told.partition(" ")[2], {"np": np, "re": re})
    return found


@pytest.mark.slow
@pytest.mark.processes
def test_workers_compute_with_what_the_program_changed(tmp_path: Path) -> None:
    unchanged, worker = both(tmp_path, "")
    assert worker == unchanged
    # What is large and as it was imported stays at home.
    assert (tmp_path / "graph").stat().st_size < 100_000
    changed, worker = both(tmp_path, CHANGES)
    assert worker == changed
    assert (tmp_path / "graph").stat().st_size < 3_000_000
    before, after = values(unchanged), values(changed)
    assert {k for k in before if before[k] == after[k]} == {"unchanged"}


@pytest.mark.processes
@pytest.mark.slow
def test_what_a_function_imports_late_is_what_the_program_made_of_it(
    tmp_path: Path,
) -> None:
    change = "later.DATA[0] = 5\nlater.PLAIN = 7"
    program, worker = both(tmp_path, change, "late")
    assert program.endswith(" 12")
    assert worker == program


COUNTING = """
for _ in range(2):
    check_values()
    told = spec.kernel(None, b"")
    loads_graph(data)
check_values()
print(told)
"""


@pytest.mark.processes
@pytest.mark.slow
def test_what_kernels_change_themselves_they_keep(tmp_path: Path) -> None:
    change = "helpers.CALLS['x'] = 5; helpers.LONG[0] = 1"
    program, worker = both(tmp_path, change, "count", WORKER + COUNTING)
    assert program.endswith(" 6")
    assert worker.splitlines()[-1] == "b'8'"


REFUSED = """
import sys
from beam_scanner.kernels.module_values import check_values
from beam_scanner.kernels import loads_graph
spec = loads_graph(open(sys.argv[1], "rb").read())
for _ in range(2):
    try:
        check_values()
    except Exception as error:
        print(type(error).__name__, error)
    else:
        print(spec.kernel(None, b""))
"""


@pytest.mark.slow
@pytest.mark.processes
def test_what_is_not_sent_is_compared(tmp_path: Path) -> None:
    _, worker = both(tmp_path, "", "held", REFUSED)
    assert worker == "b'[1]'\nb'[1]'"
    program, worker = both(tmp_path, "helpers.HELD.value.append(2)", "held", REFUSED)
    assert program.endswith(" [1, 2]")
    first, second = worker.splitlines()
    assert first == second
    assert first.startswith("ArgumentError global HELD of module helpers (")
    assert "helpers.Holder" in first
    assert "setup_with_resources" in first


@pytest.mark.processes
@pytest.mark.slow
def test_what_cannot_be_loaded_keeps_nothing_else_at_home(tmp_path: Path) -> None:
    program, worker = both(tmp_path, "helpers.QUEUE.append(2)", "with_device")
    assert program.endswith("('Device', [1, 2])")
    assert worker == program


@pytest.mark.processes
@pytest.mark.slow
def test_what_has_no_content_is_left_to_be_made_by_kernels(tmp_path: Path) -> None:
    change = "import socket; helpers.MODEL = socket.socket()"
    program, worker = both(tmp_path, change, "opened")
    assert worker.split()[1] == program.split()[1] == "'socket'"


PIPELINE = """
import sys
from typing import Any
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
import helpers
from beam_scanner import NamedStorage, NamedStream, register_python_op
from beam_scanner.transforms import Op, ReadFromNamedStream, WriteToNamedStream

@register_python_op()
def Work(config, x: bytes) -> Any:
    return [int(helpers.TABLE["a"].sum()), float(helpers.LARGE.sum())]
@register_python_op()
def Held(config, x: bytes) -> Any: return helpers.held()

def run(op):
    flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    with beam.Pipeline("FnApiRunner", options=PipelineOptions(flags)) as p:
        rows = p | ReadFromNamedStream("db", "in") | Op(op)
        rows | WriteToNamedStream("db", name=op)
    made = NamedStream(NamedStorage("db"), op)
    return list(made.load()) if made.committed() else None

if __name__ == "__main__":
    storage = NamedStorage("db")
    storage.store(create=True)
    NamedStream(storage, "in").save([b"a", b"b"])
    helpers.TABLE.loc[0, "a"] = 3
    helpers.LARGE[0] = 2
    helpers.HELD.value.append(2)
    print(run("Work"), run("Held"))
"""


@pytest.mark.slow
@pytest.mark.processes
def test_hosts_of_pipelines_are_given_the_programs_values(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(HELPERS)
    (tmp_path / "others.py").write_text(OTHERS)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    told = python("pipeline.py", cwd=tmp_path)
    assert told == "[[5, 2.0], [5, 2.0]] None"
    (reason,) = pd.read_parquet(tmp_path / "db" / "failures")["message"]
    assert "global HELD of module helpers (helpers.Holder)" in reason
