"""What a task counts, measures and keeps of rows that failed."""

from __future__ import annotations

import json
import time

from beam_scanner.engine.instance import OpError
from beam_scanner.engine.trace import MOST_TRACEBACKS, TaskTrace
from beam_scanner.measure.spans import span


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


def test_a_manifest_can_hold_it() -> None:
    trace = TaskTrace()
    trace.counters["frames"] += 3
    with trace.recording(), span("decode"):
        trace.fail_row(1, 4, error("a"))
        trace.levels.add({"rows in memory": 4})
        time.sleep(0.001)
    told = json.loads(json.dumps(trace.to_json()))
    assert told["counters"] == {"frames": 3, "rows_failed": 1}
    assert [span[0] for span in told["spans"]] == ["decode"]
    assert [each for _, each in told["levels"]] == [{"rows in memory": 4}]
    assert told["failed"][0]["rows"] == [4]
    begin, end = told["interval"]
    assert begin <= end
