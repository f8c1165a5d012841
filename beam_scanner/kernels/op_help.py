"""The parameters of an op, with types, and its documentation, as callers see them.

``sc.ops``, the transforms, YAML and docs/ops.md say the same, since it all comes from
the kernel's own signatures and docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beam_scanner.kernels.op_spec import OpSpec, Param
from beam_scanner.text.docstrings import Doc, read_doc
from beam_scanner.types.element_types import DeviceType


def op_parameters(
    spec: OpSpec, per_stream: Callable[[Any], Any] = lambda annotation: annotation
) -> list[inspect.Parameter]:
    """The arguments of an op, without its inputs: keyword-only, annotations evaluated.

    An annotation that cannot be evaluated outside the function that the kernel was
    defined in is ``Any``.

    Args:
        spec: The op.
        per_stream: From the type of a per-stream argument to what a call takes for it.
    """
    kernel: Any = spec.kernel
    init = _annotations(kernel.__init__) if spec.init_params else {}
    stream = _annotations(kernel.new_stream) if spec.stream_params else {}
    kinds = [(p, _kind(p, init)) for p in spec.init_params]
    kinds += [(p, per_stream(_kind(p, stream))) for p in spec.stream_params]
    empty = inspect.Parameter.empty
    return [
        _parameter(p.name, empty if p.required else p.default, kind)
        for p, kind in kinds
    ]


def _kind(param: Param, annotations: Mapping[str, Any]) -> Any:
    """The type of a parameter; a native library tells it by name alone."""
    named = {"int": int, "float": float, "bool": bool, "str": str}
    return annotations.get(param.name, named.get(param.annotation, Any))


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return inspect.get_annotations(inspect.unwrap(function), eval_str=True)
    except Exception:
        return {}


def _parameter(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def type_text(annotation: Any) -> str:
    """A type as people write it: names of classes without their modules.

    Examples:
        >>> type_text(inspect.Parameter), type_text(Sequence[int] | None)
        ('Parameter', 'Sequence[int] | None')
    """
    shown = inspect.formatannotation(annotation)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", shown)


def op_options(spec: OpSpec) -> list[inspect.Parameter]:
    """What every call of this op may add to its arguments; see ``graph.OpNode``."""
    options: dict[str, tuple[Any, Any]] = {"device": (None, DeviceType | None)}
    if spec.batch > 1:
        options["batch"] = (-1, int)
    if spec.stencil is not None:
        options["stencil"] = (None, Sequence[int] | None)
        options["stencil_edge"] = (None, str | None)
    if spec.bounded_state is not None:
        options["bounded_state"] = (-1, int)
    options["on_error"] = ("fail", str)
    found = [_parameter(n, d, kind) for n, (d, kind) in options.items()]
    if spec.open_args:
        found.append(inspect.Parameter("args", inspect.Parameter.VAR_KEYWORD))
    return found


def op_doc(spec: OpSpec) -> Doc:
    """The kernel's documentation, with the arguments of both its methods."""
    kernel: Any = spec.kernel
    docs = [read_doc(kernel.__doc__)]
    if spec.init_params:
        docs.append(read_doc(kernel.__init__.__doc__))
    if spec.stream_params:
        docs.append(read_doc(kernel.new_stream.__doc__))
    known = {param.name for param in (*spec.init_params, *spec.stream_params)}
    args = {name: text for doc in docs for name, text in doc.args.items()}
    raises = {name: text for doc in docs for name, text in doc.raises.items()}
    return Doc(
        docs[0].text, {n: text for n, text in args.items() if n in known}, raises
    )
