from __future__ import annotations

import functools
import importlib.util
import os
import pickle
import subprocess
import sys
import textwrap
import typing
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner import types
from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    GraphError,
    KernelError,
    OpNotFoundError,
    ScannerException,
)
from beam_scanner.kernels import (
    Kernel,
    KernelConfig,
    Param,
    Registry,
    dumps_graph,
    loads_graph,
    op_spec,
    read_spec,
    register_op,
    register_python_kernel,
    register_python_op,
    registered_ops,
    registry,
)
from beam_scanner.types import ColumnType, DeviceType, FrameType

OFFSET = 7
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def module_helper(x: bytes) -> bytes:
    return x + bytes([OFFSET])


class ModuleBase(Kernel):
    def tail(self) -> bytes:
        return b"base"


class Echo(Kernel):
    def execute(self, x: bytes) -> bytes:
        return x


@pytest.fixture(autouse=True)
def forget_ops():
    before = set(registered_ops())
    declared = set(registry()._declared)
    yield
    for name in {*registered_ops(), *registry()._declared} - before - declared:
        registry().remove(name)


def describe(ports):
    return [(port.name, port.type_name) for port in ports]


# --- what is read from a kernel ------------------------------------------------


def test_class_kernel_is_returned_unchanged_with_working_super():
    class Counter(Kernel):
        def __init__(self, config, start: int, step=2):
            super().__init__(config)
            self.at = start
            self.step = step

        def new_stream(self, offset, scale=1.0):
            self.offset = offset

        def execute(self, frame: FrameType, data: bytes) -> Any:
            self.at += self.step
            return self.at

    decorated = register_python_op(name="Counter7")(Counter)
    assert decorated is Counter
    spec = op_spec("Counter7")
    assert spec.kernel is Counter
    assert spec.is_class
    assert describe(spec.inputs) == [("frame", "FrameType"), ("data", "Bytes")]
    assert describe(spec.outputs) == [("ret0", "Any")]
    assert spec.inputs[0].column_type == ColumnType.Video
    assert spec.outputs[0].column_type == ColumnType.Blob
    assert spec.init_params == (Param("start"), Param("step", False, 2))
    assert spec.stream_params == (Param("offset"), Param("scale", False, 1.0))
    assert not spec.open_args
    assert spec.devices == (DeviceType.CPU,)
    kernel = spec.instantiate(KernelConfig(), {"start": 1})
    assert spec.call(kernel, KernelConfig(), [np.zeros(1), b""]) == (3,)


def test_function_kernel_and_the_name_it_gives():
    @register_python_op()
    def shout(config, text: bytes) -> bytes:
        return text * config.args["times"]

    spec = op_spec("shout")
    assert not spec.is_class
    assert spec.open_args
    config = KernelConfig(args={"times": 3})
    assert spec.call(spec.instantiate(config, {}), config, [b"a"]) == (b"aaa",)


def test_function_that_ignores_config_takes_no_arguments():
    def plain(config, text: bytes) -> bytes:
        return text

    def nested(config, text: bytes) -> bytes:
        return (lambda: config.args["k"])()

    assert not read_spec(plain).open_args
    assert read_spec(nested).open_args


def test_plain_class_needs_neither_base_nor_constructor():
    class Bare:
        def execute(self, x: bytes) -> bytes:
            return x[::-1]

    spec = read_spec(Bare)
    assert spec.init_params == spec.stream_params == ()
    kernel = spec.instantiate(KernelConfig(), {})
    assert spec.call(kernel, KernelConfig(), [b"ab"]) == (b"ba",)


def test_constructor_with_any_arguments():
    class Open(Kernel):
        def __init__(self, config, **options):
            super().__init__(config)
            self.options = options

        def execute(self, x: bytes) -> Any:
            return self.options

    spec = read_spec(Open)
    assert spec.open_args
    kernel = spec.instantiate(KernelConfig(), {"a": 1})
    assert spec.call(kernel, KernelConfig(), [b""]) == ({"a": 1},)


@pytest.mark.parametrize("tuple_type", [vars(typing)["Tuple"], tuple])
def test_several_outputs(tuple_type):
    def split(config, x: bytes):
        return x[:1], len(x)

    split.__annotations__["return"] = tuple_type[bytes, Any]
    spec = read_spec(split)
    assert describe(spec.outputs) == [("ret0", "Bytes"), ("ret1", "Any")]
    assert spec.call(split, KernelConfig(), [b"abc"]) == (b"a", 3)

    def wrong(config, x: bytes) -> tuple[bytes, Any]:
        return (x,)

    with pytest.raises(KernelError, match="op wrong must return a tuple of 2"):
        read_spec(wrong).call(wrong, KernelConfig(), [b""])


def test_tuple_of_one_output():
    def one(config, x: bytes) -> tuple[bytes]:
        return (x,)

    spec = read_spec(one)
    assert len(spec.outputs) == 1
    assert spec.call(one, KernelConfig(), [b"x"]) == (b"x",)


def test_batch_stencil_both_and_whole_stream():
    def batch(config, x: Sequence[bytes]) -> Sequence[bytes]:
        return x

    def window(config, x: Sequence[FrameType]) -> bytes:
        return b""

    def both(config, x: Sequence[Sequence[FrameType]]) -> Sequence[bytes]:
        return [b""]

    def two(
        config, x: Sequence[bytes], y: Sequence[FrameType]
    ) -> tuple[Sequence[bytes], Sequence[FrameType]]:
        return x, y

    assert describe(read_spec(batch, batch=4).inputs) == [("x", "Bytes")]
    assert describe(read_spec(window, stencil=[-1, 0]).inputs) == [("x", "FrameType")]
    spec = read_spec(both, stencil=range(-1, 2), batch=2, stencil_edge="null")
    assert (spec.stencil, spec.stencil_edge, spec.batch) == ((-1, 0, 1), "null", 2)
    assert describe(spec.inputs) == [("x", "FrameType")]
    whole = read_spec(two, whole_stream=True)
    assert whole.whole_stream
    assert describe(whole.outputs) == [("ret0", "Bytes"), ("ret1", "FrameType")]


@pytest.mark.parametrize("form", ["T", "Tuple[T, ...]"])
def test_variadic_inputs(form):
    def join(config, *parts):
        return b"".join(parts)

    join.__annotations__ = {
        "parts": {"T": bytes, "Tuple[T, ...]": tuple[bytes, ...]}[form],
        "return": bytes,
    }
    spec = read_spec(join)
    assert spec.variadic
    assert describe(spec.inputs) == [("parts", "Bytes")]
    assert spec.call(join, KernelConfig(), [b"a", b"b"]) == (b"ab",)


def test_attributes():
    def op(config, x: bytes) -> bytes:
        return x

    register_python_op(
        name="Attributes7",
        bounded_state=3,
        device_sets=[[DeviceType.GPU, 1], [DeviceType.CPU, 0]],
        version="2024-05",
        takes_nulls=True,
    )(op)
    spec = op_spec("Attributes7")
    assert spec.bounded_state == 3
    assert spec.devices == (DeviceType.GPU, DeviceType.CPU)
    assert spec.version == "2024-05"
    assert spec.takes_nulls
    register_python_op(name="Gpu7", device_type=DeviceType.GPU, unbounded_state=True)(
        op
    )
    assert op_spec("Gpu7").devices == (DeviceType.GPU,)
    assert op_spec("Gpu7").unbounded_state
    assert {"Attributes7", "Gpu7"} <= set(registered_ops())


def test_text_annotations_see_names_of_enclosing_functions():
    # This file has `from __future__ import annotations`.
    @types.register_type
    class LocalType7:
        def serialize(value):
            return value

        def deserialize(data):
            return data

    def inner():
        @register_python_op(name="Local7", batch=2)
        class Op(Kernel):
            def execute(self, x: Sequence[LocalType7]) -> Sequence["LocalType7"]:  # noqa: UP037
                return x

    inner()
    assert describe(op_spec("Local7").inputs) == [("x", "LocalType7")]
    assert describe(op_spec("Local7").outputs) == [("ret0", "LocalType7")]


def test_config_pickles():
    config = KernelConfig(args={"a": 1}, input_columns=["x"], node_id=2)
    assert pickle.loads(pickle.dumps(config)) == config


# --- what is refused -----------------------------------------------------------


class NoExecute(Kernel):
    pass


class NoConfig:
    def __init__(self, width):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class Starred(Kernel):
    def __init__(self, config, *args):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class OpenStream(Kernel):
    def new_stream(self, **args):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class Reserved(Kernel):
    def __init__(self, config, device):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


class Twice(Kernel):
    def new_stream(self, x):
        pass

    def execute(self, x: bytes) -> bytes:
        return x


def no_annotation(config, x) -> bytes:
    return b""


def no_return(config, x: bytes):
    return b""


def keywords(config, **xs: bytes) -> bytes:
    return b""


def positional(config, x: bytes, /) -> bytes:
    return b""


def starred_and_more(config, x: bytes, *xs: bytes) -> bytes:
    return b""


def wrong_variadic(config, *xs: tuple[bytes, bytes]) -> bytes:
    return b""


def no_inputs(config) -> bytes:
    return b""


def no_config() -> bytes:
    return b""


def ellipsis(config, x: bytes) -> tuple[bytes, ...]:
    return ()


def unregistered(config, x: int | None) -> bytes:
    return b""


def unresolved(config, x: Missing) -> bytes:  # noqa: F821
    return b""


def plain(config, x: bytes) -> bytes:
    return x


def listed(config, x: list[bytes]) -> list[bytes]:
    return x


def pairs(config, x: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
    return []


@pytest.mark.parametrize(
    ("kernel", "options", "kind", "message"),
    [
        (NoExecute, {}, ArgumentError, 'has no "execute" method'),
        (NoConfig, {}, ArgumentError, "first argument .* must be `config`"),
        (Starred, {}, ArgumentError, r"must name its arguments, got \*args"),
        (OpenStream, {}, ArgumentError, r"new_stream of op OpenStream must name"),
        (Reserved, {}, ArgumentError, "'device', which every op call takes"),
        (Twice, {}, ArgumentError, "two arguments named 'x'"),
        (no_annotation, {}, ElementTypeError, "No type annotation .* input x"),
        (no_return, {}, ElementTypeError, "Return annotation must be specified"),
        (keywords, {}, ArgumentError, r"\*\*kwargs are not supported"),
        (positional, {}, ArgumentError, "Positional-only arguments"),
        (starred_and_more, {}, ArgumentError, "not supported when used with other"),
        (wrong_variadic, {}, ElementTypeError, r"must be annotated T or Tuple\[T"),
        (no_inputs, {}, ArgumentError, "no_inputs has no inputs"),
        (no_config, {}, ArgumentError, "must take `config` first"),
        (ellipsis, {}, ElementTypeError, "Ellipsis tuples not supported"),
        (unregistered, {}, ElementTypeError, "has not been registered with Scanner"),
        (unresolved, {}, ElementTypeError, "'Missing' of input x .*NameError"),
        (plain, {"batch": 2}, ElementTypeError, 'A batched Op must specify a "Seq'),
        (listed, {"batch": 2}, ElementTypeError, r"annotated list\[bytes\]"),
        (pairs, {"batch": 2}, ElementTypeError, r"write Tuple\[Sequence\[A\]"),
        (plain, {"stencil": [0]}, ElementTypeError, "A stenciled Op must specify"),
        (
            pairs,
            {"stencil": [0], "batch": 2},
            ElementTypeError,
            r"Sequence\[Sequence\[T\]\]",
        ),
        (plain, {"whole_stream": True}, ElementTypeError, "A whole-stream Op must"),
        (plain, {"stencil": []}, ArgumentError, "one or more row offsets"),
        (plain, {"stencil": [0.5]}, ArgumentError, "one or more row offsets"),
        (plain, {"stencil": 1}, ArgumentError, "one or more row offsets"),
        (plain, {"stencil_edge": "wrap"}, ArgumentError, "one of repeat, null, error"),
        (plain, {"batch": 0}, ArgumentError, "batch of op plain must be 1 or more"),
        (plain, {"batch": True}, ArgumentError, "batch of op plain must be 1 or more"),
        (plain, {"bounded_state": -1}, ArgumentError, "0 or more; got -1"),
        (plain, {"bounded_state": "3"}, ArgumentError, "0 or more; got '3'"),
        (
            plain,
            {"bounded_state": 1, "unbounded_state": True},
            ArgumentError,
            "cannot have both unbounded_state and bounded_state",
        ),
        (
            plain,
            {"whole_stream": True, "unbounded_state": True},
            ArgumentError,
            "takes the whole stream",
        ),
        (
            plain,
            {"whole_stream": True, "stencil": [0]},
            ArgumentError,
            "whole_stream and a stencil",
        ),
        (
            plain,
            {"device_type": DeviceType.CPU, "device_sets": [[DeviceType.CPU, 1]]},
            ArgumentError,
            'only specify one of "device_type" or "device_sets"',
        ),
        (plain, {"device_type": "GPU"}, ArgumentError, "Invalid device type 'GPU'"),
        (plain, {"device_sets": 3}, ArgumentError, "must be a list of .DeviceType, c"),
        (plain, {"name": 3}, ArgumentError, "name of an op must be a text, got 3"),
        (plain, {"batch": np.ones(2)}, ArgumentError, "batch of op plain must be 1"),
        (plain, {"device_sets": []}, ArgumentError, "device_sets of op plain is empty"),
        (3, {}, ArgumentError, "must be a class or a function, got int"),
    ],
)
def test_refused(kernel, options, kind, message):
    with pytest.raises(kind, match=message) as caught:
        register_python_op(**options)(kernel)
    assert isinstance(caught.value, ScannerException)
    assert getattr(kernel, "__name__", "?") not in registry()


def test_missing_parentheses():
    with pytest.raises(ArgumentError, match="with parentheses"):
        register_python_op(plain)


# --- the registry ----------------------------------------------------------------


def test_a_second_op_of_one_name_names_both_owners():
    register_python_op(name="Same7")(plain)
    with pytest.raises(GraphError, match=r"Same7 twice: by .*plain and by .*listed"):
        register_python_op(name="Same7")(read_name := _renamed(listed))
    assert read_name.__name__ == "listed"
    with pytest.raises(GraphError, match="twice"):
        register_python_op(name="Same7")(plain)


def _renamed(function):
    def listed(config, x: bytes) -> bytes:
        return x

    return listed


def test_a_cell_that_is_run_again_replaces_its_op():
    def cell(value):
        space = {"__name__": "__main__", "register_python_op": register_python_op}
        exec(
            "@register_python_op(name='Cell7')\n"
            f"def cell(config, x: bytes) -> bytes: return {value}",
            space,
        )

    cell(1)
    first = op_spec("Cell7").digest
    cell(2)
    assert op_spec("Cell7").digest != first


def test_a_module_that_is_loaded_again_replaces_its_ops(tmp_path):
    path = tmp_path / "users_ops7.py"
    path.write_text(
        "from beam_scanner.kernels import register_python_op\n"
        "from test_kernels import Echo\n"
        "@register_python_op(name='Loaded7')\n"
        "def loaded(config, x: bytes) -> bytes: return x\n"
        "@register_python_op(name='LoadedClass7')\n"
        "class Loaded(Echo):\n"
        "    def reset(self): pass\n"
    )
    for _ in range(2):
        spec = importlib.util.spec_from_file_location("users_ops7", path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert op_spec("Loaded7").name == "Loaded7"


def test_unknown_op():
    with pytest.raises(OpNotFoundError, match="Op Nope does not exist"):
        op_spec("Nope")


def test_declared_op_with_kernels_for_two_devices():
    register_op(
        "Declared7",
        ["x", ("frame", ColumnType.Video), ("n", ColumnType.Blob, Any)],
        [("out", ColumnType.Blob, types.get_type_info(Any)), "raw"],
        stencil=[0],
        bounded_state=2,
    )
    with pytest.raises(OpNotFoundError, match="has no kernel"):
        op_spec("Declared7")

    class OnCpu(Kernel):
        def execute(self, columns):
            return columns[0], self.config.args["k"]

    class OnGpu(Kernel):
        def execute(self, x, frame, n):
            return n, x

    register_python_kernel("Declared7", DeviceType.CPU, OnCpu)
    register_python_kernel("Declared7", DeviceType.GPU, OnGpu, batch=8)
    assert registry().devices("Declared7") == (DeviceType.CPU, DeviceType.GPU)
    cpu = op_spec("Declared7")
    gpu = registry().get("Declared7", DeviceType.GPU)
    assert describe(cpu.inputs) == [
        ("x", "Bytes"),
        ("frame", "FrameType"),
        ("n", "Any"),
    ]
    assert describe(cpu.outputs) == [("out", "Any"), ("raw", "Bytes")]
    assert (cpu.raw, gpu.raw, gpu.batch, cpu.stencil) == (True, False, 8, (0,))
    config = KernelConfig(args={"k": 5})
    kernel = cpu.instantiate(config, {"k": 5})
    assert cpu.call(kernel, config, [b"a", b"b", b"c"]) == (b"a", 5)
    kernel = gpu.instantiate(config, {"k": 5})
    assert gpu.call(kernel, config, [b"a", b"b", b"c"]) == (b"c", b"a")
    with pytest.raises(GraphError, match="re-register kernel of op Declared7 for CPU"):
        register_python_kernel("Declared7", DeviceType.CPU, OnCpu)
    with pytest.raises(GraphError, match="re-register op Declared7, declared"):
        register_python_op(name="Declared7")(plain)


def test_declarations_that_are_refused():
    with pytest.raises(ArgumentError, match="empty input columns"):
        register_op("D7", [], ["x"])
    with pytest.raises(ArgumentError, match="empty output columns"):
        register_op("D7", ["x"], [])
    with pytest.raises(ArgumentError, match="columns of op D7 must be a list"):
        register_op("D7", "frame", ["x"])
    with pytest.raises(ArgumentError, match="must be a string name or a tuple"):
        register_op("D7", [3], ["x"])
    with pytest.raises(OpNotFoundError, match="declare it with register_op"):
        register_python_kernel("D7", DeviceType.CPU, plain)
    register_op("D7", [], ["x"], variadic_inputs=True)
    with pytest.raises(GraphError, match="Attempted to re-register op D7"):
        register_op("D7", ["x"], ["x"])
    with pytest.raises(ArgumentError, match="Invalid device type 3"):
        register_python_kernel("D7", 3, plain)


def test_registries_are_independent():
    ops = Registry()
    ops.add(read_spec(plain))
    assert list(ops) == ["plain"]
    assert "plain" not in registry()


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


def test_digest_ignores_what_is_not_plain_data():
    import random
    import threading

    lock, source = threading.Lock(), random.Random()

    def op(config, x: bytes) -> bytes:
        with lock:
            return x if source.random() else b""

    first = read_spec(op).digest
    source.random()
    assert read_spec(op).digest == first


def test_digest_ignores_state_that_a_kernel_keeps_in_data():
    source = """
        CALLS, FLAGS = [], {'fail': True}
        class op(Kernel):
            made = 0
            def execute(self, x: bytes) -> bytes:
                type(self).made += 1
                CALLS.append(x)
                if FLAGS['fail']: raise ValueError
                return x
    """
    space = {"__name__": "users_module", "Kernel": Kernel}
    exec(textwrap.dedent(source), space)
    spec = read_spec(space["op"])
    first = spec.digest
    with pytest.raises(ValueError):  # noqa: PT011
        spec.kernel(KernelConfig()).execute(b"")
    space["FLAGS"]["fail"] = False
    assert spec.kernel.made == 1
    assert spec.digest == first
    assert loads_graph(dumps_graph(spec)).digest == first
    space["FLAGS"] = {"fail": False}
    assert spec.digest != first


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
assert 'test_kernels' not in sys.modules
"""


def in_worker(data, tmp_path):
    file = tmp_path / "graph"
    file.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", WORKER, file],
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


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
        done = subprocess.run(
            [sys.executable, script, tmp_path / "made"],
            env={**os.environ, "PYTHONPATH": ROOT},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    answer = in_worker((tmp_path / "made").read_bytes(), tmp_path)
    assert answer == f"(b'xbeside!',) {digests.pop()}"


def test_installed_modules_go_by_name():
    import json

    assert len(dumps_graph(json.dumps)) < 100


def test_in_the_same_process_classes_keep_their_identity():
    class Local(Kernel):
        def execute(self, x: bytes) -> bytes:
            return x

    execute, tail = Local.execute, ModuleBase.tail
    assert loads_graph(dumps_graph(read_spec(Local))).kernel is Local
    assert loads_graph(dumps_graph(ModuleBase)) is ModuleBase
    assert Local.execute is execute
    assert ModuleBase.tail is tail


def test_kernels_and_graphs_load_neither_beam_nor_video_libraries():
    code = (
        "import sys, beam_scanner.builder, beam_scanner.kernels\n"
        "print({'apache_beam', 'av', 'cv2', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
