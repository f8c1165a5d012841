"""Image files as elements."""

from __future__ import annotations

import numpy as np
import pytest

from beam_scanner import types
from beam_scanner.errors import ElementTypeError
from tests.support.element_values import copies, same_array


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_come_back(dtype: type, channels: int) -> None:
    top = np.iinfo(dtype).max
    shape = (5, 7, channels)
    value = np.random.default_rng(1).integers(0, top, shape, dtype, endpoint=True)
    for copy in copies(types.Image, value):
        assert same_array(value, copy)


def test_the_bytes_of_an_image_file_are_kept() -> None:
    info = types.get_type_info(types.Image)
    file = info.serialize(np.zeros((2, 2, 3), np.uint8))
    assert info.serialize(file) == file
    assert file.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]
)
def test_what_is_no_image_is_an_error(data: bytes) -> None:
    with pytest.raises(ElementTypeError, match=r"PNG|JPEG"):
        types.get_type_info(types.Image).deserialize(data or b"x")
