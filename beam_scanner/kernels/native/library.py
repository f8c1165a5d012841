"""A shared library of ops: its content, which travels with graphs, and how it is opened.

Wherever a kernel of it is made, the content is put into a file of the user's own folder
under its digest, and opened from there, once in each process.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any

from beam_scanner.errors import ArgumentError, KernelError, StorageError
from beam_scanner.kernels.native import interface
from beam_scanner.stores.private_folder import private_folder

_SECONDS = 60
_lock = threading.Lock()


class NativeLibrary:
    """The content of a library; equal contents are one object.

    Args:
        content: Of the file.

    Attributes:
        content: Of the file.
        digest: SHA-256 of it, as hexadecimal digits.
    """

    content: bytes
    digest: str

    def __new__(cls, content: bytes) -> NativeLibrary:
        """The object that has this content already, or a new one."""
        digest = hashlib.sha256(content).hexdigest()
        with _lock:
            known = _libraries.get(digest)
            if known is None:
                known = super().__new__(cls)
                known.content, known.digest = content, digest
                _libraries[digest] = known
            return known

    def __reduce__(self) -> Any:
        return NativeLibrary, (self.content,)

    def ops(self) -> NativeOps:
        """Its functions, in this process.

        Raises:
            KernelError: It cannot be opened here.
        """
        with _lock:
            if self.digest not in _opened:
                path = self.path()
                try:
                    _opened[self.digest] = NativeOps(interface.open_ops(path))
                except interface.NotALibrary as error:
                    raise KernelError(
                        f"the native library of this op cannot be used: {error}"
                    ) from error
            return _opened[self.digest]

    def path(self) -> str:
        """A file of the user's own folder that holds the content.

        Raises:
            StorageError: There can be no such file.
        """
        name = f"{self.digest}.so"
        try:
            with private_folder() as folder:
                if not self._is_in(folder, name):
                    folder.replace(name, self.content)
                return os.path.join(folder.path, name)
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(
                f"a native library cannot be put into the temporary directory: {error}"
            ) from error

    def _is_in(self, folder: Any, name: str) -> bool:
        """Whether a file is there as it should be: writers may die, disks be full."""
        if not folder.has(name):
            return False
        with suppress(OSError), folder.file(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.digest
        return False

    def describe(self) -> str:
        """What the library says of its ops; asked in a process of its own.

        Raises:
            ArgumentError: It cannot be opened, does not keep to the interface, or ends
                the process.
        """
        # Nothing of this environment is needed there, and it starts faster without.
        command = [sys.executable, "-I", "-S", interface.__file__, self.path()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise ArgumentError(
                f"it does not say within {_SECONDS} seconds what it has"
            ) from None
        if done.returncode:
            raise ArgumentError(f"opening it {_ended(done.returncode, done.stderr)}")
        if not done.stdout:
            raise ArgumentError("opening it ends the process, which said nothing")
        found = json.loads(done.stdout)
        if "error" in found:
            raise ArgumentError(found["error"])
        try:
            text: str = found["describe"]
            text.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"its description is not UTF-8: {error}") from None
        return text


_libraries: weakref.WeakValueDictionary[str, NativeLibrary] = (
    weakref.WeakValueDictionary()
)
_opened: dict[str, NativeOps] = {}


class NativeOps:
    """The functions of an open library.

    Args:
        table: As the library gave it.
    """

    def __init__(self, table: interface.Ops) -> None:
        # Reading a field of the table makes a new object each time.
        self.create = table.create
        self.new_stream = table.new_stream
        self.reset = table.reset
        self.execute = table.execute
        self.destroy = table.destroy


def _ended(code: int, errors: bytes) -> str:
    """How a process ended, in words."""
    if code < 0:
        with suppress(ValueError):
            return f"ends the process with {signal.Signals(-code).name}"
    lines = errors.decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f"ends the process with code {code}" + (f": {last}" if last else "")
