from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from beam_scanner.kernels import Kernel, KernelConfig, read_spec
from beam_scanner.kernels.op_help import op_doc, op_options, op_parameters


class Documented(Kernel):
    """Counts.

    Args:
        config: The kernel's configuration.
        step: By how much.
    """

    def __init__(self, config: KernelConfig, step: int = 1) -> None:
        super().__init__(config)

    def new_stream(self, start: float) -> None:
        """Begins.

        Args:
            start: Where to begin.

        Raises:
            ArgumentError: It is negative.
        """

    def execute(self, x: Sequence[bytes]) -> Sequence[Any]:
        return [1]


class Plain(Kernel):
    def execute(self, x: bytes) -> Any:
        return 1


def test_parameters_have_the_types_and_defaults_of_the_kernel() -> None:
    spec = read_spec(Documented, batch=2)
    step, start = op_parameters(spec, lambda kind: list[kind])  # type: ignore[valid-type]
    assert (step.name, step.annotation, step.default) == ("step", int, 1)
    assert (start.name, start.annotation) == ("start", list[float])
    assert start.default is inspect.Parameter.empty


def test_annotations_of_inner_names_are_any() -> None:
    class Inner:
        pass

    class Local(Kernel):
        def new_stream(self, value: Inner) -> None: ...

        def execute(self, x: bytes) -> Any:
            return 1

    (value,) = op_parameters(read_spec(Local))
    assert (value.name, value.annotation) == ("value", Any)


def test_the_documentation_of_both_methods() -> None:
    doc = op_doc(read_spec(Documented, batch=2))
    assert doc.text == "Counts."
    assert doc.args == {"step": "By how much.", "start": "Where to begin."}
    assert doc.raises == {"ArgumentError": "It is negative."}
    # Not that of the base class.
    assert str(op_doc(read_spec(Plain))) == ""


def test_options_are_those_that_the_op_takes() -> None:
    def names(**attributes: Any) -> list[str]:
        return [o.name for o in op_options(read_spec(kernel, **attributes))]

    def kernel(config: Any, x: bytes) -> Any:
        return 1

    def window(config: Any, x: Sequence[bytes]) -> Any:
        return 1

    assert names() == ["device", "on_error"]
    assert names(bounded_state=3) == ["device", "bounded_state", "on_error"]
    options = op_options(read_spec(window, stencil=[0, 1]))
    assert [o.name for o in options] == [
        *("device", "stencil", "stencil_edge", "on_error")
    ]

    def open_ended(config: Any, x: bytes) -> Any:
        return config.args

    assert op_options(read_spec(open_ended))[-1].kind is inspect.Parameter.VAR_KEYWORD
