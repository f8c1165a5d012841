"""Opens files, and nothing that only has the name of one."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

# Opening a named pipe would wait for somebody to write.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_MOST_UNWRITTEN = 1 << 30

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NoFileError(OSError):
    """A path leads to something that exists but is not a file that can be read."""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a file for reading.

    Raises:
        NoFileError: It is a device, a named pipe or a socket, or much of it was never
            written, so that reading it would not end; names which.
        OSError: It cannot be opened.

    Examples:
        >>> open_regular('/dev/zero')
        Traceback (most recent call last):
        ...
        beam_scanner.stores.regular_files.NoFileError: [Errno 22] is a device, not a file: '/dev/zero'
    """
    try:
        file = open(  # noqa: SIM115 - the caller's to close
            path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE)
        )
    except OSError as error:
        if error.errno == errno.ENXIO:
            reason = "is a socket, not a file"
            raise NoFileError(errno.EINVAL, reason, os.fspath(path)) from error
        raise
    try:
        status = os.fstat(file.fileno())
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        reason = f"is {kind}, not a file" if kind else _holes(file.fileno(), status)
        if reason:
            raise NoFileError(errno.EINVAL, reason, os.fspath(path))
    except BaseException:
        file.close()
        raise
    return file


def special_kind(path: str | os.PathLike[str]) -> str:
    """What a path leads to instead of a file or a folder; '' for these and for nothing.

    Examples:
        >>> special_kind(os.devnull), special_kind('.'), special_kind('no/such/file')
        ('a device', '', '')
    """
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "")
    except (OSError, ValueError):
        return ""


def _holes(file: int, status: os.stat_result) -> str:
    if status.st_blocks * 512 + _MOST_UNWRITTEN >= status.st_size:
        return ""
    at = unwritten = 0
    while at < status.st_size and unwritten <= _MOST_UNWRITTEN:
        hole = os.lseek(file, at, os.SEEK_HOLE)
        try:
            at = os.lseek(file, hole, os.SEEK_DATA)
        except OSError:  # No data follows.
            at = status.st_size
        unwritten += at - hole
    os.lseek(file, 0, os.SEEK_SET)
    if unwritten <= _MOST_UNWRITTEN:
        return ""
    return (
        f"was never completely written: {unwritten} or more of its {status.st_size} "
        "bytes are missing"
    )
