"""``sc.streams`` and ``sc.partitioner``: which rows of a stream go on.

Their methods follow from ``SAMPLERS`` and ``PARTITIONS``: see ``rows.sampling``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from beam_scanner.errors import (
    ArgumentError,
    ElementTypeError,
    OpNotFoundError,
    did_you_mean,
)
from beam_scanner.graph.nodes import (
    OneInputNode,
    OpColumn,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
)
from beam_scanner.graph.validate import check_node, facts
from beam_scanner.kernels.register import registry
from beam_scanner.rows.samplers import (
    PARTITIONS,
    SAMPLERS,
    Groups,
    Interval,
    Intervals,
    Partition,
    Rows,
    Sampler,
    Sampling,
    bind,
)
from beam_scanner.rows.whole_numbers import whole_number
from beam_scanner.text.docstrings import Doc

if TYPE_CHECKING:
    from beam_scanner.graph.signatures import Partitions, Streams
else:
    Partitions = Streams = object

_S = TypeVar("_S")


def column_of(value: Any, op: str, what: str, hint: str = "") -> OpColumn:
    """The value, if it is a column.

    Args:
        value: What was given.
        op: Takes it, for errors.
        what: Which of the op's inputs, for errors.
        hint: What else may have been meant, for errors.

    Raises:
        ElementTypeError: It is something else.
    """
    if isinstance(value, OpColumn):
        return value
    if isinstance(value, (tuple, list)) and any(isinstance(v, OpColumn) for v in value):
        hint = "; pick one of its columns"
    raise ElementTypeError(
        f"{what} of {op} must be a column, as sc.io.Input and ops return, got "
        f"{type(value).__name__}{hint}"
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, range)) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def _interval(value: Any, what: str) -> Interval:
    if len(value) != 2:
        raise ArgumentError(f"{what} must be (start, end), got {tuple(value)!r}")
    start, end = value
    return (
        whole_number(start, f"start of {what}"),
        whole_number(end, f"end of {what}"),
    )


def _intervals(value: Any, what: str) -> Intervals:
    if not _is_list(value) or not all(_is_list(pair) for pair in value):
        raise ArgumentError(
            f"{what} must be a list of (start, end) pairs, got {value!r}"
        )
    return tuple(_interval(pair, what) for pair in value)


def _rows(value: Any, what: str) -> Rows:
    if not _is_list(value):
        raise ArgumentError(f"{what} must be a list of row numbers, got {value!r}")
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1:
        return tuple(value.tolist())
    return tuple(whole_number(row, f"a row of {what}") for row in value)


def _groups(value: Any, what: str) -> Groups:
    if not _is_list(value):
        raise ArgumentError(f"{what} must be a list of lists, got {value!r}")
    return tuple(_rows(group, f"a group in {what}") for group in value)


_READERS: dict[Any, Callable[[Any, str], Any]] = {
    int: whole_number,
    Intervals: _intervals,
    Rows: _rows,
    Groups: _groups,
}
"""By the annotation of a parameter what checks its values."""


def read_sampler(sampling: Sampling, value: Any, what: str) -> Sampler:
    """The sampler for one stream.

    Args:
        sampling: Which sampler.
        value: For a sampler of one parameter that parameter's value, else a tuple with
            a value for each; or a dict of the parameters' names.
        what: Names the value in errors.

    Raises:
        ArgumentError: It is something else.
    """
    kinds = {p.name: p.annotation for p in sampling.signature.parameters.values()}
    values = _split(value, what, kinds)
    made: Sampler = sampling.make(
        *(
            # Only of whole numbers can one tuple hold several.
            _READERS[kind](given, f"{name} of {what}" if kind is int else what)
            for (name, kind), given in zip(kinds.items(), values, strict=True)
        )
    )
    return made


def _split(value: Any, what: str, kinds: Mapping[str, Any]) -> Sequence[Any]:
    names = list(kinds)
    if isinstance(value, Mapping):
        if set(value) != set(names):
            listed = ", ".join(map(repr, names))
            raise ArgumentError(f"{what} must be a dict with {listed}, got {value!r}")
        return [value[name] for name in names]
    lone = len(names) == 1
    if lone and (kinds[names[0]] is not int or hasattr(value, "__index__")):
        return [value]
    if not _is_list(value) or len(value) != len(names):
        shown = f"a {names[0]}, a whole number" if lone else f"({', '.join(names)})"
        raise ArgumentError(f"{what} must be {shown}, got {value!r}")
    return list(value)


def read_partition(sampling: Sampling, values: Mapping[str, Any]) -> Partition:
    """The partition of one stream.

    Args:
        sampling: Which partition.
        values: Of its parameters.

    Raises:
        ArgumentError: A value is something else.
    """
    kinds = sampling.signature.parameters
    made: Partition = sampling.make(
        **{
            name: _READERS[kinds[name].annotation](value, f"{name} of a partitioner")
            for name, value in values.items()
        }
    )
    return made


def _check_partition(value: Any, what: str) -> Partition:
    if isinstance(value, Mapping):
        (value,) = _split(value, what, {"partitioner": Partition})
    if not isinstance(value, Partition):
        raise ArgumentError(
            f"{what} must come from sc.partitioner, such as sc.partitioner.all(50), "
            f"got {value!r}"
        )
    return value


def is_one_value(value: Any) -> bool:
    """Whether an argument is one value for all streams, rather than a list for each.

    Tuples, arrays, generators and other iterables are neither.

    Examples:
        >>> is_one_value(8), is_one_value('jpg'), is_one_value([8, 4])
        (True, True, False)
    """
    if isinstance(value, (str, bytes, Mapping)):
        return True
    return not hasattr(value, "__iter__") and not isinstance(value, OpColumn)


def per_stream(
    op: str,
    name: str,
    values: Any,
    parse: Callable[[Any, str], _S],
    jobs: int,
    is_one: Callable[[Any], bool] = is_one_value,
) -> tuple[_S | SliceList, ...]:
    """Reads one value for all streams, or a list with one for each.

    Args:
        op: For errors.
        name: Of the argument, for errors.
        values: The value or list; in a list a value may be a ``SliceList`` of values.
        parse: Reads one value; its second argument names it in errors.
        jobs: How many streams there are.
        is_one: Says whether ``values`` is one value for all of them.

    Raises:
        ArgumentError: It is neither, or empty, or a value cannot be read.
    """
    if is_one(values):
        return (parse(values, f"{name} of {op}"),) * jobs
    if not isinstance(values, (list, tuple)) or isinstance(values, SliceList):
        raise not_for_streams(op, name, values)
    if not values:
        raise ArgumentError(f"The argument `{name}` to op `{op}` is an empty list")
    found: list[_S | SliceList] = []
    for stream, value in enumerate(values):
        what = f"{name}[{stream}] of {op}"
        if isinstance(value, SliceList):
            parsed = [parse(v, f"{what}, slice {i}") for i, v in enumerate(value)]
            found.append(SliceList(parsed))
        else:
            found.append(parse(value, what))
    return tuple(found)


def not_for_streams(op: str, name: str, values: Any) -> ArgumentError:
    """The error about an argument that is neither one value nor a list of them."""
    return ArgumentError(
        f"The argument `{name}` to op `{op}` is a stream config argument and must be one "
        f"value for all streams, or a list with one value for each stream, got {values!r}"
    )


def _method(
    name: str, signature: inspect.Signature, doc: Doc, call: Callable[..., Any]
) -> Callable[..., Any]:
    """A function of that signature, for callers as well as for ``help``."""

    def method(*args: Any, **kwargs: Any) -> Any:
        return call(**bind(name, signature, args, kwargs))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = str(doc)
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, annotation=annotation)


def streams_signature(sampling: Sampling) -> inspect.Signature:
    """The signature of a sampler in ``sc.streams``."""
    parameters = [_parameter("input", OpColumn)]
    if sampling.per_stream:
        parameters.append(_parameter(sampling.per_stream, Any))
    return inspect.Signature(parameters, return_annotation=OpColumn)


def streams_doc(sampling: Sampling) -> Doc:
    """What ``help`` says of a sampler in ``sc.streams``."""
    args = {"input": "The column."}
    names = list(sampling.signature.parameters)
    if names:
        value = names[0] if len(names) == 1 else f"({', '.join(names)})"
        args[sampling.per_stream] = (
            f"``{value}`` for all streams, or a list with one for each; or a dict of "
            "the same names. Inside a slice, a list may have a ``SliceList`` of these, "
            "with one for each slice group."
        )
    return Doc(sampling.doc.text, args)


def _unknown(what: str, name: str, known: Iterable[str]) -> OpNotFoundError:
    listed = sorted(known)
    hint = did_you_mean(name, listed) or f"; there are {', '.join(listed)}"
    if what == "Stream operation" and name in registry().names():
        hint = f"; it is sc.ops.{name}"
    return OpNotFoundError(f"{what} {name} does not exist{hint}")


class _HasMethodsByName(type):
    """A class that has the methods which its objects find by name."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{cls.__name__} has no attribute {name!r}")
        return getattr(cls(), name)


class StreamsGenerator(Streams, metaclass=_HasMethodsByName):
    """Ops that take, repeat or group the rows of a stream: ``sc.streams``.

    An argument is one value for all streams of the run, or a list with one value for
    each. A value is a number or tuple, or a dict of the numbers' names; inside a slice
    it may be a ``SliceList`` with one value for each slice group, in a list. Rows and
    intervals of one stream are lists themselves: they are given for each stream.

    Args:
        sc: The client, if there is one.

    Examples:
        >>> from beam_scanner.graph.nodes import Node
        >>> streams, column = StreamsGenerator(), OpColumn(Node())
        >>> streams.Stride(column, [8, {'stride': 4}]).node.samplers
        (Stride(stride=8), Stride(stride=4))
    """

    def __init__(self, sc: Any = None) -> None:
        self._sc = sc

    def __dir__(self) -> list[str]:
        return sorted({*SAMPLERS, "Slice", "Unslice"})

    def __getattr__(self, name: str) -> Any:
        if name not in SAMPLERS:
            raise _unknown("Stream operation", name, dir(self))
        sampling = SAMPLERS[name]

        def call(input: Any, **values: Any) -> OpColumn:
            return self._sample(sampling, input, *values.values())

        return _method(name, streams_signature(sampling), streams_doc(sampling), call)

    def _sample(self, sampling: Sampling, input: Any, values: Any = None) -> OpColumn:
        op = sampling.name
        column = column_of(input, op, "input")
        jobs = facts(column.node).jobs or 1
        if sampling.per_stream:
            samplers = per_stream(
                op,
                sampling.per_stream,
                values,
                lambda value, what: read_sampler(sampling, value, what),
                jobs,
                lambda value: is_one_value(value) or _is_tuple_of(sampling, value),
            )
        else:
            samplers = (sampling.make(),) * jobs
        return self._added(SampleNode(column, op, samplers))

    def _added(self, node: OneInputNode) -> OpColumn:
        check_node(node, self._sc)
        return OpColumn(node, 0, node.input.type)

    def StridedRanges(
        self, input: OpColumn, intervals: Sequence[Any], stride: Any = None
    ) -> OpColumn:
        """The rows of several strided ranges, each counted from its start.

        Args:
            input: The column.
            intervals: One list of ``(start, end)`` for all streams; or a list with
                such a list for each stream; or, without ``stride``, for each
                stream ``(intervals, stride)`` or a dict of these.
            stride: For all streams, or a list with one for each.
        """
        # Written out, since Scanner gives intervals and strides in separate arguments.
        op = "StridedRanges"
        column = column_of(input, op, "input")
        if stride is None:
            return self._sample(SAMPLERS[op], column, intervals)
        if not isinstance(intervals, (list, tuple)):
            raise ArgumentError(f"intervals of {op} must be a list, got {intervals!r}")
        jobs = facts(column.node).jobs or 1
        if all(_is_pair(item) for item in intervals):
            intervals = [intervals] * jobs
        strides = stride if isinstance(stride, (list, tuple)) else [stride] * jobs
        if len(strides) != len(intervals):
            raise ArgumentError(
                f"{op} has intervals for {len(intervals)} streams and strides for "
                f"{len(strides)}"
            )
        joined = [
            SliceList((one, by) for one in item)
            if isinstance(item, SliceList)
            else (item, by)
            for item, by in zip(intervals, strides, strict=True)
        ]
        return self._sample(SAMPLERS[op], column, joined)

    def Slice(self, input: OpColumn, partitions: Partition | Sequence[Any]) -> OpColumn:
        """Cuts each stream into groups, which ops up to Unslice see by themselves.

        Args:
            input: The column.
            partitions: What a method of ``sc.partitioner`` returns, for all streams,
                or a list with one for each.
        """
        column = column_of(input, "Slice", "input")
        found = per_stream(
            "Slice",
            "partitions",
            partitions,
            _check_partition,
            facts(column.node).jobs or 1,
        )
        for stream, partition in enumerate(found):
            if isinstance(partition, SliceList):
                raise ArgumentError(f"partitions[{stream}] of Slice is a SliceList")
        kept = tuple(p for p in found if isinstance(p, Partition))
        return self._added(SliceNode(column, kept))

    def Unslice(self, input: OpColumn) -> OpColumn:
        """Joins the groups of a slice, in order, into one stream."""
        return self._added(UnsliceNode(column_of(input, "Unslice", "input")))


def _is_tuple_of(sampling: Sampling, value: Any) -> bool:
    """Whether a tuple has the numbers of one sampler, as (start, end) of a range.

    A list of numbers is refused: a list has a value for each stream.
    """
    kinds = [p.annotation for p in sampling.signature.parameters.values()]
    return (
        isinstance(value, tuple)
        and len(kinds) > 1
        and set(kinds) == {int}
        and bool(value)
        and all(hasattr(number, "__index__") for number in value)
    )


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and not isinstance(value, SliceList)
        and len(value) == 2
        and not any(isinstance(part, (list, tuple, np.ndarray)) for part in value)
    )


class TaskPartitioner(Partitions, metaclass=_HasMethodsByName):
    """Ways to cut a stream for ``sc.streams.Slice``: ``sc.partitioner``.

    Args:
        sc: The client; not used.

    Examples:
        >>> TaskPartitioner().strided(2, group_size=3)
        StridedPartition(stride=2, group_size=3)
    """

    def __init__(self, sc: Any = None) -> None:
        pass

    def __dir__(self) -> list[str]:
        return sorted(PARTITIONS)

    def __getattr__(self, name: str) -> Any:
        if name not in PARTITIONS:
            raise _unknown("Partitioner", name, PARTITIONS)
        sampling = PARTITIONS[name]
        signature = sampling.signature.replace(return_annotation=Partition)

        def call(**values: Any) -> Partition:
            return read_partition(sampling, values)

        return _method(name, signature, sampling.doc, call)
