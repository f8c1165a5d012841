from __future__ import annotations

import itertools
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.storage.settle_type import pickled_why, settled
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.types import NULL, NullElement, get_type_info
from tests.support.typed_values import same
from tests.types.test_inferred_types import ANYTHING

_numbers = itertools.count()
SETTLED = "beam_scanner.storage.settle_type.settled"


def publish(
    database: NamedStorage, parts: list[list[Any]], order: int = 1
) -> NamedStream:
    """Stores each list of values as a segment of one stream."""
    stream, info = NamedStream(database, f"s{next(_numbers)}"), get_type_info(Any)
    records, first = [], 0
    for task, values in enumerate(parts):
        writer = stream.segment_writer(
            SegmentTask("g", task, "a", first, type_info=info, infer=True)
        )
        elements = [v if v is NULL else info.serialize(v) for v in values]
        writer.write(first, elements, np.arange(first, first + len(values)) / 25)
        records.append(writer.finish())
        first += len(values)
    publication = Publication("g", records[::order], type_name="Any")
    found = stream.publish(publication)
    assert stream.publish(publication) == found
    return stream


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> NamedStorage:
    return NamedStorage(tmp_path_factory.mktemp("settled"))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ([[1], [2, 3]], "Any[int]"),
        ([[1], [None], [NULL]], "Any[int | None]"),
        ([[[]], [[1.5]], [[None]]], "Any[list[float | None]]"),
        ([[{"a": 1}], [{"b": 2}]], "Any[dict[str, int]]"),
        ([[np.zeros(3)], [np.zeros(4)]], "Any[array[float64, None]]"),
        ([[1], [0.5]], "Any"),
        ([[NULL], [NULL]], "Any"),
        ([[{1}], [2], [3]], "Any"),
    ],
)
def test_segments_get_one_type(
    database: NamedStorage, parts: list[list[Any]], name: str, order: int
) -> None:
    stream = publish(database, parts, order)
    found = stream.descriptor()
    assert found.type_name == name
    assert {record["type"] for record in found.segments} == {name}
    values = [value for part in parts for value in part]
    assert same(list(stream.load()), values)
    with stream.reader() as reader:
        rows = np.arange(len(values))
        assert reader.seconds(rows).tolist() == (rows / 25).tolist()
        assert reader.nulls().tolist() == [value is NULL for value in values]
    # Nothing else is left, and all files together are one table.
    store = database.raw_store()
    assert set(store.list(f"{found.name}/g.segments/")) == set(found.file_keys())
    query = (
        f"select row, value is null from read_parquet({stream.files()}) order by row"
    )
    null = [value is NULL or value is None for value in values]
    assert duckdb.sql(query).fetchall() == list(enumerate(null))


def test_streams_of_pickles_say_why(database: NamedStorage) -> None:
    assert pickled_why(publish(database, [[1], ["a"]]).descriptor()) == "int, str"
    assert pickled_why(publish(database, [[1], [2]]).descriptor()) == ""
    assert pickled_why(publish(database, [[NULL]]).descriptor()) == ""
    assert pickled_why(publish(database, []).descriptor()) == ""


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_type_does_not_depend_on_the_tasks(database: NamedStorage, data: Any) -> None:
    one_of = st.sampled_from(
        [ANYTHING, st.none() | st.floats(), st.lists(st.integers())]
    )
    values = data.draw(
        st.lists(data.draw(one_of) | st.builds(NullElement), min_size=1, max_size=5)
    )
    values = [NULL if isinstance(value, NullElement) else value for value in values]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=2)))
    bounds = list(itertools.pairwise([0, *cuts, len(values)]))
    cut = publish(database, [values[a:b] for a, b in bounds])
    whole = publish(database, [values])
    assert cut.descriptor().type_name == whole.descriptor().type_name
    assert same(list(cut.load()), values)
    assert same(list(whole.load()), values)


def of_two_types(database: NamedStorage) -> tuple[NamedStream, Publication]:
    """A stream whose first segment has to be written again when it is published."""
    stream, info = NamedStream(database, f"s{next(_numbers)}"), get_type_info(Any)
    records = []
    for task, value in enumerate((1, None)):
        to = SegmentTask("g", task, "a", task, type_info=info, infer=True)
        writer = stream.segment_writer(to)
        writer.write(task, [info.serialize(value)], np.zeros(1))
        records.append(writer.finish())
    return stream, Publication("g", records, type_name="Any")


def test_another_worker_publishes_and_tidies_up_meanwhile(
    database: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, publication = of_two_types(database)

    def slow(*args: Any) -> Any:
        monkeypatch.setattr(SETTLED, settled)
        stream.publish(publication)
        return settled(*args)

    monkeypatch.setattr(SETTLED, slow)
    assert stream.publish(publication).type_name == "Any[int | None]"
    assert list(stream.load()) == [1, None]


def test_an_untrusted_database_is_published_without_reading_a_pickle(
    database: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, publication = of_two_types(database)
    untrusted = NamedStorage(database.db_path, trusted=False)
    monkeypatch.setattr(SETTLED, None)
    found = NamedStream(untrusted, stream.name()).publish(publication)
    assert found.type_name == "Any"
    assert list(stream.load()) == [1, None]


def test_the_first_rows_say_why_where_a_task_has_none(database: NamedStorage) -> None:
    stream = publish(database, [[], [1], [0.5]])
    assert pickled_why(stream.descriptor()) == "float, int"
