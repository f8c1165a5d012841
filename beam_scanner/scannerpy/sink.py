"""``scannerpy.sink``: lower-level outputs of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from beam_scanner.graph.nodes import OpColumn
from beam_scanner.graph.source_calls import TAKE_INPUT
from beam_scanner.graph.source_calls import SinkGenerator as SinkGenerator
from beam_scanner.scannerpy.op import NO_ARGS, to_proto


class Sink:
    """An output, as ``sc.sinks`` makes it.

    Args:
        sc: The client.
        name: Of the sink.
        inputs: Its columns, unless ``sink_args`` has them.
        job_args: For each stream the name of its table, or the dict of its arguments.
        sink_args: Arguments for all streams; for columns ``{'columns': {name: col}}``.

    Attributes:
        node: What ``sc.run`` takes.

    Raises:
        ScannerException: As ``sc.sinks``.
    """

    def __init__(
        self,
        sc: Any,
        name: str,
        inputs: Sequence[OpColumn],
        job_args: Sequence[Any],
        sink_args: Mapping[str, Any] = NO_ARGS,
    ) -> None:
        given = dict(sink_args)
        if inputs and "columns" not in given:
            if name in TAKE_INPUT:
                given["input"] = inputs[0]
            else:
                given["columns"] = {"column": inputs[0]}
        rows = [
            each if isinstance(each, Mapping) else {"table_name": each}
            for each in job_args
        ]
        lists = {key: [row[key] for row in rows] for key in rows[0]} if rows else {}
        self.node = getattr(sc.sinks, name)(**lists, **given)

    def inputs(self) -> list[OpColumn]:
        """Its columns."""
        return list(self.node.inputs)

    def to_proto(self, indices: Any) -> NoReturn:
        """Scanner's; there is no such message.

        Raises:
            ArgumentError: Always; says what to use.
        """
        to_proto(indices)
