"""The table of Scanner's messages, and what is made from it."""

from __future__ import annotations

import inspect

import pytest

from beam_scanner import protobufs
from beam_scanner.protobufs.messages import ABOUT, MESSAGES


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_are_those_of_the_table(name: str) -> None:
    fields = getattr(protobufs, name).DESCRIPTOR.fields
    assert [f.number for f in fields] == list(range(1, len(fields) + 1))
    assert [f.name for f in fields] == [f.split(":")[0] for f in MESSAGES[name].split()]
    repeated = [f.name for f in fields if isinstance(f.default_value, list)]
    assert repeated == [f.split(":")[0] for f in MESSAGES[name].split() if "*" in f]


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_say_what_they_are(name: str) -> None:
    assert inspect.getdoc(getattr(protobufs, name)) == ABOUT[name]
