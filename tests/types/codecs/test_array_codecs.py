"""Arrays, histograms and boxes: bytes and columns give back what went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from beam_scanner import protobufs, types
from beam_scanner.errors import ElementTypeError
from tests.support.element_values import BOXES, FLOAT32, copies, same_array

ANY_DTYPE = st.one_of(
    hnp.scalar_dtypes(),
    hnp.byte_string_dtypes(min_len=1),
    hnp.unicode_string_dtypes(min_len=1),
    hnp.array_dtypes(hnp.scalar_dtypes(), max_size=3),
)


ARRAYS = ANY_DTYPE.flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    )
)


HISTOGRAMS = hnp.arrays(np.int32, st.tuples(st.just(3), st.integers(1, 20))).map(list)


@settings(max_examples=200)
@given(ARRAYS, st.sampled_from([types.NumpyArray, types.FrameType]))
def test_arrays_keep_dtype_and_shape(value: np.ndarray, annotation: Any) -> None:
    for copy in copies(annotation, value):
        assert same_array(np.asarray(value), copy)
        assert copy.flags.writeable
        assert copy.flags.owndata


@given(hnp.arrays(np.float32, st.integers(0, 9), elements=FLOAT32))
def test_float32_arrays_come_back_flat(value: np.ndarray) -> None:
    for copy in copies(types.NumpyArrayFloat32, value.reshape(1, -1)):
        assert same_array(value, copy)
        assert copy.flags.writeable
    assert types.get_type_info(types.NumpyArrayFloat32).serialize(value) == (
        value.tobytes()
    )


@given(hnp.arrays(np.int32, st.integers(0, 9)))
def test_int32_arrays_come_back_flat(value: np.ndarray) -> None:
    for copy in copies(types.NumpyArrayInt32, value.astype(np.int64)):
        assert same_array(value, copy)


@given(HISTOGRAMS)
def test_histograms_come_back(value: list[np.ndarray]) -> None:
    for copy in copies(types.Histogram, value):
        assert len(copy) == 3
        assert all(same_array(a, b) for a, b in zip(value, copy, strict=True))


@given(HISTOGRAMS)
def test_columns_of_bytes_are_those_of_values(value: list[np.ndarray]) -> None:
    info = types.get_type_info(types.Histogram)
    data = info.serialize(value)
    assert info.to_arrow is not None
    assert info.codec.bytes_to_arrow(data) == info.to_arrow(info.deserialize(data))


@pytest.mark.parametrize("size", [1, 8, 196])
def test_bytes_that_are_no_histogram(size: int) -> None:
    info, found = types.get_type_info(types.Histogram), []
    for read in (info.deserialize, info.codec.bytes_to_arrow):
        with pytest.raises(ElementTypeError) as caught:
            read(bytes(size))
        found.append(str(caught.value))
    assert found[0] == found[1]


def test_histogram_of_16_bins_takes_192_bytes() -> None:
    info = types.get_type_info(types.Histogram)
    assert len(info.serialize([np.arange(16)] * 3)) == 192


@given(BOXES)
def test_boxes_come_back(value: protobufs.BoundingBox) -> None:
    assert copies(types.Bbox, value) == [value] * 4


@given(st.lists(BOXES, max_size=4))
def test_box_lists_come_back(value: list[protobufs.BoundingBox]) -> None:
    assert copies(types.BboxList, value) == [value] * 4


def test_an_empty_box_list_takes_8_bytes() -> None:
    assert types.get_type_info(types.BboxList).serialize([]) == bytes(8)


def test_generic_arrays_are_arrays() -> None:
    info = types.get_type_info(np.typing.NDArray[np.float32])
    assert info == types.get_type_info(np.ndarray)
    assert info != types.get_type_info(bytes)
    assert types.get_type_info(info) is info
