from __future__ import annotations

import functools
import importlib.util
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.kernels import (
    Kernel,
    dumps_graph,
    loads_graph,
    read_spec,
)
from beam_scanner.types import FrameType
from tests.support.programs import python, run_code

OFFSET = 7


def module_helper(x: bytes) -> bytes:
    return x + bytes([OFFSET])


class ModuleBase(Kernel):
    def tail(self) -> bytes:
        return b"base"


# --- digests -------------------------------------------------------------------


def digest_of(source, **names):
    space = {
        "__name__": "users_module",
        "FrameType": FrameType,
        "Kernel": Kernel,
        "np": np,
        **names,
    }
    exec(textwrap.dedent(source), space)
    return read_spec(space["op"]).digest


CLASS = """
    class op(Kernel):
        '''What it does.'''
        table = {'a': [1, 2]}
        def __init__(self, config, k=1):
            super().__init__(config)
        def helper(self): return LIMIT
        def execute(self, x: bytes) -> bytes:
            '''How.'''
            return work(x) + {'a', 'b', 'c'} - {i for i in 'xy'}
    LIMIT = 3
    def work(x): return x + b'1'
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("What it does.", "What it really does.", True),
        ("'''How.'''", "'''Why.'''", True),
        ("    LIMIT = 3", "    # why\n    LIMIT = 3", True),
        ("b'1'", "b'2'", False),
        ("LIMIT = 3", "LIMIT = 4", False),
        ("[1, 2]", "[1, 3]", False),
        ("k=1", "k=2", False),
        ("return LIMIT", "return -LIMIT", False),
        ("'c'}", "'d'}", False),
        ("for i in 'xy'", "for i in 'xz'", False),
        ("work(x) +", "work(x).strip() +", False),
        ("helper", "helpers", False),
    ],
)
def test_digest_follows_the_code(old, new, same):
    assert old in CLASS
    assert (digest_of(CLASS) == digest_of(CLASS.replace(old, new))) is same


def test_digest_follows_closures_defaults_bases_and_attributes():
    def make(value):
        def op(config, x: bytes) -> bytes:
            return x + value

        return op

    def cached(text):
        class Op(Kernel):
            __slots__ = ("a",)

            @functools.cached_property
            def once(self):
                return text

            add = functools.partialmethod(lambda self, x, y: x + y, y=text)

            def execute(self, x: bytes) -> bytes:
                return x

        return Op

    def digest(kernel, **options):
        return read_spec(kernel, name="op", **options).digest

    assert digest(make(b"1")) == digest(make(b"1"))
    assert digest(make(b"1")) != digest(make(b"2"))
    assert digest(make(np.zeros(2))) != digest(make(np.ones(2)))
    assert digest(make(b"1")) != digest(make(b"1"), version="2")
    assert digest(make(b"1")) != digest(make(b"1"), bounded_state=1)
    assert digest(make(b"1")) != digest(make(b"1"), takes_nulls=True)

    def based(text):
        class Base(Kernel):
            def tail(self):
                return text

        class Op(Base):
            def execute(self, x: bytes) -> bytes:
                return x + self.tail()

        return Op

    assert digest(cached(b"1")) == digest(cached(b"1"))
    assert digest(cached(b"1")) != digest(cached(b"2"))
    assert digest(based(b"1")) == digest(based(b"1"))
    assert digest(based(b"1")) != digest(based(b"2"))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.frozensets(st.text(max_size=3), max_size=4)
    ),
    max_leaves=8,
)


def closing_over(value):
    def op(config, x: bytes) -> Any:
        return value

    return op


@given(values, values)
@settings(deadline=None)
def test_digests_are_equal_exactly_for_equal_values(a, b):
    one, two = read_spec(closing_over(a)).digest, read_spec(closing_over(b)).digest
    assert (one == two) is (repr(a) == repr(b) or _same(a, b))
    copied = loads_graph(dumps_graph(a))
    assert read_spec(closing_over(copied)).digest == one


def _same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    return a == b and repr(a) == repr(b) if not isinstance(a, frozenset) else a == b


# --- other processes -------------------------------------------------------------

WORKER = """
import sys
from beam_scanner.kernels import KernelConfig, loads_graph
spec = loads_graph(open(sys.argv[1], 'rb').read())
kernel = spec.instantiate(KernelConfig(args={'k': b'!'}), {})
print(spec.call(kernel, KernelConfig(args={'k': b'!'}), [b'x']), spec.digest)
assert 'test_digest' not in sys.modules
"""


def in_worker(data, tmp_path):
    file = tmp_path / "graph"
    file.write_bytes(data)
    return run_code(WORKER, file)


@pytest.mark.slow
@pytest.mark.processes
def test_kernels_of_this_test_module_run_in_a_new_process(tmp_path):
    added = b"local"

    class Local(ModuleBase):
        def __init__(self, config):
            super().__init__(config)

        def execute(self, x: bytes) -> bytes:
            return module_helper(x) + added + self.tail()

    spec = read_spec(Local)
    answer = in_worker(dumps_graph(spec), tmp_path)
    assert answer == f"({b'x' + bytes([7]) + b'localbase'!r},) {spec.digest}"


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("insert", [True, False])
def test_kernels_of_a_file_run_in_a_new_process(tmp_path, insert):
    (tmp_path / "users_ops8.py").write_text(
        "from beam_scanner.kernels import Kernel\n"
        "SUFFIX = b'file'\n"
        "def help(x): return x + SUFFIX\n"
        "class Base(Kernel):\n"
        "    def execute(self, x: bytes) -> bytes: return help(x)\n"
        "class FromFile(Base):\n"
        "    def execute(self, x: bytes) -> bytes: return super().execute(x)\n"
    )
    found = importlib.util.spec_from_file_location(
        "users_ops8", tmp_path / "users_ops8.py"
    )
    module = importlib.util.module_from_spec(found)
    if insert:
        sys.modules["users_ops8"] = module
    try:
        found.loader.exec_module(module)
        spec = read_spec(module.FromFile)
        data = dumps_graph(spec)
    finally:
        sys.modules.pop("users_ops8", None)
    assert in_worker(data, tmp_path) == f"(b'xfile',) {spec.digest}"


@pytest.mark.slow
@pytest.mark.processes
def test_kernels_of_main_run_in_a_new_process(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "import beside_script\n"
        "from beam_scanner.kernels import *\n"
        "@register_python_op()\n"
        "def main_op(config, x: bytes) -> bytes:\n"
        "    assert x not in {b'p', b'q', b'r', 's', 't'}\n"
        "    return beside_script.more(x) + config.args['k']\n"
        "open(sys.argv[1], 'wb').write(dumps_graph(op_spec('main_op')))\n"
        "print(op_spec('main_op').digest)\n"
    )
    (tmp_path / "beside_script.py").write_text("def more(x): return x + b'beside'\n")
    digests = set()
    for _ in range(2):
        digests.add(python(script, tmp_path / "made"))
    assert len(digests) == 1
    answer = in_worker((tmp_path / "made").read_bytes(), tmp_path)
    assert answer == f"(b'xbeside!',) {digests.pop()}"


def test_installed_modules_go_by_name():
    import json

    assert len(dumps_graph(json.dumps)) < 100


def test_kernels_and_graphs_load_no_video_library():
    code = (
        "import sys, beam_scanner.graph.builder, beam_scanner.kernels\n"
        "print({'av', 'cv2', 'tensorflow'} & set(sys.modules))"
    )
    assert run_code(code) == "set()"
