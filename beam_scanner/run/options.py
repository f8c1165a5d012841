"""Pipeline options of beam_scanner, in addition to Beam's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.errors import ArgumentError
from beam_scanner.video.decoder_names import DECODERS, check_decoder

MAX_ATTEMPTS = 3


def _count(text: str) -> int:
    """A number of streams; a pipeline does not know how many a share would be."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


class ScannerOptions(PipelineOptions):  # type: ignore[misc]
    """What a pipeline may say of the stage that decodes and computes, and of storage.

    Attributes:
        accelerator: Accelerator of the workers that run tasks, in the words of Beam's
            resource hint: ``type:nvidia-l4;count:1;install-nvidia-driver``. Other
            stages (planning, committing) stay on plain workers.
        min_ram: Memory of the workers that run tasks, as ``16GB``.
        scanner_db: URL of the database where a pipeline keeps the indexes of its
            videos and work that is not finished; that of its first sink if not given.
        max_failures: How many streams may fail before the rest is not run; no limit
            if not given.
        task_timeout: Seconds that an attempt at a task may take; no limit if not given.
        max_attempts: How often a task is tried before its stream fails; 3 if not given.
        decoder: Where videos are decoded, 'cpu' or 'cuda', unless ``PerfParams`` say
            'cuda'; 'cpu' if not given.

    Only Dataflow has a use for the first two; other runners are not given them, since
    each hint would cost them a second environment.

    Examples:
        >>> flags = ['--min_ram=16GB', '--scanner_db=gs://bucket/db']
        >>> options = ScannerOptions(flags)
        >>> options.min_ram, options.scanner_db, options.accelerator
        ('16GB', 'gs://bucket/db', None)
        >>> PipelineOptions(flags).view_as(ScannerOptions).min_ram
        '16GB'
    """

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument(
            "--accelerator",
            metavar="HINT",
            help="accelerator of the workers that run tasks, as Beam's resource hint: "
            "type:nvidia-l4;count:1;install-nvidia-driver (Dataflow alone)",
        )
        parser.add_argument(
            "--min_ram",
            metavar="SIZE",
            help="memory of the workers that run tasks, as 16GB (Dataflow alone)",
        )
        parser.add_argument(
            "--max_failures",
            metavar="STREAMS",
            type=_count,
            help="stop once more streams than this have failed; default: never",
        )
        parser.add_argument(
            "--scanner_db",
            metavar="URL",
            help="database for indexes and unfinished work of a pipeline; default: "
            "that of its first sink",
        )
        parser.add_argument(
            "--task_timeout",
            type=float,
            metavar="SECONDS",
            help="end an attempt at a task that takes longer; default: no limit",
        )
        parser.add_argument(
            "--max_attempts",
            type=int,
            metavar="N",
            help="how often a task is tried before its stream fails: when its kernel "
            "raises, and when its process dies or takes too long; default: "
            f"{MAX_ATTEMPTS}",
        )
        parser.add_argument(
            "--decoder",
            choices=DECODERS,
            help="where videos are decoded: cpu, or cuda for the GPUs of workers, whose "
            "pixels are slightly others; default: cpu",
        )


@dataclass(frozen=True)
class Limits:
    """How often a task is tried, and how long an attempt may take.

    Attributes:
        attempts: How often it is tried.
        timeout: Seconds that each attempt may take; 0 for any number.

    Raises:
        ArgumentError: One has an impossible value.

    Examples:
        >>> Limits.of(PipelineOptions(['--max_attempts=2']))
        Limits(attempts=2, timeout=0.0)
        >>> Limits.of(PipelineOptions([]), timeout=-1)
        Traceback (most recent call last):
            ...
        beam_scanner.errors.ArgumentError: task_timeout must be a number of seconds, \
or 0 for no limit; got -1
    """

    attempts: int = MAX_ATTEMPTS
    timeout: float = 0.0

    def __post_init__(self) -> None:
        attempts, timeout = self.attempts, self.timeout
        if not _is_number(attempts) or attempts != int(attempts) or attempts < 1:
            raise ArgumentError(
                f"max_attempts must be a whole number above 0, got {attempts!r}"
            )
        if not _is_number(timeout) or timeout < 0:
            raise ArgumentError(
                "task_timeout must be a number of seconds, or 0 for no limit; got "
                f"{timeout!r}"
            )

    @classmethod
    def of(
        cls, options: PipelineOptions, attempts: Any = None, timeout: Any = None
    ) -> Self:
        """Limits as the options give them.

        Args:
            options: The user's.
            attempts: Goes before ``--max_attempts``, if given.
            timeout: Goes before ``--task_timeout``, if given and not 0.
        """
        own = options.view_as(ScannerOptions)
        attempts = own.max_attempts if attempts is None else attempts
        timeout = timeout or own.task_timeout
        return cls(
            MAX_ATTEMPTS if attempts is None else attempts,
            0.0 if timeout is None else timeout,
        )


def decoder_of(options: PipelineOptions, wanted: str = "cpu") -> str:
    """Where videos are decoded: as ``PerfParams`` or ``--decoder`` ask.

    Args:
        options: The user's.
        wanted: Of the ``PerfParams``.

    Raises:
        ArgumentError: There is no such decoder.

    Examples:
        >>> decoder_of(PipelineOptions([])), decoder_of(PipelineOptions([]), 'cuda')
        ('cpu', 'cuda')
        >>> decoder_of(PipelineOptions(['--decoder=cuda']))
        'cuda'
    """
    given = options.view_as(ScannerOptions).decoder
    # Beam takes any value that is given by name, PipelineOptions(decoder=...).
    return wanted if given is None or wanted != "cpu" else check_decoder(given)


def max_failures_of(options: PipelineOptions) -> int | None:
    """How many streams of a pipeline may fail; None for any number.

    Args:
        options: The user's.

    Raises:
        ArgumentError: It is not a number of streams.

    Examples:
        >>> max_failures_of(PipelineOptions(['--max_failures=3']))
        3
    """
    given = options.view_as(ScannerOptions).max_failures
    if given is not None and (type(given) is not int or given < 0):
        raise ArgumentError(
            f"max_failures must be a number of streams (0, 1, 2, ...), got {given!r}"
        )
    return given


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
