"""Pipelines of transforms that are run in this process, and what they gave."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner.elements.keys import FrameKey
from beam_scanner.elements.records import NAMESPACE, Commit
from beam_scanner.errors import Failure
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.storage.streams.named_video import NamedVideoStream

IN_MEMORY = ("--runner=FnApiRunner", "--direct_running_mode=in_memory")
PROCESSES = (
    "--runner=FnApiRunner",
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
)
FRAMES = 72
"""Of each film."""

_kept: dict[tuple[str, str], list[Any]] = {}


def _keep(element: Any, run: str, name: str) -> None:
    _kept.setdefault((run, name), []).append(element)


class Run:
    """A pipeline, run when a ``with`` block ends.

    Attributes:
        pipeline: What transforms are applied to.
        counters: Our metrics.
    """

    def __init__(self, *flags: str) -> None:
        self.options = PipelineOptions([*IN_MEMORY, *flags])
        self.pipeline = beam.Pipeline(options=self.options)
        self.counters: dict[str, int] = {}
        self._id = uuid.uuid4().hex

    def keep(self, name: str, elements: Any) -> Any:
        """Keeps the elements of a PCollection for :meth:`rows`."""
        return elements | f"Keep {name}" >> beam.Map(_keep, self._id, name)

    def keep_written(self, name: str, written: Any) -> None:
        """Keeps what a sink tells."""
        self.keep(f"{name} commits", written.commits)
        self.keep(f"{name} failures", written.failures)

    def timed(self, name: str) -> list[Any]:
        """What was kept, sorted by key."""
        return sorted(_kept.get((self._id, name), []), key=_sort_key)

    def rows(self, name: str) -> list[Any]:
        """What was kept, sorted by key; keys have no times."""
        return [_untimed(element) for element in self.timed(name)]

    def commits(self, name: str) -> list[str]:
        """Names of the streams that a sink has committed."""
        return [commit.stream for commit in self.rows(f"{name} commits")]

    def failures(self, name: str) -> dict[str, str]:
        """By stream: why a sink has not committed it."""
        told = self.rows(f"{name} failures")
        return {f.stream: f.reason for f in told if f.kind != "row"}

    def run(self) -> None:
        """Runs the pipeline, as often as it is called."""
        for key in [key for key in _kept if key[0] == self._id]:
            del _kept[key]
        result = self.pipeline.run()
        result.wait_until_finish()
        self.counters = {}
        # A counter has an entry for each step that counts.
        for metric in result.metrics().query()["counters"]:
            name = metric.key.metric.name
            if metric.key.metric.namespace == NAMESPACE:
                self.counters[name] = self.counters.get(name, 0) + metric.committed

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.run()


def _untimed(element: Any) -> Any:
    if isinstance(element, tuple) and isinstance(element[0], FrameKey):
        return replace(element[0], pts_seconds=None), *element[1:]
    return element


def _sort_key(element: Any) -> Any:
    if isinstance(element, Commit | Failure):
        return element.stream
    return element[0] if isinstance(element, tuple) else element


def stream(db: Path | str, name: str) -> NamedStream:
    return NamedStream(NamedStorage(str(db)), name)


def video(db: Path | str, name: str) -> NamedVideoStream:
    return NamedVideoStream(NamedStorage(str(db)), name)


def save(db: Path | str, name: str, values: Iterable[Any], kind: Any = Any) -> None:
    """Stores a stream; row r is shown at second r / 4."""
    values = list(values)
    stream(db, name).save(values, kind, [row / 4 for row in range(len(values))])
