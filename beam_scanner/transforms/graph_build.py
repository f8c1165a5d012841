"""The graph that the function of a :class:`VideoGraph` builds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection

from beam_scanner.beam_internals.applied_steps import applies_others, without_label
from beam_scanner.elements.hints import unread
from beam_scanner.elements.records import Written
from beam_scanner.errors import ArgumentError, ElementTypeError, GraphError
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.run.stream_slots import SinkSlot
from beam_scanner.transforms.group import Branch, Group


class GraphInput:
    """The input of a :class:`VideoGraph`, as its function gets it.

    Attributes:
        build: The graph.
        value: A pipeline or a PCollection.
    """

    def __init__(self, build: GraphBuild, value: Any) -> None:
        self.build = build
        self.value = value

    @property
    def pipeline(self) -> Any:
        """The pipeline that the graph is for."""
        return self.value.pipeline

    def __or__(self, transform: Any) -> Any:
        return self.build.apply(transform, self)


@dataclass(frozen=True, eq=False)
class GraphSink:
    """A sink inside a :class:`VideoGraph`; outside it is a ``Written``.

    Attributes:
        group: Whose graph it is in.
        column: What it stores.
        number: See ``Group.sink``.
        slot: Its place in the graph.
        add: Makes the commits known to the pipeline's other sinks.
    """

    group: Group
    column: OpColumn
    number: int
    slot: SinkSlot
    add: Callable[[Any], None]


_OUTPUTS = (Branch, GraphSink, GraphInput)
"""What the function of a ``VideoGraph`` may return."""


class GraphBuild:
    """A graph that is being built.

    Args:
        pipeline: The pipeline that it is for.
        name: Full label of its transform.

    Attributes:
        groups: Its parts, which share no source.
        sinks: Its sinks.
    """

    def __init__(self, pipeline: Any, name: str) -> None:
        self.pipeline = pipeline
        self.groups: list[Group] = []
        self.sinks: list[GraphSink] = []
        self._labels = [name]
        self._is_complete = False

    @property
    def label(self) -> str:
        """Of the transform that is being applied."""
        return "/".join(self._labels)

    def apply(self, transform: Any, value: Any, label: str | None = None) -> Any:
        """Applies a transform inside the graph.

        Raises:
            GraphError: The graph is complete.
            ElementTypeError: It is an ordinary transform, and the value streams.
        """
        if self._is_complete:
            raise GraphError(
                f"the graph of {self._labels[0]!r} is complete: apply {transform} "
                "in its function"
            )
        transform, own_label = without_label(transform)
        label = own_label or label
        if not isinstance(transform, beam.PTransform):
            raise ArgumentError(f"expected a transform, got {transform!r}")
        given, transform.label = transform.label, label or transform.label
        self._labels.append(transform.label)
        try:
            if not _is_ordinary(transform):
                return transform.expand(value)
            if isinstance(value, GraphInput):
                step = "/".join(self._labels[1:])
                return self.wrapped(value.value | step >> transform)
        finally:
            self._labels.pop()
            transform.label = given
        raise ElementTypeError(
            f"{transform.label} takes elements, and inside a VideoGraph there are whole "
            f"streams: return them from the function of {self._labels[0]!r}, and apply "
            f"{transform.label} to what that gives"
        )

    def wrapped(self, value: Any) -> Any:
        """A value with each PCollection, or pipeline, in it as an input."""
        kinds = (PCollection, PBegin)
        return _mapped(value, kinds, lambda each, _: GraphInput(self, each))

    def add_sink(self, sink: GraphSink) -> GraphSink:
        """Adds a sink.

        Raises:
            GraphError: Another one has its name.
        """
        claims = sink.slot.claims
        if any(other.slot.claims.is_same(claims) for other in self.sinks):
            raise claims.error()
        self.sinks.append(sink)
        return sink

    def complete(self, result: Any, declared: Callable[[str], Any]) -> Any:
        """Puts the steps of the graph into the pipeline.

        Args:
            result: What the function has returned.
            declared: The type of the rows of an output, where the user has said it.

        Returns:
            The same with PCollections.
        """
        self._is_complete = True
        _mapped(result, _OUTPUTS, lambda each, _: each)
        wanted = {id(sink.group) for sink in self.sinks}
        wanted |= {id(b.group) for _, b in named(result) if isinstance(b, Branch)}
        if not wanted:
            raise ArgumentError(
                f"the function of {self._labels[0]!r} builds a graph without outputs: "
                "return streams, or apply WriteToNamedStream"
            )
        found: dict[str, Any] = {}
        for group in self.groups:
            if id(group) in wanted:
                found |= self._run(group, result, declared)
        outside = _mapped(
            result,
            _OUTPUTS,
            lambda each, name: (
                each.value if isinstance(each, GraphInput) else found[_key(each, name)]
            ),
        )
        return beam.pvalue.PDone(self.pipeline) if outside is None else outside

    def _run(
        self, group: Group, result: Any, declared: Callable[[str], Any]
    ) -> dict[str, Any]:
        """Puts the steps of one group into the pipeline; gives its outputs."""
        sinks = [("", sink) for sink in self.sinks]
        outputs = {
            _key(each, name): (
                partial(_written, each)
                if isinstance(each, GraphSink)
                else partial(_rows, each, name, declared(name) or each.kind)
            )
            for name, each in [*sinks, *named(result)]
            if isinstance(each, (Branch, GraphSink)) and each.group is group
        }
        label = " and ".join(slot.label for slot in group.sources)
        made: dict[str, Any] = self.pipeline | f"Run {label}" >> _Steps(group, outputs)
        return made


class _Steps(beam.PTransform):  # type: ignore[misc]
    """The steps of one group, with what makes each of its outputs."""

    def __init__(self, group: Group, outputs: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__()
        self._group = group
        self._outputs = outputs

    @unread
    def expand(self, pbegin: Any) -> Any:
        self._group.add_steps()
        return {name: make() for name, make in self._outputs.items()}


def _key(output: Branch | GraphSink, name: str) -> str:
    """What an output of a group is called among the outputs of its steps."""
    if isinstance(output, GraphSink):
        return f"written {output.slot.db} {output.slot.template}"
    return f"rows {name}".rstrip()


def _written(sink: GraphSink) -> Written:
    commits = sink.group.commits(sink.number)
    sink.add(commits)
    return Written(commits, sink.group.failures(sink.column))


def _rows(branch: Branch, name: str, kind: Any) -> Any:
    step = f"Rows {name}".rstrip()
    tag = _key(branch, name)
    return branch.group.leave(branch.column, tag, step, branch.label, kind)


def build_of(value: Any) -> GraphBuild | None:
    """The graph that is being built of what a transform is applied to."""
    for _, each in named(value):
        if isinstance(each, GraphInput):
            return each.build
        if isinstance(each, Branch):
            return each.group.build
    return None


def pipeline_of(value: Any) -> Any:
    """The pipeline of what a transform is applied to."""
    return next(each.pipeline for _, each in named(value))


def _is_ordinary(transform: Any) -> bool:
    """Whether a transform takes PCollections, and no streams."""
    ordinary = (
        "apache_beam.",
        "beam_scanner.elements.",
        "beam_scanner.transforms.match",
    )
    is_beams = type(transform).__module__.startswith(ordinary)
    return is_beams and not applies_others(transform)


def named(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The values in a tuple, list or dict, with their names.

    Examples:
        >>> list(named({'a': 1, 'b': (2, 3)}))
        [('a', 1), ('b.0', 2), ('b.1', 3)]
    """
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, (tuple, list)):
        items = zip(getattr(value, "_fields", range(len(value))), value, strict=True)
    else:
        yield name, value
        return
    for key, each in items:
        yield from named(each, f"{name}.{key}" if name else str(key))


def _mapped(
    value: Any, kinds: tuple[type, ...], function: Callable[[Any, str], Any]
) -> Any:
    """The same tuple, list or dict with other values; all must be of some kinds."""
    names = iter([name for name, _ in named(value)])

    def mapped(each: Any) -> Any:
        if isinstance(each, Mapping):
            return {key: mapped(item) for key, item in each.items()}
        if isinstance(each, (tuple, list)):
            items = [mapped(item) for item in each]
            return type(each)(*items) if hasattr(each, "_fields") else tuple(items)
        name = next(names)
        if each is None:
            return None
        if not isinstance(each, kinds):
            which = f" as {name!r}" if name else ""
            raise ArgumentError(
                "a VideoGraph takes PCollections, and its function returns streams of "
                f"its graph, or what its sinks give; got {each!r}{which}"
            )
        return function(each, name)

    return mapped(value)
