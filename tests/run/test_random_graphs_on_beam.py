"""Random graphs, run as Beam pipelines over stored streams, against the oracle.

``BEAM_SCANNER_BEAM_GRAPHS`` sets how many are tried, ``BEAM_SCANNER_SEED`` the first.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from beam_scanner.graph.nodes import OutputNode
from beam_scanner.planner.perf_params import PerfParams
from beam_scanner.run import job
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.launch import execute
from beam_scanner.run.prepare import prepare
from beam_scanner.run.report import Report
from beam_scanner.runners.local.local_run import pipeline_options
from beam_scanner.storage.streams.named import NamedStorage
from tests.support.stored_graphs import StoredGraph, check_work
from tests.support.tiers import most_slow

GRAPHS = int(os.environ.get("BEAM_SCANNER_BEAM_GRAPHS", "240"))
FIRST_SEED = int(os.environ.get("BEAM_SCANNER_SEED", "0")) + 1_000_000
CHUNKS = 8
TOGETHER = 10
PACKETS = [(1, 3), (4, 12), (7, 21), (100, 1000)]

IN_MEMORY = ["--direct_running_mode=in_memory"]
PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    made = NamedStorage(str(tmp_path / "db"))
    made.store(create=True)
    return made


def run(
    outputs: Sequence[OutputNode],
    storage: NamedStorage,
    flags: list[str],
    packets: tuple[int, int],
) -> Report:
    perf = PerfParams.manual(*packets)
    prepared = prepare(outputs, perf, CacheMode.Error, storage)
    report = execute(prepared, storage, pipeline_options(flags), False)
    assert not report.failures, report.failures[0].traceback
    assert len(report.committed) == len(prepared.jobs)
    assert report.reused == 0
    return report


def chunk_of(chunk: int, first: int, count: int) -> list[int]:
    seeds = range(FIRST_SEED + first, FIRST_SEED + first + count)
    return list(seeds[chunk::CHUNKS])


def together(
    seeds: Sequence[int], storage: NamedStorage
) -> Iterator[list[StoredGraph]]:
    """Graphs that fit into one run, which has one number of jobs."""
    graphs = [StoredGraph(seed, storage) for seed in seeds]
    for jobs in (1, 2):
        fit = [graph for graph in graphs if graph.jobs == jobs]
        for at in range(0, len(fit), TOGETHER):
            yield fit[at : at + TOGETHER]


@pytest.mark.parametrize("chunk", most_slow(range(CHUNKS)))
def test_every_row_of_a_graph_of_its_own(chunk: int, storage: NamedStorage) -> None:
    for seed in chunk_of(chunk, 0, GRAPHS // 10):
        graph = StoredGraph(seed, storage)
        packets = random.Random(seed).choice(PACKETS)
        for outputs in graph.runs():
            run(outputs, storage, IN_MEMORY, packets)
        graph.check()
    check_work(storage)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", most_slow(range(CHUNKS)))
def test_every_row_of_graphs_of_one_run(
    chunk: int, storage: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Starting Beam takes longer than most of these graphs.
    monkeypatch.setattr(job, "check_rows", lambda *_: None)
    seeds = chunk_of(chunk, GRAPHS // 10, GRAPHS * 9 // 10)
    for number, graphs in enumerate(together(seeds, storage)):
        outputs = [output for graph in graphs for output in graph.outputs]
        run(outputs, storage, IN_MEMORY, PACKETS[(chunk + number) % len(PACKETS)])
        for graph in graphs:
            graph.check()
    check_work(storage)


@pytest.mark.slow
@pytest.mark.processes
def test_every_row_with_worker_processes(
    storage: NamedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "check_rows", lambda *_: None)
    seeds = range(FIRST_SEED - 100, FIRST_SEED - 100 + max(24, GRAPHS // 10))
    for number, graphs in enumerate(together(seeds, storage)):
        outputs = [output for graph in graphs for output in graph.outputs]
        run(outputs, storage, PROCESSES, PACKETS[number % 2])
        for graph in graphs:
            graph.check()
    check_work(storage)
