"""A whole graph of streams as one transform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from beam_scanner.beam_internals.applied_steps import current_label
from beam_scanner.elements.hints import unread
from beam_scanner.errors import ArgumentError
from beam_scanner.transforms.graph_build import GraphBuild, build_of, pipeline_of
from beam_scanner.transforms.stream_transform import GraphTransform


class VideoGraph(GraphTransform):
    """Runs a whole graph of streams, which a function builds.

    The function gets what the transform is applied to: a pipeline, a PCollection (of
    paths or patterns, say), or a dict or tuple of PCollections. It applies the
    transforms of this package, and composites of them, and returns the outputs:
    streams, what sinks give, or a dict, tuple or named tuple of these. An output that
    is returned as streams is outside a PCollection of ``(FrameKey, value)`` with a
    ``failures``; that of a sink has its PCollections ``commits`` and ``failures``.

    The graph is complete when the transform has been applied. Nothing can be added to
    it, and only streams that are returned, or stored by a sink, are computed. Labels of the
    steps in it are those of its sources and the names of its outputs, so that they stay
    when its inside changes.

    Resource hints are for the stage that decodes and computes. ``with_output_types``
    declares the type of the rows, by the names of the outputs if there are several.

    Args:
        build: The function.

    Raises:
        ArgumentError: It is not a function. When it is applied: the function returns
            something else than outputs, or builds none.

    Examples:
        >>> import apache_beam as beam
        >>> from beam_scanner.transforms import Histogram, ReadFromVideo, Stride
        >>> graph = VideoGraph(
        ...     lambda p: p | ReadFromVideo('films/*.mp4') | Stride(8) | Histogram()
        ... )
        >>> rows = beam.Pipeline() | graph
        >>> rows.failures.producer.full_label
        'VideoGraph/Run ReadFromVideo/Failures 0'
    """

    takes = "a pipeline or PCollections"

    def __init__(self, build: Callable[[Any], Any]) -> None:
        super().__init__()
        if not callable(build):
            raise ArgumentError(
                f"a VideoGraph takes the function that builds its graph, got {build!r}"
            )
        self._build = build

    def row_types(self) -> tuple[Sequence[Any] | None, Any]:
        """None: only its function knows."""
        return None, None

    @unread
    def expand(self, value: Any) -> Any:
        """Builds the graph, and puts its steps into the pipeline."""
        if build_of(value) is not None:
            # Inside of another: part of that.
            return self._build(value)
        pipeline = pipeline_of(value)
        graph = GraphBuild(pipeline, current_label(pipeline))
        result = self._build(graph.wrapped(value))
        for group in graph.groups:
            group.add_hints(self.run_hints)
        return graph.complete(result, self.declared)
