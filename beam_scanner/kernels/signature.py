"""Reads a kernel's inputs, outputs and parameters from its signature."""

from __future__ import annotations

import collections.abc
import dis
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any, ForwardRef

from beam_scanner import types
from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels.device_frames import library_of
from beam_scanner.kernels.kernel import Kernel
from beam_scanner.kernels.op_spec import Param, Port
from beam_scanner.types.type_info import ScannerTypeInfo

Parameters = Mapping[str, inspect.Parameter]

RESERVED = ("device", "batch", "bounded_state", "stencil", "stencil_edge", "on_error")
"""Keyword arguments that every op call understands."""


def callers_names(frame: FrameType | None, function: FunctionType) -> dict[str, Any]:
    """Local names that annotations of a function may use, innermost frame first.

    Args:
        frame: Where the function is decorated.
        function: Frames of other modules are passed over.
    """
    found: dict[str, Any] = {}
    while frame is not None:
        if frame.f_globals is function.__globals__:
            found = {**frame.f_locals, **found}
        frame = frame.f_back
    return found


@dataclass
class SignatureReader:
    """Turns the annotations of one function into ports.

    Attributes:
        op: Name of the op, for errors.
        function: Whose annotations they are.
        names: Local names that annotations written as strings may use.
        batched: Whether inputs and outputs are sequences of rows.
        stencil: Whether each input row is a sequence of the window's elements.
        whole: Whether sequences are called whole streams, in errors.
    """

    op: str
    function: FunctionType
    names: Mapping[str, Any]
    batched: bool
    stencil: bool
    whole: bool

    def resolve(self, annotation: Any, what: str) -> Any:
        """The annotation itself, where it was written as a string."""
        while isinstance(annotation, (str, ForwardRef)):
            if isinstance(annotation, ForwardRef):
                annotation = annotation.__forward_arg__
            text = annotation
            try:
                annotation = eval(text, self.function.__globals__, dict(self.names))
            except Exception as error:
                raise ElementTypeError(
                    f"annotation {text!r} of {what} of op {self.op} cannot be "
                    f"resolved: {type(error).__name__}: {error}; import what it names "
                    "where the kernel is defined, not only under TYPE_CHECKING"
                ) from error
        return annotation

    def _unwrap(self, annotation: Any, what: str, kind: str) -> Any:
        annotation = self.resolve(annotation, what)
        if typing.get_origin(annotation) is not collections.abc.Sequence:
            both = (
                " If the Op both stencils and batches, then it should have the type "
                '"Sequence[Sequence[T]]", the outer one for the batch.'
                if self.batched and self.stencil
                else f" Write Sequence[{_shown(annotation)}], or register the op "
                f"without {_DECLARED[kind]}."
            )
            raise ElementTypeError(
                f'A {kind} Op must specify a "Sequence" type annotation for each '
                f"input{'' if kind == 'stenciled' else ' and output'}: {what} of op "
                f"{self.op} is annotated {_shown(annotation)}.{both}"
            )
        return typing.get_args(annotation)[0]

    def element(self, annotation: Any, what: str, is_input: bool) -> Any:
        """The type of one element; None for frames."""
        return self._typed(annotation, what, is_input)[0]

    def _typed(
        self, annotation: Any, what: str, is_input: bool
    ) -> tuple[ScannerTypeInfo | None, str]:
        """The type of one element, and the library of frames that are its arrays."""
        given = self.resolve(annotation, what)
        if self.batched:
            kind = "whole-stream" if self.whole else "batched"
            annotation = self._unwrap(annotation, what, kind)
        if self.stencil and is_input:
            annotation = self._unwrap(annotation, what, "stenciled")
        annotation = self.resolve(annotation, what)
        library = library_of(annotation)
        if annotation is types.FrameType or library:
            return None, library
        try:
            if typing.get_origin(annotation) is tuple:
                raise ElementTypeError(
                    f"Type `{_shown(annotation)}` is not that of one element; use a "
                    "NamedTuple"
                )
            return types.get_type_info(annotation, self.names), ""
        except ElementTypeError as error:
            why = (
                f"{_shown(given)} cannot be its type. "
                + self._what_to_declare(annotation, is_input)
                if typing.get_origin(annotation) in _SEQUENCES
                else str(error)
            )
            raise ElementTypeError(f"{what} of op {self.op}: {why}") from None

    def _what_to_declare(self, annotation: Any, is_input: bool) -> str:
        """What makes a sequence right where a single element is expected."""
        parts = [each for each in typing.get_args(annotation) if each is not Ellipsis]
        one = _shown(parts[0]) if parts else "T"
        if not is_input:
            if typing.get_origin(annotation) is tuple:
                return "Write Tuple[Sequence[A], Sequence[B]] for several outputs"
            declare = "" if self.batched else "Register the op with batch=8, say, or "
            write = "write" if declare else "Write"
            return (
                f"{declare}{write} {one}; or list[{one}] for a list that is one value"
            )
        if self.batched and self.stencil:
            return f"A batch and a stencil make two Sequences: write {one} inside"
        if self.batched or self.stencil:
            has, lacks = "batch", "stencil=[-1, 0]"
            if self.stencil:
                has, lacks = "stencil", "batch=8"
            return (
                f"A {has} makes one Sequence: write {one} inside, or register the op "
                f"with {lacks}, say, too"
            )
        return (
            "A kernel is given one row a call, unless its op is registered with a window "
            f"of rows, @register_python_op(stencil=[-1, 0]), or with several rows a call, "
            f"@register_python_op(batch=8); either makes it Sequence[{one}]. Declare one "
            f"of them, or write {one}"
        )

    def inputs(self, parameters: Parameters) -> tuple[tuple[Port, ...], bool]:
        """The inputs, and whether they are variadic."""
        ports = []
        for name, parameter in parameters.items():
            what = f"input {name}"
            if parameter.kind in (
                parameter.POSITIONAL_ONLY,
                parameter.VAR_KEYWORD,
            ):
                raise ArgumentError(
                    "Positional-only arguments and **kwargs are not supported for the "
                    f'"execute" method of kernels: {name} of op {self.op}'
                )
            variadic = parameter.kind == parameter.VAR_POSITIONAL
            if variadic and len(parameters) > 1:
                raise ArgumentError(
                    "Variadic positional inputs (*args) are not supported when used "
                    f"with other inputs: *{name} of op {self.op}"
                )
            if parameter.annotation is parameter.empty:
                raise ElementTypeError(
                    f"No type annotation specified for input {name} of op {self.op}. "
                    'Must specify an annotation of "bytes", "FrameType" or another '
                    "registered type."
                )
            annotation = self.resolve(parameter.annotation, what)
            if variadic:
                annotation = self._variadic(annotation, name)
            ports.append(Port(name, *self._typed(annotation, what, is_input=True)))
            if variadic:
                return tuple(ports), True
        if not ports:
            raise ArgumentError(
                f"op {self.op} has no inputs; a kernel needs one, and the first "
                "parameter of a function is its config"
            )
        return tuple(ports), False

    def _variadic(self, annotation: Any, name: str) -> Any:
        if typing.get_origin(annotation) is not tuple:
            return annotation
        args = typing.get_args(annotation)
        if len(args) != 2 or args[1] is not Ellipsis:
            raise ElementTypeError(
                f"variadic input *{name} of op {self.op} must be annotated T or "
                f"Tuple[T, ...], got {_shown(annotation)}"
            )
        return args[0]

    def outputs(self, annotation: Any) -> tuple[tuple[Port, ...], bool]:
        """The outputs, and whether the kernel returns a tuple of them."""
        if annotation is inspect.Signature.empty:
            raise ElementTypeError(
                f'Return annotation must be specified for "execute" method of op '
                f"{self.op}."
            )
        annotation = self.resolve(annotation, "the return value")
        is_tuple = typing.get_origin(annotation) is tuple
        parts = typing.get_args(annotation) if is_tuple else (annotation,)
        if Ellipsis in parts:
            raise ElementTypeError(
                f"Ellipsis tuples not supported for return type of op {self.op}: say "
                "how many outputs there are, or return a list type"
            )
        names = [f"output {i}" for i in range(len(parts))]
        if len(parts) == 1:
            names = ["the output"]
        ports = tuple(
            Port(f"ret{i}", self.element(part, name, is_input=False))
            for i, (part, name) in enumerate(zip(parts, names, strict=True))
        )
        return ports, is_tuple


_DECLARED = {
    "stenciled": "stencil=",
    "batched": "batch=",
    "whole-stream": "whole_stream=",
}
_SEQUENCES = (collections.abc.Sequence, collections.abc.Iterable, list, tuple)


def _shown(annotation: Any) -> str:
    text = inspect.formatannotation(annotation)
    return text.replace("beam_scanner.types.element_types.", "")


def method_parameters(function: Any) -> Parameters:
    """Parameters of a method without ``self``, or of a function without ``config``."""
    parameters = inspect.signature(function).parameters
    return dict(list(parameters.items())[1:])


def init_params(op: str, cls: Any) -> tuple[tuple[Param, ...], bool]:
    """Parameters of a kernel's constructor, and whether it has ``**kwargs``.

    Raises:
        ArgumentError: The first is not ``config``, or some cannot be given by name.
    """
    # What the base class takes is for constructors that call it.
    if cls.__init__ in (object.__init__, Kernel.__init__):
        return (), False
    parameters = method_parameters(cls.__init__)
    if next(iter(parameters), None) != "config":
        raise ArgumentError(
            f"__init__ first argument (after self) must be `config`, in op {op}"
        )
    rest = dict(list(parameters.items())[1:])
    return _params(op, rest, "__init__", open_allowed=True)


def stream_params(op: str, cls: type) -> tuple[Param, ...]:
    """Parameters of a kernel's ``new_stream``; none if it has no such method of its own."""
    function = getattr(cls, "new_stream", None)
    if function in (None, Kernel.new_stream):
        return ()
    return _params(op, method_parameters(function), "new_stream", open_allowed=False)[0]


def _params(
    op: str, parameters: Parameters, where: str, open_allowed: bool
) -> tuple[tuple[Param, ...], bool]:
    found = []
    takes_any = False
    for name, parameter in parameters.items():
        if parameter.kind == parameter.VAR_KEYWORD and open_allowed:
            takes_any = True
        elif parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            required = parameter.default is parameter.empty
            default = None if required else parameter.default
            annotation = _annotation_name(parameter.annotation)
            found.append(Param(name, required, default, annotation))
        else:
            raise ArgumentError(
                f"{where} of op {op} must name its arguments, got {parameter}"
            )
    return tuple(found), takes_any


def _annotation_name(annotation: Any) -> str:
    if isinstance(annotation, type) and annotation is not inspect.Parameter.empty:
        return annotation.__name__ if annotation.__module__ == "builtins" else ""
    return annotation if isinstance(annotation, str) else ""


def check_names(op: str, inputs: Sequence[Port], params: Sequence[Param]) -> None:
    """Every argument of an op call must mean one thing.

    Raises:
        ArgumentError: A name is reserved, or used for two things.
    """
    seen: set[str] = set()
    for name in [p.name for p in inputs] + [p.name for p in params]:
        if name in RESERVED:
            raise ArgumentError(
                f"op {op} has an argument {name!r}, which every op call takes for its "
                f"own use (as {', '.join(RESERVED)}); give it another name"
            )
        if name in seen:
            raise ArgumentError(
                f"op {op} has two arguments named {name!r}, among the inputs of "
                "execute and the parameters of __init__ and new_stream"
            )
        seen.add(name)


def reads_config(function: FunctionType) -> bool:
    """Whether a function kernel could see arguments in its ``config``."""
    code: CodeType = function.__code__
    config = code.co_varnames[0]
    if config in code.co_cellvars:
        return True
    return any(
        config in (i.argval if isinstance(i.argval, tuple) else (i.argval,))
        and i.opname.startswith("LOAD_FAST")
        for i in dis.get_instructions(code)
    )


def column_port(op: str, column: Any) -> Port:
    """The port that a column of ``register_op`` describes.

    Args:
        op: Name of the op, for errors.
        column: A name, for bytes; or (name, ColumnType); or
            (name, ColumnType, ScannerTypeInfo).
    """
    if isinstance(column, str):
        return Port(column, types.get_type_info(bytes))
    if isinstance(column, (tuple, list)) and len(column) in (2, 3):
        name, kind, *rest = column
        if isinstance(name, str) and isinstance(kind, types.ColumnType):
            if kind == types.ColumnType.Video:
                return Port(name, None)
            info = rest[0] if rest else types.get_type_info(bytes)
            if not isinstance(info, ScannerTypeInfo):
                info = types.get_type_info(info)
            return Port(name, info)
    raise ArgumentError(
        f"Column {column!r} of op {op} must be a string name or a tuple of "
        "(name, column_type) or (name, column_type, type_info)"
    )
