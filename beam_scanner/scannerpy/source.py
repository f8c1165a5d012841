"""``scannerpy.source``: lower-level inputs of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from beam_scanner.graph.source_calls import SourceGenerator as SourceGenerator
from beam_scanner.scannerpy import protobufs
from beam_scanner.scannerpy.op import NO_ARGS, to_proto


class Source:
    """An input, as ``sc.sources`` makes it.

    Args:
        sc: The client.
        name: Of the source.
        enumerator_args: For each stream its arguments: a dict, or a serialized
            ``<name>EnumeratorArgs`` as ``collect_per_stream_args`` returns it.
        source_args: Arguments for all streams.

    Raises:
        ScannerException: As ``sc.sources``.
    """

    def __init__(
        self,
        sc: Any,
        name: str,
        enumerator_args: Sequence[bytes | Mapping[str, Any]],
        source_args: Mapping[str, Any] = NO_ARGS,
    ) -> None:
        rows = [_fields(name, each) for each in enumerator_args]
        lists = {key: [row[key] for row in rows] for key in rows[0]} if rows else {}
        self._outputs = getattr(sc.sources, name)(**lists, **source_args)

    def outputs(self) -> Any:
        """Its column."""
        return self._outputs

    def to_proto(self, indices: Any) -> NoReturn:
        """Scanner's; there is no such message.

        Raises:
            ArgumentError: Always; says what to use.
        """
        to_proto(indices)


def _fields(name: str, given: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    kind = name.removeprefix("Frame").replace("Sequence", "Column")
    message = getattr(protobufs, f"{kind}EnumeratorArgs").FromString(given)
    return {field.name: value for field, value in message.ListFields()}
