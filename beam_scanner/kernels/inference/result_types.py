"""The types of a model's results, and of the frames it is given, from annotations."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from beam_scanner.errors import ElementTypeError
from beam_scanner.kernels.device_frames import library_of
from beam_scanner.kernels.inference.model_kinds import ModelKind
from beam_scanner.kernels.op_spec import Port
from beam_scanner.kernels.signature import SignatureReader, callers_names
from beam_scanner.types.type_info import get_type_info

_PLAIN: tuple[Any, ...] = (int, float, bool, str, bytes)
"""Classes that make a value of themselves."""

_BATCHES = (list, tuple, collections.abc.Sequence, collections.abc.Iterable)


def result_ports(
    op: str, postprocess: Callable[..., Any] | None, kind: ModelKind
) -> tuple[tuple[Port, ...], bool]:
    """The outputs of an op with a model, and whether there are several.

    Args:
        op: Name of the op.
        postprocess: Makes the results, if anything does after the model.
        kind: The model.

    Raises:
        ElementTypeError: An annotation stands for no registered type.

    Examples:
        >>> from beam_scanner.kernels.inference.model_kinds import model_kind
        >>> def label(scores) -> str: ...
        >>> [port.type_name for port in result_ports('Infer', label, model_kind(len))[0]]
        ['str']
    """
    if postprocess in _PLAIN:
        return (_port(postprocess),), False
    of_batch = postprocess is None and kind.result_is_batch
    function = kind.result if postprocess is None else postprocess
    annotation, reader = _annotation(op, function)
    if annotation is inspect.Signature.empty or reader is None:
        return (_port(Any),), False
    if not of_batch:
        return reader.outputs(annotation)
    element = _element(reader.resolve(annotation, "the return value"))
    if element is None:
        return (_port(Any),), False
    return (Port("ret0", reader.element(element, "the output", is_input=False)),), False


def library_of_frames(op: str, preprocess: Callable[..., Any] | None) -> str:
    """As whose arrays a ``preprocess`` takes frames; '' for NumPy.

    Args:
        op: Name of the op.
        preprocess: Makes of a row what the model takes of it, if anything does.
    """
    function = _function(preprocess)
    if function is None:
        return ""
    reader = SignatureReader(
        op, function, callers_names(sys._getframe(1), function), False, False, False
    )
    parameters = inspect.signature(preprocess).parameters if preprocess else {}
    first = next(iter(parameters.values()), None)
    # Other annotations are the user's own affair.
    with suppress(ElementTypeError):
        return library_of(reader.resolve(first and first.annotation, "preprocess"))
    return ""


def _port(annotation: Any) -> Port:
    return Port("ret0", get_type_info(annotation))


def _element(annotation: Any) -> Any:
    """What a batch of this type holds; None if it does not say."""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is tuple:
        return arguments[0] if arguments[1:] == (Ellipsis,) else None
    return arguments[0] if origin in _BATCHES and arguments else None


def _annotation(op: str, given: Any) -> tuple[Any, SignatureReader | None]:
    """The return annotation of a callable, and what resolves it."""
    function = _function(given)
    if function is None:
        return inspect.Signature.empty, None
    names = callers_names(sys._getframe(1), function)
    reader = SignatureReader(op, function, names, False, False, False)
    return inspect.signature(function).return_annotation, reader


def _function(given: Any) -> types.FunctionType | None:
    """The Python function that a callable calls; None for others, or of libraries."""
    while isinstance(given, functools.partial):
        given = given.func
    if isinstance(given, types.MethodType):
        given = given.__func__
    if given is not None and not isinstance(given, types.FunctionType):
        owner = given if isinstance(given, type) else type(given)
        given = inspect.getattr_static(owner, "__call__", None)
    found = inspect.unwrap(given) if isinstance(given, types.FunctionType) else None
    return found if isinstance(found, types.FunctionType) else None
