"""The names of exported files."""

from __future__ import annotations

import os
import string
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.storage.stream_names import stream_key

_FIELDS = ("stream", "stem", "number")


class FileNames:
    """Makes file names of a pattern.

    A stream's name becomes folders and a file, quoted as in a database, so that no file
    lies outside the folder.

    Args:
        folder: Where files go.
        pattern: A format string with ``{stream}``, ``{stem}`` (the stream's name without
            the extension) and ``{number}``, as in ``'{stem}/{number:06}'``.

    Raises:
        ArgumentError: The pattern has another field, or none.

    Examples:
        >>> names = FileNames('out', '{stem}/{number:04}')
        >>> names.path('films/a.mp4', '.png', 7)
        'out/films/a/0007.png'
    """

    def __init__(self, folder: str, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern
        try:
            parsed = [field for _, field, *_ in string.Formatter().parse(pattern)]
        except ValueError as error:
            raise ArgumentError(f"file name {pattern!r}: {error}") from error
        fields = {field for field in parsed if field is not None}
        if not fields or fields.difference(_FIELDS):
            known = ", ".join(f"{{{field}}}" for field in _FIELDS)
            raise ArgumentError(f"file name {pattern!r}: expected some of {known}")
        try:
            self._format("a", 1)
        except ValueError as error:
            raise ArgumentError(f"file name {pattern!r}: {error}") from error

    def _format(self, stream: str, number: int) -> str:
        stem = os.path.splitext(stream)[0]
        return self._pattern.format(stream=stream, stem=stem, number=number)

    def path(self, stream: str, extension: str, number: int = 0) -> str:
        """The path of one file.

        Args:
            stream: The stream's name.
            extension: With its dot.
            number: The row, or the number of a shot.

        Raises:
            ArgumentError: The name would be impossible.
        """
        return os.path.join(
            self._folder, stream_key(self._format(stream, number)) + extension
        )


def make_room(paths: Iterable[str]) -> None:
    """Makes the folders of files that are to be written.

    Raises:
        StorageError: A file exists already, two have one name, one has the name of
            another's folder, or a folder cannot be made.
    """
    given = list(paths)
    for path, count in Counter(given).items():
        if count > 1:
            raise StorageError(
                f"two files would be called {path!r}: give another name; {{number}} in it "
                "tells pictures or clips of a stream apart"
            )
        if os.path.lexists(path):
            raise StorageError(
                f"{path!r} exists: remove it, or choose another folder or name"
            )
    folders = {os.path.dirname(path) for path in given}
    above = {str(each) for folder in folders for each in (Path(folder) / "a").parents}
    for path in given:
        if os.path.normpath(path) in above:
            raise StorageError(
                f"{path!r} would be a file and the folder of another: export these "
                "streams to different folders, or give another name"
            )
    for folder in folders:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            there = folder
            while there and not os.path.lexists(there):
                there = os.path.dirname(there)
            is_none = there and not os.path.isdir(there)
            why = f"{there!r} is no folder" if is_none else error.strerror
            raise StorageError(f"cannot make folder {folder!r}: {why}") from error
