from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from beam_scanner import protobufs
from beam_scanner.errors import ElementTypeError
from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.types import (
    Bbox,
    Embedding,
    Keypoint,
    Keypoints,
    Label,
    Mask,
    Text,
)

_any_embedding: Any = Embedding
FOUR = _any_embedding[4]


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_masks_come_back(inside: Any) -> None:
    mask = Mask.from_array(inside)
    assert np.array_equal(mask.array(), inside)
    assert mask.area == inside.sum()
    assert sum(mask.counts) == inside.size
    assert all(mask.counts[1:])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_masks_without_pixels(shape: tuple[int, int]) -> None:
    assert Mask.from_array(np.zeros(shape)).array().shape == shape


def test_impossible_masks() -> None:
    with pytest.raises(ElementTypeError, match="a mask is H x W"):
        Mask.from_array(np.zeros(3))
    for counts in ([3], [5, -1], []):
        with pytest.raises(ElementTypeError, match="in a mask of 2x2"):
            Mask(2, 2, counts).array()


@given(st.integers(0, 4), st.sampled_from([2, 3]))
def test_key_points_of_arrays(count: int, width: int) -> None:
    rows = np.arange(count * width, dtype=np.float32).reshape(count, width) / 16
    found = Keypoints.from_array(rows).array()
    assert found.shape == (count, 3)
    assert np.array_equal(found[:, :width], rows)


def test_impossible_key_points() -> None:
    with pytest.raises(ElementTypeError, match=r"got shape \(3,\)"):
        Keypoints.from_array(np.zeros(3))
    with pytest.raises(ElementTypeError, match="1 names for 2"):
        Keypoints.from_array(np.zeros((2, 2)), names=("nose",))


@pytest.mark.parametrize(
    ("annotation", "value", "query", "found"),
    [
        (list[Label], [Label("a", 0.5, 2)], "value[1].name", "a"),
        (Text, Text("EXIT", 0.5, [(0.25, 0.5)]), "value.corners[1].field_1", 0.5),
        (Keypoints, Keypoints([Keypoint(0.25, 0.5)]), "value.points[1].y", 0.5),
        (Mask, Mask(2, 1, [1, 1]), "list_sum(value.counts)", 2),
        (Embedding, np.ones(4, np.float32), "len(value)", 4),
        (FOUR, np.ones(4, np.float32), "array_cosine_similarity(value::FLOAT[4], [1, 1, 1, 1]::FLOAT[4])", 1.0),
        (list[Bbox], [Bbox(x1=0.25)], "value[1].x1", 0.25),
    ],
)  # fmt: skip
def test_duckdb_reads_them(
    annotation: Any, value: Any, query: str, found: Any, tmp_path: Any
) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "found")
    stream.save([value], annotation)
    (loaded,) = stream.load()
    assert type(loaded) is type(value)
    assert np.array_equal(loaded, value)
    (answer,) = duckdb.sql(f"select {query} from '{stream.files()[0]}'").fetchall()
    assert answer == (found,)


def test_boxes_are_messages() -> None:
    assert Bbox(x1=0.5) == protobufs.BoundingBox(x1=0.5)
