"""The commands ``run`` and ``explain``: a graph over videos."""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)

from beam_scanner import ops
from beam_scanner.apps.graph_function import GraphFunction
from beam_scanner.apps.shots import check_detector
from beam_scanner.cli.args import DEFAULT_NAME, DONE, PROGRAM, SOME_FAILED
from beam_scanner.cli.graphs import GraphRun, find_graph, load_modules, ops_graph
from beam_scanner.cli.inputs import find_videos
from beam_scanner.cli.output import put
from beam_scanner.errors import (
    ArgumentError,
    Failure,
    ScannerException,
    StorageError,
    StreamExistsError,
    Tally,
    WorkerError,
    failures_text,
)
from beam_scanner.graph.nodes import OutputNode
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.ingest import ingest_streams
from beam_scanner.run.kept_work import hint_about_kept
from beam_scanner.run.report import Report, keep_failures
from beam_scanner.runners.local.local_run import is_local, pipeline_options
from beam_scanner.runners.start import ends_with_us, preflight
from beam_scanner.scannerpy.client import Client
from beam_scanner.storage import NamedStream, NamedVideoStream
from beam_scanner.stores import is_object_url
from beam_scanner.text.error_text import one_line
from beam_scanner.text.printable import printable
from beam_scanner.text.quantities import byte_text, counted
from beam_scanner.text.tables import aligned

_SHOWN = 6
_BY_CODE = "ingest(force=True)"


def run_command(args: argparse.Namespace, flags: list[str], only_explain: bool) -> int:
    """``run`` and ``explain``.

    Args:
        args: What :func:`~beam_scanner.cli.args.parse_run` returned.
        flags: Beam's, of it.
        only_explain: Say what a run would do; nothing is stored.

    Returns:
        The exit code.
    """
    began = time.monotonic()
    if os.path.isfile(args.output):
        raise ArgumentError(
            f"--output: {args.output!r} is a file, expected a folder for the database"
        )
    options = pipeline_options(flags)
    preflight(options, [args.output, *args.input])
    failures: list[Failure] = []
    found = find_videos(args.input, failures)
    function, perf = _graph(args), _perf(args)
    sc = Client(
        db_path=args.output,
        options=options,
        trusted=not args.untrusted,
        max_attempts=args.max_attempts,
    )
    videos = _streams(sc, found, failures)
    if only_explain:
        videos = _readable(videos, failures, lambda v: v.preview(force=args.reindex))
    else:
        _index(sc, videos, args)
        videos = _readable(videos, failures, lambda v: v.ingest(force=args.reindex))
    most = args.max_failures
    if isinstance(most, float):
        most = int(most * len(found))

    def execute(outputs: list[OutputNode]) -> Report | None:
        number = _start(sc, args, perf, outputs, most)
        return None if number is None else sc.report(number)

    run = GraphRun(sc, function, videos, args.name, execute)
    run.failures += failures
    run.failure_files.append(keep_failures(sc.named_storage.store(), failures))
    if most is not None and len(failures) > most:
        _list_failures(run, "nothing was run, because of --max-failures")
        return SOME_FAILED
    if _is_left(options) and not only_explain:
        return _submit(run, args, perf)
    if only_explain:
        put(str(sc.explain(run.first_outputs(), perf)))
        _list_failures(run)
        return SOME_FAILED if failures else DONE
    _with_a_free_name(run, args, run.execute)
    if not args.quiet:
        _summarize(run, time.monotonic() - began)
    _list_failures(run)
    return SOME_FAILED if run.failures else DONE


def _is_left(options: PipelineOptions) -> bool:
    """Whether this process submits the run and ends, while the runner continues.

    The launcher of Flex Templates also wants the job made without waiting for it.
    """
    wanted = (
        options.view_as(StandardOptions).no_wait_until_finish
        or options.view_as(GoogleCloudOptions).template_location
    )
    return bool(wanted) and not ends_with_us(options)


def _graph(args: argparse.Namespace) -> GraphFunction:
    ops.register_ops()
    load_modules(args.load)
    given = {
        name: getattr(args, name)
        for name in ("detector", "threshold", "floor", "min_length")
        if getattr(args, name) is not None
    }
    if given and (args.ops is not None or args.graph not in (None, "shots")):
        option = "--" + next(iter(given)).replace("_", "-")
        raise ArgumentError(f"{option} is for the graph shots, which is not run here")
    if args.ops is not None:
        return ops_graph(args.ops)
    function = find_graph(args.graph or "shots")
    if given:
        check_detector(given)
        return functools.partial(function, **given)
    return function


def _perf(args: argparse.Namespace) -> Callable[[Any, Any], PerfParams]:
    work, io = args.work_packet_size, args.io_packet_size
    decoder = args.decoder

    def make(inputs: Any, ops: Any) -> PerfParams:
        chosen = PerfParams.estimate()(inputs, ops)
        if io is None:
            return PerfParams(work or chosen.work_packet_size, 0, decoder=decoder)
        work_size = work or math.gcd(io, chosen.work_packet_size)
        return PerfParams(work_size, io, decoder=decoder)

    if work and io:
        PerfParams(work, io)
    return make


def _index(
    sc: Client, videos: Sequence[NamedVideoStream], args: argparse.Namespace
) -> None:
    """Indexes videos; :func:`_readable` finds those that cannot be indexed."""
    new = sum(NamedStream.try_descriptor(video) is None for video in videos)
    if new:
        _say(args, f"indexing {counted(new, 'video')}")
    if args.reindex and new < len(videos):
        _say(args, f"looking for changes of {counted(len(videos) - new, 'video')}")
    # A runner that is left alone is given one job: the graph. Indexing happens here.
    options = pipeline_options(None) if _is_left(sc.options) else sc.options
    ingest_streams(
        videos,
        sc.named_storage,
        options,
        force=args.reindex,
        show=not args.quiet,
    )


def _streams(
    sc: Client, found: list[tuple[str, str]], failures: list[Failure]
) -> list[NamedVideoStream]:
    videos = []
    for name, path in found:
        try:
            videos.append(NamedVideoStream(sc, name, path=path))
        except ArgumentError as error:
            # The key of an object that no file system could hold.
            failures.append(Failure(name, str(error), kind="input"))
    return videos


def _readable(
    videos: Sequence[NamedVideoStream],
    failures: list[Failure],
    index: Callable[[NamedVideoStream], object],
) -> list[NamedVideoStream]:
    """The videos that can be indexed.

    Raises:
        ScannerException: None can.
    """
    good, first = [], None
    for video in videos:
        try:
            index(video)
        except ScannerException as error:
            first = first or error
            reason = str(error).replace(_BY_CODE, "--reindex")
            failures.append(Failure(video.name(), reason, kind="input"))
        else:
            good.append(video)
    if isinstance(first, StorageError) and not good:
        raise first
    if not good:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise ArgumentError(f"--input: {failures[0].reason}{more}")
    return good


def _submit(
    run: GraphRun, args: argparse.Namespace, perf: Callable[[Any, Any], PerfParams]
) -> int:
    """Starts a run without waiting for it."""
    number: int | None = None

    def submit() -> None:
        nonlocal number
        outputs, most = run.only_outputs(), args.max_failures
        number = _start(run.sc, args, perf, outputs, most, detach=True)

    _with_a_free_name(run, args, submit)
    if number is None:
        _say(args, _counts([]))
    else:
        _say(
            args,
            f"submitted as run {number}; '{PROGRAM} jobs {args.output}' shows how far "
            f"it is, '{PROGRAM} cancel {args.output} {number}' ends it",
        )
    _list_failures(run)
    return SOME_FAILED if run.failures else DONE


def _start(
    sc: Client,
    args: argparse.Namespace,
    perf: Callable[[Any, Any], PerfParams],
    outputs: list[OutputNode],
    most_failures: float | None,
    detach: bool = False,
) -> int | None:
    _say(args, _making(outputs))
    with _runner_errors(sc):
        return sc.run(
            outputs,
            perf,
            cache_mode=CacheMode[args.cache_mode.capitalize()],
            show_progress=not args.quiet and not detach,
            # Of a run that is left, whoever waits for it is to be told.
            on_failure="raise" if detach else "return",
            task_timeout=args.task_timeout or 0,
            max_failures=most_failures,
            detach=detach,
        )


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        put(one_line(text), error=True)


def _making(outputs: Sequence[OutputNode]) -> str:
    names = ", ".join(output.streams[0].name() for output in outputs)
    more = len(outputs[0].streams) - 1
    return f"making {names}" + (
        f" and those of {counted(more, 'more video')}" if more else ""
    )


@contextlib.contextmanager
def _runner_errors(sc: Client) -> Iterator[None]:
    """Makes one line of what another runner raises, which is not a bug of this program."""
    try:
        yield
    except ScannerException:
        raise
    except Exception as error:
        if is_local(sc.options):
            raise
        raise WorkerError(f"the runner failed: {error}") from error


def _with_a_free_name(
    run: GraphRun, args: argparse.Namespace, action: Callable[[], object]
) -> None:
    """Runs a graph; a chain whose output's name another chain has taken gets a longer one.

    Raises:
        StreamExistsError: What is there is this result, or the name was chosen.
    """
    try:
        try:
            action()
        except StreamExistsError as error:
            chosen = args.ops is None or args.name != DEFAULT_NAME
            if chosen or error.holds_result is not False:
                raise
            run.function = ops_graph(args.ops, in_full=True)
            action()
    except StreamExistsError as error:
        what = str(error).partition(". You can change")[0]
        raise StreamExistsError(
            f"{what}; --cache-mode ignore skips what holds exactly this result, "
            "--cache-mode overwrite replaces it"
        ) from error


def _summarize(run: GraphRun, seconds: float) -> None:
    written = {
        output: [stream for stream in streams if stream.committed()]
        for output, streams in run.written.items()
    }
    total = sum(map(len, written.values()))
    put(f"\n{counted(total, 'stream')} in {printable(run.sc.db_path)}:")
    lines = []
    for output, streams in written.items():
        if total <= _SHOWN:
            lines += [_summary(stream.name(), [stream]) for stream in streams]
        elif streams:
            videos = counted(len(streams), "video")
            lines.append(_summary(f"{output} of {videos}", streams))
    for line in aligned(lines, right=[1, 2]):
        put(f"  {line}")
    if run.files:
        put("files beside them:")
        for line in _listed(run.files):
            put(f"  {printable(line)}")
    put(_counts(run.reports))
    put(f"{seconds:.1f} s")


def _summary(name: str, streams: Sequence[NamedStream]) -> tuple[str, ...]:
    """A line: what it is called, rows, size, and where its files are."""
    found = [stream.descriptor() for stream in streams]
    rows = counted(sum(each.rows for each in found), "row")
    size = byte_text(sum(each.size_bytes for each in found))
    places = [place for stream in streams if (place := _place(stream.files()))]
    return name, rows, size, places[0] if len(places) == 1 else _common(places)


def _common(patterns: Sequence[str]) -> str:
    """One pattern for the files of several, as far as they lie in one folder."""
    if not patterns:
        return ""
    folder = os.path.commonpath([os.path.dirname(each) for each in patterns])
    kinds = {os.path.basename(each) for each in patterns}
    return os.path.join(folder, "**", kinds.pop() if len(kinds) == 1 else "*")


def _listed(files: Sequence[str]) -> list[str]:
    """Files; a line for each name where they are many."""
    near = [_near(file) for file in files]
    if len(near) <= _SHOWN:
        return near
    by_name: dict[str, list[str]] = {}
    for file in near:
        by_name.setdefault(os.path.basename(file), []).append(file)
    return [
        own[0] if len(own) == 1 else f"{counted(len(own), 'file')} {_common(own)}"
        for own in by_name.values()
    ][:_SHOWN]


def _place(files: Sequence[str]) -> str:
    """A pattern for the files of a stream, as DuckDB and shells take it."""
    if not files:
        return ""
    folder, name = os.path.split(files[0])
    pattern = f"*{os.path.splitext(name)[1]}"
    return os.path.join(_near(os.path.dirname(folder)), "*", pattern)


def _near(path: str) -> str:
    """The path from the current folder, if it lies there."""
    if is_object_url(path):
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative


def _counts(reports: Sequence[Report]) -> str:
    if not reports:
        return "nothing to do: all results exist already"
    total = {
        name: sum(report.counters.get(name, 0) for report in reports)
        for name in ("frames_needed", "frames_decoded", "frames_again")
    }
    again = total["frames_again"]
    text = (
        f"{counted(total['frames_needed'], 'frame')} needed, "
        f"{total['frames_decoded']} decoded"
        + (f" ({again} of them again)" if again else "")
        + f"; {counted(sum(report.tasks for report in reports), 'task')} run"
    )
    reused = sum(report.reused for report in reports)
    cached = sum(len(report.cached) for report in reports)
    if reused:
        text += f", {reused} reused from a run that was stopped"
    if cached:
        text += f"; results of {counted(cached, 'video')} existed already"
    return text


def _list_failures(run: GraphRun, hint: str = "") -> None:
    """Says what failed, by cause; the same as the error of ``Client.run``."""
    rows = sum(report.rows_failed for report in run.reports)
    if rows:
        rows_null = f"{counted(rows, 'row')} null, because a kernel raised there"
        put(f"{PROGRAM}: {rows_null}", error=True)
    if not run.failures:
        return
    failed = {failure.stream for failure in run.failures}
    tally = Tally(
        sum(len(set(report.committed) - failed) for report in run.reports[-1:]),
        sum(len(report.cached) for report in run.reports[-1:]),
        " and ".join(file for file in run.failure_files if file),
    )
    kept = hint_about_kept(sum(r.kept for r in run.reports), run.sc.db_path)
    hint = hint or kept
    text = failures_text(run.failures, hint, tally)
    put(f"{PROGRAM}: {text}", error=True)
