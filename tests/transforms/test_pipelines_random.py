"""Random graphs of transforms: what is stored and what leaves, against the oracle.

``BEAM_SCANNER_PIPELINES`` sets how many are tried, ``BEAM_SCANNER_SEED`` the first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner import transforms
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
)
from beam_scanner.kernels import Param, registry
from beam_scanner.rows.samplers import All, Gather, Repeat, Stride, StridedRanges
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream
from beam_scanner.transforms import (
    FrameKey,
    Op,
    ReadFromNamedStream,
    Slice,
    Streams,
    Unslice,
    WriteToNamedStream,
)
from beam_scanner.transforms.stream_transform import GraphTransform
from beam_scanner.types import FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.graphs import TYPES, Column, _Builder
from tests.support.oracle import Oracle, is_null
from tests.support.pipeline_runs import Run
from tests.support.recorders import describe
from tests.support.stored_graphs import _check_stream, check_work
from tests.support.tiers import most_slow

GRAPHS = int(os.environ.get("BEAM_SCANNER_PIPELINES", "20"))
FIRST_SEED = int(os.environ.get("BEAM_SCANNER_SEED", "0")) + 2_000_000
TOGETHER = 5
STREAM = "it"
"""What all sources call their stream, so that they can be joined."""


class Arranged(GraphTransform):
    """Any sampler; transforms have no SliceList of samplers of several kinds."""

    def __init__(self, node: SampleNode) -> None:
        super().__init__(node.op)
        self._node = node

    def expand(self, pcoll: Any) -> Any:
        before = self.streams(pcoll)
        node = replace(self._node, input=before.column)
        return self.extended(before, OpColumn(node, 0, before.column.type))


def sampled(node: SampleNode) -> GraphTransform:
    """The transform that a user would write."""
    (sampler,) = node.samplers
    each = list(sampler) if isinstance(sampler, SliceList) else [sampler]
    kinds = {type(one) for one in each}
    made: list[tuple[Any, ...]] = [_arguments(one) for one in each]
    names = {name for name, *_ in made}
    if len(kinds) > 1 or len(names) > 1 or names == {"All"} or not each:
        return Arranged(node)
    if not isinstance(sampler, SliceList):
        name, *arguments = made[0]
        return getattr(transforms, name)(*arguments)
    arguments = [
        SliceList(values) for values in zip(*(m[1:] for m in made), strict=True)
    ]
    return getattr(transforms, names.pop())(*arguments)


def _arguments(sampler: Any) -> tuple[Any, ...]:
    if isinstance(sampler, Stride):
        return "Stride", sampler.stride
    if isinstance(sampler, Gather):
        return "Gather", list(sampler.rows)
    if isinstance(sampler, StridedRanges):
        return "StridedRanges", list(sampler.intervals), sampler.stride
    if isinstance(sampler, Repeat):
        return ("RepeatNull" if sampler.nulls else "Repeat"), sampler.spacing
    assert isinstance(sampler, All)
    return ("All",)


class Written:
    """A random graph, written with transforms.

    Args:
        seed: Of the graph.
        storage: Where its streams are.
    """

    def __init__(self, seed: int, storage: NamedStorage) -> None:
        self.builder = _Builder(seed, None)
        self.graph = self.builder.build()
        self.seed = seed
        self.storage = storage

    @property
    def fits(self) -> bool:
        """Transforms have one argument for all streams."""
        return self.graph.jobs == 1

    def store(self) -> None:
        inputs = self.graph.streams[0]
        self.names = {}
        for number, (node, values) in enumerate(inputs.items()):
            self.names[node] = f"{self.seed}/in{number}"
            kind = self.graph.kinds[node]
            info = TYPES[kind]
            self._stream(self.names[node], info is None).save(
                values,
                FrameType if info is None else info.type,
                [row * 0.25 + 1 for row in range(len(values))],
                Encoding(codec="raw") if info is None else None,
            )

    def _stream(self, name: str, is_frames: bool) -> NamedStream:
        kind = NamedVideoStream if is_frames else NamedStream
        return kind(self.storage, name)

    def build(self, run: Run) -> None:
        """Applies the transforms; also to what no output needs."""
        self._run = run
        self._made: dict[tuple[int, int], Streams] = {}
        self._labels = iter(range(10**6))
        self._checks: list[tuple[str, Column]] = []
        for number, output in enumerate(self.graph.outputs):
            streams = self._streams(output.input)
            raw = Encoding(codec="raw") if output.input.type is None else None
            sink = WriteToNamedStream(
                self.storage.db_path, f"{self.seed}/out{number}", encoding=raw
            )
            written = streams | f"{self.seed} sink {number}" >> sink
            run.keep_written(f"{self.seed} {number}", written)
        leave = self.builder.columns[-3:]
        for number, column in enumerate(leave):
            name = f"{self.seed} leaves {number}"
            run.keep(name, self._streams(column.column))
            self._checks.append((name, column))

    def _label(self, node: Node) -> str:
        return f"{self.seed} {next(self._labels)} {node.label}"

    def _streams(self, column: OpColumn) -> Streams:
        key = (id(column.node), column.index)
        if key not in self._made:
            made = self._apply(column.node)
            outputs = made if isinstance(made, tuple) else (made,)
            for index, output in enumerate(outputs):
                self._made[id(column.node), index] = output
        return self._made[key]

    def _apply(self, node: Node) -> Any:
        label = self._label(node)
        if isinstance(node, InputNode):
            return self._run.pipeline | label >> self._source(node)
        inputs = [self._streams(column) for column in node.inputs]
        if isinstance(node, OpNode):
            return self._op(node, label, inputs)
        if isinstance(node, SampleNode):
            return inputs[0] | label >> sampled(node)
        if isinstance(node, SliceNode):
            return inputs[0] | label >> Slice(node.partitions[0])
        assert isinstance(node, UnsliceNode)
        return inputs[0] | label >> Unslice()

    def _source(self, node: InputNode) -> Any:
        kind = TYPES[self.graph.kinds[id(node)]]
        source = ReadFromNamedStream(
            self.storage.db_path,
            self.names[id(node)],
            FrameType if kind is None else kind.type,
            name=_it,
        )
        # Some of its rows may be null.
        return source.with_output_types(tuple[FrameKey, Any])

    def _op(self, node: OpNode, label: str, inputs: Sequence[Streams]) -> Any:
        spec = replace(
            node.spec,
            name=f"Random{self.seed}{node.spec.name}",
            init_params=(Param("plan"),),
            stream_params=tuple(Param(name) for name in node.stream_args),
        )
        if spec.name not in registry().names():
            registry().add(spec)
        options: dict[str, Any] = {"plan": node.init_args["plan"]}
        options |= {name: values[0] for name, values in node.stream_args.items()}
        if node.stencil is not None:
            options |= {"stencil": node.stencil, "stencil_edge": node.stencil_edge}
        if node.spec.batch > 1:
            options["batch"] = node.batch
        if node.bounded_state is not None:
            options["bounded_state"] = node.bounded_state
        if node.on_error != "fail":
            options["on_error"] = node.on_error
        applied = label >> Op(spec.name, **options).with_output_types(
            tuple[FrameKey, Any]
        )
        if spec.variadic:
            return list(inputs) | applied
        names = [port.name for port in spec.inputs]
        return dict(zip(names, inputs, strict=True)) | applied

    def check(self, run: Run) -> None:
        """Compares with what the oracle says."""
        values = self.graph.streams[0]
        rows = Oracle(0, values)
        clocks = {n: [r * 0.25 + 1 for r in range(len(v))] for n, v in values.items()}
        times = Oracle(0, clocks)
        where = self.graph.describe()
        for number, output in enumerate(self.graph.outputs):
            name = f"{self.seed} {number}"
            assert run.failures(name) == {}, where
            column = output.input
            stream = self._stream(f"{self.seed}/out{number}", column.type is None)
            assert run.commits(name) == [stream.name()]
            (wanted,), (seconds,) = rows.column(column), times.times(column)
            _check_stream(stream, wanted, seconds, where)
        for name, column in self._checks:  # type: ignore[assignment]
            wanted = [
                (STREAM, group, row, seconds, None if is_null(value) else value)
                for group, (values_, times_) in enumerate(
                    zip(
                        rows.column(column.column),  # type: ignore[attr-defined]
                        times.times(column.column),  # type: ignore[attr-defined]
                        strict=True,
                    )
                )
                for row, (value, seconds) in enumerate(
                    zip(values_, times_, strict=True)
                )
            ]
            found = [
                (key.stream, key.group, key.row, key.pts_seconds, value)
                for key, value in run.timed(name)
            ]
            assert [plain(row) for row in found] == [plain(row) for row in wanted], (
                f"{name}\n{where}"
            )


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    *key, value = row
    if isinstance(value, np.ndarray) and value.ndim == 2:
        value = value[:, :, None]
    return *key, describe(value)


def _it(name: str) -> str:
    return STREAM


def graphs(first: int, storage: NamedStorage) -> Iterator[Written]:
    seed = first
    while True:
        graph = Written(seed, storage)
        if graph.fits:
            yield graph
        seed += 1


@pytest.mark.parametrize("chunk", most_slow(range(4)))
@pytest.mark.slow
def test_every_row(chunk: int, tmp_path: Path) -> None:
    storage = NamedStorage(str(tmp_path))
    storage.store(create=True)
    listed = graphs(FIRST_SEED + 10_000 * chunk, storage)
    for _ in range(max(1, GRAPHS // 4 // TOGETHER)):
        some = list(islice(listed, TOGETHER))
        run = Run()
        for graph in some:
            graph.store()
            graph.build(run)
        run.run()
        for graph in some:
            graph.check(run)
    check_work(storage)
