"""What pickles and cannot be loaded, or loads as something else."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import OpNode
from beam_scanner.kernels import pickling, read_spec
from beam_scanner.run.picklable import check_picklable
from tests.support.programs import WORKER, python, script

EVERYTHING = """
import abc, dataclasses, enum, functools, logging, re, typing
import attrs, numpy as np, pydantic

@functools.lru_cache(maxsize=4)
def load(name): return name * 2
@functools.cache
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
class Detector:
    def __init__(self): self.k = 3
    @functools.cached_property
    def model(self): return self.k + 1
    @staticmethod
    @functools.cache
    def one(x): return x + 1
    @classmethod
    @functools.cache
    def two(cls, x): return x + 2
    @functools.lru_cache
    def three(self, x): return x + self.k
def make():
    @functools.cache
    def inner(x): return x * 7
    return inner
class Color(enum.Enum):
    RED = 1
    @property
    def twice(self): return self.value * 2
class Flags(enum.Flag):
    A = 1
    B = 2
@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    x: int
    y: list = dataclasses.field(default_factory=lambda: [5])
class Pair(typing.NamedTuple):
    a: int
    b: int = 4
class Base(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
class Derived(Base):
    def f(self): return 8
T = typing.TypeVar('T')
class Typed(typing.Generic[T]):
    def g(self): return 9
class Settings(pydantic.BaseModel):
    a: int
    b: list[int] = [1]
    @pydantic.field_validator('a')
    def more(cls, v): return v + 1
@attrs.define
class Point:
    q: int = 3
MISSING = object()
def is_missing(x=MISSING): return x is MISSING
LOG = logging.getLogger('users')
LOG.addHandler(logging.StreamHandler())
MEMORY = memoryview(np.arange(6, dtype='i4').reshape(2, 3))
DETECTOR, INNER, PATTERN = Detector(), make(), re.compile('x+')
def op(config, x: bytes) -> bytes:
    class Local(typing.NamedTuple):
        z: int
    return repr([
        load('a'), fib(10), DETECTOR.model, Detector.one(1), Detector.two(1),
        DETECTOR.three(1), INNER(2), Color.RED.twice, Flags.A | Flags.B, Box(1).y,
        Pair(1).b, Derived().f(), isinstance(Derived(), Base), Typed[int]().g(),
        Settings(a=1), Point(), is_missing(), LOG.name, MEMORY[1, 2],
        PATTERN.match('xx').end(), Local(2),
    ]).encode()
"""


@pytest.mark.processes
@pytest.mark.slow
def test_what_programs_define_works_and_is_known_in_other_processes(
    tmp_path: Path,
) -> None:
    program = script(tmp_path, EVERYTHING)
    told = {
        python(program, tmp_path / "graph", cwd=tmp_path, PYTHONHASHSEED=seed)
        for seed in ("1", "2")
    }
    told.add(python("-c", WORKER, tmp_path / "graph", cwd=tmp_path))
    assert len(told) == 1, told


@pytest.mark.processes
@pytest.mark.parametrize(
    "change", ["CONFIG['t'] = 7", "helpers.CONFIG['t'] = 7", "helpers.Kind.t = 7"]
)
@pytest.mark.slow
def test_workers_see_what_the_program_changed_in_its_modules(
    tmp_path: Path, change: str
) -> None:
    (tmp_path / "helpers.py").write_text(
        "CONFIG = {'t': 1}\n"
        "class Kind:\n    t = 1\n"
        "THING = Kind()\n"
        "def work(): return CONFIG['t'], Kind.t, THING.t\n"
    )
    source = """
    import helpers
    from helpers import CONFIG, work
    def op(config, x: bytes) -> bytes: return repr([work(), CONFIG]).encode()
    """
    program = script(tmp_path, source, change)
    told = python(program, tmp_path / "graph", cwd=tmp_path)
    assert "7" in told.rpartition(" ")[0]
    assert python("-c", WORKER, tmp_path / "graph", cwd=tmp_path) == told


@pytest.mark.slow
@pytest.mark.processes
def test_sentinels_of_modules_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text(
        "MISSING = object()\n"
        "class Nothing: pass\n"
        "NOTHING = Nothing()\n"
        "def work(x, y): return x is MISSING, y is NOTHING\n"
    )
    source = """
    from helpers import MISSING, NOTHING, work
    def op(config, x: bytes) -> bytes: return repr(work(MISSING, NOTHING)).encode()
    """
    told = python(script(tmp_path, source), tmp_path / "graph", cwd=tmp_path)
    assert "(True, True)" in told
    assert python("-c", WORKER, tmp_path / "graph", cwd=tmp_path) == told


@pytest.mark.slow
@pytest.mark.processes
def test_a_working_folder_that_is_gone_hinders_nobody(tmp_path: Path) -> None:
    source = """
    import os, tempfile
    gone = tempfile.mkdtemp()
    os.chdir(gone)
    os.rmdir(gone)
    def op(config, x: bytes) -> bytes: return x
    """
    told = python(script(tmp_path, source), tmp_path / "graph", cwd=tmp_path)
    assert python("-c", WORKER, tmp_path / "graph", cwd=tmp_path) == told


def test_another_name_for_an_installed_module_makes_it_no_users_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import beam_scanner

    monkeypatch.setitem(sys.modules, "scannerpy8", beam_scanner)
    assert "beam_scanner" not in {m.__name__ for m in pickling._users_modules()}


def node(source: str, **names: Any) -> OpNode:
    space = {"__name__": "users_module", **names}
    exec(textwrap.dedent(source), space)
    return OpNode(read_spec(space["op"], name="Detect"), ())


class Broken:
    """Pickles, and cannot be loaded."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("ctypes.CDLL('libm.so.6')", "ctypes.CDLL"),
        ("ctypes.pythonapi", "ctypes.PyDLL"),
        ("ctypes.CDLL(None).abs", "_FuncPtr"),
        ("(i for i in ())", "generator"),
        ("mmap.mmap(-1, 10)", "mmap.mmap"),
        ("open(os.devnull, 'rb')", "_io.BufferedReader"),
        ("weakref.ref(Broken)", "weakref"),
        ("socket.socket()", "socket.socket"),
        ("cv2.VideoCapture()", "cv2.VideoCapture"),
        ("Broken()", "Broken"),
        ("threading.local()", "_thread._local"),
    ],
)
@pytest.mark.parametrize("place", ["global", "nested", "closure"])
def test_what_cannot_be_loaded_is_named(made: str, name: str, place: str) -> None:
    modules = ["ctypes", "mmap", "os", "weakref", "socket", "cv2", "threading"]
    names = {module: __import__(module) for module in modules}
    value = eval(made, {**names, "Broken": Broken})
    sources = {
        "global": "def op(config, x: bytes) -> bytes: return LIB",
        "nested": "def op(config, x: bytes) -> bytes: return help()\n"
        "def help(): return HELD['lib'][0]\nHELD = {'lib': [LIB]}",
        "closure": "def make(held):\n"
        " def op(config, x: bytes) -> bytes: return held\n"
        " return op\n"
        "op = make(LIB)",
    }
    words = {
        "global": "global LIB of the kernel of op Detect",
        "nested": "item 'lib' of global HELD of global help of the kernel of op Detect",
        "closure": "variable held of the kernel of op Detect",
    }
    made_node = node(sources[place], LIB=value)
    with pytest.raises(ArgumentError, match="cannot be sent to workers") as caught:
        check_picklable(made_node.spec, [made_node])
    assert words[place] in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.slow
def test_an_argument_that_cannot_be_loaded_is_named() -> None:
    made = node("def op(config, x: bytes) -> bytes: return x")
    asked = OpNode(made.spec, (), init_args={"model": {"a": Broken()}})
    with pytest.raises(
        ArgumentError, match="item 'a' of argument 'model' of op Detect"
    ):
        check_picklable((asked.spec, asked.init_args), [asked])


def test_what_is_to_be_done_before_travels_with_graphs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []

    def invalidate_caches() -> None:
        counted.append(1)

    # Found by name in every process, as such functions are.
    invalidate_caches.__module__ = "importlib"
    invalidate_caches.__qualname__ = "invalidate_caches"
    monkeypatch.setattr(importlib, "invalidate_caches", invalidate_caches)
    plain = pickling.dumps_graph([1])
    monkeypatch.setattr(pickling, "_before", [])
    for _ in range(2):
        pickling.before_loading(invalidate_caches)
    value = {"a": [1], "b": [1]}
    assert pickling.loads_graph(pickling.dumps_graph(value)) == value
    assert counted == [1]
    pickling.check_loads(value)
    assert counted == [1, 1]
    assert pickling.loads_graph(plain) == [1]
    assert counted == [1, 1]
