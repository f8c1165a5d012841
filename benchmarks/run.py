"""Compares beam_scanner with what a user would write instead, and prints a table.

``python benchmarks/run.py [JOB ...] [--runs N] [--scale S]``. The sides of a job run
in turn, A B A B ..., each as a process of its own on the same files, so that a
machine whose speed drifts does not favour one; the ratio is the median of the ratios
of neighbours. Sides whose package is not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import videos

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "benchmarks"
SIDES = {
    "histogram": ["pool", "bare"],
    "sparse": ["pool", "decord", "torchcodec"],
    "resize": ["pool"],
}
# Videos, and copies of the 10-second clip in each, at scale 1.
SIZES = {"histogram": (6, 30), "sparse": (48, 30), "resize": (6, 9)}
MINUTES = (1, 5, 20)


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds, and the peak memory of the process and all below it, in MB."""
    began = time.monotonic()
    process = psutil.Popen(
        [sys.executable, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _memory(process))
        time.sleep(0.05)
    seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{command}\n{process.stderr.read().decode()}")
    return seconds, peak / 1e6


def _memory(process: psutil.Process) -> float:
    """Proportional set sizes: pages that processes share are counted once."""
    total = 0.0
    try:
        for member in [process, *process.children(recursive=True)]:
            try:
                total += member.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
    except psutil.NoSuchProcess:
        pass
    return total


def job_videos(job: str, scale: float) -> list[str]:
    count, copies = SIZES[job]
    copies = max(1, round(copies * scale))
    source = videos.repeat(CACHE / f"{copies}x.mp4", copies)
    found = []
    for number in range(count):
        link = CACHE / f"{copies}x-{number:02d}.mp4"
        if not link.exists():
            link.hardlink_to(source)
        found.append(str(link))
    return found


def run_side(side: str, job: str, files: list[str]) -> tuple[float, float]:
    output = tempfile.mkdtemp(prefix="beam_scanner-benchmark-")
    try:
        return measure([str(HERE / "jobs.py"), side, job, output, *files])
    finally:
        shutil.rmtree(output, ignore_errors=True)


def installed(side: str) -> bool:
    return (
        side in ("ours", "pool", "bare") or importlib.util.find_spec(side) is not None
    )


def compare(job: str, runs: int, scale: float) -> None:
    files = job_videos(job, scale)
    sides = ["ours", *[side for side in SIDES[job] if installed(side)]]
    found: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for side in sides:
        run_side(side, job, files[:1])
    for _ in range(runs):
        for side in sides:
            found[side].append(run_side(side, job, files))
    ours = [seconds for seconds, _ in found["ours"]]
    for side in sides:
        seconds = [item[0] for item in found[side]]
        memory = statistics.median(item[1] for item in found[side])
        ratios = [other / own for other, own in zip(seconds, ours, strict=True)]
        print(
            f"| {job} | {side} | {statistics.median(seconds):.1f} "
            f"({min(seconds):.1f} to {max(seconds):.1f}) | "
            f"{statistics.median(ratios):.2f} | {memory:.0f} |",
            flush=True,
        )


def memory(runs: int) -> None:
    print("\n| job | minutes of video | peak memory, MB | of that at 1 minute |")
    print("|---|---|---|---|")
    for job in ("histogram", "resize"):
        first = 0.0
        for minutes in MINUTES:
            copies = 6 * minutes
            file = str(videos.repeat(CACHE / f"{copies}x.mp4", copies))
            peaks = [run_side("ours", job, [file])[1] for _ in range(runs)]
            peak = statistics.median(peaks)
            first = first or peak
            print(
                f"| {job} | {minutes} | {peak:.0f} ({min(peaks):.0f} to "
                f"{max(peaks):.0f}) | {peak / first:.2f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", default=[*SIDES, "memory"])
    parser.add_argument("--runs", type=int, default=5, help="of each side")
    parser.add_argument("--scale", type=float, default=1.0, help="length of the videos")
    arguments = parser.parse_args()
    compared = [job for job in arguments.jobs if job != "memory"]
    if compared:
        print("| job | side | seconds (range) | our speed by theirs | peak MB |")
        print("|---|---|---|---|---|")
    for job in compared:
        compare(job, arguments.runs, arguments.scale)
    if "memory" in arguments.jobs:
        memory(arguments.runs)


if __name__ == "__main__":
    main()
