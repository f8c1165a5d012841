"""Bytes that are no values of their type: an error of ours, whatever they are."""

import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner import protobufs, types
from beam_scanner.errors import ElementTypeError
from beam_scanner.types import FrameType, get_type_info

Lists = types.VariableList("StoredLists", np.ndarray)
Pairs = types.UniformList("StoredPairs", types.NumpyArrayInt32, parts=2)
Fours = types.UniformList("StoredFours", types.NumpyArrayFloat32, size=4)
BOX = protobufs.BoundingBox(x1=1, label=3)
VALUES: list[tuple[Any, Any]] = [
    (int, -5),
    (float, 2.5),
    (bool, True),
    (str, "né"),
    (np.ndarray, np.arange(6.0).reshape(2, 3)),
    (FrameType, np.zeros((2, 3, 3), np.uint8)),
    (types.NumpyArrayFloat32, np.ones(3, np.float32)),
    (types.NumpyArrayInt32, np.ones(3, np.int32)),
    (types.Histogram, [np.arange(4, dtype=np.int32)] * 3),
    (types.Image, np.zeros((3, 4, 3), np.uint8)),
    (types.Bbox, BOX),
    (types.BboxList, [BOX, BOX]),
    (Lists, [np.zeros(2), np.zeros((1, 2), np.int8)]),
    (Pairs, [np.ones(2, np.int32)] * 2),
    (Fours, [np.ones(1, np.float32)] * 3),
]
NAMES = [get_type_info(ty).name for ty, _ in VALUES]


@pytest.mark.parametrize(("ty", "value"), VALUES, ids=NAMES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes(ty, value, data):
    info = get_type_info(ty)
    good = info.serialize(value)
    how = data.draw(st.sampled_from(["noise", "flip", "cut", "extend"]))
    if how == "noise":
        bad = data.draw(st.binary(max_size=60))
    elif how == "cut":
        bad = good[: data.draw(st.integers(0, len(good)))]
    elif how == "extend":
        bad = good + data.draw(st.binary(min_size=1, max_size=9))
    else:
        changed = bytearray(good)
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(changed) - 1))
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
        bad = bytes(changed)
    try:
        info.deserialize(bad)
    except ElementTypeError:
        return


ARRAYS = [
    {"dtype": "|O", "shape": [2], "data": bytes(16)},
    {"dtype": "O", "shape": [], "data": bytes(8)},
    {"dtype": "[('a', '|O')]", "shape": [1], "data": bytes(8)},
    {"dtype": "[('a', '<i4'), ('b', '|O8')]", "shape": [1], "data": bytes(12)},
    {"dtype": "[('a', [('b', '|O')], (2,))]", "shape": [1], "data": bytes(16)},
    {"dtype": "<f8", "shape": [3], "data": bytes(16)},
    {"dtype": "<f8", "shape": [1], "data": bytes(16)},
    {"dtype": "<f8", "shape": [-1, -2], "data": bytes(16)},
    {"dtype": "<f8", "shape": [1 << 62, 4], "data": b""},
    {"dtype": "<f8", "shape": [0, 1 << 62, 1 << 62], "data": b""},
    {"dtype": "<f8", "shape": [1] * 99, "data": bytes(8)},
    {"dtype": "<f8", "shape": [None], "data": bytes(8)},
    {"dtype": "no dtype", "shape": [1], "data": bytes(8)},
    {"dtype": "", "shape": [], "data": b""},
    {"dtype": "[" * 5000, "shape": [1], "data": b"x"},
    {"dtype": "[__import__('os')]", "shape": [1], "data": b"x"},
    {"dtype": "<V99999999999", "shape": [1], "data": b"x"},
    {"dtype": "V2147483647", "shape": [1 << 40], "data": b"x"},
    {"dtype": None, "shape": [1], "data": b"x"},
    {"dtype": "<f8", "shape": None, "data": bytes(8)},
    {"dtype": "<f8", "shape": [1], "data": None},
]


@pytest.mark.parametrize("stored", ARRAYS, ids=lambda s: str(s["dtype"])[:20])
@pytest.mark.parametrize("ty", [np.ndarray, FrameType])
def test_arrays_that_cannot_be(stored, ty):
    """Arrays of objects made of plain bytes would end the process."""
    info = get_type_info(ty)
    with pytest.raises(ElementTypeError, match=f"type {info.name} cannot read"):
        info.from_arrow(stored)
    if None in stored.values() or None in stored["shape"]:
        return
    text, shape = stored["dtype"].encode(), stored["shape"]
    head = struct.pack(f"<HB{len(shape)}q", len(text), len(shape), *shape)
    with pytest.raises(ElementTypeError, match=f"type {info.name} cannot read"):
        info.deserialize(head + text + stored["data"])


@pytest.mark.parametrize(
    ("ty", "stored"),
    [
        (types.Histogram, [[1], [2]]),
        (types.Histogram, [[1], [2, 3], [4]]),
        (types.Histogram, [None, None, None]),
        (types.NumpyArrayInt32, [None]),
        (types.Bbox, {"x1": "text"}),
        (types.Bbox, {"label": 1 << 40}),
        (types.Bbox, {"nothing": 1}),
    ],
)
def test_columns_that_cannot_be(ty, stored):
    with pytest.raises(ElementTypeError):
        get_type_info(ty).from_arrow(stored)


def png(width, height, packed):
    def chunk(kind, data):
        sealed = kind + data
        return (
            struct.pack(">I", len(data))
            + sealed
            + struct.pack(">I", zlib.crc32(sealed))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("size", [(30_000, 30_000), (1 << 30, 1), (70_000, 70_000)])
def test_pictures_larger_than_their_bytes(size):
    info = get_type_info(types.Image)
    tracemalloc.start()
    with pytest.raises(ElementTypeError):
        info.deserialize(png(*size, zlib.compress(b"")))  # type: ignore[call-arg]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 << 20


def test_a_picture_that_packs_well():
    picture = np.zeros((1500, 2000, 3), np.uint8)
    info = get_type_info(types.Image)
    data = info.serialize(picture)
    assert len(data) < 100_000
    assert (info.deserialize(data) == picture).all()
    packed = zlib.compress(bytes((2000 * 3 + 1) * 1500), 9)
    assert (info.deserialize(png(2000, 1500, packed)) == picture).all()
