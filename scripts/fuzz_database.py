"""Damages stored databases in thousands of ways and checks what is read from them.

Each seed takes a database with a stream of every kind, chooses one of its files
(descriptor, Parquet, MP4, frame index, marker, manifest, files of a run, numbers and
records of tables, profile), and damages it: flipped bits, changed bytes, digits and
letters, zeros, noise, cut short, extended, pieces cut out or repeated, exchanged with
or replaced by another file, gone, or a folder. Then it is loaded, listed, shown, saved
as MP4, read by a run and given to ``gc``. Checked:

* what is given is exactly what was stored, or else a ``ScannerException``;
* no crash, no hang, no more memory than ``--memory``;
* ``gc`` takes nothing that is needed once the file is whole again.

::

    python scripts/fuzz_database.py --seeds 2000 --first 1
    python scripts/fuzz_database.py --endless --first 5000
    python scripts/fuzz_database.py --seeds 300 --version 1

Equal seeds give equal damage. ``--version 1`` takes a database that an older release
wrote: it has no checksums, so that only exceptions, crashes and hangs are findings.
The exit code is 1 if there were findings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seed_processes import outcomes_of

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

CHUNK = 50


def run_seeds(first: int, stop: int, folder: Path, version: int, only: str) -> None:
    """In a process of its own: a line of JSON before and after each seed."""
    from tests.support.database_fuzzing import fuzz

    # What is tried prints, too.
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for seed in range(first, stop):
        print(json.dumps({"began": seed}), file=told, flush=True)
        outcome = asdict(fuzz(seed, folder, version, only))
        print(json.dumps(outcome), file=told, flush=True)


def outcomes(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """The outcome of every seed; crashes and hangs are findings."""
    seed, stop = args.first, args.first + args.seeds
    while args.endless or seed < stop:
        end = seed + CHUNK if args.endless else min(seed + CHUNK, stop)
        for outcome in _chunk(args, folder, seed, end):
            yield outcome
            seed = outcome["seed"] + 1


def _chunk(
    args: argparse.Namespace, folder: Path, first: int, stop: int
) -> Iterator[dict[str, Any]]:
    command = [sys.executable, __file__, "--child", str(folder)]
    command += ["--first", str(first), "--seeds", str(stop - first)]
    command += ["--version", str(args.version), "--files", args.files]
    yield from outcomes_of(command, first, stop, args.seconds, args.memory)


def main() -> None:
    """Runs the seeds, prints findings as they come, and the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--endless", action="store_true", help="until it is stopped")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--version", type=int, default=2, choices=(1, 2))
    parser.add_argument(
        "--files", default="", help="only files with this in their path"
    )
    parser.add_argument("--seconds", type=float, default=120, help="limit of a seed")
    parser.add_argument("--memory", type=int, default=8192, help="limit, in MiB")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        stop = args.first + args.seeds
        return run_seeds(args.first, stop, Path(args.child), args.version, args.files)
    began, counts, bad = time.monotonic(), Counter[str](), 0
    last = args.first - 1
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            for outcome in outcomes(args, Path(folder)):
                last = outcome["seed"]
                counts["seeds"] += 1
                counts["noticed"] += bool(outcome.get("refused"))
                counts["readings"] += outcome.get("tried", 0)
                counts["refused"] += outcome.get("refused", 0)
                bad += bool(outcome["findings"])
                if outcome["findings"]:
                    about = f"{outcome.get('file', '')} ({outcome.get('damage', '')})"
                    print(f"{last}: {about}: {len(outcome['findings'])} findings")
                    for finding in outcome["findings"][:3]:
                        print(f"    {finding}", flush=True)
    except KeyboardInterrupt:
        print("stopped")
    print(f"seeds {args.first} to {last}:", end=" ")
    print(", ".join(f"{count} {name}" for name, count in counts.items()), end="")
    print(f"; {bad} with findings; {time.monotonic() - began:.0f} s")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
