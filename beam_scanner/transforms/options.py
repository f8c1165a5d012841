"""Our own pipeline options, beside Beam's."""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions


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

    Only Dataflow has a use for the first two; other runners are not given them, since
    each hint would cost them a second environment.

    Example:
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
