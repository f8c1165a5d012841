"""Random graphs whose elements tell exactly what each kernel call has seen.

``random_graph(seed)`` makes a valid graph of samplers, spacers, slices, ops of every
kind, joins and several outputs, in any composition, with streams for it. Equal seeds
give equal graphs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceList,
    SliceNode,
    UnsliceNode,
    topological,
)
from beam_scanner.kernels import OpSpec, Port
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
from beam_scanner.types import NULL, get_type_info
from tests.support.oracle import partition, sample
from tests.support.recorders import (
    PlainRecorder,
    Plan,
    Recorder,
    make_element,
    record,
)

TYPES = {"any": get_type_info(Any), "bytes": get_type_info(bytes), "frame": None}
LONGEST = 60


@dataclass(frozen=True)
class FakeStream:
    """Stands where a graph has a stored stream."""

    label: str

    def name(self) -> str:
        return self.label


@dataclass
class Column:
    """A column of a random graph and what is known of it.

    ``lengths``: for each job the rows of each slice group; ``nulls``: whether it may
    hold any.
    """

    column: OpColumn
    lengths: list[list[int]]
    sliced: bool
    kind: str
    nulls: bool

    @property
    def rows(self) -> int:
        return max(sum(lengths) for lengths in self.lengths)


@dataclass
class RandomGraph:
    """A graph and streams for it.

    Attributes:
        seed: Makes it again.
        outputs: Its outputs.
        jobs: How many jobs it has.
        streams: For each job the values of each input node, by ``id``.
        kinds: Kind of each input node, by ``id``.
    """

    seed: int
    jobs: int
    outputs: list[OutputNode] = field(default_factory=list)
    streams: list[dict[int, list[Any]]] = field(default_factory=list)
    kinds: dict[int, str] = field(default_factory=dict)

    @property
    def nodes(self) -> list[Node]:
        return topological(self.outputs)

    def describe(self) -> str:
        """The graph as text, for the report of a failed test."""
        numbers: dict[int, str] = {}
        lines = [f"seed {self.seed}"]
        for number, node in enumerate(self.nodes):
            numbers[id(node)] = f"n{number}"
            inputs = ", ".join(
                f"{numbers[id(c.node)]}.{c.index}" if c.index else numbers[id(c.node)]
                for c in node.inputs
            )
            lines.append(f"  n{number} = {node.label}({inputs}) {self._details(node)}")
        return "\n".join(lines)

    def _details(self, node: Node) -> str:
        if isinstance(node, InputNode):
            rows = [len(streams[id(node)]) for streams in self.streams]
            return f"{self.kinds[id(node)]}, rows {rows}"
        if isinstance(node, SampleNode):
            return str(node.samplers)
        if isinstance(node, SliceNode):
            return str(node.partitions)
        if not isinstance(node, OpNode):
            return ""
        spec = node.spec
        marks = [
            f"stencil={node.stencil} {node.stencil_edge}" if node.stencil else "",
            f"batch={node.batch}" if spec.batch > 1 else "",
            f"bounded_state={node.bounded_state}" if node.bounded_state else "",
            "unbounded" if spec.unbounded_state else "",
            "whole" if spec.whole_stream else "",
            "takes_nulls" if spec.takes_nulls else "",
            getattr(spec.kernel, "__name__", ""),
            str(node.init_args.get("plan", "")),
            str(node.stream_args or ""),
        ]
        return " ".join(mark for mark in marks if mark)


class _Builder:
    def __init__(self, seed: int, steps: int | None) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.steps = self.random.randint(1, 12) if steps is None else steps
        self.jobs = self.random.choice([1, 1, 2])
        self.graph = RandomGraph(seed, self.jobs)
        self.graph.streams = [{} for _ in range(self.jobs)]
        self.columns: list[Column] = []
        self.ops = 0
        self.inside = False

    def build(self) -> RandomGraph:
        for number in range(self.random.choice([1, 1, 1, 2, 2, 3])):
            self.add_input(number)
        actions = [self.add_sample] * 5 + [self.add_op] * 6 + [self.add_slice] * 2
        # Some graphs stay inside one slice, as most real ones do.
        self.inside = self.random.random() < 0.25
        if self.inside:
            self.add_slice()
        actions += [self.add_unslice] * 2 + [self.add_checked_stencil]
        for _ in range(self.steps):
            self.random.choice(actions)()
        outputs = [1, 1, 1, 2] if self.inside else [1, 1, 1, 2, 3]
        for number in range(self.random.choice(outputs)):
            self.add_output(number)
        return self.graph

    def pick(self, sliced: bool | None = None) -> Column | None:
        """A column, more likely a late one."""
        if sliced is None and self.inside and any(c.sliced for c in self.columns):
            sliced = True
        fits = [c for c in self.columns if sliced is None or c.sliced == sliced]
        if not fits:
            return None
        return self.random.choice(fits[-4:] if self.random.random() < 0.7 else fits)

    def add_input(self, number: int) -> None:
        kind = self.random.choice(["any", "any", "frame", "bytes"])
        node = InputNode((None,) * self.jobs)
        self.graph.kinds[id(node)] = kind
        nulls = self.random.random() < 0.15
        lengths = []
        for job, streams in enumerate(self.graph.streams):
            rows = self.random.choice([0, 1, 5, 9, 17, 20, 24, 30, 33, 37, 40, 40])
            values: list[Any] = []
            for row in range(rows):
                value = make_element(kind, (f"in{number}", job, row))
                if isinstance(value, np.ndarray):
                    value = value[:, :, None] if value.ndim == 2 else value
                    value = np.ascontiguousarray(value)
                is_gone = nulls and self.random.random() < 0.3
                values.append(NULL if is_gone else value)
            streams[id(node)] = values
            lengths.append([rows])
        column = OpColumn(node, 0, TYPES[kind])
        self.columns.append(Column(column, lengths, False, kind, nulls))

    def add_sample(self) -> None:
        source = self.pick()
        assert source is not None
        chosen: list[Sampler | SliceList] = []
        lengths: list[list[int]] = []
        listed = self.random.random() < 0.6
        for groups in source.lengths:
            if source.sliced and listed:
                each = [self.sampler(rows) for rows in groups]
                chosen.append(SliceList(each))
            else:
                one = self.sampler(min(groups, default=0), same=len(groups) > 1)
                each = [one] * len(groups)
                chosen.append(one)
            lengths.append(
                [
                    len(sample(sampler, list(range(rows))))
                    for sampler, rows in zip(each, groups, strict=True)
                ]
            )
        nulls = source.nulls or any(
            isinstance(one, Repeat) and one.nulls
            for value in chosen
            for one in (value if isinstance(value, SliceList) else [value])
        )
        self.derive(
            SampleNode(source.column, "Sample", tuple(chosen)),
            source,
            lengths,
            source.sliced,
            nulls,
        )

    def derive(
        self,
        node: Node,
        source: Column,
        lengths: list[list[int]],
        sliced: bool,
        nulls: bool,
    ) -> Column | None:
        made = Column(
            OpColumn(node, 0, source.column.type), lengths, sliced, source.kind, nulls
        )
        if made.rows > LONGEST:
            return None
        self.columns.append(made)
        return made

    def sampler(self, rows: int, same: bool = False) -> Sampler:
        """A sampler for a stream of that many rows (or more)."""
        draw = self.random
        kind = draw.choice(["all", "stride", "range", "ranges", "gather", "repeat"])
        if kind == "all":
            return All()
        if kind == "stride":
            return Stride(draw.choice([1, 1, 2, 2, 3, 5, 100]))
        if kind == "repeat":
            return Repeat(draw.choice([1, 2, 3]), nulls=draw.random() < 0.5)
        if kind == "gather" and not rows:
            return Gather(())
        if kind == "gather":
            listed = [draw.randrange(rows) for _ in range(draw.randint(0, 30))]
            if draw.random() < 0.4:
                listed = sorted(set(listed), reverse=draw.random() < 0.4)
            return Gather(tuple(listed))
        count = 1 if kind == "range" else draw.choice([0, 1, 2, 2, 3, 3, 4, 4])
        return StridedRanges(
            tuple(self.interval(rows, beyond=3) for _ in range(count)),
            draw.choice([1, 1, 2, 3]),
        )

    def interval(self, rows: int, beyond: int = 0) -> tuple[int, int]:
        if self.random.random() < 0.75:
            start = self.random.randint(0, rows // 4)
            return start, self.random.randint(rows - rows // 4, rows + beyond)
        start = self.random.randint(0, rows)
        return start, self.random.randint(start, rows + beyond)

    def add_slice(self) -> None:
        source = self.pick(sliced=False)
        if source is None:
            return
        cuts = [self.partition(sum(groups)) for groups in source.lengths]
        lengths = [
            [len(group) for group in partition(cut, list(range(sum(groups))))]
            for cut, groups in zip(cuts, source.lengths, strict=True)
        ]
        node = SliceNode(source.column, tuple(cuts))
        self.derive(node, source, lengths, True, source.nulls)

    def partition(self, rows: int) -> Partition:
        draw = self.random
        kind = draw.choice(["strided", "ranges", "gather"])
        if kind == "strided":
            return StridedPartition(
                draw.choice([1, 1, 2]), draw.randint(1, max(1, rows // 3) + 2)
            )
        if kind == "ranges":
            intervals = [
                self.interval(rows) for _ in range(draw.choice([0, 1, 2, 3, 3, 4, 5]))
            ]
            return RangesPartition(tuple(intervals), draw.choice([1, 1, 2]))
        groups = [
            tuple(
                draw.randrange(rows) for _ in range(draw.randint(0, 5) if rows else 0)
            )
            for _ in range(draw.randint(0, 5))
        ]
        return GatherPartition(tuple(groups))

    def add_unslice(self) -> None:
        source = self.pick(sliced=True)
        if source is not None:
            self.unslice(source)

    def unslice(self, source: Column) -> Column:
        lengths = [[sum(groups)] for groups in source.lengths]
        node = UnsliceNode(source.column)
        made = self.derive(node, source, lengths, False, source.nulls)
        assert made is not None
        return made

    def joined(self, first: Column, count: int, kind: str | None) -> list[Column]:
        """``first`` and columns that an op can take beside it."""
        found = [first]
        for _ in range(count - 1):
            fits = [
                c
                for c in self.columns
                if c.sliced == first.sliced
                and c.lengths == first.lengths
                and kind in (None, c.kind)
            ]
            other = self.arranged(first, kind) if self.random.random() < 0.5 else None
            found.append(other or self.random.choice(fits))
        return found

    def arranged(self, first: Column, kind: str | None) -> Column | None:
        """Some other column, gathered to the lengths of ``first``."""
        other = self.pick(sliced=first.sliced)
        assert other is not None
        if kind not in (None, other.kind):
            return None
        samplers: list[Any] = []
        for have, want in zip(other.lengths, first.lengths, strict=True):
            if len(have) != len(want):
                return None
            if any(n and not m for m, n in zip(have, want, strict=True)):
                return None
            each = [self.gather(m, n) for m, n in zip(have, want, strict=True)]
            samplers.append(SliceList(each) if first.sliced else each[0])
        node = SampleNode(other.column, "Arrange", tuple(samplers))
        return self.derive(node, other, first.lengths, first.sliced, other.nulls)

    def gather(self, rows: int, wanted: int) -> Sampler:
        listed = [self.random.randrange(rows) for _ in range(wanted)]
        if wanted <= rows and self.random.random() < 0.5:
            start = self.random.randint(0, rows - wanted)
            return StridedRanges(((start, start + wanted),))
        return Gather(tuple(sorted(listed) if self.random.random() < 0.5 else listed))

    def add_op(self) -> None:
        draw = self.random
        first = self.pick()
        assert first is not None
        variadic = draw.random() < 0.2
        columns = self.joined(
            first, draw.choice([1, 1, 1, 2, 3]), first.kind if variadic else None
        )
        stencil = self.stencil() if draw.random() < 0.35 else None
        edge = draw.choice(["repeat", "repeat", "null"])
        state = draw.choice(["", "", "", "bounded", "bounded", "unbounded", "whole"])
        whole = state == "whole"
        stencil = None if whole else stencil
        nulls = any(c.nulls for c in columns) or (stencil and edge == "null")
        takes_nulls = draw.random() < 0.3
        bounded = draw.randint(0, 5) if state == "bounded" else None
        memory = bounded or 0
        if bounded and nulls and not takes_nulls:
            # What it remembers would depend on how many rows it has not seen.
            memory = 0
        self.op(
            columns,
            variadic=variadic,
            stencil=stencil,
            edge=edge,
            batch=1 if whole else draw.choice([1, 1, 2, 3, 8]),
            bounded=bounded,
            memory=-1 if state in ("unbounded", "whole") else memory,
            unbounded=state == "unbounded",
            whole=whole,
            takes_nulls=takes_nulls,
            nulls=bool(nulls),
        )

    def stencil(self) -> tuple[int, ...]:
        draw = self.random
        if draw.random() < 0.4:
            low, high = draw.randint(-3, 0), draw.randint(0, 3)
            return tuple(range(low, high + 1))
        return tuple(draw.randint(-6, 6) for _ in range(draw.randint(1, 4)))

    def add_checked_stencil(self) -> None:
        """A stencil that may not leave the stream, and just the rows where it does not."""
        source = self.pick()
        assert source is not None
        offsets = self.stencil()
        columns = self.op(
            [source],
            stencil=offsets,
            edge="error",
            batch=self.random.choice([1, 4]),
            nulls=source.nulls,
            takes_nulls=True,
            keep=False,
        )
        before, after = max(0, -min(offsets)), max(0, max(offsets))
        samplers: list[Any] = []
        lengths = []
        for groups in source.lengths:
            ranges = [
                (before, rows - after) if before <= rows - after else (0, 0)
                for rows in groups
            ]
            each = [StridedRanges((interval,)) for interval in ranges]
            samplers.append(SliceList(each) if source.sliced else each[0])
            lengths.append([stop - start for start, stop in ranges])
        for column in columns:
            node = SampleNode(column.column, "Range", tuple(samplers))
            self.derive(node, column, lengths, column.sliced, column.nulls)

    def op(
        self,
        columns: list[Column],
        *,
        variadic: bool = False,
        stencil: tuple[int, ...] | None = None,
        edge: str = "repeat",
        batch: int = 1,
        bounded: int | None = None,
        memory: int = 0,
        unbounded: bool = False,
        whole: bool = False,
        takes_nulls: bool = False,
        nulls: bool = False,
        keep: bool = True,
    ) -> list[Column]:
        draw = self.random
        self.ops += 1
        name = f"op{self.ops}"
        kinds = tuple(
            draw.choice(["any", "any", "any", "frame", "bytes"])
            for _ in range(draw.choice([1, 1, 1, 2, 3]))
        )
        drop = draw.choice([0, 0, 0, 3])
        kernel: Any = draw.choice([Recorder, Recorder, PlainRecorder])
        if memory == 0 and not whole and draw.random() < 0.3:
            kernel = record
        first = columns[0]
        # What it remembers would depend on how many rows it has not seen.
        fails = draw.choice([0, 0, 4]) if memory == 0 and not unbounded else 0
        fails = 0 if whole else fails
        plan = Plan(name, kinds, memory, batch > 1 or whole, whole, drop, fails)
        spec = OpSpec(
            name=name,
            kernel=kernel,
            inputs=tuple(
                Port(f"x{number}", self.port_type(column.kind))
                for number, column in enumerate(columns[:1] if variadic else columns)
            ),
            outputs=tuple(Port(f"ret{n}", TYPES[kind]) for n, kind in enumerate(kinds)),
            variadic=variadic,
            stencil=stencil and (0,),
            batch=batch,
            bounded_state=bounded,
            unbounded_state=unbounded,
            whole_stream=whole,
            takes_nulls=takes_nulls,
            returns_tuple=len(kinds) > 1,
        )
        tags: dict[str, Any] = {}
        if kernel is not record and draw.random() < 0.5:
            tags = {"tag": tuple(self.tag(first, job) for job in range(self.jobs))}
        node = OpNode(
            spec,
            tuple(column.column for column in columns),
            init_args={"plan": plan},
            stream_args=tags,
            batch=draw.choice([batch, max(1, batch - 1)]),
            stencil=stencil,
            stencil_edge=edge,
            bounded_state=bounded,
            on_error="null" if fails else "fail",
        )
        made = [
            Column(
                column,
                first.lengths,
                first.sliced,
                kind,
                bool(drop or fails) or (nulls and not takes_nulls),
            )
            for column, kind in zip(node.outputs(), kinds, strict=True)
        ]
        if keep:
            self.columns += made
        return made

    def port_type(self, kind: str) -> Any:
        """Element type of an input; blobs of bytes may also go to an Any."""
        if kind == "bytes" and self.random.random() < 0.3:
            kind = "any"
        return TYPES[kind]

    def tag(self, first: Column, job: int) -> Any:
        if first.sliced and self.random.random() < 0.6:
            groups = len(first.lengths[job])
            return SliceList([f"tag{job}.{group}" for group in range(groups)])
        return f"tag{job}"

    def add_output(self, number: int) -> None:
        source = self.pick()
        assert source is not None
        if number == 0:
            source = self.columns[-1]
        if source.sliced:
            source = self.unslice(source)
        streams: Any = (FakeStream(f"output{number}"),) * self.jobs
        self.graph.outputs.append(OutputNode(source.column, streams))


def random_graph(seed: int, steps: int | None = None) -> RandomGraph:
    """The graph of that seed.

    Args:
        seed: Any whole number.
        steps: How often something is added; chosen by the seed if None.
    """
    return _Builder(seed, steps).build()
