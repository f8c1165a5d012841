from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.storage.segments.fixed_lists import any_size, has_null
from beam_scanner.types import NullElement, Shape

FIXED = pa.list_(pa.float32(), 2)


def test_any_size() -> None:
    nested = pa.struct([("a", pa.map_(pa.string(), pa.list_(FIXED)))])
    assert any_size(nested) == pa.struct(
        [("a", pa.map_(pa.string(), pa.list_(pa.list_(pa.float32()))))]
    )


@pytest.mark.parametrize(
    ("kind", "values", "found"),
    [
        (FIXED, [[1, 2], None], True),
        (FIXED, [[1, 2]], False),
        (pa.struct([("a", FIXED)]), [{"a": [1, 2]}, None], True),
        (
            pa.struct([("a", FIXED), ("b", pa.int8())]),
            [{"a": [1, 2], "b": None}],
            False,
        ),
        (pa.list_(FIXED), [None, [], [[1, 2]]], False),
        (pa.list_(FIXED), [[None]], True),
        (pa.map_(pa.string(), FIXED), [[("a", [1, 2])], None], False),
        (pa.map_(pa.string(), FIXED), [[("a", None)]], True),
    ],
)
def test_nulls_are_found(kind: Any, values: list[Any], found: bool) -> None:
    assert has_null(pa.array(values, any_size(kind)), kind) is found


@pytest.mark.parametrize("with_null", [False, True])
def test_files_say_a_fixed_size_where_arrow_can_read_it(
    with_null: bool, tmp_path: Any
) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "grids")
    values = [np.eye(2, dtype=np.float32), *([NullElement()] if with_null else [])]
    stream.save(values, Annotated[npt.NDArray[np.float32], Shape(2, 2)])
    table = pq.read_table(stream.files(".parquet")[0])
    kind = pa.fixed_shape_tensor(pa.float32(), [2, 2])
    assert table.schema.field("value").type == (any_size(kind) if with_null else kind)
    assert table["value"].to_pylist()[0] == [1, 0, 0, 1]
