"""What a run would do, in numbers and in text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beam_scanner import Client, NamedVideoStream, PerfParams
from beam_scanner.errors import Failure
from beam_scanner.planner.forecast import NodeForecast
from beam_scanner.planner.schedule import DecodeCount
from beam_scanner.run.cache_mode import CacheMode
from beam_scanner.run.explain import (
    Explanation,
    FamilyExplanation,
    JobExplanation,
    explain,
)
from tests.support.corpus import indexed_kind
from tests.support.short_runs import Shorts
from tests.support.small_runs import JOBS, PACKET, ROWS, TASKS_A_JOB, Setting


def film(decoded: int, needed: int, size: int) -> NodeForecast:
    count = DecodeCount(needed=needed, decoded=decoded, again=1, seeks=2)
    return NodeForecast("film", "source", 100, needed, count, size)


def test_where_videos_are_decoded(sc: Client, test_video: str) -> None:
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=test_video)])
    output = sc.io.Output(frames, [NamedVideoStream(sc, "copy")])
    text = str(sc.explain(output, PerfParams.manual(24, 720)))
    assert "720 frames decoded, 1 seeks  on the CPU; decoder='cuda' would take" in text
    text = str(sc.explain(output, PerfParams.manual(24, 720, decoder="cuda")))
    assert "1 seeks  on a GPU; decoder='cpu' would take about" in text


def test_no_advice_for_what_no_gpu_decodes(sc: Client, tmp_path: Path) -> None:
    path, _, _ = indexed_kind("ffv1", tmp_path)
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=path)])
    output = sc.io.Output(frames, [NamedVideoStream(sc, "copy")])
    assert "cuda" not in str(sc.explain(output))


def test_sums_are_over_all_jobs_and_families() -> None:
    op = NodeForecast("Blur", "op", 100, 40)
    plan = Explanation(
        [
            JobExplanation(
                "a", [FamilyExplanation(0, 3, "by size", [film(9, 5, 70), op])]
            ),
            JobExplanation(
                "b",
                [
                    FamilyExplanation(0, 2, "by size", [film(4, 4, 30)]),
                    FamilyExplanation(2, 1, "one task", [op]),
                ],
            ),
        ],
        16,
    )
    assert (plan.tasks, plan.phases) == (6, 3)
    assert (plan.frames_needed, plan.frames_decoded, plan.frames_again) == (9, 13, 2)
    assert plan.bytes_to_read == 100
    text = str(plan)
    assert "2 jobs, 3 phases, 6 tasks; 16 rows at a time" in text
    assert (
        "frames needed 9, to decode 13 (2 of them again), bytes to read 100 B" in text
    )
    assert "9 frames decoded, 2 seeks" in text
    # What is not decoded says nothing of frames.
    (blur, _) = [line for line in text.splitlines() if "Blur" in line]
    assert blur.endswith("40 computed")
    page = plan._repr_html_()
    for said in (">13, 2 of them again<", ">100 B<", "b, phase 2", ">40 computed<"):
        assert said in page


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123.5 kB"),
        (5_000_000, "5.0 MB"),
        (7_200_000_000, "7.2 GB"),
    ],
)
def test_bytes_are_for_people(size: int, text: str) -> None:
    family = FamilyExplanation(0, 1, "whole", [film(1, 1, size)])
    plan = Explanation([JobExplanation("a", [family])], 1)
    assert f"bytes to read {text}\n" in str(plan)


def test_many_jobs_and_odd_names_do_not_spoil_the_text() -> None:
    jobs = [JobExplanation(f"job\n{number}", []) for number in range(7)]
    lines = str(Explanation(jobs, 1, ["a\x1b[31m"])).splitlines()
    assert lines[-1] == "... and 2 more jobs"
    assert not any("\x1b" in line for line in lines)
    # A newline in a name must not look like a line of ours.
    assert "4" not in lines
    assert sum(line.startswith("job") for line in lines) == 5


def test_nothing_to_do_is_no_phase() -> None:
    plan = Explanation([], 1)
    assert (plan.tasks, plan.phases, plan.bytes_to_read) == (0, 0, 0)


def test_a_prepared_run_is_counted_without_running_it(tmp_path: Path) -> None:
    setting = Setting.make(tmp_path / "db")
    before = sorted(os.walk(tmp_path))
    prepared = setting.prepare(CacheMode.Error)
    plan = explain(prepared)
    assert [job.name for job in plan.jobs] == ["scaled/0", "scaled/1"]
    assert (plan.phases, plan.tasks) == (2, JOBS * TASKS_A_JOB)
    (many, one) = plan.jobs[0].families
    assert (many.tasks, one.tasks) == (-(-ROWS // PACKET), 1)
    assert {node.made for node in many.nodes} == {ROWS}
    assert sorted(os.walk(tmp_path)) == before
    prepared.failures[0] = Failure("scaled/9", "no such file")
    assert explain(prepared).failures == ["stream 'scaled/9': no such file"]


def test_streams_that_share_a_task_are_said_to(tmp_path: Path) -> None:
    plan = explain(Shorts.make(tmp_path / "db").prepare())
    shared = [job.families[0].shared_by for job in plan.jobs]
    assert shared == [2, 2, 1, 3, 3, 3, 1, 1]
    # One stream has no row.
    assert (plan.tasks, plan.runs) == (7, 4)
    text = str(plan)
    assert "8 jobs, 1 phase, 7 tasks, run as 4; 2 rows at a time" in text
    lines = text.splitlines()
    said = [line for line in lines if "shared by" in line]
    assert [line.split("; ")[-1] for line in said] == [
        "shared by 2 streams, to fill batches",
        "shared by 2 streams, to fill batches",
        "shared by 3 streams, to fill batches",
        "shared by 3 streams, to fill batches",
    ]
