"""Slots: what stands in a graph for a stream, and the stream that each makes."""

from __future__ import annotations

import pytest

from beam_scanner.run.slots import InternalSlot


@pytest.mark.parametrize("trusted", [True, False])
def test_a_stream_between_phases_is_trusted_as_its_database(trusted: bool) -> None:
    stream = InternalSlot(3, trusted).make("/tmp/some/where")
    assert stream.storage().trusted is trusted
    assert stream.name() == "3"
