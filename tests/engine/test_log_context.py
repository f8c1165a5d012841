"""Log records of kernels say where they come from."""

from __future__ import annotations

import logging
import threading

import pytest

from beam_scanner.engine.log_context import Place, log_context

LOG = logging.getLogger("users_kernel")


def test_records_carry_stream_op_and_row(caplog: pytest.LogCaptureFixture) -> None:
    place = Place("a.mp4", "Track", 3)
    with log_context(place):
        LOG.warning("lost %s", "it")
        place.op, place.row = "Detect", 4
        LOG.warning("100%")
    LOG.warning("after")
    assert [record.getMessage() for record in caplog.records] == [
        "[stream 'a.mp4', op Track, row 3] lost it",
        "[stream 'a.mp4', op Detect, row 4] 100%",
        "after",
    ]
    assert caplog.records[0].beam_scanner == ("a.mp4", "Track", 3)  # type: ignore[attr-defined]


def test_nothing_is_said_between_ops(caplog: pytest.LogCaptureFixture) -> None:
    with log_context(Place("a.mp4")):
        LOG.warning("reading")
    assert caplog.messages == ["reading"]


def test_threads_know_their_own_place_alone(caplog: pytest.LogCaptureFixture) -> None:
    with log_context(Place("a.mp4", "Track", 3)):
        thread = threading.Thread(target=LOG.warning, args=["elsewhere"])
        thread.start()
        thread.join()
        with log_context(Place("b.mp4", "Track", 5)):
            LOG.warning("inner")
        LOG.warning("outer")
    assert caplog.messages == [
        "elsewhere",
        "[stream 'b.mp4', op Track, row 5] inner",
        "[stream 'a.mp4', op Track, row 3] outer",
    ]


def test_a_record_with_arguments_that_do_not_fit_is_left_alone() -> None:
    with log_context(Place("a.mp4", "Track", 3)):
        record = logging.getLogRecordFactory()("k", 20, "", 0, "%d", ("x",), None)
    assert (record.msg, record.args) == ("%d", ("x",))


def test_characters_that_cannot_be_sent_are_escaped() -> None:
    with log_context(Place("bad\udc80.mp4", "Track", 3)):
        record = logging.getLogRecordFactory()("k", 20, "", 0, "x", (), None)
    record.getMessage().encode()
