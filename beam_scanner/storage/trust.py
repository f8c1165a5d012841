"""Refuses to unpickle what an untrusted database holds.

Unpickling runs whatever code the data names. Elements of ``typing.Any`` are pickles,
and so are lists of it. A class of the user's may do anything with stored bytes, so it
is not enough that a descriptor names it: the caller must.
"""

from __future__ import annotations

from typing import Any

from beam_scanner.errors import UntrustedDataError
from beam_scanner.types.type_info import ScannerTypeInfo


def check_plain(info: ScannerTypeInfo, stream: str) -> None:
    """Refuses values that the type in a descriptor says how to read.

    Args:
        info: That type.
        stream: Name of the stream.

    Raises:
        UntrustedDataError: It is a pickle, or a class of the user's.
    """
    check_no_pickle(info, stream)
    if not info.plain:
        raise UntrustedDataError(
            f"stream {stream!r} says that it holds {info.name}, a class of your own, "
            "and its database is not trusted: load(ty=...) with that class reads it as "
            f"such, load(fn=...) gives its bytes{_REMEDY}"
        )


def check_no_pickle(info: Any, stream: str) -> None:
    """Refuses to unpickle.

    Args:
        info: The type of the values.
        stream: Name of the stream.

    Raises:
        UntrustedDataError: It is a pickle.
    """
    if getattr(info, "unpickles", False):
        raise UntrustedDataError(
            f"values of stream {stream!r} would be unpickled as {info.name}, and its "
            "database is not trusted: unpickling runs whatever code the data names; "
            f"load(fn=...) gives their bytes{_REMEDY}"
        )


_REMEDY = "; trusted=True, if you trust everyone who can write there, reads it"
