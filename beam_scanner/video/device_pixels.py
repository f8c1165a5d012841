"""RGB from NV12, P010 and P016, with whole numbers on any library of arrays.

Equal planes give equal pixels in every library and on every device, since nothing is
rounded twice. They differ by little from those that swscale makes on the CPU.
"""

from __future__ import annotations

from typing import Any

BITS = {"nv12": 8, "p010le": 10, "p016le": 12}
"""Bits of a sample, by layout. P016 holds the 12 bits of the one codec that has them."""

MATRICES = {
    1: (0.2126, 0.0722),
    2: (0.299, 0.114),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Shares of red and blue in the brightness, by number of the matrix as in ITU-T H.273.
2 is that of a file which does not say, as on the CPU."""

_SHIFT = 16


def coefficients(
    bits: int, matrix: int, full_range: bool
) -> tuple[int, int, tuple[int, int, int, int, int]]:
    """How RGB follows from Y'CbCr, by the formula of ITU-R BT.709 and BT.2020.

    Returns:
        What is subtracted from the brightness; by how many bits a sum is shifted to the
        right; and the factors of brightness, and of Cr in red, Cb in green, Cr in green,
        Cb in blue.

    Examples:
        >>> coefficients(8, 6, False)
        (16, 16, (76309, 104597, -25675, -53279, 132201))
    """
    red, blue = MATRICES[matrix]
    green = 1 - red - blue
    unit = 1 << (bits - 8)
    largest = (1 << bits) - 1
    shift = _SHIFT + bits - 8
    luma_steps, chroma_steps = (
        (largest, largest) if full_range else (219 * unit, 224 * unit)
    )
    one = 255 * (1 << shift)
    luma, chroma = one / luma_steps, one / chroma_steps
    factors = (
        round(luma),
        round(chroma * 2 * (1 - red)),
        round(-chroma * 2 * blue * (1 - blue) / green),
        round(-chroma * 2 * red * (1 - red) / green),
        round(chroma * 2 * (1 - blue)),
    )
    return 0 if full_range else 16 * unit, shift, factors


def rgb_of(
    arrays: Any,
    luma: Any,
    chroma: Any,
    *,
    bits: int,
    matrix: int,
    full_range: bool,
    mirrored: bool = False,
    rotation: int = 0,
) -> Any:
    """RGB of a picture; each colour sample counts for all four of its pixels.

    Args:
        arrays: The library: ``numpy``, ``cupy`` or ``torch``.
        luma: [height, width], even both; uint8, or uint16 with the sample in the high
            bits.
        chroma: [height / 2, width / 2, 2].
        bits: Of a sample.
        matrix: A key of ``MATRICES``.
        full_range: Whether the brightness goes from 0 to the largest value.
        mirrored: Whether to flip the picture left to right.
        rotation: Degrees to turn it counterclockwise after that: 0, 90, 180 or 270.

    Returns:
        uint8[height, width, 3], contiguous, in new memory; turned if it is to be.
    """
    height, width = luma.shape
    half = height // 2, width // 2
    black, shift, (y_all, cr_red, cb_green, cr_green, cb_blue) = coefficients(
        bits, matrix, full_range
    )
    samples = [_samples(arrays, plane, bits) for plane in (luma, chroma)]
    rounded = (1 << (shift - 1)) - y_all * black
    light = (samples[0] * y_all + rounded).reshape(half[0], 2, half[1], 2)
    colours = samples[1] - (128 << (bits - 8))
    cb = colours[:, :, 0].reshape(half[0], 1, half[1], 1)
    cr = colours[:, :, 1].reshape(half[0], 1, half[1], 1)
    channels = (cr * cr_red, cb * cb_green + cr * cr_green, cb * cb_blue)
    shown, turned = [], (height, width)
    for channel in channels:
        value = arrays.clip((light + channel) >> shift, 0, 255).reshape(height, width)
        if mirrored:
            value = arrays.flip(value, (1,))
        if rotation:
            value = arrays.rot90(value, rotation // 90)
        turned = value.shape
        # Flat, since libraries may keep the order of a turned array's memory.
        shown.append(arrays.asarray(value, dtype=arrays.uint8).reshape(-1))
    return arrays.stack(shown, -1).reshape(*turned, 3)


def _samples(arrays: Any, plane: Any, bits: int) -> Any:
    """int32 of a plane's samples."""
    found = arrays.asarray(plane, dtype=arrays.int32)
    return found if bits == 8 else (found & 0xFFFF) >> (16 - bits)
