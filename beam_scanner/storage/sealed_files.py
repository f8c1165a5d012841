"""Small files that say when they are not what was written.

Text: a JSON object whose last field, ``checksum``, is a digest of all that stands
before it, byte for byte; so it stays JSON for everybody else. Bytes: a digest before
them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from typing import Any

from beam_scanner.errors import StorageError
from beam_scanner.stores.object_store import ObjectStore

_LAST = re.compile(rb',\s*"checksum": "([0-9a-f]{32})"\n?\}\Z')
_NAMED = b'"checksum":'
_MAGIC = b"BSSEALED"
_DIGEST = 16
_TOO_LARGE = (ValueError, RecursionError)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def seal(values: dict[str, Any], indent: int | None = None) -> bytes:
    """A JSON object with its checksum.

    Examples:
        >>> unseal(seal({'rows': 3}))
        {'rows': 3}
        >>> unseal(seal({'rows': 3}).replace(b'3', b'2'))
        Traceback (most recent call last):
        ...
        beam_scanner.errors.StorageError: damaged: its checksum is not that of its text
    """
    try:
        data = json.dumps(values, ensure_ascii=False, indent=indent).encode()
    except UnicodeEncodeError:
        # A lone surrogate, as paths may have, cannot be encoded as UTF-8.
        data = json.dumps(values, indent=indent).encode()
    head = data[:-1].rstrip(b"\n")
    gap, end = (b" ", b"}") if indent is None else (b"\n" + b" " * indent, b"\n}")
    checksum = _digest(head).hex().encode()
    return b"".join([head, b",", gap, b'"checksum": "', checksum, b'"', end])


def is_sealed(data: bytes) -> bool:
    """Whether a file has a checksum, right or wrong."""
    return _LAST.search(data) is not None


def unseal(
    data: bytes, fields: Collection[str] = (), required: bool = True
) -> dict[str, Any]:
    """The object that :func:`seal` was given.

    Args:
        data: The bytes.
        fields: What it must have: another file may have taken the place of this one.
        required: False: an object without a checksum will do, as older releases
            wrote it.

    Raises:
        StorageError: It is not what was written.
    """
    found = _LAST.search(data)
    if found is not None:
        head = data[: found.start()]
        if _digest(head).hex().encode() != found[1]:
            raise StorageError("damaged: its checksum is not that of its text")
        data = head + b"}"
    elif required or _NAMED in data:
        raise StorageError("damaged: it has no checksum at its end")
    try:
        values = json.loads(data)
    except _TOO_LARGE as error:
        raise StorageError(f"damaged: {error}") from error
    if not isinstance(values, dict):
        raise StorageError(f"damaged: {type(values).__name__} in place of an object")
    missing = [name for name in fields if name not in values]
    if missing:
        raise StorageError(f"damaged: it has no {', '.join(missing)}")
    return values


def read_sealed(
    store: ObjectStore, key: str, fields: Collection[str]
) -> dict[str, Any]:
    """The object in a store that :func:`seal` made.

    Args:
        store: The store.
        key: Where.
        fields: What it must have.

    Raises:
        StorageError: It is not what was written, or not there; names the file.
    """
    data = store.read(key)
    try:
        return unseal(data, fields)
    except StorageError as error:
        raise StorageError(f"{store.describe(key)!r}: {error}") from error


def seal_bytes(data: bytes) -> bytes:
    """A checksum, followed by the bytes.

    Examples:
        >>> unseal_bytes(seal_bytes(b'abc'))
        b'abc'
    """
    return b"".join([_MAGIC, _digest(data), data])


def unseal_bytes(data: bytes) -> bytes:
    """The bytes that :func:`seal_bytes` was given.

    Raises:
        StorageError: They are not what was written.
    """
    start = len(_MAGIC) + _DIGEST
    found = data[start:]
    if data[:start] != _MAGIC + _digest(found):
        raise StorageError("damaged: its checksum is not that of its content")
    return found
