"""Ops by name: one of each, but for what is run or loaded again."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from beam_scanner import types
from beam_scanner.errors import (
    ArgumentError,
    GraphError,
    OpNotFoundError,
)
from beam_scanner.kernels import (
    Kernel,
    KernelConfig,
    Registry,
    op_spec,
    read_spec,
    register_op,
    register_python_kernel,
    register_python_op,
    registry,
)
from beam_scanner.types import ColumnType, DeviceType
from tests.support.plain_kernels import describe, listed, plain

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


# --- ops that ship ------------------------------------------------------------------


def _shipped():
    """Such a kernel as this package ships."""

    def Same7(config, x: bytes) -> bytes:
        return x

    Same7.__module__ = "beam_scanner.ops.same"
    return read_spec(Same7)


def other(config, x: bytes) -> bytes:
    return x


WARNING = "your op Same7 stands in the place of the one that beam_scanner ships"


@pytest.mark.parametrize("first", ["user", "ships"])
def test_a_users_op_stands_in_the_place_of_one_that_ships(first):
    ops, ships, users = Registry(), _shipped(), read_spec(plain, "Same7")
    order = [users, ships] if first == "user" else [ships, users]
    ops.add(order[0])
    with pytest.warns(UserWarning, match=WARNING):
        ops.add(order[1])
    assert ops.get("Same7") is users
    with pytest.raises(GraphError, match=r"Same7 twice: by .*plain and by .*other"):
        ops.add(read_spec(other, "Same7"))


@pytest.mark.parametrize("first", ["user", "ships"])
def test_a_declared_op_stands_in_the_place_of_one_that_ships(first):
    ops, ships = Registry(), _shipped()

    def declare():
        ops.declare("Same7", lambda kernel, device, batch: read_spec(kernel, "Same7"))

    steps = [declare, lambda: ops.add(ships)]
    if first == "ships":
        steps.reverse()
    steps[0]()
    with pytest.warns(UserWarning, match=WARNING):
        steps[1]()
    ops.add_kernel("Same7", DeviceType.CPU, plain)
    assert ops.get("Same7").kernel is plain


def test_ops_that_ship_do_not_replace_each_other():
    ops = Registry()
    ops.add(_shipped())
    other = _shipped()
    other.kernel.__qualname__ = "another"
    with pytest.raises(GraphError, match="twice"):
        ops.add(other)
