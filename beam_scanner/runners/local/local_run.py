"""All cores of this machine: Beam's FnApiRunner with worker processes.

``--runner=DirectRunner`` means this too. Left to itself Beam would first try to
download another runner; that happens here only if ``--prism_location`` names one.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from apache_beam import Pipeline
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PrismRunnerOptions,
)

from beam_scanner.beam_internals.beam_threads import READERS
from beam_scanner.beam_internals.given_options import is_given
from beam_scanner.beam_internals.local_workers import local_runner
from beam_scanner.beam_internals.log_echoes import without_local_echoes
from beam_scanner.beam_internals.loopback_servers import listening_here
from beam_scanner.errors import GO_ON, ArgumentError, WorkerError
from beam_scanner.forks import fork_client
from beam_scanner.runners.local import processes
from beam_scanner.runners.pipeline_errors import pipeline_failed
from beam_scanner.runners.runner_names import runner_name
from beam_scanner.runners.threads import heard_by, join_new

_RUNS = 10
"""How often a run is started; a task that kills its worker fails before that."""

_log = logging.getLogger(__name__)

Again = Callable[[Collection[int]], None]
"""Is given the process ids of workers that ended because another one had died."""

_GONE_SECONDS = 1.0
_HANG_UP_SECONDS = 5.0
"""For threads to notice that a worker, which has died, has hung up."""

_TELLING_SECONDS = 0.5
_GRACE_SECONDS = 3.0
"""For workers to end what they do when the user interrupts."""


def pipeline_options(
    options: PipelineOptions | Sequence[str] | None,
) -> PipelineOptions:
    """Options as a client is given them: typed, as flags, or none.

    Examples:
        >>> pipeline_options(['--direct_num_workers=2']).view_as(
        ...     DirectOptions
        ... ).direct_num_workers
        2

    Raises:
        ArgumentError: They are something else.
    """
    if isinstance(options, PipelineOptions):
        return options
    listed = options is None or isinstance(options, (list, tuple))
    if not listed or not all(isinstance(flag, str) for flag in options or ()):
        raise ArgumentError(
            "options must be a Beam PipelineOptions or a list of flags such as "
            f"['--runner=DirectRunner'], got {options!r}"
        )
    # Without flags Beam would read those of the program that uses this package.
    return PipelineOptions(list(options or []))


def is_local(options: PipelineOptions) -> bool:
    """Whether the options ask for this machine's own cores.

    Examples:
        >>> is_local(pipeline_options(['--runner=DirectRunner']))
        True
        >>> is_local(pipeline_options(['--runner=PrismRunner']))
        False
    """
    name = runner_name(options)
    # Beam's DirectRunner takes Prism if it knows the location of one.
    location = options.view_as(PrismRunnerOptions).prism_location
    return name == "fnapi" or (name in (None, "direct") and not location)


def local_options(options: PipelineOptions, small: bool) -> PipelineOptions:
    """Fills in workers: one process a core, or this process alone for a small run.

    Args:
        options: The user's; what they say of workers holds.
        small: Whether the run is too small for worker processes to pay off.
    """
    chosen = PipelineOptions.from_dictionary(options.get_all_options(drop_default=True))
    direct = chosen.view_as(DirectOptions)
    has_count = is_given(options, "direct_num_workers")
    if not is_given(options, "direct_running_mode"):
        alone = direct.direct_num_workers == 1 if has_count else small
        direct.direct_running_mode = "in_memory" if alone else "multi_processing"
    if not has_count:
        alone = direct.direct_running_mode == "in_memory"
        # This process may use fewer cores than the machine has.
        direct.direct_num_workers = 1 if alone else len(os.sched_getaffinity(0))
    return chosen


def one_process(options: PipelineOptions) -> PipelineOptions:
    """Options of a local run that uses a GPU: one worker process, unless they say more.

    Each process would have a context and a copy of each model in the GPU's memory.

    Args:
        options: The user's; what they say of workers holds.

    Examples:
        >>> one_process(PipelineOptions([])).view_as(DirectOptions).direct_num_workers
        1
        >>> given = PipelineOptions(['--direct_num_workers=3'])
        >>> one_process(given) is given
        True
    """
    if not is_local(options) or is_given(options, "direct_num_workers"):
        return options
    chosen = PipelineOptions.from_dictionary(options.get_all_options(drop_default=True))
    direct = chosen.view_as(DirectOptions)
    if not is_given(options, "direct_running_mode"):
        direct.direct_running_mode = "multi_processing"
    direct.direct_num_workers = 1
    return chosen


def is_in_process(options: PipelineOptions, small: bool) -> bool:
    """Whether a local run has no worker processes; see :func:`local_options`."""
    chosen = local_options(options, small).view_as(DirectOptions)
    return bool(chosen.direct_running_mode != "multi_processing")


def run(
    options: PipelineOptions,
    build: Callable[[Pipeline], Any],
    small: bool = False,
    again: Again | None = None,
) -> Any:
    """Builds a pipeline and runs it to its end, on this machine.

    Args:
        options: The user's options.
        build: Applies transforms to the pipeline.
        small: See :func:`local_options`.
        again: What comes before it is started again, since a worker has died; None if
            a pipeline that is built and run a second time would not resume.

    Returns:
        Beam's result.

    Raises:
        WorkerError: A worker process died, or could not do its work.
    """
    chosen = local_options(options, small)
    for left in reversed(range(_RUNS if again else 1)):
        watch = _Watch()
        try:
            return _run_once(chosen, build, watch)
        except WorkerError as error:
            if not watch.has_lost_worker or not left:
                raise
            if again is not None and watch.workers is not None:
                again(watch.workers.blameless())
            _log.warning("%s: starting again", error)


def _run_once(
    options: PipelineOptions, build: Callable[[Pipeline], Any], watch: _Watch
) -> Any:
    chosen = PipelineOptions.from_dictionary(options.get_all_options(drop_default=True))
    direct = chosen.view_as(DirectOptions)
    if direct.direct_running_mode == "multi_processing":
        # The runner would put its own environment in place of this one.
        direct.direct_running_mode = None
        watch.workers = processes.WorkerProcesses(watch.worker_died)
    pipeline = Pipeline(runner=local_runner(watch.workers), options=chosen)
    build(pipeline)
    return watch.run(pipeline)


def get_ready(options: PipelineOptions) -> None:
    """Begins to load what worker processes need, in the background.

    Does nothing where the options ask for no worker processes here. If it fails, the
    run will fail too, and say why.

    Args:
        options: The user's, of a run that may come and not be small.
    """
    if is_local(options) and not is_in_process(options, small=False):
        with suppress(OSError):
            fork_client.get_ready()


class _Watch:
    """Runs a pipeline and turns the death of a worker process into an error.

    Beam's runner waits forever for a worker that has died. Here that ends the wait: in
    the main thread by an interrupt, after which Beam cleans up; elsewhere, or where the
    program handles interrupts itself (or a shell has switched them off, as for jobs in
    the background), by leaving the runner's thread behind. Beam's cleaning up waits for
    workers too, which may have hours to go, so they are killed.

    Attributes:
        workers: The worker processes, if there are any.
    """

    def __init__(self) -> None:
        self.workers: processes.WorkerProcesses | None = None
        self._interrupts = False
        self._interrupted = False
        self._died = threading.Event()
        self._reason = ""
        self._told = threading.Event()
        self._over = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    @property
    def has_lost_worker(self) -> bool:
        """Whether a worker has died, and that is why the run ended."""
        return bool(self._reason) and not self._interrupted

    def run(self, pipeline: Pipeline) -> Any:
        """Runs it to its end; gives Beam's result."""
        self._interrupts = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        before = set(threading.enumerate())
        with heard_by(_lost_connection), without_local_echoes(), listening_here():
            try:
                if self._interrupts:
                    signal.signal(signal.SIGINT, self._interrupt)
                    try:
                        self._run(pipeline)
                    finally:
                        signal.signal(signal.SIGINT, signal.default_int_handler)
                else:
                    self._run_aside(pipeline)
            finally:
                self._wait_for_readers(before)
        if self._died.is_set() and not self._interrupted:
            raise WorkerError(
                f"a worker process died ({self._reason}): out of memory, a crash in "
                f"native code or a kill. {GO_ON}"
            ) from self._error
        if isinstance(self._error, Exception):
            raise pipeline_failed(self._error) from self._error
        if isinstance(self._error, KeyboardInterrupt):
            # Without Beam's frames: where it struck there says nothing.
            raise KeyboardInterrupt from None
        if self._error is not None:
            raise self._error
        return self._result

    def worker_died(self, reason: str) -> None:
        """Ends the run."""
        if self._died.is_set() or self._over.is_set():
            return
        self._reason = reason
        self._died.set()
        if self._interrupts and not self._interrupted:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = not self._died.is_set()
        threading.Thread(
            target=self._end_workers,
            args=[_GRACE_SECONDS if self._interrupted else 0.0],
            name="end workers",
            daemon=True,
        ).start()
        # What they print must stop before Beam cuts them off. Only for a moment: this
        # thread may be starting a worker, which the other one waits for.
        self._told.wait(_TELLING_SECONDS)
        signal.default_int_handler(number, frame)

    def _run(self, pipeline: Pipeline) -> None:
        try:
            self._result = pipeline.run()
            self._result.wait_until_finish()
        except BaseException as error:
            self._error = error
        finally:
            self._over.set()

    def _run_aside(self, pipeline: Pipeline) -> None:
        threading.Thread(
            target=self._run, args=[pipeline], name="pipeline", daemon=True
        ).start()
        try:
            while not self._over.wait(0.2) and not self._died.is_set():
                pass
        finally:
            if not self._over.is_set():
                self._died.set()
                self._end_workers(0.0)
                # Where it waits for no worker the runner ends too.
                self._over.wait(_GONE_SECONDS)

    def _wait_for_readers(self, before: set[threading.Thread]) -> None:
        """Waits for threads that tell of lost connections, here to nobody.

        Args:
            before: Threads that there were before the run.
        """
        if not self._died.is_set() or self._interrupted:
            return
        if self.workers is not None:
            self.workers.join()
            join_new(before, READERS, _HANG_UP_SECONDS)
        else:
            # There are some if the runner, which was left behind, ends.
            join_new(before, READERS, _GONE_SECONDS)

    def _end_workers(self, grace: float) -> None:
        """Kills the workers if the run is not over soon."""
        if self.workers is not None and self._interrupted:
            self.workers.interrupt()
        self._told.set()
        if not self._over.wait(grace) and self.workers is not None:
            self.workers.kill()


def _lost_connection(args: threading.ExceptHookArgs) -> bool:
    return args.thread is not None and args.thread.name in READERS
