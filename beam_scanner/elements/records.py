"""The results of sinks, as the rest of a pipeline gets them."""

# No postponed annotations: Beam reads the types of the fields, not strings.

import json
from typing import Any, NamedTuple

import apache_beam as beam

from beam_scanner.errors import ElementTypeError, Failure

NAMESPACE = "beam_scanner"
"""Namespace of all metrics."""


class Commit(NamedTuple):
    """A stream that was committed.

    Attributes:
        stream: Its name.
        path: Folder or URL of its files.
        rows: How many rows it has.
        fingerprint: Of what made it: equal ones mean equal content.

    Examples:
        >>> Commit('small/a.mp4', '/db/small/a.mp4', 250, '5f0c').rows
        250
    """

    stream: str
    path: str
    rows: int
    fingerprint: str


class FailureCoder(beam.coders.Coder):  # type: ignore[misc]
    """Failures as JSON.

    In other processes, Beam's row coder decodes to a generated tuple type, which prints
    differently. It also cannot encode lone surrogates, which exception messages may have.

    Examples:
        >>> coder = FailureCoder()
        >>> coder.decode(coder.encode(Failure('a.mp4', 'no such file'))).reason
        'no such file'
    """

    def encode(self, value: Any) -> bytes:
        """Failure to bytes."""
        return json.dumps(tuple(value)).encode("ascii")

    def decode(self, encoded: bytes) -> Failure:
        """Bytes to failure."""
        return Failure(*json.loads(encoded))

    def is_deterministic(self) -> bool:
        """Equal failures are equal bytes."""
        return True

    def to_type_hint(self) -> type[Failure]:
        """The type of the elements."""
        return Failure


beam.coders.registry.register_coder(Commit, beam.coders.RowCoder)
beam.coders.registry.register_coder(Failure, FailureCoder)


class Written(NamedTuple):
    """The result of a sink.

    Attributes:
        commits: PCollection of ``Commit``: the streams that are there now, those
            that were there before with the same content included.
        failures: PCollection of ``errors.Failure``: the streams that are not, and why.
    """

    commits: Any
    failures: Any

    def __or__(self, transform: Any) -> Any:
        # Beam's own error would be that of a tuple.
        raise ElementTypeError(
            "a sink gives two PCollections, and no transform takes both: apply it to "
            ".commits or to .failures"
        )
