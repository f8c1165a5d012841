"""``scannerpy.profiler``: what took how long in a run."""

from __future__ import annotations

import struct
import warnings
from typing import Any

from beam_scanner.run import profiler


class Profile(profiler.Profile):
    """The profile of a run; see ``beam_scanner.run.profiler.Profile``.

    Args:
        sc: The client.
        job_id: What ``run`` has returned.
        load_threads: Ignored: a profile is one file.
        subsample: Ignored, with a warning: all workers are in that file.

    Raises:
        ArgumentError: There was no such run, or its profile is not kept any more.
    """

    def __init__(
        self,
        sc: Any,
        job_id: int | str,
        load_threads: int = 8,
        subsample: int | None = None,
    ) -> None:
        warn_of_subsample(subsample)
        loaded = profiler.Profile.load(sc.named_storage, job_id)
        super().__init__(loaded.job_id, loaded._record)


def warn_of_subsample(given: int | None) -> None:
    """Says that it is ignored, to whoever called the caller."""
    if given is not None:
        warnings.warn(
            "subsample is ignored: all workers are in a profile", stacklevel=3
        )


def read_advance(fmt: str, buf: bytes, offset: int) -> tuple[tuple[Any, ...], int]:
    """Values that are packed in bytes, and where they end.

    Examples:
        >>> read_advance('<H', bytes([0, 1, 2]), 1)
        ((513,), 3)
    """
    return struct.unpack_from(fmt, buf, offset), offset + struct.calcsize(fmt)


def unpack_string(buf: bytes, offset: int) -> tuple[str, int]:
    r"""A string that ends with a zero byte, and where what follows it begins.

    Examples:
        >>> unpack_string(b'to\0be\0', 3)
        ('be', 6)
    """
    end = buf.index(b"\0", offset)
    return buf[offset:end].decode("latin-1"), end + 1
