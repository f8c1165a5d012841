"""Frames of a stream as image files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_scanner.errors import ElementTypeError
from beam_scanner.exports.whole_files import whole_file
from beam_scanner.storage.streams.named import NamedStream
from beam_scanner.types.element_types import NullElement
from beam_scanner.types.image_files import decode_image, encode_image, image_format

PICTURES = {"png": "png", "jpg": "jpeg"}
"""Extensions of image files, and the formats' names."""


def write_pictures(stream: NamedStream, paths: Sequence[str]) -> None:
    """Writes each row of a stream of frames, or of encoded images, to a file.

    Null rows have no file. Images that are stored in the format that is asked for are
    copied as they are.

    Args:
        stream: The stream.
        paths: A path for each row, which ends in ``.png`` or ``.jpg``.

    Raises:
        ElementTypeError: A row is neither a frame nor an image.
        StorageError: A file cannot be written.
    """
    # Encoded images come as they are stored.
    encoded = stream.descriptor().type_name == "Image"
    values = stream.load_bytes() if encoded else stream.load()
    for row, (path, value) in enumerate(zip(paths, values, strict=True)):
        if value is None or isinstance(value, NullElement):
            continue
        kind = PICTURES[path.rpartition(".")[2]]
        data = _image(value, kind, f"row {row} of {stream.name()!r}")
        with whole_file(path) as part, open(part, "wb") as file:
            file.write(data)


def _image(value: Any, kind: str, which: str) -> bytes:
    if isinstance(value, bytes) and (found := image_format(value)):
        return value if found == kind else encode_image(decode_image(value), kind)
    if not _is_picture(value):
        raise ElementTypeError(
            f"{which} holds {type(value).__name__}: expected a frame, or a PNG or JPEG"
        )
    return encode_image(value, kind)


def _is_picture(value: Any) -> bool:
    picture: NDArray[Any] = value
    return isinstance(value, np.ndarray) and picture.ndim in (2, 3)
