"""Arguments of op calls, checked before there is a kernel to refuse them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from beam_scanner.errors import ArgumentError, ElementTypeError, MissingDependencyError
from beam_scanner.graph.nodes import SliceList
from beam_scanner.kernels.register import KernelConfig, OpSpec, Param
from beam_scanner.ops import is_shipped

StreamArguments = Mapping[str, Sequence[Any]]

_FITS: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: hasattr(value, "__index__"),
    "float": lambda value: hasattr(value, "__float__"),
    "bool": lambda value: hasattr(value, "__index__") or isinstance(value, np.bool_),
    "str": lambda value: isinstance(value, (str, os.PathLike)),
}
"""By annotation, whether a value can be meant by it."""


def check_arguments(
    spec: OpSpec, init_args: Mapping[str, Any], stream_args: StreamArguments
) -> None:
    """Checks the values of an op call as far as that goes without running.

    Values must fit annotations ``int``, ``float``, ``bool`` and ``str``. Kernels of
    this package are made and given their arguments, since that costs nothing; what
    kernels of the user's may do then, such as loading a model, is for workers.

    Args:
        spec: The op.
        init_args: Of its constructor.
        stream_args: Of ``new_stream``, each with a value for each stream.

    Raises:
        ScannerException: A value cannot be.
    """
    for param in spec.init_params:
        if param.name in init_args:
            _check_value(spec.name, param, init_args[param.name])
    for param in spec.stream_params:
        for value in stream_args.get(param.name, ()):
            for each in value if isinstance(value, SliceList) else (value,):
                _check_value(spec.name, param, each)
    if spec.is_class and is_shipped(spec.kernel):
        _try_kernel(spec, dict(init_args), stream_args)


def _check_value(op: str, param: Param, value: Any) -> None:
    fits = _FITS.get(param.annotation)
    if fits is None or fits(value) or (not param.required and value is param.default):
        return
    raise ElementTypeError(
        f"argument {param.name!r} of op {op} must be {_EXPECTED[param.annotation]}, "
        f"got {value!r}"
    )


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "str": "a text",
}


def _try_kernel(
    spec: OpSpec, init_args: dict[str, Any], stream_args: StreamArguments
) -> None:
    try:
        kernel = spec.instantiate(KernelConfig(args=init_args), init_args)
        seen = set()
        for arguments in _of_each_group(stream_args):
            key = tuple(map(repr, arguments.values()))
            if key not in seen:
                seen.add(key)
                kernel.new_stream(**arguments)
    except MissingDependencyError:
        # Workers may have what is not installed here.
        return
    except TypeError as error:
        raise ArgumentError(f"op {spec.name} cannot be called so: {error}") from error


def _of_each_group(stream_args: StreamArguments) -> Iterator[dict[str, Any]]:
    """The arguments of every slice group of every stream; once none, if there are."""
    if not stream_args:
        yield {}
    for values in zip(*stream_args.values(), strict=True):
        lists = [value for value in values if isinstance(value, SliceList)]
        for group in range(len(lists[0]) if lists else 1):
            yield {
                name: value[group] if isinstance(value, SliceList) else value
                for name, value in zip(stream_args, values, strict=True)
            }
