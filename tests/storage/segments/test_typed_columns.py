"""Values of any type, through a database, and as other programs see them."""

from __future__ import annotations

from typing import Annotated, Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError
from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.types import NullElement, Shape, get_type_info
from tests.support.typed_values import annotated, same


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> NamedStorage:
    return NamedStorage(tmp_path_factory.mktemp("typed"))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_value_of_any_type_comes_back(database: NamedStorage, data: Any) -> None:
    annotation, values = data.draw(annotated())
    rows = data.draw(st.lists(values | st.builds(NullElement), max_size=4))
    stream = NamedStream(database, "values")
    stream.save(rows, annotation)
    assert same(list(stream.load()), rows)
    nulls = [isinstance(row, NullElement) for row in rows]
    with stream.reader() as reader:
        assert reader.nulls().tolist() == nulls
    info = get_type_info(annotation)
    loaded = list(stream.load(fn=info.deserialize, rows=range(len(rows))[::-1]))
    assert same(loaded, rows[::-1])
    for file in stream.files(".parquet"):
        missing = [null or row is None for null, row in zip(nulls, rows, strict=True)]
        table = pd.read_parquet(file)
        assert table["value"].isna().tolist()[: len(rows)] == [
            gone or _is_nan(row) for gone, row in zip(missing, rows, strict=True)
        ]
        found = duckdb.sql(f"select value is null from '{file}' order by row")
        assert [gone for (gone,) in found.fetchall()] == missing


def _is_nan(row: Any) -> bool:
    return isinstance(row, float | np.floating) and bool(np.isnan(row))


def test_none_is_not_null(database: NamedStorage) -> None:
    stream = NamedStream(database, "perhaps")
    stream.save([None, NullElement(), 0.5, None], float | None)
    assert list(stream.load()) == [None, NullElement(), 0.5, None]
    assert list(stream.load(rows=[3, 1, 1])) == [None, NullElement(), NullElement()]
    assert list(stream.load(rows=[2, 0], ty=float | None)) == [0.5, None]
    query = f"select count(*), avg(value) from '{stream.files()[0]}'"
    assert duckdb.sql(query).fetchall() == [(4, 0.5)]


def test_untrusted_databases_are_read(database: NamedStorage) -> None:
    NamedStream(database, "lists").save([[1.0], []], list[float])
    theirs = NamedStorage(database.db_path, trusted=False)
    assert list(NamedStream(theirs, "lists").load()) == [[1.0], []]


def test_a_wrong_value_names_row_and_stream(database: NamedStorage) -> None:
    with pytest.raises(ElementTypeError) as caught:
        NamedStream(database, "wrong").save([[1.0], ["a"]], list[float])
    expected = "type list[float] at [0] expected a number, got str 'a'"
    assert str(caught.value) == f"row 1 of stream 'wrong': {expected}"
    assert not NamedStream(database, "wrong").committed()


def test_reading_as_a_type_of_another_layout_is_refused(database: NamedStorage) -> None:
    stream = NamedStream(database, "integers")
    stream.save([[1]], list[int])
    with pytest.raises(ElementTypeError, match=r"holds list\[int\].*cannot be read as"):
        list(stream.load(ty=list[float]))


def test_large_arrays_are_read_in_parts(database: NamedStorage) -> None:
    kind = Annotated[npt.NDArray[np.float32], Shape(1024)]
    stream = NamedStream(database, "embeddings")
    rng = np.random.default_rng(5)
    values = list(rng.random((3000, 1024), np.float32))
    stream.save(values, kind)
    (found,) = stream.load(rows=[2999])
    assert np.array_equal(found, values[2999])
    with stream.reader() as reader:
        reader.values([0])
        assert reader.counters()["bytes_read"] < 6 << 20
