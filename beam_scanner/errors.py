"""The errors of beam_scanner.

Every error that the package raises on purpose is a ``ScannerException``. Each
subclass also inherits the builtin that fits it, so ``except ValueError`` and
``except ScannerException`` both work.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import indent
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_type_hints

from beam_scanner.text.cards import card, lines, never_raises, table
from beam_scanner.text.error_text import clipped, one_line
from beam_scanner.text.printable import printable
from beam_scanner.text.quantities import counted

_LAYOUT = "\n\t"

GO_ON = "Finished tasks are kept; running it again resumes from there"
"""What errors say that end a run before its time."""


class ScannerException(Exception):
    """Root of all errors raised by beam_scanner.

    Examples:
        >>> issubclass(RowError, ScannerException)
        True
    """

    def _render_traceback_(self) -> list[str]:
        # IPython shows this: the lines of the cell, and what is wrong with them.
        from beam_scanner.text.cell_tracebacks import cell_traceback

        return cell_traceback(self)


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
    """An output would replace a committed stream, which the run does not allow.

    Attributes:
        holds_result: Whether what is there is exactly what the run would make; None
            where nobody has looked.
    """

    holds_result: bool | None = None


class StreamReplacedError(StreamExistsError):
    """Another run has published a stream while this one made it."""


class StorageError(ScannerException, OSError):
    """A database could not be read or written."""


class UntrustedDataError(ScannerException, PermissionError):
    """Data of a database that is not trusted would have to be unpickled.

    Unpickling runs whatever code the data names.
    """


class OutcomeUnknownError(StorageError):
    """A stream may have been published, or may still be: the store did not say."""


class ObjectNotFoundError(StorageError, FileNotFoundError):
    """A store holds nothing under the key that was asked for."""


class VideoError(ScannerException, ValueError):
    """A video file is missing, damaged, changed since ingest or not supported."""


class KernelError(ScannerException, RuntimeError):
    """A kernel raised, or returned something other than it declared."""


class DeviceMemoryError(KernelError, MemoryError):
    """The memory of a device, or of the machine, was too small for a batch of a model."""


class WorkerError(ScannerException, RuntimeError):
    """A worker process died, or workers could not be started."""


class MissingDependencyError(ScannerException, ImportError):
    """An optional package is not installed; the message has the pip line."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message about a name that is none of those there are.

    Examples:
        >>> did_you_mean('stride', ['Stride', 'Range'])
        '; did you mean Stride?'
        >>> did_you_mean('Blur', ['Stride', 'Range'])
        ''
    """
    folded = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), list(folded), n=3)
    return f"; did you mean {', '.join(folded[f] for f in found)}?" if found else ""


class Failure(NamedTuple):
    """Why one stream of a run was not committed.

    Attributes:
        stream: Name of the output stream (the first, if the job has several).
        reason: What went wrong, with the name of the exception.
        row: Output row, or row of ``op``'s own stream where an op failed;
            None where no single row is to blame.
        op: Name of the op that failed; None where no op was running.
        traceback: The worker's traceback as text, or ''.
        kind: ``'exception'``, ``'death'`` (the worker process ended), ``'timeout'``,
            ``'input'`` (found before any task was run), ``'skipped'`` (not run, because
            too many streams had failed) or ``'row'``: one row of an op with
            ``on_error='null'``, which is null, while its stream is committed.
        exception: Name of the exception's class, or ''.
        task: Number of the task among those of its outputs; None outside tasks.
        first_row: First output row of the task.
        last_row: Last output row of the task.
        attempts: How often it was tried.
        worker: Machine and process of the last attempt, as ``'host:4711'``, or ''.
        started: When the last attempt began, in seconds since 1970; None if unknown.
        ended: When it ended.

    Examples:
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
        where = [f"stream '{one_line(self.stream)}'"]
        if self.op is not None:
            where.append(f"op {one_line(self.op)}")
        if self.row is not None:
            where.append(f"row {self.row}")
        return f"{', '.join(where)}: {one_line(self.reason)}"


# Beam reads the types of the fields for a schema: not from strings, and of `int | None`
# it knows no more than that it is an object of Python's.
Failure.__annotations__ = {
    name: Union[get_args(hint)] if isinstance(hint, UnionType) else hint  # noqa: UP007
    for name, hint in get_type_hints(Failure).items()
}


@dataclass(frozen=True)
class Cause:
    """Failures of one kind, as far as a text can tell.

    Attributes:
        failures: At least one, in the order in which they were told.

    Examples:
        >>> several = [Failure(f'{n}.mp4', f'lost frame {n}', n, 'Track') for n in '12']
        >>> [str(cause) for cause in causes_of(several)]
        ['2 streams: op Track: lost frame 1 (1.mp4, row 1; 2.mp4, row 2)']
    """

    failures: tuple[Failure, ...]

    @property
    def streams(self) -> list[str]:
        """The streams, each once."""
        return list(dict.fromkeys(failure.stream for failure in self.failures))

    def __str__(self) -> str:
        first, streams = self.failures[0], self.streams
        rows = {failure.row for failure in self.failures}
        where = []
        if first.op is not None:
            where.append(f"op {one_line(first.op)}")
        shared = first.row if len(rows) == 1 else None
        if shared is not None:
            where.append(f"row {shared}")
        what = ": ".join(
            part for part in (", ".join(where), one_line(first.reason)) if part
        )
        many = counted(len(streams), "stream")
        if len(self.failures) > len(streams):
            many = f"{len(self.failures)} rows of {many}"
        examples = "; ".join(
            one_line(clipped(failure.stream, 200))
            + (
                f", row {failure.row}"
                if shared is None and failure.row is not None
                else ""
            )
            for failure in self.failures[:_EXAMPLES]
        )
        more = "; ..." if len(self.failures) > _EXAMPLES else ""
        return f"{many}: {clipped(what, _MOST_LINE)} ({examples}{more})"


_EXAMPLES = 3
_MOST_LINE = 300
_SHOWN_CAUSES = 20
_SHOWN_TRACEBACK = 4_000
_VARIES = re.compile(
    r"""0x[0-9a-fA-F]+|'[^']*'|"[^"]*"|(?:[\w.-]*/)+[\w.-]+|\b[0-9a-fA-F]{8,}\b
    |(?<!exit\ code\ )(?<!\d)\d+""",
    re.VERBOSE,
)


def causes_of(failures: Iterable[Failure]) -> list[Cause]:
    """Groups failures by what went wrong, those of most streams first.

    Messages that differ only in numbers, paths and quoted names are one cause; exit
    codes tell causes apart.
    """
    found: dict[tuple[Any, ...], list[Failure]] = {}
    for failure in failures:
        key = (failure.op, failure.kind, failure.exception, _kind_of_text(failure))
        found.setdefault(key, []).append(failure)
    causes = [Cause(tuple(listed)) for listed in found.values()]
    return sorted(causes, key=_order)


def _order(cause: Cause) -> tuple[bool, int]:
    # Streams that were not run are the consequence of others.
    return cause.failures[0].kind == "skipped", -len(cause.failures)


def _kind_of_text(failure: Failure) -> str:
    reason, name = failure.reason[:_MOST_LINE], failure.stream
    # A name that is a plain word may stand in any message.
    if re.search(r"[./\d]", name):
        reason = reason.replace(name, "#")
    return _VARIES.sub("#", reason)


def causes_text(failures: Sequence[Failure]) -> str:
    """Causes for people, one a line, and the traceback of one failure at most.

    Examples:
        >>> print(causes_text([Failure('a', 'no such file'), Failure('b', 'too long')]))
          1 stream: no such file (a)
          1 stream: too long (b)
    """
    causes = causes_of(failures)
    lines = [f"  {cause}" for cause in causes[:_SHOWN_CAUSES]]
    if len(causes) > _SHOWN_CAUSES:
        rest = sum(len(cause.failures) for cause in causes[_SHOWN_CAUSES:])
        lines.append(f"  ... and {rest} more, of {len(causes) - _SHOWN_CAUSES} causes")
    told = (cause.failures[0] for cause in causes)
    # What input is wrong needs no look at the code.
    example = next((f for f in told if f.traceback and f.kind != "input"), None)
    if example is not None:
        lines.append(f"traceback of {example}"[:_MOST_LINE])
        text = clipped(example.traceback.rstrip(), _SHOWN_TRACEBACK)
        # It has texts of others: none of its lines may look like one of ours.
        lines.append(indent(printable(text, keep=_LAYOUT), "  "))
    return "\n".join(lines)


@dataclass(frozen=True)
class Tally:
    """How the streams of a run ended.

    Attributes:
        committed: Streams that were made and committed.
        cached: Streams that were there before.
        file: The Parquet file with all failures; '' if there is none.

    Examples:
        >>> Tally(committed=3).text(2)
        '2 of 5 streams failed, 3 are committed'
    """

    committed: int = 0
    cached: int = 0
    file: str = ""

    def text(self, failed: int, not_run: int = 0) -> str:
        """One line on the numbers."""
        total = failed + not_run + self.committed + self.cached
        parts = [f"{failed} of {counted(total, 'stream')} failed"]
        for number, what in (
            (not_run, "not run"),
            (self.committed, "committed"),
            (self.cached, "there already"),
        ):
            if number:
                parts.append(f"{number} {'is' if number == 1 else 'are'} {what}")
        return ", ".join(parts)


class JobFailure(ScannerException, RuntimeError):
    """Some streams of a run failed; the message says how many, and why.

    Attributes:
        failures: One ``Failure`` for each stream that failed, or was not run
            because too many had.
        hint: What can be done about it; '' where there is nothing to say.
        tally: What became of the other streams.

    Examples:
        >>> error = JobFailure([Failure('a', 'no such file')], tally=Tally(committed=4))
        >>> error.failures[0].stream
        'a'
        >>> print(error)
        1 of 5 streams failed, 4 are committed:
          1 stream: no such file (a)
    """

    def __init__(
        self, failures: Sequence[Failure], hint: str = "", tally: Tally | None = None
    ) -> None:
        self.failures = list(failures)
        self.hint = hint
        self.tally = tally or Tally()
        # Not the failures: whoever shows the arguments of an error shows all of them.
        super().__init__()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {counted(len(self.failures), 'failure')}>"

    def __str__(self) -> str:
        return failures_text(self.failures, self.hint, self.tally)

    @never_raises
    def _repr_html_(self) -> str:
        rows = [
            (str(len(cause.streams)), cause.failures[0].op or "", cause)
            for cause in causes_of(self.failures)[:_SHOWN_CAUSES]
        ]
        told = (f.traceback for f in self.failures if f.traceback and f.kind != "input")
        first = next(told, "")
        return card(
            _counted(self.failures, self.tally),
            {"all of them": self.tally.file, "hint": self.hint},
            table(["streams", "op", "what went wrong"], rows),
            lines(clipped(first, _SHOWN_TRACEBACK)) if first else "",
        )

    def __reduce__(self) -> tuple[type[JobFailure], tuple[Any, ...]]:
        return type(self), (self.failures, self.hint, self.tally)


class JobCancelled(JobFailure):
    """A run was cancelled before all of its streams were made.

    ``failures`` has those that were not run, and those that had failed before.
    """


def failures_text(failures: Sequence[Failure], hint: str, tally: Tally) -> str:
    """The message about a run in which some streams failed."""
    told = [f"{_counted(failures, tally)}:", causes_text(failures)]
    if tally.file:
        told.append(f"each one is in {printable(tally.file)}")
    if hint:
        told.append(printable(hint, keep=_LAYOUT))
    return "\n".join(told)


def _counted(failures: Sequence[Failure], tally: Tally) -> str:
    failed = {f.stream for f in failures if f.kind not in ("skipped", "row")}
    not_run = {f.stream for f in failures if f.kind == "skipped"} - failed
    return tally.text(len(failed), len(not_run))
