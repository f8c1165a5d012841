"""The errors of beam_scanner.

Every error that the package raises on purpose is a ``ScannerException``. Each
subclass also inherits the builtin that fits it, so ``except ValueError`` and
``except ScannerException`` both work.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class ScannerException(Exception):
    """Root of all errors raised by beam_scanner.

    Example:
        >>> issubclass(RowError, ScannerException)
        True
    """


class ArgumentError(ScannerException, ValueError):
    """An argument of an op, sampler, stream or option has an impossible value."""


class ElementTypeError(ScannerException, TypeError):
    """A value or a column does not have the element type that was declared."""


class GraphError(ScannerException, ValueError):
    """Ops were connected in a way that no run could carry out."""


class RowError(ScannerException, IndexError):
    """A row number lies outside its stream, or the row's data cannot be had."""


class OpNotFoundError(ScannerException, AttributeError):
    """No op, stream operation, source or sink of that name is registered."""


class StreamNotFoundError(ScannerException, FileNotFoundError):
    """A stream, table or video does not exist, or was never committed."""


class StreamExistsError(ScannerException, FileExistsError):
    """An output would replace a committed stream and was not told to."""


class StreamReplacedError(StreamExistsError):
    """Another run has published a stream while this one made it."""


class StorageError(ScannerException, OSError):
    """A database could not be read or written."""


class OutcomeUnknownError(StorageError):
    """A stream may have been published, or may still be: the store did not say."""


class ObjectNotFoundError(StorageError, FileNotFoundError):
    """A store holds nothing under the key that was asked for."""


class VideoError(ScannerException, ValueError):
    """A video file is missing, damaged, changed since ingest or not supported."""


class KernelError(ScannerException, RuntimeError):
    """A kernel raised, or returned something other than it declared."""


class WorkerError(ScannerException, RuntimeError):
    """A worker process died, or workers could not be started."""


class MissingDependencyError(ScannerException, ImportError):
    """An optional package is not installed; the message has the pip line."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message about a name that is none of those there are.

    Example:
        >>> did_you_mean('stride', ['Stride', 'Range'])
        '; did you mean Stride?'
        >>> did_you_mean('Blur', ['Stride', 'Range'])
        ''
    """
    folded = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), list(folded), n=3)
    return f"; did you mean {', '.join(folded[f] for f in found)}?" if found else ""


@dataclass(frozen=True)
class Failure:
    """Why one stream of a run was not committed.

    Attributes:
        stream: Name of the output stream (the first, if the job has several).
        reason: One line: what went wrong.
        row: Output row, or row of ``op``'s own stream where an op failed;
            None where no single row is to blame.
        op: Name of the op that failed; None where no op was running.
        traceback: The worker's traceback as text, or ''.
        kind: ``'exception'``, ``'death'`` (the worker process ended), ``'timeout'`` or
            ``'input'`` (found before any task was run).
        exception: Name of the exception's class, or ''.
        task: Number of the task among those of its outputs; None outside tasks.
        first_row: First output row of the task.
        last_row: Last output row of the task.
        attempts: How often it was tried.
        worker: Machine and process of the last attempt, as ``'host:4711'``, or ''.
        started: When the last attempt began, in seconds since 1970; None if unknown.
        ended: When it ended.

    Example:
        >>> str(Failure('shots/a.mp4', 'KeyError: 3', row=7, op='Track'))
        "stream 'shots/a.mp4', op Track, row 7: KeyError: 3"
    """

    stream: str
    reason: str
    row: int | None = None
    op: str | None = None
    traceback: str = ""
    kind: str = "exception"
    exception: str = ""
    task: int | None = None
    first_row: int | None = None
    last_row: int | None = None
    attempts: int = 1
    worker: str = ""
    started: float | None = None
    ended: float | None = None

    def __str__(self) -> str:
        where = [f"stream {self.stream!r}"]
        if self.op is not None:
            where.append(f"op {self.op}")
        if self.row is not None:
            where.append(f"row {self.row}")
        return f"{', '.join(where)}: {self.reason}"


class JobFailure(ScannerException, RuntimeError):
    """Some streams of a run failed; all others were committed.

    Attributes:
        failures: One :class:`Failure` for each stream that failed.
        hint: What can be done about it; '' where there is nothing to say.

    Example:
        >>> error = JobFailure([Failure('a', 'no such file')])
        >>> error.failures[0].stream
        'a'
    """

    def __init__(self, failures: Sequence[Failure], hint: str = "") -> None:
        self.failures = list(failures)
        self.hint = hint
        shown = "\n".join(f"  {failure}" for failure in self.failures[:20])
        more = len(self.failures) - 20
        tail = f"\n  ... and {more} more" if more > 0 else ""
        details = next((f.traceback for f in self.failures if f.traceback), "")
        super().__init__(
            f"{len(self.failures)} stream(s) failed, all others are committed:\n"
            f"{shown}{tail}"
            + (f"\n{hint}" if hint else "")
            + (f"\nfirst traceback:\n{details}" if details else "")
        )

    def __reduce__(self) -> tuple[type[JobFailure], tuple[list[Failure], str]]:
        return JobFailure, (self.failures, self.hint)
