"""The client: Scanner's API, run as Beam pipelines.

::

    sc = Client(db_path='db')
    frames = sc.io.Input([NamedVideoStream(sc, 'clip', path='clip.mp4')])
    some = sc.streams.Stride(frames, [8])
    histograms = sc.ops.Histogram(frame=some)
    output = NamedStream(sc, 'clip histograms')
    sc.run(sc.io.Output(histograms, [output]))
    for histogram in output.load():
        ...
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self

from beam_scanner import ops as shipped

# It watches forks from now on, also those before Beam is loaded.
from beam_scanner.beam_internals import fork_check  # noqa: F401
from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.beam_internals.root_logger import keeps_root_logger, root_logger_kept
from beam_scanner.errors import ArgumentError
from beam_scanner.graph.builder import (
    IOGenerator,
    StreamsGenerator,
    TaskPartitioner,
)
from beam_scanner.graph.nodes import OpColumn, OutputNode
from beam_scanner.graph.sampler_methods import column_of
from beam_scanner.graph.source_calls import SinkGenerator, SourceGenerator
from beam_scanner.graph.validate import listed_outputs
from beam_scanner.kernels.gpus import has_gpu
from beam_scanner.kernels.op_modules import register_module
from beam_scanner.kernels.register import register_op, register_python_kernel
from beam_scanner.measure.spans import Recorder, span
from beam_scanner.planner.perf_params import MakePerfParams
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.early_start import start_early_for
from beam_scanner.scannerpy.cluster import CLUSTER, NO_CLUSTER
from beam_scanner.scannerpy.cluster import start_master as start_master
from beam_scanner.scannerpy.cluster import start_worker as start_worker
from beam_scanner.scannerpy.config import Config, chosen_config
from beam_scanner.scannerpy.op import OpGenerator
from beam_scanner.scannerpy.profiler import Profile, warn_of_subsample
from beam_scanner.scannerpy.run_arguments import checked_mode, output_nodes, perf_maker
from beam_scanner.scannerpy.sink import Sink
from beam_scanner.scannerpy.table import Column, Table, Tables
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.text.cards import never_raises

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from beam_scanner.run.explain import Explanation
    from beam_scanner.run.follow import JobStatus
    from beam_scanner.run.options import Limits
    from beam_scanner.run.preview import Preview
    from beam_scanner.run.report import Report


class Client:
    """Runs graphs over the streams of one database.

    Args:
        master: Scanner's; Beam has no master, so any value but None is an error.
        workers: Scanner's; an error likewise, but for ``[]``.
        start_cluster: Ignored.
        config_path: A TOML file; see ``Config``.
        config: A configuration; goes before ``config_path``.
        debug: Ignored.
        enable_watchdog: Ignored.
        prefetch_table_metadata: Ignored.
        no_workers_timeout: Ignored.
        grpc_timeout: Ignored.
        new_job_retries_limit: Ignored.
        machine_params: Ignored, with a warning.
        db_path: The database's folder; goes before that of the configuration.
        options: A Beam ``PipelineOptions`` or a list of flags: where graphs run.
            Without any, worker processes on all local cores.
        trusted: False: nothing that the database holds is unpickled, here or on
            workers; see ``NamedStorage``.
        max_attempts: How often a task is tried before its stream fails: when a
            kernel raises, and when its process dies or takes too long. Goes before
            ``--max_attempts``; 3 without either.

    Raises:
        ArgumentError: A master or workers were given.
        StorageError: The database cannot be used.

    Examples:
        >>> import tempfile
        >>> with Client(db_path=tempfile.mkdtemp()) as sc:
        ...     sc.has_table('nothing')
        False
    """

    def __init__(
        self,
        master: str | None = None,
        workers: Sequence[str] | None = None,
        start_cluster: bool = True,
        config_path: str | None = None,
        config: Config | None = None,
        debug: bool | None = None,
        enable_watchdog: bool = True,
        prefetch_table_metadata: bool = True,
        no_workers_timeout: float = 30,
        grpc_timeout: float = 30,
        new_job_retries_limit: int = 5,
        machine_params: Any = None,
        db_path: str | None = None,
        options: PipelineOptions | Sequence[str] | None = None,
        trusted: bool = True,
        max_attempts: int | None = None,
    ) -> None:
        if master is not None or workers:
            raise ArgumentError(NO_CLUSTER)
        if workers is not None:
            raise ArgumentError(f"workers=[] leaves nothing to run on: {CLUSTER}")
        if machine_params is not None:
            warnings.warn(f"machine_params is ignored: {CLUSTER}", stacklevel=2)
        self.config = chosen_config(config, config_path, db_path)
        self._given_options, self._max_attempts = options, max_attempts
        if options is not None or max_attempts is not None:
            self._limits()
        self.named_storage = NamedStorage(self.config.db_path, trusted)
        self.named_storage.store()
        shipped.register_ops()
        self.ops = OpGenerator(self)
        self.sources = SourceGenerator(self)
        self.sinks = SinkGenerator(self)
        self.streams = StreamsGenerator(self)
        self.partitioner = TaskPartitioner(self)
        self.io = IOGenerator(self)
        self._tables = Tables(self.named_storage)
        self._reports: dict[int, Report] = {}

    @cached_property
    def options(self) -> PipelineOptions:
        """Where graphs run."""
        import_beam()
        from beam_scanner.runners.local.local_run import pipeline_options

        with root_logger_kept():
            return pipeline_options(self._given_options)

    def _limits(self, task_timeout: float = 0) -> Limits:
        """How often a task is tried, and how long an attempt may take.

        Raises:
            ArgumentError: An option or argument has an impossible value.
        """
        import_beam()
        from beam_scanner.run.options import Limits

        with root_logger_kept():
            return Limits.of(self.options, self._max_attempts, task_timeout)

    @property
    def db_path(self) -> str:
        """The database's folder or URL."""
        return self.named_storage.db_path

    @property
    def protobufs(self) -> Any:
        """The message types; the module ``scannerpy.protobufs``."""
        from beam_scanner.scannerpy import protobufs

        return protobufs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held between runs; for Scanner's programs."""

    stop_cluster = close

    def start_master(self, master: str | None = None) -> NoReturn:
        """Scanner's; Beam has no master.

        Raises:
            ArgumentError: Always; says what to use.
        """
        raise ArgumentError(NO_CLUSTER)

    def start_workers(self, workers: Sequence[str] | None = None) -> NoReturn:
        """Scanner's; the runner starts the workers.

        Raises:
            ArgumentError: Always; says what to use.
        """
        raise ArgumentError(NO_CLUSTER)

    def has_gpu(self) -> bool:
        """Whether this machine lets processes use a GPU."""
        return has_gpu()

    @keeps_root_logger
    def run(
        self,
        outputs: OutputNode | Sink | Sequence[OutputNode | Sink],
        perf_params: MakePerfParams | None = None,
        cache_mode: CacheMode = CacheMode.Error,
        show_progress: bool = True,
        profiling: bool = False,
        task_timeout: float = 0,
        checkpoint_frequency: int = 10,
        detach: bool = False,
        profiler_level: int = 1,
        on_failure: str = "raise",
        damage: str | None = None,
        max_failures: float | None = None,
    ) -> int | None:
        """Runs a graph: every job that is not there yet, then commits its streams.

        Running an interrupted run again resumes it.

        Args:
            outputs: What ``sc.io.Output`` returned, one or more.
            perf_params: ``PerfParams.manual(...)``, or ``PerfParams.estimate()``, which
                None stands for.
            cache_mode: What to do about outputs that are committed.
            show_progress: Draw a bar, in a terminal or notebook.
            profiling: Ignored: a profile is always kept.
            task_timeout: Seconds that an attempt at a task may take, loading its
                kernels included; it is ended then, native code too, and tried again.
                0: no limit but that of ``--task_timeout``.
            checkpoint_frequency: Ignored: every finished task is kept.
            detach: Return when the run has begun. It goes on without this program: in a
                process of its own on this machine, or as the job of another runner.
                ``wait_on_job`` waits for it, in any process.
            profiler_level: Ignored.
            on_failure: 'raise', or 'return' to find failures by ``committed()``
                and in ``report``.
            damage: What to do about rows of videos that cannot be decoded: 'strict'
                or 'salvage', for all inputs in place of the policy of each; see
                ``NamedVideoStream``. The report says which rows are lost.
            max_failures: How many streams may fail: a whole number, or a share of all
                between 0.0 and 1.0. Once more have failed, tasks that have not begun
                are left out and the run ends. None: any number.

        Returns:
            The id of the run, for ``wait_on_job``, ``cancel`` and ``get_profile``; None
            if there was nothing to do.

        Raises:
            JobCancelled: It was cancelled, by another process.
            JobFailure: Some streams failed; the others are committed, unless
                ``max_failures`` stopped the run. Every failure is kept as Parquet, in
                the folder ``failures`` of the database; the command
                ``beam-scanner failures DATABASE`` lists them.
            ScannerException: The graph, an argument or an input is wrong; nothing
                was run.
        """
        listed = listed_outputs(output_nodes(outputs))
        if not detach:
            start_early_for(self._given_options, listed)
        import_beam()
        from beam_scanner.run.ingest import ingest_streams, lost_rows
        from beam_scanner.run.launch import check_max_failures
        from beam_scanner.run.numbered_runs import run_numbered
        from beam_scanner.run.options import ScannerOptions
        from beam_scanner.run.prepare import input_streams, prepare
        from beam_scanner.runners.local.local_run import pipeline_options

        if on_failure not in ("raise", "return"):
            raise ArgumentError(
                f"on_failure must be 'raise' or 'return', got {on_failure!r}"
            )
        if max_failures is None:
            max_failures = self.options.view_as(ScannerOptions).max_failures
        check_max_failures(max_failures)
        limits = self._limits(task_timeout)
        inputs = input_streams(listed)
        # One pipeline is submitted: videos are indexed before it, by this process.
        here = pipeline_options(None) if detach else self.options
        with Recorder().recording():
            with span("ingest"):
                ingest_streams(
                    inputs, self.named_storage, here, damage, show=show_progress
                )
            with span("plan"):
                prepared = prepare(
                    listed,
                    perf_maker(perf_params),
                    checked_mode(cache_mode),
                    self.named_storage,
                    options=self.options,
                )
            if not (prepared.jobs or prepared.failures or prepared.published):
                return None
            report = run_numbered(
                prepared,
                self.named_storage,
                self.options,
                show_progress=show_progress,
                max_failures=max_failures,
                limits=limits,
                detach=detach,
                raises=on_failure == "raise",
            )
        if detach:
            return report.number
        report.lost = lost_rows(inputs)
        self._reports[report.number] = report
        if report.failures and on_failure == "raise":
            raise report.error(self.db_path)
        return report.number

    def report(self, job_id: int) -> Report:
        """What a run of this client did: streams, failures, frames, seconds.

        Raises:
            ArgumentError: This client has not run it.
        """
        if job_id not in self._reports:
            raise ArgumentError(f"this client has no run {job_id}")
        return self._reports[job_id]

    def explain(
        self,
        outputs: OutputNode | Sink | Sequence[OutputNode | Sink],
        perf_params: MakePerfParams | None = None,
        damage: str | None = None,
    ) -> Explanation:
        """What a run would do, without running: rows, tasks, frames, bytes.

        Nothing is stored: videos that are not indexed yet are indexed for this once.

        Args:
            outputs: As for ``run``.
            perf_params: As for ``run``.
            damage: As for ``run``.

        Returns:
            Numbers for programs; its text is for people.

        Raises:
            ScannerException: As ``run``.
        """
        import_beam()
        from beam_scanner.run.explain import explain
        from beam_scanner.run.ingest import damage_policy
        from beam_scanner.run.prepare import input_streams, prepare

        listed = listed_outputs(output_nodes(outputs))
        make, options = perf_maker(perf_params), self.options
        replaced, storage = CacheMode.Overwrite, self.named_storage
        with damage_policy(input_streams(listed), damage):
            return explain(prepare(listed, make, replaced, storage, False, options))

    @keeps_root_logger
    def preview(
        self,
        column: OpColumn,
        rows: Sequence[int] | None = None,
        stream: int = 0,
        on: OpColumn | None = None,
    ) -> Preview:
        """Computes some rows of a column, to look at them: in a notebook, as pictures.

        Only these rows are computed, and what they need. Videos that are new to the
        database are indexed there, as by ``run``; nothing else is stored.

        Args:
            column: What an op or a sampler returned.
            rows: Row numbers, at most 200; None for some from all over the column.
            stream: Number of the stream among those of the input.
            on: A column of frames with the same rows, over which boxes, key points,
                texts, masks and flow are drawn.

        Returns:
            The rows, their times and values; ``values`` of frames has ``montage()``,
            and ``show()``, a clip.

        Raises:
            JobFailure: A row could not be computed.
            ScannerException: The graph, an argument or an input is wrong.
        """
        import_beam()
        from beam_scanner.run.preview import preview

        checked = column_of(column, "preview", "the first argument")
        return preview(checked, rows, stream, on, self.named_storage, self.options)

    @never_raises
    def _repr_html_(self) -> str:
        from beam_scanner.scannerpy.client_view import client_card

        return client_card(self.named_storage)

    def wait_on_job(self, bulk_job_id: int, show_progress: bool = True) -> JobStatus:
        """Waits for the end of a run, of this process or any other.

        Args:
            bulk_job_id: What ``run`` returned, or ``get_active_jobs``.
            show_progress: Draw a bar, in a terminal or notebook.

        Returns:
            How it has ended.

        Raises:
            ArgumentError: There was no such run.
            ScannerException: As ``run`` raises it; or the run has died.
        """
        # Of a long run there are many.
        return deque(self.wait_on_job_gen(bulk_job_id, show_progress), maxlen=1)[0]

    def wait_on_job_gen(
        self, bulk_job_id: int, show_progress: bool = True
    ) -> Iterator[JobStatus]:
        """Yields how far a run is, again and again, until it is ``finished``.

        Args:
            bulk_job_id: As for ``wait_on_job``.
            show_progress: As for ``wait_on_job``.

        Raises:
            ScannerException: As ``wait_on_job``, after the last one.
        """
        from beam_scanner.run.follow import follow

        return follow(self.named_storage, bulk_job_id, show_progress)

    def get_active_jobs(self) -> list[int]:
        """Ids of the runs of this database that go on, in whatever process."""
        from beam_scanner.run.follow import going_on

        return [run.number for run in going_on(self.named_storage)]

    def cancel(self, bulk_job_id: int) -> None:
        """Ends a run, and waits until it has ended.

        Streams that are committed stay. Finished tasks of the others are kept: the same
        run again does only the rest. Tasks at work end between two packets, or are
        killed after some seconds.

        Args:
            bulk_job_id: As for ``wait_on_job``.

        Raises:
            ArgumentError: There was no such run, or it has ended.
            WorkerError: It has died.
        """
        from beam_scanner.run.follow import cancel

        cancel(self.named_storage, bulk_job_id)

    def get_profile(
        self,
        job_name: int | str,
        load_threads: int = 8,
        subsample: int | None = None,
    ) -> Profile:
        """The profile of a run.

        Args:
            job_name: What ``run`` returned.
            load_threads: Ignored.
            subsample: Ignored, with a warning.

        Raises:
            ArgumentError: There was no such run.
        """
        warn_of_subsample(subsample)
        return Profile(self, job_name, load_threads)

    @keeps_root_logger
    def ingest_videos(
        self,
        videos: Sequence[tuple[str, str]],
        inplace: bool = False,
        force: bool = False,
        verify: bool = False,
        damage: str = "strict",
    ) -> tuple[list[Table], list[tuple[str, str]]]:
        """Indexes videos, so that streams can name them.

        Args:
            videos: Pairs of a name and a path. A folder stands for the videos below it,
                which are called ``name/path/below.mp4``.
            inplace: Read the files where they lie, rather than copies of them in the
                database.
            force: Replace streams of these names, each by a video that is good.
            verify: Decode every frame once, so that damage shows now.
            damage: ``'strict'``: a video with rows that cannot be decoded fails.
                ``'salvage'``: these rows are null; every frame is decoded once.

        Returns:
            The tables of the good ones, and ``(path, reason)`` of the others.

        Raises:
            ScannerException: No video, a name given twice or taken, or all failed.
        """
        import_beam()
        from beam_scanner.run.ingest import Ingest
        from beam_scanner.scannerpy.video_tables import ingest_videos

        names, failures = ingest_videos(
            videos,
            self.named_storage,
            self.options,
            Ingest(verify=verify, copy=not inplace, replace=force),
            damage,
        )
        self._tables.assign_ids(names)
        return [self.table(name) for name in names], failures

    def table(self, name: str | int) -> Table:
        """The table of that name or id; one that is not there does not ``exist``."""
        return self._tables.table(name, self)

    def has_table(self, name: str) -> bool:
        """Whether there is a committed table of that name."""
        return self._tables.has(name)

    def delete_table(self, name: str) -> None:
        """Removes a table if it exists."""
        self._tables.delete([name])

    def delete_tables(self, names: Sequence[str]) -> None:
        """Removes those of the tables that exist."""
        self._tables.delete(names)

    def new_table(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        fns: Sequence[Callable[[Any, Any], bytes] | None] | None = None,
        force: bool = False,
    ) -> Table:
        """Stores rows as a table.

        Args:
            name: Of the table.
            columns: Names of its columns.
            rows: For each row one element (bytes) a column.
            fns: For each column a function ``(value, protobufs)`` to bytes, or None.
            force: Replace a table of that name.

        Raises:
            ScannerException: It exists, or a row has another width.
        """
        self._tables.new(name, columns, rows, fns, force)
        return self.table(name)

    def sequence(self, name: str) -> Column:
        """The column of a stream: its frames or its elements."""
        return self._tables.sequence(name)

    def summarize(self) -> str:
        """All tables, as a text table."""
        return self._tables.summarize()

    def bulk_fetch_video_metadata(self, tables: Sequence[Table]) -> list[Any]:
        """Codec, size, rate, duration and length of the videos of tables."""
        return self._tables.video_metadata(tables)

    def batch_load(
        self,
        tables: Sequence[Table],
        column: str,
        callback: Callable[[str, list[Any]], None],
        batch_size: int = 1000,
        workers: int = 16,
    ) -> None:
        """Loads a column of many tables, calling back with each one's elements."""
        self._tables.batch_load(tables, column, callback, workers)

    def load_op(self, so_path: str, proto_path: str | None = None) -> None:
        """Registers the ops of a native library or a Python file.

        Args:
            so_path: The library, written for ``beam_scanner_op.h``; or a ``.py`` file.
            proto_path: The ``*_pb2.py`` file with the messages of its arguments.

        Raises:
            ScannerException: There is no such file, or it is neither.
        """
        register_module(so_path, proto_path)

    register_op = staticmethod(register_op)
    register_python_kernel = staticmethod(register_python_kernel)
