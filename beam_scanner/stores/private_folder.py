"""A folder in which the processes of one user on one machine tell each other things.

It lies where everybody may write. So another user could have made it, or have put links
of the names that we use into it: it is used only if it is ours alone, and its files are
opened within it, following no links.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from beam_scanner.errors import StorageError

_NAMES = 10


class PrivateFolder:
    """An open folder that no other user can change.

    Args:
        path: Where it is.
        number: Its file descriptor.
    """

    def __init__(self, path: str, number: int) -> None:
        self.path = path
        self._number = number

    def short_path(self, name: str) -> str:
        """A short path of a file in it, while it is open.

        Sockets cannot have long ones.
        """
        return f"/proc/self/fd/{self._number}/{name}"

    def file(self, name: str) -> BinaryIO:
        """Opens a file, which is empty if it was not there.

        Raises:
            OSError: Something else has that name.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(name, flags, 0o600, dir_fd=self._number), "r+b")

    def replace(self, name: str, content: bytes) -> None:
        """Puts a whole file in place in one step, whoever else does the same."""
        own = f"{name}.{os.urandom(8).hex()}"
        with self.file(own) as file:
            file.write(content)
        os.rename(own, name, src_dir_fd=self._number, dst_dir_fd=self._number)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self.names()

    def identity(self, name: str) -> tuple[int, int] | None:
        """What no other file has that is there at the same time; None if it is gone."""
        try:
            found = os.stat(name, dir_fd=self._number, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def names(self) -> list[str]:
        """The names of all files in it."""
        return os.listdir(self._number)

    def remove(self, name: str) -> None:
        """Removes a file, if there is one."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._number)


@contextmanager
def private_folder() -> Iterator[PrivateFolder]:
    """Opens the folder of this user in the temporary directory, for a while.

    A folder of the usual name that belongs to somebody else is passed over, by all
    processes in the same way.

    Yields:
        The folder.

    Raises:
        StorageError: There is none, and none can be made.
    """
    path, number = _open_own()
    try:
        yield PrivateFolder(path, number)
    finally:
        os.close(number)


def _open_own() -> tuple[str, int]:
    base = os.path.join(tempfile.gettempdir(), f"beam_scanner-{os.geteuid()}")
    paths = [base, *(f"{base}-{number}" for number in range(1, _NAMES))]
    for path in paths:
        with suppress(OSError):
            os.mkdir(path, 0o700)
        number = _open_if_own(path)
        if number is not None:
            return path, number
    raise StorageError(
        f"there is no folder {base!r} that is this user's alone, and none can be made: "
        "set TMPDIR to a directory of your own"
    )


def _open_if_own(path: str) -> int | None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        number = os.open(path, flags)
    except OSError:
        return None
    found = os.fstat(number)
    if found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077:
        return number
    os.close(number)
    return None
