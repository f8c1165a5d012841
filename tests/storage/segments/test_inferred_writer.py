from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import UntrustedDataError
from beam_scanner.storage import NamedStorage, NamedStream
from beam_scanner.storage.segments.inferred_writer import (
    FOUND,
    PICKLED,
    InferringWriter,
)
from beam_scanner.storage.stored_rows import SegmentTask
from beam_scanner.types import NULL, get_type_info


def _segment(stream: NamedStream, values: list[Any], infer: bool = True) -> Any:
    info = get_type_info(Any)
    writer = stream.segment_writer(
        SegmentTask("g", 0, "a", 0, type_info=info, infer=infer)
    )
    elements = [v if v is NULL else info.serialize(v) for v in values]
    writer.write(0, elements, np.full(len(values), np.nan))
    return writer, writer.finish()


def test_both_forms_are_written(tmp_path: Any) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "a")
    writer, record = _segment(stream, [{"x": 1}, NULL])
    assert isinstance(writer, InferringWriter)
    assert record["type"] == "Any[typed_dict('', {'x': int})]"
    assert (record["typed"], record["rows"]) == (True, 2)
    pickled = record[PICKLED]
    assert (pickled["type"], pickled["typed"]) == ("Any", False)
    assert pickled["files"] != record["files"]
    assert record[FOUND] == pickled[FOUND]


@pytest.mark.parametrize("values", [[], [NULL], [{1}], [1, 1.5]])
def test_values_without_a_type_are_pickles_alone(values: Any, tmp_path: Any) -> None:
    _, record = _segment(NamedStream(NamedStorage(tmp_path), "a"), values)
    assert (record["type"], record["typed"], PICKLED in record) == ("Any", False, False)


def test_nothing_is_unpickled_that_this_process_may_not(tmp_path: Any) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "a")
    writer, record = _segment(stream, [1], infer=False)
    assert not isinstance(writer, InferringWriter)
    assert FOUND not in record


def test_streams_of_any_are_read_in_every_way(tmp_path: Any) -> None:
    storage = NamedStorage(tmp_path)
    stream = NamedStream(storage, "a")
    values = [{"x": 1, "y": None}, NULL, {"x": 2, "y": [0.5]}]
    stream.save(values, Any)
    assert stream.descriptor().element_type == "Any"
    assert stream.type() == get_type_info(Any)
    assert list(stream.load()) == values
    assert list(stream.load(ty=Any)) == values
    assert list(stream.load(fn=pickle.loads)) == values
    theirs = NamedStream(NamedStorage(tmp_path, trusted=False), "a")
    assert list(theirs.load()) == values
    with pytest.raises(UntrustedDataError):
        list(theirs.load(ty=Any))


def test_none_among_any(tmp_path: Any) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "a")
    stream.save([None, NULL, 0.5], Any)
    assert stream.descriptor().type_name == "Any[float | None]"
    assert list(stream.load()) == [None, NULL, 0.5]
    assert list(stream.load(fn=pickle.loads)) == [None, NULL, 0.5]
    stream.save([None, None], Any)
    assert list(stream.load()) == [None, None]


def test_values_that_have_no_one_type(tmp_path: Any) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "a")
    with pytest.warns(UserWarning, match=r"as one type \(float, int\).*`-> float`"):
        stream.save([1, 1.5], Any)
    assert stream.descriptor().type_name == "Any"
    assert list(map(type, stream.load())) == [int, float]


class Broken:
    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise KeyError("gone")


def test_what_cannot_be_unpickled_is_stored_all_the_same(tmp_path: Any) -> None:
    stream = NamedStream(NamedStorage(tmp_path), "a")
    with pytest.warns(UserWarning, match="raise KeyError as they are unpickled"):
        stream.save([1, Broken()], Any)
    assert list(stream.load(rows=[0])) == [1]
