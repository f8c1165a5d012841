"""Says which outputs are pickles, since their kernel does not say what it returns."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable

from beam_scanner.graph.nodes import InputNode, OpColumn, OpNode, OutputNode
from beam_scanner.run.job import Job
from beam_scanner.storage.descriptor import StreamDescriptor
from beam_scanner.storage.settle_type import pickled_text, pickled_why
from beam_scanner.storage.streams.named import NamedStream

_log = logging.getLogger(__name__)


def maker_of(column: OpColumn) -> OpNode | InputNode | None:
    """The op, or the input, that the values of a column come from."""
    node = column.node
    while not isinstance(node, OpNode | InputNode):
        if not node.inputs:
            return None
        node = node.inputs[0].node
    return node


def may_infer(output: OutputNode) -> bool:
    """Whether the values of an output may be unpickled, to find what they are.

    Those of an op were pickled by this run; others by whoever wrote the input.
    """
    maker = maker_of(output.input)
    if isinstance(maker, InputNode):
        return maker.streams[0].storage().trusted
    return maker is not None


def log_pickles(output: OutputNode, found: StreamDescriptor) -> None:
    """Logs that a stream, just committed, is pickles."""
    why = pickled_why(found)
    if why:
        _log.warning("%s", pickled_text(_op(output), [found.name], why))


def warn_of_pickles(jobs: Iterable[Job]) -> None:
    """Warns of committed outputs that are pickles, once for each op.

    Warns:
        UserWarning: Names the op, the stream, and what to annotate.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        for _, output in job.numbered_outputs:
            kind, stream = output.input.type, output.streams[0]
            if kind is not None and kind.unpickles and isinstance(stream, NamedStream):
                found = NamedStream.try_descriptor(stream)
                why = "" if found is None else pickled_why(found)
                if why:
                    names.setdefault((_op(output), why), []).append(stream.name())
    for (op, why), streams in names.items():
        warnings.warn(pickled_text(op, streams, why), stacklevel=7)


def _op(output: OutputNode) -> str:
    maker = maker_of(output.input)
    return maker.spec.name if isinstance(maker, OpNode) else ""
