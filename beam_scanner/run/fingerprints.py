"""Fingerprints: equal ones mean equal results, so that nothing is made twice."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beam_scanner.errors import ArgumentError
from beam_scanner.graph.nodes import (
    InputNode,
    Node,
    OpNode,
    OutputNode,
    SampleNode,
    SliceNode,
    UnsliceNode,
    topological,
)
from beam_scanner.kernels.digests.digest import code_digest, digest, type_name
from beam_scanner.run.shared_graph import value_of
from beam_scanner.storage.streams.backend import StoredStream
from beam_scanner.storage.streams.named import NamedStorage, NamedStream

FORMAT = "2"
"""Enters every fingerprint; raised when equal graphs begin to give other bytes."""

CUTS = "2"
"""Enters the fingerprint of a job, which keeps its finished tasks; raised when jobs begin
to be cut into other tasks."""


PIXELS = "1"
"""Enters the fingerprint of frames that are decoded on a device; raised when these get
other pixels."""


class Fingerprints:
    """Fingerprints of the outputs of a run.

    Equal fingerprints mean equal results: they cover the graph above an output, its
    ops with all values that their kernels use, their arguments for the job, the input
    streams, the encoding and the size of tasks.

    Args:
        outputs: All outputs of the run, before it is cut into phases.
        io_packet: Output rows a task.
        home: The database that keeps work that is not done.
        ops: What :func:`op_digests` returned where the run was made, if that was
            elsewhere.
        values: What :func:`value_digests` returned there, for the only job.
        decoder: Where videos are decoded.
    """

    def __init__(
        self,
        outputs: Sequence[OutputNode],
        io_packet: int,
        home: NamedStorage,
        ops: Sequence[str] | None = None,
        values: Sequence[str] | None = None,
        decoder: str = "cpu",
    ) -> None:
        self._home = home
        self._decoder = decoder
        self._outputs = outputs
        self._nodes = topological(outputs)
        self._frames = {
            id(column.node)
            for node in self._nodes
            for column in node.inputs
            if column.type is None
        }
        self._io_packet = io_packet
        self._values = values
        self._ops = op_digests(outputs) if ops is None else list(ops)
        digests = iter(self._ops)
        of_op = {
            id(n): next(digests) if isinstance(n, OpNode) else "" for n in self._nodes
        }
        # Nodes are numbered from 0 for each output: a result does not depend on what
        # else the run makes.
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

    def of_inputs(self, job: int) -> dict[int, str]:
        """What identifies the rows of each input of a job now, by ``id`` of its stream."""
        streams = [n.streams[job] for n in self._nodes if isinstance(n, InputNode)]
        return {id(stream): stream_fingerprint(stream) for stream in streams}

    def of_job(
        self, job: int, inputs: Mapping[int, str] | None = None
    ) -> tuple[str, list[str]]:
        """Fingerprints of one job.

        Args:
            job: Its index.
            inputs: What :meth:`of_inputs` returned, if it was asked.

        Returns:
            That of the whole job, and one for each output.
        """
        read = self.of_inputs(job) if inputs is None else inputs
        values = self._values
        if values is None:
            values = value_digests(self._outputs, job)
        own = {
            id(node): self._of_input(node, read[id(node.streams[job])])
            if isinstance(node, InputNode)
            else value
            for node, value in zip(self._nodes, values, strict=True)
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
        written = [
            _identity(output.streams[job], self._home) for output in self._outputs
        ]
        return code_digest(CUTS, each, self._sharing, written, home=""), each

    def _of_input(self, node: InputNode, of_stream: str) -> str:
        if self._decoder == "cpu" or id(node) not in self._frames:
            return code_digest(of_stream, home="")
        return code_digest(of_stream, self._decoder, PIXELS, home="")


def _identity(stream: StoredStream, home: NamedStorage) -> Any:
    """What identifies an output, even after its database is moved.

    Jobs that write the same under one name to two databases are two jobs: neither may
    take the other's finished tasks for its own.
    """
    if not isinstance(stream, NamedStream):
        # A name says nothing of where streams of the user's own lie: their storage,
        # or they themselves, hold that.
        return [stream.name(), code_digest(*stream.identity(), home="")]
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


def value_digests(outputs: Sequence[OutputNode], job: int) -> list[str]:
    """For each node, in topological order, a digest of what it holds for one job.

    It is empty for inputs, whose streams need not be known yet.
    """
    nodes = topological(outputs)
    modules = _modules(nodes)
    return [
        ""
        if isinstance(node, InputNode)
        else code_digest(_job_digest(node, job), home=modules)
        for node in nodes
    ]


_warned: set[str] = set()


def _warn(op: str, opaque: Sequence[str]) -> None:
    new = [text for text in opaque if text not in _warned]
    _warned.update(new)
    if new:
        warnings.warn(
            f"op {op}: the contents of these objects cannot be compared, so stored results "
            f"will not be computed again when they change: {'; '.join(new)}. Give the op a "
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


def _job_digest(node: Node, job: int) -> Any:
    if isinstance(node, (OutputNode, UnsliceNode)):
        return None
    value = value_of(node, job)
    return repr(value) if isinstance(node, (SampleNode, SliceNode)) else value


def stream_fingerprint(stream: StoredStream) -> str:
    """What identifies the rows of an input.

    Streams of the user's own may have a ``fingerprint()``; without one, name and
    length must do, which is warned of once in each process.
    """
    own = getattr(stream, "fingerprint", None)
    if own is not None:
        return str(own())
    kind = type_name(type(stream))
    if kind not in _warned:
        _warned.add(kind)
        warnings.warn(
            f"streams of class {kind} have no fingerprint(), so stored results will not "
            "be computed again when their content changes but not their name and length",
            stacklevel=2,
        )
    return f"{type(stream).__qualname__}:{stream.name()}:{stream.len()}"
