"""ImageEncoder and ImageDecoder: frames to and from PNG and JPEG files."""

from __future__ import annotations

from beam_scanner.errors import ArgumentError
from beam_scanner.kernels import Kernel, KernelConfig, register_python_op
from beam_scanner.types.element_types import FrameType, Image
from beam_scanner.types.image_files import decode_image, encode_image

_FORMATS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg"}


@register_python_op()
class ImageEncoder(Kernel):
    r"""Encodes each frame as an image file.

    The stream holds the files' bytes: its Parquet column has them, and ``load()``
    decodes them (``load(ty=bytes)`` does not).

    Args:
        config: The kernel's configuration.
        format: 'png' (exact; uint8 or uint16) or 'jpg' / 'jpeg' (uint8), in any case.
        quality: Of a JPEG, 1 to 100.

    Raises:
        ArgumentError: Another format or quality.

    Examples:
        >>> import numpy as np
        >>> encoder = ImageEncoder(KernelConfig(), format='jpg')
        >>> encoder.execute(np.zeros((8, 8, 3), np.uint8))[:3]
        b'\xff\xd8\xff'
    """

    def __init__(
        self, config: KernelConfig, format: str = "png", quality: int = 95
    ) -> None:
        super().__init__(config)
        if str(format).lower() not in _FORMATS:
            raise ArgumentError(
                f"ImageEncoder has no format {format!r}; use 'png' or 'jpg'"
            )
        if not 1 <= quality <= 100:
            raise ArgumentError(
                f"ImageEncoder needs a quality of 1 to 100, got {quality!r}"
            )
        self._format = _FORMATS[str(format).lower()]
        self._quality = quality

    def execute(self, frame: FrameType) -> Image:
        """The bytes of a file."""
        return encode_image(frame, self._format, self._quality)


@register_python_op()
class ImageDecoder(Kernel):
    """Decodes the bytes of PNG and JPEG files, which may differ in size.

    Examples:
        >>> import numpy as np
        >>> frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        >>> file = ImageEncoder(KernelConfig()).execute(frame)
        >>> bool((ImageDecoder(KernelConfig()).execute(file) == frame).all())
        True
    """

    def execute(self, img: bytes) -> FrameType:
        """H x W x C uint8 or uint16: gray, RGB or RGBA.

        Raises:
            ElementTypeError: The bytes are no such file, or a damaged one.
        """
        return decode_image(img)
