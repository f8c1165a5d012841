"""Spans and parts: who records them, and that each second counts once."""

from __future__ import annotations

import threading
import time

import pytest

from beam_scanner.measure import spans
from beam_scanner.measure.spans import PARTS, Recorder, part, span, spans_here


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What both clocks say."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "perf_counter", lambda: now[0] - 900)
    return now


def test_each_second_counts_once(clock: list[float]) -> None:
    recorder = Recorder()
    with recorder.recording(), span("task"):
        clock[0] += 1
        with span("read"):
            clock[0] += 2
            for _ in range(3):
                with part("decode"):
                    clock[0] += 4
                with part("convert"):
                    clock[0] += 1
        with part("encode"):
            clock[0] += 7
    assert recorder.seconds == {
        "task": 1,
        "read": 2,
        "decode": 12,
        "convert": 3,
        "encode": 7,
    }
    assert sum(recorder.seconds.values()) == clock[0] - 1000
    thread = threading.current_thread().name
    assert recorder.spans == [
        ["read", 1001, 1018, thread],
        ["decode", 1001, 1013, thread + PARTS],
        ["convert", 1013, 1016, thread + PARTS],
        ["task", 1000, 1025, thread],
        ["encode", 1000, 1007, thread + PARTS],
    ]


def test_nobody_records() -> None:
    with span("a"), part("b"):
        pass
    recorder = Recorder()
    with recorder.recording():
        # Outside a span it is part of nothing.
        with part("b"):
            pass
        thread = threading.Thread(target=lambda: span("other").__enter__())
        thread.start()
        thread.join()
    with span("a"):
        pass
    assert recorder.seconds == {}
    assert spans_here() == []


def test_recorders_take_turns(clock: list[float]) -> None:
    one, other = Recorder(), Recorder()
    with one.recording(), span("outer"):
        with other.recording(), span("inner"):
            clock[0] += 1
            assert [each[0] for each in spans_here()] == []
        clock[0] += 1
    assert one.seconds == {"outer": 2}
    assert other.seconds == {"inner": 1}


def test_threads_record_side_by_side() -> None:
    recorder = Recorder()

    def work() -> None:
        with recorder.recording(), span("read"), part("decode"):
            time.sleep(0.01)

    threads = [threading.Thread(target=work, name=f"t{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each[3] for each in recorder.spans} == {
        f"t{n}{more}" for n in range(4) for more in ("", PARTS)
    }


def test_what_fails_counts(clock: list[float]) -> None:
    def fail() -> None:
        with span("write"), part("encode"):
            clock[0] += 1
            raise ValueError("x")

    recorder = Recorder()
    with recorder.recording(), pytest.raises(ValueError, match="x"):
        fail()
    assert recorder.seconds == {"write": 0, "encode": 1}


def test_only_so_many_spans_are_kept_and_none_too_short(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "MOST_SPANS", 2)
    recorder = Recorder()
    for seconds in (1.0, 1e-6, 1.0, 1.0):
        with recorder.recording(), span("read"):
            clock[0] += seconds
    assert len(recorder.spans) == 2
    assert recorder.seconds["read"] == pytest.approx(3.000001)


def test_parts_whose_clock_ran_ahead_stay_inside(clock: list[float]) -> None:
    """The wall clock may be set back."""
    recorder = Recorder()
    with recorder.recording(), span("read"):
        with part("decode"):
            clock[0] += 10
        clock[0] -= 6
    (_, _, end, _), (_, begin, until, _) = recorder.spans
    assert begin == 1000
    assert until == end == 1004
