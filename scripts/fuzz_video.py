"""Damages videos in thousands of ways and checks what is read from them.

Each seed chooses one of some fifty generated videos (H.264, HEVC, VP8, VP9, AV1,
MPEG-2, MPEG-4, FFV1, ... in all usual containers), a damage (flipped bits, bursts of
zeros or noise, a head, a tail or a piece cut off, boxes shortened or gone, packets
dropped or exchanged, cut groups of pictures) and a policy (strict or salvage). The file is indexed as it is, and
its rows are read onwards, backwards, strided, shuffled, in a range and alone. Checked:

* no crash, no hang, no more memory than ``--memory``;
* a row that is given has the bytes of a linear decode, and is not marked there;
* a row is given, or an error, alike in whatever way it is read;
* of a video that was decoded once, exactly the rows that it calls lost are errors.

::

    python scripts/fuzz_video.py --seeds 2000 --first 1
    python scripts/fuzz_video.py --seeds 1 --first 929 --kinds h264_open

Equal seeds give equal damage. The counts at the end say for how many rows FFmpeg's
linear decode is no measure (see ``tests/support/video_fuzzing.py``). The exit code is 1 if
there were findings.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seed_processes import outcomes_of

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

CHUNK = 25
COUNTED = ("rows", "given", "errors", "undefined", "unharmed")


def run_seeds(first: int, stop: int, folder: Path, only: list[list[str]]) -> None:
    """In a process of its own: a line of JSON before and after each seed."""
    from tests.support.video_fuzzing import fuzz

    for seed in range(first, stop):
        print(json.dumps({"began": seed}), flush=True)
        print(json.dumps(asdict(fuzz(seed, folder, *only))), flush=True)


def outcomes(args: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """The outcome of every seed; crashes and hangs are findings."""
    seed, stop = args.first, args.first + args.seeds
    while seed < stop:
        for outcome in _chunk(args, folder, seed, min(seed + CHUNK, stop)):
            yield outcome
            seed = outcome["seed"] + 1


def _chunk(
    args: argparse.Namespace, folder: Path, first: int, stop: int
) -> Iterator[dict[str, Any]]:
    command = [sys.executable, __file__, "--child", str(folder)]
    command += ["--first", str(first), "--seeds", str(stop - first)]
    command += ["--kinds", args.kinds, "--damages", args.damages]
    yield from outcomes_of(command, first, stop, args.seconds, args.memory)


def main() -> None:
    """Runs the seeds, prints findings as they come, and the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", default="", help="only these videos, by name")
    parser.add_argument("--damages", default="", help="only these, by name")
    parser.add_argument("--seconds", type=float, default=120, help="limit of a seed")
    parser.add_argument("--memory", type=int, default=8192, help="limit, in MiB")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        stop, only = args.first + args.seeds, [args.kinds, args.damages]
        names = [[name for name in names.split(",") if name] for names in only]
        return run_seeds(args.first, stop, Path(args.child), names)
    began, counts, bad = time.monotonic(), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for outcome in outcomes(args, Path(folder)):
            counts["seeds"] += 1
            counts["refused"] += bool(outcome.get("refused"))
            counts.update({name: outcome.get(name, 0) for name in COUNTED})
            bad += bool(outcome["findings"])
            if outcome["findings"]:
                about = " ".join(
                    str(outcome.get(name, ""))
                    for name in ("seed", "kind", "damage", "policy")
                )
                print(f"{about}: {len(outcome['findings'])} findings")
                for finding in outcome["findings"][:3]:
                    print(f"    {finding}", flush=True)
    print(f"seeds {args.first} to {args.first + args.seeds - 1}:", end=" ")
    print(", ".join(f"{count} {name}" for name, count in counts.items()), end="")
    print(f"; {bad} with findings; {time.monotonic() - began:.0f} s")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
