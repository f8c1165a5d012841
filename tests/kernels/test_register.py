from __future__ import annotations

import importlib.util
import pickle
import typing
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

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
    op_spec,
    read_spec,
    register_op,
    register_python_kernel,
    register_python_op,
    registered_ops,
    registry,
)
from beam_scanner.types import ColumnType, DeviceType, FrameType


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
        return (x,)  # type: ignore[return-value]

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


def unresolved(config, x: Missing) -> bytes:  # type: ignore[name-defined]  # noqa: F821
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
        (plain, {"name": 3}, ArgumentError, "name of an op must be a string, got 3"),
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
        register_python_op(plain)  # type: ignore[arg-type]


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
        "from tests.kernels.test_register import Echo\n"
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
        register_python_kernel("D7", 3, plain)  # type: ignore[arg-type]


def test_registries_are_independent():
    ops = Registry()
    ops.add(read_spec(plain))
    assert list(ops) == ["plain"]
    assert "plain" not in registry()
