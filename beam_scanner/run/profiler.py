"""Profiles: what took how long in a run, worker by worker.

Every run leaves one in its database, under ``.work/profiles/<number>``; the latest
``MOST_PROFILES`` are kept. Sums (``Profile.statistics``) cover all tasks; the
trace (``Profile.write_trace``) has the longest spans of each, at most
``MOST_SPANS`` in all.
"""

from __future__ import annotations

import gzip
import heapq
import io
import itertools
import json
import numbers
import os
import re
import tarfile
import time
import warnings
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from beam_scanner.errors import ArgumentError, StorageError
from beam_scanner.measure.spans import PARTS
from beam_scanner.storage.stream_names import ACTIVE, WORK
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.stores.object_store import ObjectStore, storage_errors

if TYPE_CHECKING:
    from beam_scanner.run.report import Report

MOST_PROFILES = 100
"""Profiles that a database keeps."""

MOST_SPANS = 200_000
"""Spans that one profile keeps; more than that, no viewer opens."""

MOST_FAILURES = 1000
"""Failures that one profile keeps; all are in the files of failures."""

_ROOT, _LOGS = f"{WORK}profiles/", f"{WORK}logs/"
_VERSION = 1
_KINDS = {
    "load": ("open", "read", "read bytes", "decode", "convert"),
    "save": ("write", "encode", "store", "finish", "commit"),
    "wait": ("wait for input", "wait for kernels"),
    "start": ("start workers", "load run"),
    "drive": ("ingest", "plan", "send graph", "pipeline", "conclude", "tidy up"),
}
"""Everything else is what ops do: making, setting up and calling kernels."""

_KIND_OF = {label: kind for kind, labels in _KINDS.items() for label in labels}
_EXTENSIONS = (".trace", ".json", ".tar.gz")


def store_profile(
    store: ObjectStore,
    report: Report,
    raises: bool = True,
    error: BaseException | None = None,
) -> None:
    """Stores the profile of a run that has just ended.

    Args:
        store: The database.
        report: How the run went; its number is set.
        raises: Whether who waits for the run is told of failures by an exception.
        error: What has ended it before its time.

    Warns:
        UserWarning: The profile cannot be written.
    """
    record = {**_record(report), "ended": _ended(report, raises, error)}
    data = gzip.compress(json.dumps(record).encode(), 5, mtime=0)
    known = profile_ids(store)
    try:
        store.put(_key(report.number), data)
        for old in known[MOST_PROFILES - 1 :]:
            store.delete(_key(old))
            store.delete(log_key(old))
    except StorageError as failed:
        # The streams of the run are committed: that must not look like a failure.
        warnings.warn(f"the profile of this run is not kept: {failed}", stacklevel=3)


def store_death(store: ObjectStore, number: int, error: BaseException) -> None:
    """Stores that a run has died, instead of a profile.

    Args:
        store: The database.
        number: The run's.
        error: Says how.
    """
    # Late: a report knows jobs, which need Beam.
    from beam_scanner.run.report import Report

    store_profile(store, Report(number=number), error=error)


def profile_ids(store: ObjectStore) -> list[int]:
    """Numbers of the runs whose profiles are kept, the latest first."""
    names = (key.rsplit("/", 1)[1] for key in store.list(_ROOT))
    numbers = {int(name) for name in names if name.isascii() and name.isdigit()}
    return sorted(numbers, reverse=True)


def has_profile(store: ObjectStore, number: int) -> bool:
    """Whether a run of that number has ended."""
    return store.exists(_key(number))


def active_key(number: int) -> str:
    """Where a run is known while it goes on."""
    return f"{ACTIVE}{number:08d}/run"


def log_key(number: int) -> str:
    """Where a run of its own process keeps what it prints."""
    return f"{_LOGS}{number:08d}.txt"


def _key(number: int) -> str:
    return f"{_ROOT}{number:08d}"


def _record(report: Report) -> dict[str, Any]:
    end = time.time()
    return {
        "version": _VERSION,
        "interval": [end - report.seconds, end],
        "tasks": report.tasks,
        "reused": report.reused,
        "committed": report.committed,
        "cached": len(report.cached),
        "failures": [str(failure) for failure in report.failures[:MOST_FAILURES]],
        "counters": report.counters,
        "calls": report.calls,
        "workers": _sums(report.traces),
        "spans": _with_start(report),
        "traces": _thinned(report.traces),
    }


def _ended(report: Report, raises: bool, error: BaseException | None) -> dict[str, Any]:
    """How a run ended, for whoever waits for it."""
    return {
        "raises": raises,
        "cancelled": report.cancelled,
        "kept": report.kept,
        "failure_file": report.failure_file,
        "total_tasks": max(report.total_tasks, report.tasks + report.reused),
        "failed": len(report.failures),
        "failures": [failure._asdict() for failure in report.failures[:MOST_FAILURES]],
        "error": error and [type(error).__name__, str(error) or type(error).__name__],
    }


def _with_start(report: Report) -> list[list[Any]]:
    """What was done outside tasks, with the time until the first of these began."""
    spans = report.spans[:MOST_SPANS]
    begun = [trace["interval"][0] for trace in report.traces if "interval" in trace]
    for process, name, begin, end, _ in report.spans:
        if (process, name) == ("Driver", "pipeline") and begun:
            first = min(max(min(begun), begin), end)
            spans.append([process, "start workers", begin, first, "workers"])
    return spans


def _sums(traces: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each worker its tasks, seconds and counters."""
    workers: dict[str, dict[str, Any]] = {}
    for trace in traces:
        empty = {"tasks": 0, "seconds": {}, "counters": {}}
        worker = workers.setdefault(trace["worker"], empty)
        worker["tasks"] += 1
        for what in ("seconds", "counters"):
            for name, value in trace[what].items():
                worker[what][name] = worker[what].get(name, 0) + value
    return workers


def _thinned(traces: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Worker, task and spans of each task: the longest spans, if there are too many."""
    traces = traces[:MOST_SPANS]
    share = max(1, MOST_SPANS // max(1, len(traces)))
    many = sum(len(trace["spans"]) for trace in traces) > MOST_SPANS
    kept = []
    for trace in traces:
        spans = trace["spans"]
        interval = _interval(spans)
        if many and len(spans) > share:
            spans = sorted(
                heapq.nlargest(share, spans, key=lambda span: span[2] - span[1]),
                key=lambda span: span[1],
            )
        kept.append(
            {
                "task": trace["task"],
                "worker": trace["worker"],
                "interval": interval,
                "spans": spans,
                "levels": trace.get("levels", []),
            }
        )
    return kept


def _interval(spans: Sequence[Sequence[Any]]) -> list[float] | None:
    if not spans:
        return None
    return [min(span[1] for span in spans), max(span[2] for span in spans)]


class Profile:
    """What took how long in one run.

    Args:
        number: The run's.
        record: What ``store_profile`` has stored.

    Attributes:
        job_id: The run's number.
        tasks: How many tasks were run; those of an earlier run do not count.
    """

    def __init__(self, number: int, record: dict[str, Any]) -> None:
        self.job_id = number
        self.tasks = int(record["tasks"])
        self._record = record

    def __repr__(self) -> str:
        return f"Profile({self.job_id}, tasks={self.tasks})"

    @classmethod
    def load(cls, storage: NamedStorage, job_id: int | str) -> Profile:
        """Reads a profile.

        Args:
            storage: The database.
            job_id: What ``Client.run`` has returned.

        Raises:
            ArgumentError: There was no such run, or its profile is not kept any more.
        """
        number = run_number(job_id)
        store = storage.store()
        data = store.try_read(_key(number))
        if data is None and store.exists(active_key(number)):
            raise ArgumentError(f"run {number} has not ended: there is no profile yet")
        if data is None:
            raise _unknown(job_id)
        try:
            record = json.loads(gzip.decompress(data))
            version = record["version"]
        except (
            *(OSError, EOFError, ValueError, KeyError, TypeError),
            *(zlib.error, RecursionError, MemoryError),
        ) as error:
            where = store.describe(_key(number))
            raise StorageError(f"damaged profile {where!r}: {error}") from error
        if version != _VERSION:
            raise StorageError(
                f"profile of run {number} has version {version!r}, expected {_VERSION}"
            )
        return cls(number, record)

    @property
    def ended(self) -> dict[str, Any]:
        """How the run ended; see ``follow``. Empty in profiles of older releases."""
        return dict(self._record.get("ended", {}))

    def counts(self) -> dict[str, int]:
        """Tasks that an interrupted run had finished, and streams that were there.

        Returns:
            Their numbers, under ``'reused'`` and ``'cached'``.
        """
        return {name: int(self._record[name]) for name in ("reused", "cached")}

    @property
    def failures(self) -> list[str]:
        """What went wrong: one string for each stream that failed, the first 1000."""
        return list(self._record["failures"])

    @property
    def committed(self) -> list[str]:
        """Names of the streams that the run committed: of each job the first."""
        return list(self._record["committed"])

    def total_time_interval(self) -> tuple[int, int]:
        """Begin and end of the run, in nanoseconds since the epoch."""
        begin, end = self._record["interval"]
        return int(begin * 1e9), int(end * 1e9)

    def statistics(self) -> dict[str, Any]:
        """Sums over all tasks.

        Returns:
            ``'load'``, ``'eval'``, ``'save'``, ``'wait'``, ``'start'`` and ``'drive'``:
            seconds by label, summed over threads and workers, each second once: those
            of ``'read'`` are without those of ``'decode'`` inside. ``'counters'``: whole numbers (frames_needed,
            frames_decoded, bytes_read, rows_written, ...); ``'calls'``: batch, device and
            copies of models of ops that have such; ``'workers'``: for each
            worker its tasks, seconds and counters; ``'tasks'``; ``'total_time'``:
            seconds from begin to end.
        """
        kinds: dict[str, dict[str, float]] = {"eval": {}}
        kinds |= {kind: {} for kind in _KINDS}
        measured = [
            each
            for worker in self._record["workers"].values()
            for each in worker["seconds"].items()
        ]
        for _, name, begin, end, _ in self._record.get("spans", ()):
            measured.append((name, end - begin))
        for label, seconds in measured:
            found = kinds[_kind(label)]
            found[label] = found.get(label, 0.0) + seconds
        begin, end = self._record["interval"]
        return {
            **kinds,
            "counters": dict(self._record["counters"]),
            "calls": dict(self._record.get("calls", {})),
            "workers": self._record["workers"],
            "tasks": self.tasks,
            "total_time": end - begin,
        }

    def write_trace(self, path: str | os.PathLike[str]) -> str:
        """Writes a trace in Chrome's format, for Perfetto or ``chrome://tracing``.

        Args:
            path: Ends with ``.trace``, ``.json`` or ``.tar.gz`` (a packed ``.trace``).

        Returns:
            The path.

        Raises:
            ArgumentError: Another extension.
            StorageError: The file cannot be written.
        """
        path = os.fspath(path)
        extension = next((e for e in _EXTENSIONS if path.endswith(e)), None)
        if extension is None:
            _, dot, rest = os.path.basename(path).partition(".")
            raise ArgumentError(
                f"Invalid trace extension {dot + rest!r} of {path!r}. Must be "
                ".trace, .json or .tar.gz."
            )
        # Perfetto shows escapes as they are written.
        data = json.dumps(self.trace_events(), ensure_ascii=False).encode()
        with storage_errors("write", path):
            if extension == ".tar.gz":
                name = os.path.basename(path).removesuffix(extension) + ".trace"
                _write_packed(path, name, data)
            else:
                with open(path, "wb") as file:
                    file.write(data)
        return path

    def trace_events(self) -> list[dict[str, Any]]:
        """The trace as Chrome takes it: processes are workers, threads what they did.

        Times are in microseconds since the first event.
        """
        begin, end = self._record["interval"]
        run = {"counters": self._record["counters"], "tasks": self.tasks}
        spans = [_Span(begin, end, "Driver", "run", "run", f"run {self.job_id}", run)]
        for process, name, first, last, thread in self._record.get("spans", ()):
            kind, shown, where = _kind(name), process, thread
            if process != "Driver":
                shown, where = f"Worker {process}", _row(kind, thread)
            spans.append(_Span(first, last, shown, kind, where, name, {}))
        for trace in self._record["traces"]:
            worker = f"Worker {trace['worker']}"
            args = {"task": trace["task"]}
            if trace["interval"] is not None:
                first, last = trace["interval"]
                name = f"task {trace['task']}"
                spans.append(_Span(first, last, worker, "task", "tasks", name, {}))
            for label, first, last, thread in trace["spans"]:
                kind = _kind(label)
                where = _row(kind, thread)
                spans.append(_Span(first, last, worker, kind, where, label, args))
        return _chrome_events(spans, levels_of(self._record["traces"]))


def _row(kind: str, thread: str) -> str:
    """The name of a row of bars; that of a thread says nothing if nobody chose it."""
    if not re.match(r"Thread-\d+|ThreadPoolExecutor-|Dummy-\d+", thread):
        return f"{kind}: {thread}"
    return kind + (PARTS if thread.endswith(PARTS) else "")


class _Span(NamedTuple):
    """One bar of a trace; times in seconds since the epoch."""

    begin: float
    end: float
    process: str
    kind: str
    thread: str
    name: str
    args: dict[str, Any]


_ORDER = {"task": 0, "start": 0, "load": 1, "eval": 2, "save": 3, "wait": 4}


class _Level(NamedTuple):
    """A level of one worker, from a time in seconds since the epoch on."""

    when: float
    process: str
    name: str
    value: int


def levels_of(traces: Iterable[dict[str, Any]]) -> list[_Level]:
    """The levels of each worker: the sums over the tasks that it runs at a time."""
    samples = []
    for number, trace in enumerate(traces):
        listed = trace.get("levels", ())
        samples += [(when, trace["worker"], number, each) for when, each in listed]
        if listed:
            names = {name: 0 for _, each in listed for name in each}
            end = max(listed[-1][0], (trace["interval"] or [0, 0])[1])
            samples.append((end, trace["worker"], number, names))
    found = []
    now: dict[tuple[str, str], dict[int, int]] = {}
    for when, worker, number, each in sorted(samples, key=lambda sample: sample[0]):
        for name, value in each.items():
            tasks = now.setdefault((worker, name), {})
            tasks[number] = value
            if not value:
                del tasks[number]
            level = sum(tasks.values())
            found.append(_Level(when, f"Worker {worker}", name, level))
    return found


def _chrome_events(
    spans: Iterable[_Span], levels: Iterable[_Level] = ()
) -> list[dict[str, Any]]:
    """Chrome's events: complete ones, counters, and names of processes and threads.

    Several tasks of one process have threads of one name. Bars that overlap are drawn
    in rows of their own, since viewers take them for nested calls otherwise. Processes
    and threads have numbers of one series, from 1 on: 0 is the idle process, and the
    thread with the number of a process is its main thread, which has the counters.
    """
    ordered = sorted(spans, key=lambda span: span.begin)
    zero = ordered[0].begin
    processes: dict[str, int] = {}
    rows: dict[tuple[str, str], list[list[int]]] = {}
    events, names = [], []
    numbers = itertools.count(1)
    for span in ordered:
        first, last = (round((t - zero) * 1e6) for t in (span.begin, span.end))
        if span.process not in processes:
            number = processes[span.process] = next(numbers)
            names += _named("process", span.process, number, number)
        pid = processes[span.process]
        lanes = rows.setdefault((span.process, span.thread), [])
        lane = next((lane for lane in lanes if lane[1] <= first), None)
        if lane is None:
            lane = [next(numbers), 0]
            lanes.append(lane)
            shown = f"{span.thread} {len(lanes)}" if len(lanes) > 1 else span.thread
            names += _named("thread", shown, pid, lane[0], _ORDER.get(span.kind, 0))
        lane[1] = max(first, last)
        events.append(
            {
                "name": _shown(span.name),
                "cat": span.kind,
                "ph": "X",
                "ts": first,
                "dur": lane[1] - first,
                "pid": pid,
                "tid": lane[0],
                "args": span.args,
            }
        )
    for level in levels:
        if level.process in processes:
            events.append(
                {
                    "name": level.name,
                    "ph": "C",
                    "ts": max(0, round((level.when - zero) * 1e6)),
                    "pid": processes[level.process],
                    "tid": processes[level.process],
                    "args": {level.name: level.value},
                }
            )
    return names + events


def _shown(name: str) -> str:
    """A name that viewers can read: Perfetto gives up at a backslash before a quote."""
    return re.sub(r"[\\\x00-\x1f\x7f\ud800-\udfff]", "?", name)


def _named(
    what: str, name: str, pid: int, tid: int, order: int | None = None
) -> list[dict[str, Any]]:
    arguments = {
        f"{what}_name": {"name": _shown(name)},
        f"{what}_sort_index": {"sort_index": pid if order is None else order},
    }
    return [
        {"name": key, "ph": "M", "pid": pid, "tid": tid, "args": args}
        for key, args in arguments.items()
    ]


def _kind(label: str) -> str:
    return _KIND_OF.get(label, "eval")


def run_number(job_id: object) -> int:
    """The number of a run, as users name it.

    Args:
        job_id: The number, also of numpy or as text.

    Raises:
        ArgumentError: No run has such a name.

    Examples:
        >>> run_number("12")
        12
    """
    if job_id is None:
        raise ArgumentError(
            "Job name None does not exist: run returns None where it had nothing to do, "
            "as all outputs were there"
        )
    if isinstance(job_id, bool) or not isinstance(job_id, (numbers.Integral, str)):
        raise _unknown(job_id)
    text = str(job_id)
    if not (text.isascii() and text.isdigit()):
        raise _unknown(job_id)
    return int(text)


def _unknown(job_id: object) -> ArgumentError:
    return ArgumentError(
        f"Job name {job_id} does not exist: expected what run returned for one of the "
        f"latest {MOST_PROFILES} runs"
    )


def _write_packed(path: str, name: str, data: bytes) -> None:
    with tarfile.open(path, "w:gz") as packed:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mtime = int(time.time())
        packed.addfile(info, io.BytesIO(data))
