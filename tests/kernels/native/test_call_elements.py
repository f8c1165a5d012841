"""Frames and bytes as a library sees them, in a kernel written with ctypes."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from beam_scanner.errors import ElementTypeError, KernelError
from beam_scanner.kernels.native import call_elements, interface
from beam_scanner.kernels.native.call_elements import Inputs, Outputs, address_of
from beam_scanner.kernels.native.description import DTYPES, Column
from beam_scanner.types.element_types import NULL

FRAME = Column("frame", "FrameType")
BLOB = Column("blob", "Bytes")


def view(element: Any) -> np.ndarray[Any, Any]:
    """What a library reads of a tensor, by its strides."""
    tensor = element.tensor
    assert (tensor.device.device_type, tensor.device.device_id) == (1, 0)
    assert (tensor.byte_offset, tensor.dtype.lanes) == (0, 1)
    sizes, steps = (
        (ctypes.c_int64 * tensor.ndim).from_address(where)[:]
        for where in (tensor.shape, tensor.strides)
    )
    code, bits = tensor.dtype.code, tensor.dtype.bits
    kind = np.dtype(f"{'iuf??cb'[code]}{bits // 8}") if code != 6 else np.dtype(bool)
    size = int(np.prod(sizes)) * kind.itemsize
    data = ctypes.string_at(tensor.data, size)
    found = np.frombuffer(data, kind)
    # Packed in C order: the strides are those of the shape.
    expected = [int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))]
    if size:
        assert [s for s, n in zip(steps, sizes, strict=True) if n > 1] == [
            s for s, n in zip(expected, sizes, strict=True) if n > 1
        ]
    return found.reshape(sizes)


FRAMES = arrays.arrays(
    st.sampled_from([*DTYPES, ">u2", ">f4", ">i8"]),
    arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5),
)


@given(FRAMES, st.data())
def test_a_frame_of_any_form(frame: Any, data: st.DataObject) -> None:
    steps = [data.draw(st.sampled_from([1, 2, -1])) for _ in frame.shape]
    frame = frame[tuple(slice(None, None, step) for step in steps)]
    frame = frame.transpose(data.draw(st.permutations(range(frame.ndim))))
    frame.flags.writeable = data.draw(st.booleans())
    inputs = Inputs(1)
    inputs.set(0, FRAME, frame)
    assert inputs.elements[0].kind == interface.TENSOR
    np.testing.assert_array_equal(view(inputs.elements[0]), frame)


def fields(element: Any) -> tuple[Any, ...]:
    """All that a library may read of an element, but where shape and strides lie."""
    tensor, dtype = element.tensor, element.tensor.dtype
    return (
        *(element.kind, element.bytes, element.size, tensor.data, tensor.ndim),
        *(dtype.code, dtype.bits, dtype.lanes, tensor.byte_offset),
        *(tensor.device.device_type, tensor.device.device_id),
        *(bool(where) for where in (tensor.shape, tensor.strides)),
    )


@given(st.lists(st.one_of(FRAMES, st.just(NULL), st.binary(max_size=3)), min_size=2))
def test_elements_that_are_used_again(values: list[Any]) -> None:
    """Nothing of one call is left in the next, whatever the two are given."""
    used = Inputs(1)
    for value in [each for each in values for _ in range(2)]:
        column, fresh = BLOB if isinstance(value, bytes) else FRAME, Inputs(1)
        for inputs in (used, fresh):
            inputs.set(0, column, value)
        found, expected = fields(used.elements[0]), fields(fresh.elements[0])
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(view(used.elements[0]), value)
            # What had to be packed lies elsewhere each time.
            packed = value.flags.c_contiguous and value.dtype.isnative
            assert packed == (found[3] == expected[3] == value.ctypes.data)
            found, expected = (f[:3] + f[4:] for f in (found, expected))
        assert found == expected
        used.release()


def test_a_frame_is_held_until_it_is_released() -> None:
    inputs, frame = Inputs(1), np.zeros((2, 3), np.uint8)
    for _ in range(2):
        before = sys.getrefcount(frame)
        inputs.set(0, FRAME, frame)
        assert sys.getrefcount(frame) > before
        inputs.release()
        assert sys.getrefcount(frame) == before


def test_a_frame_like_the_last_one_but_for_the_column() -> None:
    inputs, frame = Inputs(1), np.zeros((2, 3), np.uint8)
    inputs.set(0, FRAME, frame)
    with pytest.raises(ElementTypeError, match=r"expected uint8 of shape \(\?, 4\)"):
        inputs.set(0, Column("frame", "FrameType", "uint8", (None, 4)), frame)


@pytest.mark.parametrize("size", [0, 3])
@pytest.mark.parametrize("writeable", [True, False])
def test_where_an_array_begins(size: int, writeable: bool) -> None:
    for array in (np.zeros(size), np.zeros((4, size), np.float16)[1:]):
        array.flags.writeable = writeable
        assert address_of(array) == array.ctypes.data


@given(st.lists(st.binary(max_size=9), min_size=1))
def test_bytes(values: list[bytes]) -> None:
    inputs = Inputs(len(values))
    for index, value in enumerate(values):
        inputs.set(index, BLOB, value)
    for element, value in zip(inputs.elements, values, strict=True):
        assert element.bytes
        assert element.kind == interface.BYTES
        assert ctypes.string_at(element.bytes, element.size) == value


def test_a_null() -> None:
    inputs = Inputs(1)
    inputs.set(0, FRAME, NULL)
    assert inputs.elements[0].kind == interface.NULL


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            np.zeros((2, 3), np.float32),
            "expected uint8 of shape .* got float32 of shape",
        ),
        (
            np.zeros((2, 4), np.uint8),
            r"expected uint8 of shape \(\?, 3\), got .*\(2, 4\)",
        ),
        (np.zeros(2, "M8[s]"), "native ops take no frames of datetime64"),
        (b"abc", "expected a frame, got bytes"),
    ],
)
def test_a_frame_that_the_op_does_not_take(frame: Any, words: str) -> None:
    column = Column("frame", "FrameType", "uint8", (None, 3))
    with pytest.raises(ElementTypeError, match=f"input 'frame'.*{words}"):
        Inputs(1).set(0, column, frame)


def make(outputs: Outputs, kind: Any, shape: tuple[int, ...]) -> int:
    dtype = np.dtype(kind)
    code = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}[dtype.kind]
    described = interface.DataType(code, dtype.itemsize * 8, 1)
    lengths = (ctypes.c_int64 * len(shape))(*shape)
    where = ctypes.cast(lengths, ctypes.POINTER(ctypes.c_int64))
    return outputs.tensor(0, 0, ctypes.pointer(described), len(shape), where)


@pytest.mark.parametrize("kind", DTYPES)
def test_frames_that_are_made(kind: str) -> None:
    outputs = Outputs([FRAME], 1)
    address = make(outputs, kind, (2, 3))
    value = np.arange(6).reshape(2, 3).astype(kind)
    ctypes.memmove(address, value.ctypes.data, value.nbytes)
    ((found,),) = outputs.columns()
    assert found.dtype == kind
    np.testing.assert_array_equal(found, value)
    assert address % 16 == 0


def test_bytes_and_nulls_that_are_made() -> None:
    outputs = Outputs([BLOB, BLOB], 2)
    ctypes.memmove(outputs.bytes(0, 0, 3), b"abc", 3)
    assert outputs.bytes(1, 0, 0)
    outputs.null(0, 1)
    ctypes.memmove(outputs.bytes(1, 1, 1), b"d", 1)
    assert outputs.columns() == [[b"abc", b""], [NULL, b"d"]]


def test_an_output_that_is_too_large_for_memory() -> None:
    outputs = Outputs([FRAME], 1)
    with pytest.raises(KernelError, match=r"output 'frame' cannot have shape"):
        make(outputs, "u1", (2**62, 2**62))
    with pytest.raises(MemoryError):
        make(outputs, "u1", (2**62,))


def test_a_call_that_is_over() -> None:
    outputs = Outputs([BLOB], 1)
    number = call_elements.open_call(outputs)
    assert call_elements.make_bytes(number, 0, 0, 1)
    call_elements.close_call(number)
    assert not call_elements.make_bytes(number, 0, 0, 1)
    assert call_elements.make_null(number, 0, 0) == 1
    assert outputs.problem is None
    assert call_elements.open_call(outputs) != number
