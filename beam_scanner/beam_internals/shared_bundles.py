"""Bundles that the workers of Beam's local runner take as they get free.

The runner deals the elements of a stage among its workers before any of them begins. So
a worker whose elements take longer works on alone when the others have ended. Elements
that come from a grouping, as tasks do before they run, are cut into more bundles here,
which workers take from a queue: large bundles first, small ones at the end.

If Beam changes this: local runs with several workers fail in their first stage, or the
test of this module waits in vain for the elements beside a slow one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from apache_beam.metrics.monitoring_infos import consolidate
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    BundleManager,
    ParallelBundleManager,
)
from apache_beam.utils.thread_pool_executor import shared_unbounded_instance

_PARTS = 32
"""Into how many parts for each worker elements are cut; a bundle has one or several."""


class SharingRunner(FnApiRunner):  # type: ignore[misc]
    """Beam's local runner, whose workers share what there is to do."""

    def _get_bundle_manager(self, bundle_context_manager: Any) -> Any:
        manager = super()._get_bundle_manager(bundle_context_manager)
        if not isinstance(manager, ParallelBundleManager):
            return manager
        return _SharedBundles(
            bundle_context_manager,
            self._progress_frequency,
            self.get_cache_token_generator(static=False),
        )


class _SharedBundles(ParallelBundleManager):  # type: ignore[misc]
    """Runs a stage over its elements, in as many bundles as suit its workers."""

    def process_bundle(
        self,
        inputs: Mapping[str, Any],
        expected_outputs: Any,
        fired_timers: Mapping[Any, Any],
        *rest: Any,
    ) -> tuple[Any, list[Any]]:
        """As Beam's own does, over more bundles."""
        (name, elements), *others = inputs.items()
        if others or fired_timers or not isinstance(elements, GroupingBuffer):
            return super().process_bundle(  # type: ignore[no-any-return]
                inputs, expected_outputs, fired_timers, *rest
            )
        count = self._num_workers
        bundles = _Bundles(elements.partition(_PARTS * count), count)

        def work(worker: Any) -> list[tuple[Any, list[Any]]]:
            manager = BundleManager(
                _OneWorker(self.bundle_context_manager, worker),
                self._progress_frequency,
                self._cache_token_generator,
            )
            made = []
            try:
                while bundle := bundles.take():
                    made.append(
                        manager.process_bundle(
                            {name: bundle}, expected_outputs, {}, *rest
                        )
                    )
            except BaseException:
                bundles.end()
                raise
            return made

        workers = self.bundle_context_manager.worker_handlers
        with shared_unbounded_instance() as executor:
            return _merged(list(chain.from_iterable(executor.map(work, workers))))


class _OneWorker:
    """What a bundle needs to know of its stage, with a worker that is chosen."""

    def __init__(self, stage: Any, worker: Any) -> None:
        self._stage = stage
        self.worker_handlers = [worker]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)


class _Bundles:
    """Bundles of what is left; each is smaller than the one before.

    Args:
        parts: Of the elements, each a list of encoded ones.
        workers: How many take bundles.
    """

    def __init__(self, parts: Sequence[Sequence[bytes]], workers: int) -> None:
        self._lock = threading.Lock()
        self._left = [part for part in parts if any(part)]
        self._share = 2 * workers

    def take(self) -> list[bytes]:
        """The elements of the next one; none when all are taken."""
        with self._lock:
            count = -(-len(self._left) // self._share)
            taken, self._left = self._left[:count], self._left[count:]
        return list(chain.from_iterable(taken))

    def end(self) -> None:
        """Nobody takes another."""
        with self._lock:
            self._left = []


def _merged(made: Sequence[tuple[Any, list[Any]]]) -> tuple[Any, list[Any]]:
    """The results of bundles as those of one."""
    responses = [response.process_bundle for response, _ in made]
    infos = chain.from_iterable(response.monitoring_infos for response in responses)
    roots = chain.from_iterable(response.residual_roots for response in responses)
    merged = beam_fn_api_pb2.ProcessBundleResponse(
        monitoring_infos=consolidate(infos), residual_roots=roots
    )
    splits = chain.from_iterable(splits for _, splits in made)
    return beam_fn_api_pb2.InstructionResponse(process_bundle=merged), list(splits)
