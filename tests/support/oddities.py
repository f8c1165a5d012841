"""Legal oddities: sound videos as few programs write them.

A seed chooses an encoder and a container of this build, and what is odd about the
file. Reading it in any way must give what FFmpeg's linear decode gives, and no file
may be refused that it gives without an error.
"""

from __future__ import annotations

import random
from pathlib import Path

import av

from beam_scanner.video.linear import READ_ERRORS
from tests.support.odd_changes import BYTES, MUXING, PACKETS, plain
from tests.support.odd_reading import Outcome, compare
from tests.support.odd_samples import COMMON, USUAL, Base, encoders, muxers

TRIES = 20
ODDITIES = (*PACKETS, *BYTES, *MUXING)


def write_odd(path: Path, base: Base, oddity: str, rng: random.Random) -> bool:
    """Writes the odd file; False where that cannot be done to it."""
    change = PACKETS.get(oddity, plain)
    options = MUXING.get(oddity, {})
    try:
        with (
            av.open(str(base.path)) as source,
            av.open(
                str(path), "w", format=base.muxer, container_options=options
            ) as out,
        ):
            old = source.streams.video[0]
            stream = out.add_stream_from_template(old, opaque=True)
            packets = [p for p in source.demux(old) if p.size]
            for packet in change(packets, base, rng):
                packet.stream = stream
                out.mux_one(packet)
        if oddity in BYTES:
            path.write_bytes(BYTES[oddity](path.read_bytes(), base, rng))
    except (*READ_ERRORS, TypeError, OverflowError):
        return False
    return True


def try_seed(
    seed: int, folder: Path, other: bool = False, common: bool = False
) -> Outcome:
    """Does what ``seed`` says, in ``folder``, where samples are kept."""
    rng = random.Random(seed)
    oddity, base = rng.choice(ODDITIES), None
    for _ in range(TRIES):
        encoder = rng.choice(USUAL if rng.random() < 0.5 else encoders())
        muxer = rng.choice(COMMON if common or rng.random() < 0.8 else muxers())
        base = Base.make(folder, encoder, muxer, rng.choice([0, 0, 0, 1, 2, 3, 5, 8]))
        if base is not None:
            break
    outcome = Outcome(seed, encoder, muxer, oddity)
    if base is None:
        outcome.skipped = "these do not go together"
    else:
        try_one(base, outcome, rng, other)
    return outcome


def try_one(base: Base, outcome: Outcome, rng: random.Random, other: bool) -> None:
    """Makes an odd file of a sound one, and reads it."""
    path = base.folder / f"odd-{outcome.seed}.{base.muxer}"
    try:
        if not write_odd(path, base, outcome.oddity, rng):
            outcome.skipped = "cannot be made"
        else:
            compare(path, outcome, rng, other)
    finally:
        path.unlink(missing_ok=True)
