"""What workers cannot be sent is refused, and the op that is to blame is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import OpNode
from beam_scanner.kernels import read_spec
from beam_scanner.run.picklable import check_picklable
from tests.support.programs import python, script

OPEN = (number for number in range(3))
"""A generator, which nobody can pickle."""


def plain(config: Any, x: bytes) -> bytes:
    return x


def locked(config: Any, x: bytes) -> bytes:
    return x * next(OPEN)


class CannotBeLoaded:
    def __reduce__(self) -> Any:
        return eval, ("1 / 0",)


def op(kernel: Any = plain, name: str = "Plain", **args: Any) -> OpNode:
    return OpNode(read_spec(kernel, name), (), init_args=args)


def test_what_can_be_sent_is_not_refused() -> None:
    node = op(weights=[1, 2], names={"a": b"b"})
    check_picklable(node, [node])


@pytest.mark.parametrize(
    ("value", "why"), [(OPEN, "generator"), (CannotBeLoaded(), "ZeroDivisionError")]
)
def test_the_argument_that_is_to_blame_is_named(value: Any, why: str) -> None:
    nodes = [op(name="Good"), op(name="Bad", fine=1, model={"deep": [value]})]
    with pytest.raises(ArgumentError, match="argument 'model' of op Bad") as caught:
        check_picklable(nodes, nodes)
    assert why in str(caught.value)
    assert "let the kernel make it" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_an_argument_for_each_stream_is_named_too() -> None:
    node = OpNode(read_spec(plain, "Each"), (), stream_args={"by": (1, OPEN)})
    with pytest.raises(ArgumentError, match="argument 'by' of op Each"):
        check_picklable(node, [node])


def test_what_a_kernel_uses_is_named() -> None:
    node = op(locked, "Locked")
    with pytest.raises(ArgumentError, match="OPEN of the kernel of op Locked"):
        check_picklable(node, [node])


def test_with_no_op_to_blame_it_is_the_graph() -> None:
    with pytest.raises(ArgumentError, match=r"^the graph cannot be sent to workers"):
        check_picklable(OPEN, [op()])


@pytest.mark.slow
@pytest.mark.processes
def test_what_only_the_main_module_has_is_named_before_workers_start(
    tmp_path: Path,
) -> None:
    source = """
    class Missing:
        def __reduce__(self): return 'MISSING'
    MISSING = Missing()
    def op(config, x: bytes) -> bytes: return MISSING
    """
    ending = """
    from beam_scanner.graph.nodes import OpNode
    from beam_scanner.run.picklable import check_picklable
    made = OpNode(read_spec(op), ())
    try:
        check_picklable(made.spec, [made])
    except Exception as error:
        print(error)
        sys.exit()
    """
    told = python(script(tmp_path, source, ending), tmp_path / "graph", cwd=tmp_path)
    assert "global MISSING of the kernel of op op cannot be sent" in told, told
    assert "__main__.Missing" in told
    assert "__main__" in told
