"""Message classes that are made from a table."""

from __future__ import annotations

import pickle

import pytest
from google.protobuf.message import Message

from beam_scanner.protobufs.message_classes import build_messages

TABLE = {"Row": "number:int64 name:string weights:double*", "Empty": ""}
Row, Empty = build_messages("rows.proto", "tests.rows", TABLE, __name__).values()


@pytest.mark.parametrize("cls", [Row, Empty])
def test_messages_pickle_by_reference(cls: type[Message]) -> None:
    assert pickle.loads(pickle.dumps(cls)) is cls


def test_fields_have_their_numbers_and_kinds() -> None:
    row = Row(number=-1, name="é", weights=[0.5, 2])
    assert Row.FromString(row.SerializeToString()) == row
    assert [(f.name, f.number) for f in Row.DESCRIPTOR.fields] == [
        ("number", 1),
        ("name", 2),
        ("weights", 3),
    ]
    with pytest.raises(TypeError):
        Row(number="one")


def test_a_table_that_is_used_twice() -> None:
    again = build_messages("rows.proto", "tests.rows", TABLE, __name__)
    assert again["Row"] is Row
