"""Files that are none: to open some of them is to wait for ever."""

from __future__ import annotations

import os
import stat

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def special_kind(path: str | os.PathLike[str]) -> str:
    """What a path leads to instead of a file or a folder; '' for these and for nothing.

    Example:
        >>> special_kind(os.devnull), special_kind('.'), special_kind('no/such/file')
        ('a device', '', '')
    """
    try:
        return kind_of_mode(os.stat(path).st_mode)
    except (OSError, ValueError):
        return ""


def kind_of_mode(mode: int) -> str:
    """See :func:`special_kind`; of a file that is open, by the mode from ``fstat``."""
    return _KINDS.get(stat.S_IFMT(mode), "")
