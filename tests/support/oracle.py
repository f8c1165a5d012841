"""What a graph must give, worked out the slow and obvious way.

Every column is evaluated as a whole, as plain Python lists (one list for each slice
group), straight from what the operations are documented to mean. Nothing of the
row arithmetic, the planner or the engine is used; of the graph only its dataclasses.

Rows of a stateless op are each computed by a kernel object of their own, rows of an
op with bounded state ``w`` by one that has seen nothing but rows ``r - w .. r``, so
that a kernel which is shown anything else by the engine differs from this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from beam_scanner.graph.nodes import (
    InputNode,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
)
from beam_scanner.kernels import KernelConfig
from beam_scanner.rows.samplers import (
    All,
    Gather,
    GatherPartition,
    Partition,
    RangesPartition,
    Repeat,
    Sampler,
    Stride,
    StridedPartition,
    StridedRanges,
)
from beam_scanner.types import NULL, NullElement

Groups = list[list[Any]]


class _Beyond:
    """Stands for an output row whose window leaves the stream though it may not."""

    def __repr__(self) -> str:
        return "<beyond the stream>"


BEYOND = _Beyond()


def is_null(value: Any) -> bool:
    return isinstance(value, NullElement)


def sample(sampler: Sampler, rows: list[Any]) -> list[Any]:
    """The rows that a sampler or spacer makes of a list of rows."""
    if isinstance(sampler, All):
        return list(rows)
    if isinstance(sampler, Stride):
        return rows[:: sampler.stride]
    if isinstance(sampler, StridedRanges):
        return [
            row
            for start, end in sampler.intervals
            for row in rows[start : end : sampler.stride]
        ]
    if isinstance(sampler, Gather):
        return [rows[index] for index in sampler.rows]
    assert isinstance(sampler, Repeat)
    made = []
    for row in rows:
        for copy in range(sampler.spacing):
            made.append(NULL if sampler.nulls and copy else row)
    return made


def partition(cut: Partition, rows: list[Any]) -> Groups:
    """The slice groups that a partition makes of a list of rows."""
    if isinstance(cut, StridedPartition):
        taken = rows[:: cut.stride]
        size = cut.group_size
        return [taken[at : at + size] for at in range(0, len(taken), size)]
    if isinstance(cut, RangesPartition):
        return [rows[start : end : cut.stride] for start, end in cut.intervals]
    assert isinstance(cut, GatherPartition)
    return [[rows[index] for index in group] for group in cut.rows]


class Oracle:
    """Evaluates the columns of one job.

    Args:
        job: Number of the job.
        inputs: Values of each input node, by ``id`` of the node.
    """

    def __init__(self, job: int, inputs: Mapping[int, list[Any]]) -> None:
        self.job = job
        self.inputs = inputs
        self._columns: dict[tuple[int, int], Groups] = {}

    def column(self, column: OpColumn) -> Groups:
        """The rows of a column, group by group; one group where it is unsliced."""
        key = (id(column.node), column.index)
        if key not in self._columns:
            node = column.node
            if isinstance(node, OpNode):
                for index, groups in enumerate(self._op(node)):
                    self._columns[id(node), index] = groups
            else:
                self._columns[key] = self._stream_operation(node)
        return self._columns[key]

    def _stream_operation(self, node: Any) -> Groups:
        if isinstance(node, InputNode):
            return [list(self.inputs[id(node)])]
        groups = self.column(node.input)
        if isinstance(node, SliceNode):
            (rows,) = groups
            return partition(node.partitions[self.job], rows)
        if isinstance(node, UnsliceNode):
            return [[row for group in groups for row in group]]
        assert isinstance(node, SampleNode)
        samplers = _for_each_group(node.samplers[self.job], len(groups))
        return [
            sample(sampler, group)
            for sampler, group in zip(samplers, groups, strict=True)
        ]

    def times(self, column: OpColumn) -> Groups:
        """Presentation time of each row: that of the first input it was made from.

        ``inputs`` must hold times here. A null that a spacer made has the time of
        the row that it follows.
        """
        node = column.node
        if isinstance(node, OpNode):
            return self.times(node.columns[0])
        if isinstance(node, InputNode):
            return self._stream_operation(node)
        if isinstance(node, SampleNode):
            groups = self.times(node.input)
            samplers = _for_each_group(node.samplers[self.job], len(groups))
            return [
                sample(_without_nulls(sampler), group)
                for sampler, group in zip(samplers, groups, strict=True)
            ]
        groups = self.times(node.inputs[0])
        flat = [row for group in groups for row in group]
        if isinstance(node, SliceNode):
            return partition(node.partitions[self.job], flat)
        return [flat]

    def _op(self, node: OpNode) -> list[Groups]:
        columns = [self.column(column) for column in node.columns]
        count = len(columns[0])
        arguments = {
            name: _for_each_group(values[self.job], count)
            for name, values in node.stream_args.items()
        }
        made: list[Groups] = [[] for _ in node.spec.outputs]
        for group in range(count):
            run = _GroupRun(
                node,
                [column[group] for column in columns],
                {name: values[group] for name, values in arguments.items()},
            )
            results = run.results()
            for index, groups in enumerate(made):
                groups.append([result[index] for result in results])
        return made


def _without_nulls(sampler: Sampler) -> Sampler:
    return Repeat(sampler.spacing) if isinstance(sampler, Repeat) else sampler


def _for_each_group(value: Any, groups: int) -> list[Any]:
    if isinstance(value, SliceList):
        assert len(value) == groups
        return list(value)
    return [value] * groups


class _GroupRun:
    """One op on one slice group (or on a whole stream)."""

    def __init__(
        self, node: OpNode, columns: Sequence[list[Any]], arguments: dict[str, Any]
    ) -> None:
        self.node = node
        self.spec = node.spec
        self.columns = columns
        self.arguments = arguments
        self.rows = len(columns[0])
        assert all(len(column) == self.rows for column in columns)
        self.nulls = (NULL,) * len(self.spec.outputs)

    def results(self) -> list[tuple[Any, ...]]:
        """For each row one element of each output."""
        if self.spec.whole_stream:
            return self._whole()
        if self.spec.unbounded_state:
            return self._from(0, self.rows)
        before = self.node.bounded_state or 0
        return [
            self._from(max(0, row - before), row + 1)[-1] for row in range(self.rows)
        ]

    def _from(self, first: int, last: int) -> list[tuple[Any, ...]]:
        """What a fresh kernel makes of rows ``[first, last)``."""
        kernel = self._fresh()
        made: list[tuple[Any, ...]] = []
        given: list[list[list[Any]]] = []
        for row in range(first, last):
            windows = [self._window(column, row) for column in self.columns]
            if any(value is BEYOND for window in windows for value in window):
                made.append((BEYOND,) * len(self.spec.outputs))
            elif self._hidden(windows):
                made.append(self.nulls)
            elif (row_made := self._or_none(kernel, windows)) is None:
                made.append(self.nulls)
                kernel = self._fresh()
                for seen in given:
                    self._call(kernel, seen)
            else:
                given.append(windows)
                made.append(row_made)
        return made

    def _or_none(self, kernel: Any, windows: list[list[Any]]) -> Any:
        """What the kernel makes; None where it raises and may."""
        try:
            return self._call(kernel, windows)
        except BaseException:
            if self.node.on_error != "null":
                raise
            return None

    def _whole(self) -> list[tuple[Any, ...]]:
        seen = [
            row
            for row in range(self.rows)
            if not self._hidden([[column[row]] for column in self.columns])
        ]
        made = [self.nulls] * self.rows
        if seen:
            lists = [
                [self._given(column[row], at) for row in seen]
                for at, column in enumerate(self.columns)
            ]
            outputs = self._execute(self._fresh(), lists)
            for row, elements in zip(seen, zip(*outputs, strict=True), strict=True):
                made[row] = tuple(_stored(element) for element in elements)
        return made

    def _window(self, column: list[Any], row: int) -> list[Any]:
        if self.node.stencil is None:
            return [column[row]]
        window = []
        for offset in self.node.stencil:
            at = row + offset
            if 0 <= at < len(column):
                window.append(column[at])
            elif self.node.stencil_edge == "repeat":
                window.append(column[0] if at < 0 else column[-1])
            else:
                window.append(NULL if self.node.stencil_edge == "null" else BEYOND)
        return window

    def _hidden(self, windows: list[list[Any]]) -> bool:
        return not self.spec.takes_nulls and any(
            is_null(value) for window in windows for value in window
        )

    def _fresh(self) -> Any:
        if not isinstance(self.spec.kernel, type):
            return self.spec.kernel
        kernel = self.spec.kernel(self._config(), **self.node.init_args)
        kernel.setup_with_resources()
        kernel.reset()
        kernel.new_stream(**self.arguments)
        return kernel

    def _config(self) -> KernelConfig:
        return KernelConfig(args=dict(self.node.init_args))

    def _given(self, value: Any, at: int) -> Any:
        """A value as the kernel's input ``at`` is given it."""
        if isinstance(value, np.ndarray):
            return value.copy()
        if is_null(value):
            return value
        made = self.node.columns[at].type
        wanted = self.spec.inputs[0 if self.spec.variadic else at].type
        assert made is not None
        assert wanted is not None
        if made.type is bytes or wanted.type is not bytes:
            return value
        return made.serialize(value)

    def _call(self, kernel: Any, windows: list[list[Any]]) -> tuple[Any, ...]:
        given: list[Any] = [
            [self._given(value, at) for value in window]
            for at, window in enumerate(windows)
        ]
        if self.spec.stencil is None:
            given = [window[0] for window in given]
        if self.spec.batch == 1:
            return tuple(_stored(value) for value in self._execute(kernel, given))
        outputs = self._execute(kernel, [[value] for value in given])
        assert all(len(output) == 1 for output in outputs)
        return tuple(_stored(output[0]) for output in outputs)

    def _execute(self, kernel: Any, given: list[Any]) -> tuple[Any, ...]:
        if isinstance(self.spec.kernel, type):
            result = kernel.execute(*given)
        else:
            result = kernel(self._config(), *given)
        return tuple(result) if self.spec.returns_tuple else (result,)


def _stored(value: Any) -> Any:
    """Frames are kept as H x W x C."""
    if isinstance(value, np.ndarray):
        return value[:, :, None].copy() if value.ndim == 2 else value.copy()
    return value


def evaluate(
    outputs: Sequence[OutputNode], job: int, inputs: Mapping[int, list[Any]]
) -> list[list[Any]]:
    """The rows of each output of one job.

    Args:
        outputs: Of the graph.
        job: Number of the job.
        inputs: Values (not serialized) of each input node, by ``id`` of the node;
            ``NULL`` for nulls.

    Returns:
        For each output its values, ``NULL`` for nulls.
    """
    oracle = Oracle(job, inputs)
    found = []
    for output in outputs:
        (rows,) = oracle.column(output.input)
        found.append(rows)
    return found


def evaluate_times(
    outputs: Sequence[OutputNode], job: int, seconds: Mapping[int, list[float]]
) -> list[list[float]]:
    """The presentation times of the rows of each output of one job."""
    oracle = Oracle(job, seconds)
    return [oracle.times(output.input)[0] for output in outputs]


def same(left: Any, right: Any) -> bool:
    """Whether two elements are the same, type, dtype and shape included."""
    if is_null(left) or is_null(right):
        return is_null(left) and is_null(right)
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return (
            isinstance(left, np.ndarray)
            and isinstance(right, np.ndarray)
            and left.dtype == right.dtype
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
        )
    return type(left) is type(right) and bool(left == right)
