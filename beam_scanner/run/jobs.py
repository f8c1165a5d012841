"""The jobs of a run: the graph that they share, and what each has of its own.

A run may have a million jobs. What they share (nodes, kernels) is kept once, as a
graph of no job; what each has of its own (streams, sampler arguments) is a short
list. Both together give the graph of one job.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpColumn,
    OpNode,
    OutputNode,
    SampleNode,
    SliceNode,
    UnsliceNode,
    topological,
)
from beam_scanner.kernels.digests.digest import code_digest, digest, where_first
from beam_scanner.kernels.pickling import check_loads
from beam_scanner.planner.phases import Family
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream

FORMAT = "2"
"""Enters every fingerprint; raised when equal graphs begin to give other bytes."""


def _own(node: Node, job: int) -> Any:
    """What a node holds for one job alone."""
    if isinstance(node, (InputNode, OutputNode)):
        return node.streams[job]
    if isinstance(node, SampleNode):
        return node.samplers[job]
    if isinstance(node, SliceNode):
        return node.partitions[job]
    if isinstance(node, OpNode):
        return {name: values[job] for name, values in node.stream_args.items()}
    return None


def _with_own(node: Node, columns: Sequence[OpColumn], own: tuple[Any, ...]) -> Node:
    """The node over other columns, with the values of these jobs only."""
    if isinstance(node, InputNode):
        return replace(node, streams=own)
    if isinstance(node, OutputNode):
        return replace(node, input=columns[0], streams=own)
    if isinstance(node, SampleNode):
        return replace(node, input=columns[0], samplers=own)
    if isinstance(node, SliceNode):
        return replace(node, input=columns[0], partitions=own)
    if isinstance(node, UnsliceNode):
        return replace(node, input=columns[0])
    assert isinstance(node, OpNode)
    names = node.stream_args
    values = {name: tuple(job[name] for job in own) for name in names}
    return replace(node, columns=tuple(columns), stream_args=values)


@dataclass(frozen=True)
class SharedGraph:
    """What all jobs of a run share.

    Attributes:
        nodes: In topological order, without the values of any job.
        families: For each family its phase, which nodes are its outputs, and their
            numbers among the outputs of the run.
    """

    nodes: tuple[Node, ...]
    families: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]

    @staticmethod
    def of(families: Sequence[Family]) -> tuple[SharedGraph, list[Node]]:
        """Takes families apart.

        Returns:
            The shared part, and the nodes that :meth:`own_values` is to be given.
        """
        outputs = [output for family in families for output in family.outputs]
        nodes = topological(outputs)
        number = {id(node): index for index, node in enumerate(nodes)}
        shared = SharedGraph(
            tuple(_rebuild(nodes, [() for _ in nodes])),
            tuple(
                (
                    family.phase,
                    tuple(number[id(output)] for output in family.outputs),
                    family.numbers,
                )
                for family in families
            ),
        )
        return shared, nodes

    @property
    def phases(self) -> int:
        """How many phases there are."""
        return 1 + max((phase for phase, _, _ in self.families), default=0)

    @staticmethod
    def own_values(nodes: Sequence[Node], job: int) -> list[Any]:
        """What one job has of its own, for :meth:`job`."""
        return [_own(node, job) for node in nodes]

    def job(self, own: Sequence[Any]) -> list[Family]:
        """The families of one job; their nodes have one value each, at index 0."""
        nodes = _rebuild(self.nodes, [(value,) for value in own])
        families = []
        for phase, places, numbers in self.families:
            outputs = [nodes[place] for place in places]
            found = [node for node in outputs if isinstance(node, OutputNode)]
            families.append(Family(phase, tuple(found), numbers))
        return families


def _rebuild(nodes: Sequence[Node], own: Sequence[tuple[Any, ...]]) -> list[Node]:
    made: dict[int, Node] = {}
    rebuilt = []
    for node, values in zip(nodes, own, strict=True):
        columns = [replace(c, node=made[id(c.node)]) for c in node.inputs]
        made[id(node)] = _with_own(node, columns, values)
        rebuilt.append(made[id(node)])
    return rebuilt


def check_ships(value: Any, nodes: Sequence[Node]) -> None:
    """Refuses what workers cannot be sent.

    Args:
        value: What is to be sent.
        nodes: Of its graph; errors tell which is to blame.

    Raises:
        ArgumentError: It cannot be pickled, or not be loaded again.
    """
    try:
        check_loads(value)
    except Exception as error:
        ops = [node for node in nodes if isinstance(node, OpNode)]
        where, kind = next(filter(None, map(_held_back, ops)), ("the graph", ""))
        told = f"{kind}; " if kind else ""
        raise ArgumentError(
            f"{where} cannot be sent to workers ({told}{type(error).__name__}: {error}); "
            "let the kernel make it, from something that can be pickled"
        ) from error


def _held_back(node: OpNode) -> tuple[str, str] | None:
    """What of an op cannot be sent: the innermost object, and where it is."""
    parts = {
        f"argument {name!r} of op {node.label}": value
        for name, value in (node.init_args | node.stream_args).items()
    }
    parts[f"the kernel of op {node.label}"] = node.spec.kernel
    home = node.spec.kernel.__module__
    if _is_held_back(list(parts.values())):
        return where_first(list(parts.items()), home, _is_held_back)
    return (f"op {node.label}", "") if _is_held_back(node.spec) else None


def _is_held_back(value: Any) -> bool:
    try:
        check_loads(value, surely=False)
    except Exception:
        return True
    return False


class Fingerprints:
    """Fingerprints of the outputs of a run.

    Equal fingerprints mean equal results: they cover the graph above an output, its
    ops with all values that their kernels use, their arguments for the job, the input
    streams, the encoding and the size of tasks.

    Args:
        outputs: All outputs of the run, before it is cut into phases.
        io_packet: Output rows a task.
        home: The database that keeps work that is not done.
        ops: What :func:`op_digests` gave where the run was made, if that was elsewhere.
    """

    def __init__(
        self,
        outputs: Sequence[OutputNode],
        io_packet: int,
        home: NamedStorage,
        ops: Sequence[str] | None = None,
    ) -> None:
        self._home = home
        self._outputs = outputs
        self._nodes = topological(outputs)
        self._io_packet = io_packet
        self._modules = _modules(self._nodes)
        self._ops = op_digests(outputs) if ops is None else list(ops)
        told = iter(self._ops)
        of_op = {
            id(n): next(told) if isinstance(n, OpNode) else "" for n in self._nodes
        }
        # Nodes are numbered anew for each output: what else a run makes is no part
        # of a result.
        self._above = [
            _shared_digests(topological([output]), of_op) for output in outputs
        ]
        # Of the whole job it is: nodes that outputs share are run for all of them.
        number = {id(node): index for index, node in enumerate(self._nodes)}
        self._sharing = [[number[node] for node in above] for above in self._above]

    def check_unchanged(self, jobs: Iterable[tuple[int, str]]) -> None:
        """Makes sure that what was pickled meanwhile is what was fingerprinted.

        Args:
            jobs: Number and fingerprint of each job that is to be run.

        Raises:
            ArgumentError: A value that an op uses has changed.
        """
        ops = [node for node in self._nodes if isinstance(node, OpNode)]
        now = op_digests(self._outputs)
        changed = [
            f"op {node.label}"
            for node, old, new in zip(ops, self._ops, now, strict=True)
            if old != new
        ]
        if not changed and any(node.stream_args for node in ops):
            changed = [
                f"stream {self._outputs[0].streams[job].name()!r}"
                for job, old in jobs
                if self.of_job(job)[0] != old
            ]
        if changed:
            raise ArgumentError(
                f"{changed[0]}: a value that a kernel uses, or an argument, has changed "
                "while the run was being sent to workers; change such values before "
                "run(), or when it has returned"
            )

    def of_job(self, job: int) -> tuple[str, list[str]]:
        """Fingerprints of one job.

        Returns:
            That of the whole job, and one for each output.
        """
        own = {
            id(node): code_digest(_own_digest(node, job), home=self._modules)
            for node in self._nodes
        }
        each = [
            code_digest(
                FORMAT,
                self._io_packet,
                [[shared, own[node]] for node, shared in above.items()],
                home="",
            )
            for above in self._above
        ]
        places = [_place(output.streams[job], self._home) for output in self._outputs]
        return code_digest(each, self._sharing, places, home=""), each


def _place(stream: StoredStream, home: NamedStorage) -> Any:
    """What tells an output from all others, wherever its database is moved.

    Jobs that write the same under one name to two places are two jobs: neither may
    take the other's finished tasks for its own.
    """
    if not isinstance(stream, NamedStream):
        # A name says nothing of where streams of the user's own lie: their storage,
        # or they themselves, hold that.
        return [stream.name(), code_digest(stream, stream.storage(), home="")]
    if stream.storage() != home:
        return [stream.storage().db_path, stream.name()]
    return stream.name()


def op_digests(outputs: Sequence[OutputNode]) -> list[str]:
    """For each op, in topological order, a digest of all that is pickled of it.

    Warns, once in each process, of objects of which only the type counts, unless the
    op has a ``version``.
    """
    nodes = [node for node in topological(outputs) if isinstance(node, OpNode)]
    modules = _modules(nodes)
    found = []
    for node in nodes:
        kernel = node.spec.read()
        given = digest(
            [
                (f"argument {name!r} of op {node.label}", node.init_args[name])
                for name in sorted(node.init_args)
            ],
            modules,
        )
        names = sorted(node.init_args)
        found.append(code_digest(kernel.text, names, given.text, home=""))
        if not node.spec.version:
            _warn(node.label, (*kernel.opaque, *given.opaque))
    return found


_warned: set[str] = set()


def _warn(op: str, opaque: Sequence[str]) -> None:
    new = [text for text in opaque if text not in _warned]
    _warned.update(new)
    if new:
        warnings.warn(
            f"op {op}: what is in these objects cannot be told, so stored results will "
            f"not be made again when it changes: {'; '.join(new)}. Give the op a "
            "version= (as register_python_op(version='2')), and another one when they "
            "change",
            stacklevel=2,
        )


def _modules(nodes: Sequence[Node]) -> set[str]:
    """Modules of the kernels: their code counts in full though it be installed."""
    return {n.spec.kernel.__module__ for n in nodes if isinstance(n, OpNode)}


def _shared_digests(nodes: Sequence[Node], ops: Mapping[int, str]) -> dict[int, str]:
    """For the ``id`` of each node a digest of what all jobs share of it."""
    number = {id(node): index for index, node in enumerate(nodes)}
    return {id(node): _shared_digest(node, number, ops[id(node)]) for node in nodes}


def _shared_digest(node: Node, number: dict[int, int], op: str) -> str:
    columns = [(number[id(c.node)], c.index) for c in node.inputs]
    settings: list[Any] = [node.label, columns]
    if isinstance(node, OpNode):
        settings += [
            op,
            int(node.device),
            [node.batch, node.stencil, node.stencil_edge, node.bounded_state],
        ]
        if node.on_error != "fail":
            settings.append(f"on_error {node.on_error}")
    if isinstance(node, OutputNode):
        settings.append(repr(node.input.encoding))
    return code_digest(settings, home="")


def _own_digest(node: Node, job: int) -> Any:
    if isinstance(node, InputNode):
        return stream_fingerprint(node.streams[job])
    if isinstance(node, (OutputNode, UnsliceNode)):
        return None
    own = _own(node, job)
    return repr(own) if isinstance(node, (SampleNode, SliceNode)) else own


def stream_fingerprint(stream: StoredStream) -> str:
    """What identifies the rows of an input.

    Streams of the user's own may have a ``fingerprint()``; without one, name and
    length must do.
    """
    own = getattr(stream, "fingerprint", None)
    if own is not None:
        return str(own())
    return f"{type(stream).__qualname__}:{stream.name()}:{stream.len()}"
