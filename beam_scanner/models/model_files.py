"""The files of a model, on this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from beam_scanner.errors import StreamNotFoundError
from beam_scanner.stores.object_urls import is_object_url
from beam_scanner.stores.open import locate


@contextmanager
def local_files(place: str) -> Iterator[str]:
    """A path at which a library finds a model, for as long as it loads it.

    Args:
        place: Path of a file or folder, or a ``file://``, ``gs://`` or ``s3://`` URL.

    Yields:
        The path itself, or that of a copy.

    Raises:
        StreamNotFoundError: Nothing is there.

    Examples:
        >>> with local_files('/no/such/model.onnx'):
        ...     pass
        Traceback (most recent call last):
        beam_scanner.errors.StreamNotFoundError: there is no model at \
'/no/such/model.onnx'
    """
    if not is_object_url(place):
        path = unquote(urlsplit(place).path) if place.startswith("file://") else place
        if not os.path.exists(path):
            raise StreamNotFoundError(f"there is no model at {place!r}")
        yield os.path.abspath(path)
        return
    folder = tempfile.mkdtemp(prefix="beam_scanner-model-")
    try:
        yield _copied(place, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(url: str, folder: str) -> str:
    store, key = locate(url)
    if store.exists(key):
        keys = {key: os.path.basename(key)}
    else:
        prefix = f"{key}/" if key else ""
        keys = {found: found.removeprefix(prefix) for found in store.list(prefix)}
        if not keys:
            raise StreamNotFoundError(f"there is no model at {url!r}")
    for found, name in keys.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with store.open(found) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    return os.path.join(folder, os.path.basename(key)) if key in keys else folder
