"""What a task counts, measures and keeps of rows that failed."""

from __future__ import annotations

import json
import threading

import pytest

from beam_scanner.engine import trace as trace_module
from beam_scanner.engine.instance import OpError
from beam_scanner.engine.trace import MOST_TRACEBACKS, TaskTrace


def error(reason: str) -> OpError:
    made = OpError.__new__(OpError)
    made.op, made.reason = "Track", reason
    made.exception, made.details = "ValueError", f"traceback of {reason}"
    return made


def test_rows_that_fail_alike_are_kept_together() -> None:
    trace = TaskTrace()
    for row, reason in enumerate(["a", "b", "a"]):
        trace.fail_row(1, row, error(reason))
    trace.fail_row(2, 9, error("a"))
    assert [(f.node, f.reason, f.rows) for f in trace.failed] == [
        (1, "a", [0, 2]),
        (1, "b", [1]),
        (2, "a", [9]),
    ]
    assert trace.counters["rows_failed"] == 4


def test_only_so_many_tracebacks_are_kept() -> None:
    trace = TaskTrace()
    for row in range(MOST_TRACEBACKS + 2):
        trace.fail_row(0, row, error(f"reason {row}"))
    kept = [failed.traceback for failed in trace.failed]
    assert len(kept) == MOST_TRACEBACKS + 2
    assert all(kept[:MOST_TRACEBACKS])
    assert kept[MOST_TRACEBACKS:] == ["", ""]


def test_spans_add_up_and_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_module, "MOST_SPANS", 2)
    times = iter([1.0, 2.0, 5.0, 8.0, 10.0, 11.0])
    monkeypatch.setattr("time.time", lambda: next(times))
    trace = TaskTrace(started=0.0)
    for _ in range(3):
        with trace.span("decode"):
            pass
    thread = threading.current_thread().name
    assert trace.seconds["decode"] == 5.0
    assert trace.spans == [["decode", 1.0, 2.0, thread], ["decode", 5.0, 8.0, thread]]


def test_a_span_that_fails_counts() -> None:
    trace = TaskTrace()
    with pytest.raises(ValueError, match="x"), trace.span("write"):
        raise ValueError("x")
    assert list(trace.seconds) == ["write"]


def test_a_manifest_can_hold_it() -> None:
    trace = TaskTrace()
    trace.counters["frames"] += 3
    with trace.span("decode"):
        trace.fail_row(1, 4, error("a"))
    told = json.loads(json.dumps(trace.to_json()))
    assert told["counters"] == {"frames": 3, "rows_failed": 1}
    assert [span[0] for span in told["spans"]] == ["decode"]
    assert told["failed"][0]["rows"] == [4]
    begin, end = told["interval"]
    assert begin <= end
