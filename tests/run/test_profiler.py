import gzip
import json
import tarfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_scanner.engine.trace import TaskTrace
from beam_scanner.errors import ArgumentError, Failure, StorageError
from beam_scanner.measure.spans import span
from beam_scanner.run import profiler
from beam_scanner.run.profiler import Profile, profile_ids, store_profile
from beam_scanner.run.report import Report
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.local_store import LocalStore
from beam_scanner.stores.object_store import Data

Event = dict[str, Any]


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    return NamedStorage(LocalStore(tmp_path / "db", durable=False))


def trace(task: str, worker: str, *spans: list[Any], **counters: int) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    for name, begin, end, _ in spans:
        seconds[name] = seconds.get(name, 0.0) + end - begin
    return {
        "task": task,
        "worker": worker,
        "counters": counters,
        "seconds": seconds,
        "spans": list(spans),
    }


def two_workers() -> Report:
    return Report(
        committed=["a", "b"],
        cached=["c"],
        failures=[Failure("d", "KeyError: 3", row=7, op="Track")],
        counters={"frames_needed": 30, "frames_decoded": 40},
        tasks=3,
        reused=1,
        seconds=2.5,
        traces=[
            trace(
                "0-0",
                "host:1",
                ["read", 1000.0, 1000.5, "read"],
                ["op:Histogram", 1000.25, 1001.25, "MainThread"],
                ["write", 1001.25, 1001.5, "MainThread"],
                frames_needed=10,
            ),
            trace("0-1", "host:2", ["read", 1000.0, 1000.25, "read"], frames_needed=15),
            trace("0-2", "host:1", ["read", 1002.0, 1003.0, "read"], frames_needed=5),
        ],
    )


def kept(storage: NamedStorage, report: Report) -> int:
    """Stores the profile under the next number."""
    store = storage.store(create=True)
    report.number = max(profile_ids(store), default=0) + 1
    store_profile(store, report)
    return report.number


def bars(events: list[Event]) -> list[Event]:
    return [event for event in events if event["ph"] == "X"]


def names(events: list[Event], what: str) -> dict[tuple[int, int], str]:
    found = [e for e in events if e["ph"] == "M" and e["name"] == what]
    keys = [(event["pid"], event["tid"]) for event in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, [e["args"]["name"] for e in found], strict=True))


def check_chrome_trace(events: list[Event]) -> None:
    """The format's rules and Perfetto's, and that no two bars of a row overlap."""
    processes = {pid for pid, _ in names(events, "process_name")}
    threads = names(events, "thread_name")
    # To Perfetto, process 0 is the idle one, and a thread with the number of a process
    # is the main thread of that process.
    assert names(events, "process_name").keys() == {(pid, pid) for pid in processes}
    numbers = [*processes, *(tid for _, tid in threads)]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) > 0
    rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event in events:
        assert event["ph"] in ("X", "M", "C")
        assert isinstance(event["name"], str)
        assert type(event["pid"]) is type(event["tid"]) is int
        assert isinstance(event["args"], dict)
        assert event["pid"] in processes
        if event["ph"] == "C":
            assert event["tid"] == event["pid"]
            assert type(event["ts"]) is int
            assert event["ts"] >= 0
            assert event["args"]
            for value in event["args"].values():
                assert type(value) is int
                assert value >= 0
        if event["ph"] == "X":
            assert isinstance(event["cat"], str)
            assert type(event["ts"]) is type(event["dur"]) is int
            assert event["ts"] >= 0
            assert event["dur"] >= 0
            key = (event["pid"], event["tid"])
            assert key in threads
            rows.setdefault(key, []).append((event["ts"], event["ts"] + event["dur"]))
    for row in rows.values():
        row.sort()
        for (_, end), (begin, _) in pairwise(row):
            assert end <= begin


def test_statistics_sum_over_workers(storage: NamedStorage) -> None:
    number = kept(storage, two_workers())
    profile = Profile.load(storage, number)
    found = profile.statistics()
    assert found["load"] == {"read": 1.75}
    assert found["eval"] == {"op:Histogram": 1.0}
    assert found["save"] == {"write": 0.25}
    assert found["counters"] == {"frames_needed": 30, "frames_decoded": 40}
    assert found["total_time"] == pytest.approx(2.5)
    assert found["tasks"] == profile.tasks == 3
    assert found["workers"]["host:1"] == {
        "tasks": 2,
        "seconds": {"read": 1.5, "op:Histogram": 1.0, "write": 0.25},
        "counters": {"frames_needed": 15},
    }
    assert found["workers"]["host:2"]["tasks"] == 1
    assert profile.committed == ["a", "b"]
    assert profile.failures == ["stream 'd', op Track, row 7: KeyError: 3"]
    begin, end = profile.total_time_interval()
    assert end - begin == pytest.approx(2.5e9, rel=1e-6)
    assert type(begin) is type(end) is int


def test_a_run_without_tasks_has_a_profile(storage: NamedStorage) -> None:
    profile = Profile.load(storage, kept(storage, Report()))
    assert profile.tasks == 0
    assert profile.statistics()["load"] == {}
    check_chrome_trace(profile.trace_events())


def test_trace_of_a_real_task(storage: NamedStorage) -> None:
    found = TaskTrace()
    for name in ("read", "op:Blur", "write"):
        with found.recording(), span(name):
            time.sleep(0.001)
    report = Report(tasks=1, traces=[{"task": "0-0", **found.to_json()}])
    profile = Profile.load(storage, kept(storage, report))
    events = profile.trace_events()
    check_chrome_trace(events)
    assert sorted(event["cat"] for event in bars(events)) == [
        "eval",
        "load",
        "run",
        "save",
        "task",
    ]


def test_trace_has_tasks_decode_ops_and_writes_by_worker(
    storage: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiler.time, "time", lambda: 1003.5)  # type: ignore[attr-defined]
    profile = Profile.load(storage, kept(storage, two_workers()))
    events = profile.trace_events()
    check_chrome_trace(events)
    processes = names(events, "process_name")
    by_pid = {pid: name for (pid, _), name in processes.items()}
    threads = names(events, "thread_name")
    assert set(by_pid.values()) == {"Driver", "Worker host:1", "Worker host:2"}
    found = {
        (by_pid[e["pid"]], threads[e["pid"], e["tid"]], e["name"], e["ts"], e["dur"])
        for e in bars(events)
    }
    assert found == {
        ("Driver", "run", "run 1", 1_000_000, 2_500_000),
        ("Worker host:1", "tasks", "task 0-0", 0, 1_500_000),
        ("Worker host:1", "load: read", "read", 0, 500_000),
        ("Worker host:1", "eval: MainThread", "op:Histogram", 250_000, 1_000_000),
        ("Worker host:1", "save: MainThread", "write", 1_250_000, 250_000),
        ("Worker host:2", "tasks", "task 0-1", 0, 250_000),
        ("Worker host:2", "load: read", "read", 0, 250_000),
        ("Worker host:1", "tasks", "task 0-2", 2_000_000, 1_000_000),
        ("Worker host:1", "load: read", "read", 2_000_000, 1_000_000),
    }


_spans = st.lists(
    st.tuples(
        st.sampled_from(["read", "write", "op:A"]),
        st.floats(1.7e9, 1.7e9 + 1),
        st.floats(0, 1),
        st.sampled_from(["read", "Thread-1"]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(tasks=st.lists(st.tuples(st.sampled_from(["h:1", "h:2"]), _spans), max_size=5))
def test_bars_of_one_row_never_overlap(
    tasks: list[tuple[str, list[tuple[str, float, float, str]]]],
) -> None:
    traces = [
        trace(f"0-{n}", worker, *[[name, b, b + d, t] for name, b, d, t in spans])
        for n, (worker, spans) in enumerate(tasks)
    ]
    report = Report(tasks=len(traces), traces=traces)
    events = Profile(1, profiler._record(report)).trace_events()
    check_chrome_trace(events)
    spans = sum(len(spans) for _, spans in tasks)
    busy = sum(1 for _, spans in tasks if spans)
    assert len(bars(events)) == 1 + busy + spans


# Files.


@pytest.mark.parametrize("name", ["run.trace", "run.json", "a.b/x.trace", "x.y.json"])
def test_write_trace(storage: NamedStorage, tmp_path: Path, name: str) -> None:
    profile = Profile.load(storage, kept(storage, two_workers()))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    assert profile.write_trace(str(path)) == str(path)
    assert json.loads(path.read_text()) == profile.trace_events()
    assert [p.name for p in path.parent.iterdir() if p.is_file()] == [path.name]


def test_write_packed_trace(storage: NamedStorage, tmp_path: Path) -> None:
    profile = Profile.load(storage, kept(storage, two_workers()))
    folder = tmp_path / "v1.2"
    folder.mkdir()
    assert profile.write_trace(folder / "run.3.tar.gz") == str(folder / "run.3.tar.gz")
    assert [path.name for path in folder.iterdir()] == ["run.3.tar.gz"]
    with tarfile.open(folder / "run.3.tar.gz") as packed:
        assert packed.getnames() == ["run.3.trace"]
        member = packed.extractfile("run.3.trace")
        assert member is not None
        assert json.load(member) == profile.trace_events()


def test_names_are_written_as_perfetto_reads_them(
    storage: NamedStorage, tmp_path: Path
) -> None:
    """It neither unescapes code points nor sees that a backslash is escaped."""
    odd = trace("0-0", "h:1", ["op:Größe 🎞", 0.0, 1.0, 'C:\\a "b" \ud83d\n\\'])
    profile = Profile.load(storage, kept(storage, Report(tasks=1, traces=[odd])))
    path = tmp_path / "run.trace"
    profile.write_trace(path)
    assert "\\u" not in path.read_text("utf-8")
    events = json.loads(path.read_text("utf-8"))
    check_chrome_trace(events)
    assert "op:Größe 🎞" in {event["name"] for event in bars(events)}
    assert 'eval: C:?a "b" ???' in names(events, "thread_name").values()


@pytest.mark.parametrize(
    ("name", "extension"),
    [("run.txt", "'.txt'"), ("run", "''"), ("a.trace/run.gz", "'.gz'")],
)
def test_other_extensions_are_refused(
    storage: NamedStorage, name: str, extension: str
) -> None:
    profile = Profile.load(storage, kept(storage, Report()))
    with pytest.raises(ArgumentError, match=f"Invalid trace extension {extension}"):
        profile.write_trace(name)


def test_a_folder_that_is_not_there_is_named(
    storage: NamedStorage, tmp_path: Path
) -> None:
    profile = Profile.load(storage, kept(storage, Report()))
    for name in ("none/run.trace", "none/run.tar.gz"):
        with pytest.raises(StorageError, match=r"cannot write '.*/none/run"):
            profile.write_trace(tmp_path / name)


# Numbers.


def test_numbers_follow_each_other(storage: NamedStorage) -> None:
    assert [kept(storage, Report(tasks=n)) for n in range(3)] == [1, 2, 3]
    assert profile_ids(storage.store()) == [3, 2, 1]
    assert [Profile.load(storage, n).tasks for n in (1, 2, 3)] == [0, 1, 2]
    assert Profile.load(storage, "2").tasks == 1


@pytest.mark.parametrize("wrong", [0, 4, -1, "x", "", "²", True, None, 1.0, 10**30])
def test_unknown_runs(storage: NamedStorage, wrong: Any) -> None:
    kept(storage, Report())
    with pytest.raises(ArgumentError, match=r"Job name .* does not exist"):
        Profile.load(storage, wrong)


def test_a_database_without_any_run(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Job name 1 does not exist"):
        Profile.load(NamedStorage(tmp_path / "none"), 1)
    assert not (tmp_path / "none").exists()


def test_only_the_latest_profiles_are_kept(
    storage: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiler, "MOST_PROFILES", 3)
    assert [kept(storage, Report()) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert profile_ids(storage.store()) == [5, 4, 3]


class Full(LocalStore):
    def put(self, key: str, data: Data) -> None:
        if "profiles" in key:
            raise StorageError("no space left on the device")
        super().put(key, data)


def test_a_full_disk_spoils_no_run(tmp_path: Path) -> None:
    storage = NamedStorage(Full(tmp_path))
    with pytest.warns(UserWarning, match="not kept: no space left"):
        assert kept(storage, two_workers()) == 1


def test_damaged_profiles_and_other_versions_are_named(storage: NamedStorage) -> None:
    number = kept(storage, Report())
    key = f".work/profiles/{number:08d}"
    whole = storage.store().read(key)
    for data in (whole[:-9], b"text", gzip.compress(b"[]"), gzip.compress(b"{")):
        storage.store().put(key, data)
        with pytest.raises(StorageError, match=r"damaged profile .*00000001"):
            Profile.load(storage, number)
    storage.store().put(key, gzip.compress(b'{"version": 9}'))
    with pytest.raises(StorageError, match="run 1 has version 9, expected 1"):
        Profile.load(storage, number)


def test_too_many_spans_leave_the_longest_and_exact_sums(
    storage: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiler, "MOST_SPANS", 20)
    spans: list[list[Any]] = [
        ["op:A", 10.0 * n, 10.0 * n + n % 7 + 1, "Main"] for n in range(50)
    ]
    traces = [trace("0-0", "h:1", *spans), trace("0-1", "h:1", *spans[:5])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        number = kept(storage, Report(tasks=2, traces=traces))
    profile = Profile.load(storage, number)
    assert profile.statistics()["eval"]["op:A"] == sum(s[2] - s[1] for s in spans) + 15
    events = profile.trace_events()
    check_chrome_trace(events)
    of_first = [e for e in bars(events) if e["args"] == {"task": "0-0"}]
    assert len(of_first) == 10
    assert {event["dur"] for event in of_first} == {6_000_000, 7_000_000}
    assert len([e for e in bars(events) if e["args"] == {"task": "0-1"}]) == 5
    (whole,) = [event for event in bars(events) if event["name"] == "task 0-0"]
    assert whole["dur"] == round((spans[-1][2] - spans[0][1]) * 1e6)


def test_levels_are_sums_over_the_tasks_of_a_worker(storage: NamedStorage) -> None:
    def sampled(task: str, worker: str, *samples: tuple[float, int]) -> dict[str, Any]:
        found = trace(task, worker, ["read", 1000.0, 1010.0, "read"])
        found["levels"] = [[when, {"rows in memory": rows}] for when, rows in samples]
        return found

    report = Report(
        tasks=3,
        traces=[
            sampled("0-0", "h:1", (1001.0, 5), (1003.0, 7)),
            sampled("0-1", "h:1", (1002.0, 10)),
            sampled("0-2", "h:2", (1004.0, 1)),
        ],
    )
    profile = Profile.load(storage, kept(storage, report))
    events = profile.trace_events()
    check_chrome_trace(events)
    counters = [e for e in events if e["ph"] == "C"]
    zero = min(e["ts"] for e in counters)
    first = counters[0]["pid"]
    assert [
        ((e["ts"] - zero) // 1_000_000, e["args"]["rows in memory"])
        for e in counters
        if e["pid"] == first
    ] == [(0, 5), (1, 15), (2, 17), (9, 10), (9, 0)]
    assert [e["args"]["rows in memory"] for e in counters if e["pid"] != first] == [
        1,
        0,
    ]


def test_what_a_driver_does_is_shown_and_summed(storage: NamedStorage) -> None:
    task = trace("0-0", "h:1", ["op:A", 1003.0, 1004.0, "Main"])
    report = Report(
        spans=[
            ["Driver", "plan", 1000.0, 1001.0, "MainThread"],
            ["Driver", "pipeline", 1001.0, 1005.0, "MainThread"],
            ["h:1", "commit", 1004.0, 1004.5, "task"],
            ["h:1", "load run", 1002.0, 1002.5, "Thread-8 (run)"],
            ["h:1", "store", 1004.0, 1004.5, "Thread-9 (parts)"],
        ],
        traces=[{**task, "interval": [1002.5, 1004.0]}],
    )
    profile = Profile.load(storage, kept(storage, report))
    found = profile.statistics()
    assert found["drive"] == {"plan": 1.0, "pipeline": 4.0}
    assert found["start"] == {"start workers": 1.5, "load run": 0.5}
    assert found["save"] == {"commit": 0.5, "store": 0.5}
    events = profile.trace_events()
    check_chrome_trace(events)
    processes = names(events, "process_name")
    where = {e["name"]: processes[e["pid"], e["pid"]] for e in bars(events)}
    assert where["plan"] == where["start workers"] == "Driver"
    assert where["commit"] == where["op:A"] == "Worker h:1"
    threads = names(events, "thread_name")
    rows = {e["name"]: threads[e["pid"], e["tid"]] for e in bars(events)}
    assert (rows["plan"], rows["commit"], rows["op:A"]) == (
        *("MainThread", "save: task", "eval: Main"),
    )
    # Nobody has named these threads.
    assert (rows["load run"], rows["store"]) == ("start", "save (parts)")
