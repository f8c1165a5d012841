"""PNG and JPEG through FFmpeg's codecs; PyAV is imported on first use.

The same code on every installation, so that files do not depend on whether OpenCV is
installed.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from beam_scanner.errors import ArgumentError, ElementTypeError
from beam_scanner.types.media_limits import check_picture, image_size, max_pixels

_SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff"}
_CODECS = {"png": "png", "jpeg": "mjpeg"}

_DEFLATE_RATIO = 1032

# FFmpeg's layouts for H x W x C arrays that PNG holds exactly.
_PNG_LAYOUTS = {
    ("uint8", 1): "gray",
    ("uint8", 3): "rgb24",
    ("uint8", 4): "rgba",
    ("uint16", 1): "gray16be",
    ("uint16", 3): "rgb48be",
    ("uint16", 4): "rgba64be",
}
# What decoded layouts are converted to; RGB for those that are not listed.
_DECODED_AS = {
    **{layout: layout for layout in _PNG_LAYOUTS.values()},
    "monob": "gray",
    "pal8": "rgba",
    "ya8": "rgba",
    "ya16be": "rgba64be",
}
_SUBSAMPLED = ("yuvj420p", "yuvj422p", "yuvj440p", "yuv420p", "yuv422p", "yuv440p")
# SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT: without these, swscale repeats
# chroma samples, and differs from libjpeg by up to 35 levels instead of 3.
_SWSCALE_FLAGS = 0x2 | 0x40000 | 0x2000


def image_format(data: bytes) -> str | None:
    """'png' or 'jpeg' by the first bytes of a file; None for anything else.

    Examples:
        >>> image_format(b'GIF89a') is None
        True
    """
    for name, signature in _SIGNATURES.items():
        if data.startswith(signature):
            return name
    return None


def encode_image(
    frame: npt.NDArray[Any], image_format: str, quality: int = 95
) -> bytes:
    """The bytes of a PNG or JPEG file with the picture ``frame``.

    Args:
        frame: H x W or H x W x C, RGB order. PNG: uint8 or uint16, C is 1, 3 or 4;
            JPEG: uint8, C is 1 or 3 (gray comes back as three equal channels).
        image_format: 'png' or 'jpeg'.
        quality: Of a JPEG, 1 to 100, on the usual scale; the encoder has 31 steps.

    Raises:
        ArgumentError: Another format or quality.
        ElementTypeError: The format cannot hold such an array.

    Examples:
        >>> picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        >>> bool((decode_image(encode_image(picture, 'png')) == picture).all())
        True
    """
    array = frame[..., np.newaxis] if frame.ndim == 2 else frame
    if array.ndim != 3 or 0 in array.shape:
        raise ElementTypeError(
            f"an image has H x W x C pixels, got an array of shape {frame.shape}"
        )
    if image_format == "png":
        return _encode_png(array)
    if image_format == "jpeg":
        return _encode_jpeg(array, quality)
    raise ArgumentError(f"image format {image_format!r} is not 'png' or 'jpeg'")


def _encode_png(array: npt.NDArray[Any]) -> bytes:
    layout = _PNG_LAYOUTS.get((array.dtype.name, array.shape[2]))
    if layout is None:
        raise ElementTypeError(
            "a PNG holds 1, 3 or 4 channels of uint8 or uint16, got "
            f"{array.shape[2]} of {array.dtype}"
        )
    import av

    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    picture = np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array)
    # A quarter of the default's time, for files about a seventh larger.
    options = {"compression_level": "1", "pred": "up"}
    return _encode(av.VideoFrame.from_ndarray(picture, layout), "png", options)


def _encode_jpeg(array: npt.NDArray[Any], quality: int) -> bytes:
    if array.dtype != np.uint8 or array.shape[2] not in (1, 3):
        raise ElementTypeError(
            f"a JPEG holds 1 or 3 channels of uint8, got {array.shape[2]} of "
            f"{array.dtype}; a PNG may hold it"
        )
    if not 1 <= quality <= 100:
        raise ArgumentError(f"JPEG quality {quality!r} is not within 1 to 100")
    import av
    from av.video.reformatter import ColorRange, Colorspace

    # libjpeg scales its tables by this; FFmpeg by an eighth of a whole number.
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    step = str(min(max(round(8 * scale), 1), 31))
    height, width = array.shape[:2]
    rgb = np.broadcast_to(array, (height, width, 3))
    rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    even = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
        format="yuvj420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SWSCALE_FLAGS,
    )
    # bitexact: without it the file names FFmpeg's version.
    options = {"flags": "+bitexact", "qmin": step, "qmax": step}
    return _encode(_with_size(even, width, height), "mjpeg", options)


def _with_size(frame: Any, width: int, height: int) -> Any:
    """A planar frame cropped, or padded with its edges, by one row or column.

    For odd sizes swscale stretches halved chroma by a little less than 2, off by up to
    half a pixel; so odd pictures are converted at even sizes.
    """
    if (frame.width, frame.height) == (width, height):
        return frame
    import av

    result = av.VideoFrame(width, height, frame.format.name)
    for old, new in zip(frame.planes, result.planes, strict=True):
        samples = np.frombuffer(old, np.uint8).reshape(old.height, old.line_size)
        samples = samples[: new.height, : min(old.width, new.width)]
        more = (new.height - samples.shape[0], new.line_size - samples.shape[1])
        padded = np.pad(samples, ((0, more[0]), (0, more[1])), mode="edge")
        new.update(padded.tobytes())
    result.color_range, result.colorspace = frame.color_range, frame.colorspace
    return result


def _encode(frame: Any, codec: str, options: dict[str, str]) -> bytes:
    import av

    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height = frame.width, frame.height
    context.pix_fmt = frame.format.name
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.options = options
    if codec == "mjpeg":
        context.color_range = 2
    packets = [*context.encode(frame), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def decode_image(data: bytes) -> npt.NDArray[Any]:
    """The picture in the bytes of a PNG or JPEG file.

    Returns:
        H x W x C array, uint8 or (PNGs of 16 bits) uint16, whose C is 1 for gray, 3
        for RGB, 4 for RGBA (also for palettes and gray with alpha).

    Raises:
        ElementTypeError: ``data`` is neither, is damaged, or claims more pixels than
            it can hold.
        VideoError: The picture is too large; see
            :mod:`beam_scanner.types.media_limits`.
    """
    name = image_format(data)
    if name is None:
        raise ElementTypeError(
            f"{len(data)} bytes that start with {data[:8]!r} are not a PNG or JPEG file"
        )
    if name == "png":
        _check_png_size(data)
    import av

    context: Any = av.CodecContext.create(_CODECS[name], "r")
    context.thread_count = 1
    context.options = {"err_detect": "explode", "max_pixels": str(max_pixels())}
    check_picture(
        f"a {name.upper()} file of {len(data)} bytes", *(image_size(data) or (0, 0))
    )
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise ElementTypeError(
            f"a damaged {name.upper()} file of {len(data)} bytes: {error}"
        ) from error
    # The decoder accepts a JPEG that is cut short. 0xFFD9 ends one, 0xFFDA begins its
    # last scan, and neither occurs within a scan.
    cut = name == "jpeg" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    if cut or len(frames) != 1 or frames[0].is_corrupt:
        raise ElementTypeError(f"a damaged {name.upper()} file of {len(data)} bytes")
    return _to_array(frames[0])


def _check_png_size(data: bytes) -> None:
    """Refuses a PNG that claims more pixels than its bytes can decompress to.

    Raises:
        ElementTypeError: Names its size.
    """
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    # A pixel may take a single bit.
    if -(-width // 8) * height > _DEFLATE_RATIO * len(data):
        raise ElementTypeError(
            f"a damaged PNG file: {len(data)} bytes for {width} x {height} pixels"
        )


def _to_array(frame: Any) -> npt.NDArray[Any]:
    width, height = frame.width, frame.height
    layout = _DECODED_AS.get(frame.format.name, "rgb24")
    if layout != frame.format.name:
        if frame.format.name in _SUBSAMPLED:
            frame = _with_size(frame, width + width % 2, height + height % 2)
        frame = frame.reformat(format=layout, interpolation=_SWSCALE_FLAGS)
    array: npt.NDArray[Any] = frame.to_ndarray()
    if array.shape[:2] != (height, width):
        array = np.ascontiguousarray(array[:height, :width])
    return array[..., np.newaxis] if array.ndim == 2 else array
