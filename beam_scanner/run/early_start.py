"""Loads what worker processes need while this process itself still loads Beam.

Each takes seconds of a core. A run that has worker processes would otherwise load first
the one and then the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from beam_scanner.forks import fork_client

if TYPE_CHECKING:
    from beam_scanner.graph.nodes import OutputNode

SMALL_JOBS = 2
"""Runs of no more jobs, all of them small, stay in one process."""

_LARGE_BYTES = 1024 * 1024
"""A video of more bytes has, very likely, more frames than one process is given."""

_DIRECT = ("--runner=directrunner", "--runner=direct")
_CHOOSES_RUNNER = ("--runner", "--direct_", "--prism_")


def start_early(
    options: Any, jobs: int, files: Iterable[str], sampled: bool = False
) -> None:
    """Begins to load what workers need, if a run will very likely have some.

    To be called before Beam is imported. Where it guesses wrong, a core is busy for
    three seconds in vain, or the run starts as it would without it.

    Args:
        options: Beam's, as a ``Client`` is given them.
        jobs: How many streams each input of the graph has.
        files: Paths of videos that are read.
        sampled: Whether only some of their frames are read.

    Examples:
        >>> start_early(['--runner=DataflowRunner'], 1000, [])
    """
    cores = len(os.sched_getaffinity(0))
    if cores > 1 and _is_local(options) and _is_large(jobs, files, sampled):
        with suppress(OSError):
            fork_client.get_ready()


def start_early_for(options: Any, outputs: Sequence[OutputNode]) -> None:
    """As :func:`start_early`, for a graph.

    Args:
        options: Beam's, as a ``Client`` is given them.
        outputs: Its outputs.
    """
    # The command asks for an early start before it loads anything else.
    from beam_scanner.graph.nodes import InputNode, SampleNode, topological

    nodes = topological(outputs)
    inputs = [node.streams for node in nodes if isinstance(node, InputNode)]
    paths = (getattr(stream, "path", None) for streams in inputs for stream in streams)
    start_early(
        options,
        max(map(len, inputs), default=0),
        (path for path in paths if isinstance(path, str)),
        sampled=any(isinstance(node, SampleNode) for node in nodes),
    )


def _is_local(options: Any) -> bool:
    """Whether flags ask for worker processes on this machine, as far as seen at once.

    Options that are no flags are Beam's own: with them Beam is loaded already.
    """
    if options is None:
        return True
    return isinstance(options, (list, tuple)) and all(
        isinstance(flag, str)
        and (flag.lower() in _DIRECT or not flag.startswith(_CHOOSES_RUNNER))
        for flag in options
    )


def _is_large(jobs: int, files: Iterable[str], sampled: bool) -> bool:
    return jobs > SMALL_JOBS or (
        not sampled and any(_size(path) > _LARGE_BYTES for path in files)
    )


def _size(path: str) -> int:
    with suppress(OSError, ValueError):
        return os.stat(path).st_size
    return 0
