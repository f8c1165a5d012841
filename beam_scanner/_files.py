"""Files that arguments and other values name: their content is part of what is run."""

from __future__ import annotations

import hashlib
import os
import stat

_WHOLE = 64 << 20
_PIECE = 256 << 10
_PIECES = 16
_LONGEST = 4096

_known: dict[tuple[object, ...], str] = {}
_KNOWN = 4096


def file_digest(text: str) -> str | None:
    """A digest of the content of the file that a text names; None if it names none.

    Only a text that looks like a path is looked at: one with a separator or a dot. Of
    a file of more than 64 MiB, size, time of change and pieces count; of a smaller one
    the content, and nothing else.

    Args:
        text: An argument of an op, or any other value.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix='.bin') as file:
        ...     _ = file.write(b'weights')
        ...     file.flush()
        ...     len(file_digest(file.name))
        32
        >>> file_digest('a text.') is None
        True
    """
    if not 2 < len(text) < _LONGEST or "\n" in text or "\0" in text:
        return None
    if "." not in text and os.sep not in text:
        return None
    try:
        found = os.stat(text)
        if not stat.S_ISREG(found.st_mode):
            return None
        return _digest(text, found)
    except (OSError, ValueError):
        return None


def _digest(path: str, found: os.stat_result) -> str:
    size = found.st_size
    key = found.st_dev, found.st_ino, size, found.st_mtime_ns, found.st_ctime_ns
    if key not in _known:
        digest = hashlib.blake2b(b"%d" % size, digest_size=16)
        with open(path, "rb") as file:
            if size <= _WHOLE:
                while data := file.read(1 << 20):
                    digest.update(data)
            else:
                digest.update(b"%d" % found.st_mtime_ns)
                for number in range(_PIECES):
                    file.seek(number * (size - _PIECE) // (_PIECES - 1))
                    digest.update(file.read(_PIECE))
        if len(_known) >= _KNOWN:
            _known.clear()
        _known[key] = digest.hexdigest()
    return _known[key]
