"""File systems of Beam that a test registers: their files lie in a folder of the disk."""

from __future__ import annotations

import gc
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.beam_internals import file_systems


class DiskFileSystem(FileSystem):
    """Files of the folder ROOT."""

    ROOT = ""
    SCHEME = ""
    DIRS = True
    RECURSIVE = True
    SEEKS = True

    @classmethod
    def scheme(cls) -> str:
        return cls.SCHEME

    def _path(self, url: str) -> str:
        return os.path.join(self.ROOT, url.removeprefix(f"{self.SCHEME}://"))

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path: str) -> tuple[str, str]:
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path: str) -> None:
        os.makedirs(self._path(path))

    def has_dirs(self) -> bool:
        return self.DIRS

    def _list(self, folder: str) -> Iterator[FileMetadata]:
        root = self._path(folder)
        if not self.RECURSIVE:
            if not os.path.isdir(root):
                raise BeamIOError(f"{folder} is no folder")
            for name in os.listdir(root):
                yield self._metadata(self.join(folder, name))
            return
        for at, _, names in os.walk(root):
            below = os.path.relpath(at, root)
            for name in names:
                parts = [name] if below == "." else [below, name]
                yield self._metadata(self.join(folder, *parts))

    def _metadata(self, url: str) -> FileMetadata:
        status = os.stat(self._path(url))
        size = 0 if os.path.isdir(self._path(url)) else status.st_size
        return FileMetadata(url, size, status.st_mtime)

    def open(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        assert compression_type == "uncompressed"
        data = open(self._path(path), "rb")  # noqa: SIM115
        return data if self.SEEKS else _Stream(data)

    def create(self, path: str, mime_type: str = "", compression_type: str = "") -> Any:
        if not self.DIRS:
            os.makedirs(os.path.dirname(self._path(path)), exist_ok=True)
        return open(self._path(path), "xb")

    def copy(self, sources: list[str], targets: list[str]) -> None:
        raise NotImplementedError

    def rename(self, sources: list[str], targets: list[str]) -> None:
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        return os.path.exists(self._path(path))

    def size(self, path: str) -> int:
        return int(self.metadata(path).size_in_bytes)

    def last_updated(self, path: str) -> float:
        return float(self.metadata(path).last_updated_in_seconds)

    def checksum(self, path: str) -> str:
        return str(self.size(path))

    def metadata(self, path: str) -> FileMetadata:
        try:
            return self._metadata(path)
        except OSError as error:
            raise BeamIOError(f"no metadata of {path}", {path: error}) from error

    def delete(self, paths: list[str]) -> None:
        for path in paths:
            os.unlink(self._path(path))


class _Stream(io.RawIOBase):
    """A file that can only be read from its start on."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return int(self._file.readinto(buffer))


@contextmanager
def registered(scheme: str, root: str, **ways: Any) -> Iterator[type[DiskFileSystem]]:
    """Registers a file system while open.

    Args:
        scheme: Its scheme; one for each test, since classes live on for a while.
        root: The folder of its files.
        **ways: See ``DiskFileSystem``.
    """
    ways = {"SCHEME": scheme, "ROOT": str(root), **ways}
    kind: Any = type("Registered", (DiskFileSystem,), {**ways, "__module__": __name__})
    try:
        yield kind
    finally:
        kind.SCHEME = ""
        file_systems._sent.pop(scheme, None)
        del kind
        gc.collect()


def needs_options(scheme: str, root: str) -> dict[str, Callable[..., None]]:
    """A way to be that takes the folder from ``--temp_location``, or fails without."""

    def made(self: Any, pipeline_options: Any) -> None:
        given = pipeline_options
        if isinstance(given, PipelineOptions):
            given = given.get_all_options()
        if not (given or {}).get("temp_location"):
            raise ValueError("temp_location is not set")
        self.ROOT = given["temp_location"]

    return {"__init__": made}


def filled(root: Any, files: dict[str, Any]) -> None:
    """Puts copies of files into a folder."""
    for name, source in files.items():
        target = os.path.join(root, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
