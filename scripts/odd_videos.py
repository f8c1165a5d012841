"""Writes legal but odd videos without end, and checks what is read from them.

Each seed chooses an encoder, a pixel format and a container among all of this build,
and an oddity: times at the edges of 32 and 33 bits, uneven or equal ones, negative ones,
packets without a picture, malformed messages, parameter sets that stand in one packet
alone or change midway, several sample descriptions, colour tables that change, no
keyframes, no flags or tables of them, edit lists, samples of no bytes, fragments
without an index, joined files, unknown sizes, text behind the end. Every row, in any order and alone, must be what FFmpeg's linear decode gives,
``verify`` must change nothing, and no file may be refused that FFmpeg reads without an
error. Containers are all that this build writes and the format whitelist lets us read.
With ``--other`` the frames' numbers are compared with those that the ffmpeg of
another build shows (of the package imageio-ffmpeg).

::

    python scripts/odd_videos.py --first 0                # until it is stopped
    python scripts/odd_videos.py --first 5000 --seeds 200 --other
    python scripts/odd_videos.py --pairs                  # every encoder, container

Equal seeds give equal files, so a run is resumed with ``--first``. The exit code is 1
if there were findings.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from tests.support.odd_reading import Outcome, compare  # noqa: E402
from tests.support.odd_samples import Base, encoders, muxers  # noqa: E402
from tests.support.oddities import try_seed  # noqa: E402

REPORT_EVERY = 100


def outcomes(args: argparse.Namespace, folder: Path) -> Iterator[Outcome]:
    """One by one, of all that is asked for."""
    if not args.pairs:
        stop = args.first + args.seeds if args.seeds else None
        for seed in itertools.count(args.first):
            if seed == stop:
                return
            yield try_seed(seed, folder, other=args.other)
    pairs = list(itertools.product(encoders(), muxers()))
    for number, (encoder, muxer) in enumerate(pairs[args.first :], args.first):
        outcome = Outcome(number, encoder, muxer, "plain")
        base = Base.make(folder, encoder, muxer)
        if base is None:
            outcome.skipped = "these do not go together"
        else:
            compare(base.path, outcome, random.Random(number), args.other)
            base.path.unlink()
        yield outcome


def main() -> None:
    """Prints findings as they come, and the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed, or pair")
    parser.add_argument("--seeds", type=int, default=0, help="how many; 0 for no end")
    parser.add_argument("--other", action="store_true", help="ask another build, too")
    parser.add_argument("--pairs", action="store_true", help="no oddities, all pairs")
    args = parser.parse_args()
    counts, began, last = Counter[str](), time.monotonic(), args.first
    with tempfile.TemporaryDirectory(prefix="odd-") as folder:
        try:
            for outcome in outcomes(args, Path(folder)):
                last = outcome.seed
                _count(counts, outcome)
                if counts["ran"] % REPORT_EVERY == 0:
                    print(f"... {last}: {_told(counts)}", flush=True)
        except KeyboardInterrupt:
            print()
    print(f"{args.first} to {last}: {_told(counts)}; {time.monotonic() - began:.0f} s")
    sys.exit(bool(counts["with findings"]))


def _count(counts: Counter[str], outcome: Outcome) -> None:
    counts["ran"] += 1
    counts["skipped"] += bool(outcome.skipped)
    counts["refused, as FFmpeg has errors"] += bool(outcome.refused)
    counts["rows"] += outcome.rows
    counts["another build disagrees"] += bool(outcome.disagrees)
    counts["with findings"] += bool(outcome.findings)
    about = f"{outcome.seed} {outcome.encoder} {outcome.muxer} {outcome.oddity}"
    if outcome.disagrees:
        print(f"{about}: {outcome.disagrees}")
    for finding in outcome.findings[:3]:
        print(f"{about}: {finding}", flush=True)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


if __name__ == "__main__":
    main()
