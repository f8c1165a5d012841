"""Type hints of rows can be read."""

# No postponed annotations: Beam does not read them.

from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pytest
from apache_beam import typehints
from apache_beam.portability.api import schema_pb2
from apache_beam.typehints.schemas import schema_from_element_type

from beam_scanner.beam_internals import row_types

FIELDS = [("stream", str), ("row", typehints.Optional[int])]


class Box(NamedTuple):
    x: float


def test_fields_and_class_of_rows() -> None:
    """Else rows that leave a graph have no schema."""
    row = row_types.row_type(FIELDS, schema_id="an-id")
    assert row_types.fields_of(row) == dict(FIELDS)
    made = row_types.row_class(row)("a", 3)
    assert (made.stream, made.row) == ("a", 3)
    coder = beam.coders.registry.get_coder(row)
    assert coder.decode(coder.encode(made)) == made


def test_fields_of_what_users_give() -> None:
    assert row_types.fields_of(Box) == {"x": float}
    assert row_types.fields_of(int) == {}


@pytest.mark.parametrize(
    "hint",
    [
        np.ndarray,
        typehints.List[np.ndarray],
        typehints.Optional[typehints.List[np.ndarray]],
    ],
)
def test_fields_that_hold_arrays(hint: object) -> None:
    """Else frames and histograms cannot leave as rows."""
    row = row_types.row_type([("value", hint), ("row", int)])
    assert list(row_types.fields_of(row)) == ["value", "row"]
    assert row_types.fields_of(row)["row"] is int


def test_fields_that_may_be_none_are_known_to_other_languages() -> None:
    """Otherwise SQL and Parquet get a type that only Python can read."""
    row = row_types.row_type([("seconds", float | None), ("row", int)])
    seconds, _ = schema_from_element_type(row).fields
    assert seconds.type.nullable
    assert seconds.type.atomic_type == schema_pb2.DOUBLE


def test_the_id_survives_in_lists() -> None:
    """Else elements that come back are not known by their type."""
    row = row_types.row_type(FIELDS, schema_id="an-id")
    assert row_types.schema_id_of(row) == "an-id"
    assert row_types.schema_id_of(typehints.List[typehints.List[row]]) == "an-id"
    assert row_types.schema_id_of(typehints.List[int]) == ""
    assert row_types.schema_id_of(int) == ""


def test_values_of_pairs() -> None:
    assert row_types.value_type_of(typehints.Tuple[str, bytes]) is bytes
    assert row_types.value_type_of(typehints.Any) is None
    assert row_types.value_type_of(typehints.Tuple[int]) is None


def test_parts_of_unions() -> None:
    """Else frames that may be None are not seen to leave for other workers."""
    assert set(row_types.parts_of(typehints.Optional[int])) == {int, type(None)}


def test_what_elements_may_be() -> None:
    rows = typehints.Tuple[str, np.ndarray]
    pairs = typehints.Tuple[str, int]
    maybe = (None, typehints.Any, object, typehints.Union[pairs, rows])
    assert all(row_types.may_be(given, rows) for given in maybe)
    assert not any(row_types.may_be(given, rows) for given in (str, pairs))
