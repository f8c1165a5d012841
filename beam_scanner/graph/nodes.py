"""The computation graph: what a user asked for, before any stream is bound to it.

A graph is a set of nodes that reach one or more ``OutputNode``. Every node
holds the arguments of **all** jobs of a run (one job for each stream of its inputs):
job ``j`` reads ``InputNode.streams[j]``, uses ``values[j]`` of each per-stream
argument and writes ``OutputNode.streams[j]``.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.kernels.op_spec import OpSpec
from beam_scanner.rows.samplers import Partition, Sampler
from beam_scanner.types.element_types import ColumnType, DeviceType
from beam_scanner.types.type_info import ScannerTypeInfo
from beam_scanner.video.encoding import CODECS, Encoding

_OPTIONS = ("quality", "bitrate", "keyframe_distance")

if TYPE_CHECKING:
    from beam_scanner.storage.streams.backend import StoredStream


class SliceList(list[Any]):
    """One argument value for each slice group of one stream.

    Examples:
        >>> SliceList([1, 2, 3])
        SliceList([1, 2, 3])
    """

    def __repr__(self) -> str:
        return f"SliceList({list(self)!r})"


def or_slice_list(annotation: Any) -> Any:
    """The annotation of a value that may also be a ``SliceList`` of such values."""
    try:
        return Any if annotation is Any else annotation | SliceList
    except TypeError:  # users annotate as they like
        return Any


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a graph; nodes are compared by identity."""

    @property
    def inputs(self) -> tuple[OpColumn, ...]:
        """The columns that this node reads."""
        return ()

    @property
    def label(self) -> str:
        """What errors call this node."""
        return type(self).__name__.removesuffix("Node")

    def job_count(self) -> int | None:
        """How many jobs the node has arguments for; None if any number will do."""
        return None


@dataclass(frozen=True, eq=False, repr=False)
class OpColumn:
    """One output of a node; what ops take and return.

    Attributes:
        node: The node that makes it.
        index: Which of the node's outputs.
        type: Element type of blobs; None for frames.
        encoding: How an output that takes this column directly encodes its frames.
    """

    node: Node
    index: int = 0
    type: ScannerTypeInfo | None = None
    encoding: Encoding | None = None

    def __repr__(self) -> str:
        # Not the node: it has all of the graph before it.
        which = f"output {self.index} of " if self.index else ""
        kind = "FrameType" if self.type is None else self.type.label
        return f"<OpColumn: {which}{self.node.label}, {kind}>"

    @property
    def column_type(self) -> ColumnType:
        """Video for frames, Blob for everything else."""
        return ColumnType.Video if self.type is None else ColumnType.Blob

    def encoded(self, encoding: Encoding) -> OpColumn:
        """This column, stored with such an encoding.

        Raises:
            ElementTypeError: It holds no frames.
        """
        if self.type is not None:
            raise ElementTypeError(
                "compression is only for columns of frames; this column of "
                f"{self.node.label} holds {self.type.label}"
            )
        return replace(self, encoding=encoding)

    def compress_video(
        self, quality: int = -1, bitrate: int = -1, keyframe_distance: int = -1
    ) -> OpColumn:
        """This column, stored as H.264.

        Args:
            quality: x264's constant rate factor, 0 (best) to 51; -1 for 23.
            bitrate: Bits a second instead of a quality; -1 for none.
            keyframe_distance: Most frames between keyframes; -1 for the default.

        Returns:
            A new column; this one is not changed.
        """
        return self.encoded(Encoding("h264", quality, bitrate, keyframe_distance))

    def lossless(self) -> OpColumn:
        """This column, stored bit for bit."""
        return self.encoded(Encoding(codec="lossless"))

    def compress_default(self) -> OpColumn:
        """This column, stored with the encoder's own defaults."""
        return self.encoded(Encoding(codec="default"))

    def compress(self, codec: str = "video", **options: int) -> OpColumn:
        """This column, stored as ``codec``.

        Args:
            codec: 'video' (which is 'h264'), 'h264', 'hevc', 'vp9', 'av1', 'default'
                or 'lossless', which is ``lossless`` and in Scanner 'raw'.
            **options: ``quality`` (0, the best, to 51; to 63 for 'vp9' and 'av1'),
                ``bitrate`` and ``keyframe_distance``, as of ``compress_video``;
                not for 'default' and 'lossless'.

        Returns:
            A new column.

        Raises:
            ArgumentError: No such codec, or options where none are taken.
        """
        if codec not in ("video", "raw", *CODECS):
            known = ", ".join(map(repr, ("video", *CODECS)))
            raise ArgumentError(f"codec {codec!r} does not exist; use one of {known}")
        plain = codec in ("default", "lossless", "raw")
        unknown = [name for name in options if plain or name not in _OPTIONS]
        if unknown:
            takes = "no options" if plain else ", ".join(_OPTIONS)
            raise ArgumentError(f"codec {codec!r} takes {takes}, got {options}")
        return self.encoded(Encoding("h264" if codec == "video" else codec, **options))


@dataclass(frozen=True, eq=False)
class InputNode(Node):
    """Reads one stored stream for each job."""

    streams: tuple[StoredStream, ...]

    def job_count(self) -> int | None:
        """One job a stream."""
        return len(self.streams)


@dataclass(frozen=True, eq=False)
class OneInputNode(Node):
    """A node that reads one column."""

    input: OpColumn

    @property
    def inputs(self) -> tuple[OpColumn, ...]:
        """That column."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class SampleNode(OneInputNode):
    """Takes or spaces rows.

    Attributes:
        input: The column to sample.
        op: Scanner's name of the stream operation, for errors.
        samplers: One for each job: a sampler, or a ``SliceList`` of samplers with
            one for each slice group.
    """

    op: str
    samplers: tuple[Sampler | SliceList, ...]

    @property
    def label(self) -> str:
        """The stream operation's name."""
        return self.op

    def job_count(self) -> int | None:
        """One job an argument."""
        return len(self.samplers)


@dataclass(frozen=True, eq=False)
class SliceNode(OneInputNode):
    """Cuts a stream into groups; ops up to the Unslice see one group at a time."""

    partitions: tuple[Partition, ...]

    def job_count(self) -> int | None:
        """One job a partition."""
        return len(self.partitions)


class UnsliceNode(OneInputNode):
    """Joins slice groups, in order, into one stream."""


@dataclass(frozen=True, eq=False)
class OpNode(Node):
    """Calls a kernel.

    Attributes:
        spec: What was registered.
        columns: One for each input of the kernel, in its order; any number if
            the kernel is variadic.
        init_args: Keyword arguments of the kernel's constructor.
        stream_args: For each parameter of ``new_stream`` one value a job; a
            ``SliceList`` gives one for each slice group.
        device: Where the kernel runs.
        batch: Most rows a call; 1 if the kernel takes single rows.
        stencil: Offsets of the rows that each call sees; None for the row alone.
        stencil_edge: What stands for rows beyond the stream's (or group's) ends:
            'repeat' the first or last row, 'null', or 'error'.
        bounded_state: Rows of warm-up; None if the kernel keeps no bounded state.
        on_error: What an exception at a row does: 'fail' its stream, or make the row
            'null'.
    """

    spec: OpSpec
    columns: tuple[OpColumn, ...]
    init_args: dict[str, Any] = field(default_factory=dict)
    stream_args: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    device: DeviceType = DeviceType.CPU
    batch: int = 1
    stencil: tuple[int, ...] | None = None
    stencil_edge: str = "repeat"
    bounded_state: int | None = None
    on_error: str = "fail"

    @property
    def inputs(self) -> tuple[OpColumn, ...]:
        """The columns that the kernel takes."""
        return self.columns

    @property
    def label(self) -> str:
        """The op's registered name."""
        return self.spec.name

    def job_count(self) -> int | None:
        """One job a value of the per-stream arguments, if there are any."""
        return next((len(values) for values in self.stream_args.values()), None)

    def outputs(self) -> tuple[OpColumn, ...]:
        """One column for each output of the kernel."""
        return tuple(
            OpColumn(self, index, port.type)
            for index, port in enumerate(self.spec.outputs)
        )


@dataclass(frozen=True, eq=False)
class OutputNode(OneInputNode):
    """Writes one stored stream for each job."""

    streams: tuple[StoredStream, ...]

    def job_count(self) -> int | None:
        """One job a stream."""
        return len(self.streams)


def topological(nodes: Sequence[Node], known: Container[int] = ()) -> list[Node]:
    """Nodes and all that they need, each after its inputs, in a stable order.

    A path may have thousands of nodes, so none of this recurses.

    Args:
        nodes: Where to begin.
        known: ``id`` of nodes to leave out, with all that only they need.
    """
    done: dict[int, Node] = {}

    def is_new(node: Node) -> bool:
        return id(node) not in done and id(node) not in known

    for root in filter(is_new, nodes):
        stack: list[tuple[Node, Iterator[OpColumn]]] = [(root, iter(root.inputs))]
        while stack:
            node, inputs = stack[-1]
            column = next((c for c in inputs if is_new(c.node)), None)
            if column is None:
                done.setdefault(id(node), node)
                stack.pop()
            else:
                stack.append((column.node, iter(column.node.inputs)))
    return list(done.values())


def job_count(nodes: Sequence[Node]) -> int:
    """How many jobs a graph has that ``check_graph`` has accepted."""
    return next(count for node in nodes if (count := node.job_count()) is not None)
