"""Sinks whose streams might have the same names."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import StreamExistsError
from beam_scanner.run.sink_claims import Claims, may_meet
from beam_scanner.storage.streams.named import NamedStorage
from beam_scanner.transforms import ReadFromNamedStream, WriteToNamedStream, op
from tests.support.pipeline_runs import IN_MEMORY, PROCESSES, Run, save, stream
from tests.support.tiers import most_slow

TEMPLATES = st.lists(st.sampled_from(["a", "b", "{stream}"]), min_size=1, max_size=4)
STREAMS = ["".join(s) for n in range(1, 4) for s in product("ab", repeat=n)]


@given(TEMPLATES, TEMPLATES)
def test_what_meets_may_meet(one: list[str], other: list[str]) -> None:
    """The other way round does not hold: a claim too many does no harm."""
    made = [
        {name.replace("{stream}", s) for s in STREAMS}
        for name in ("".join(one), "".join(other))
    ]
    if made[0] & made[1]:
        assert may_meet("".join(one), "".join(other))


def test_a_claim_is_for_one_sink_and_stream(tmp_path: Path) -> None:
    one, other = (Claims(str(tmp_path), "r", f"{x}{{stream}}") for x in ("a", "aa"))
    one.claim("x")
    assert not list(tmp_path.iterdir())
    one.needed = other.needed = True
    one.claim("ax")
    one.claim("ax")
    one.claim("x")
    with pytest.raises(StreamExistsError, match=r"'aa\{stream\}' from stream 'x' and"):
        other.claim("x")
    other.claim("xx")
    later = Claims(str(tmp_path), "another run", "aa{stream}")
    later.needed = True
    later.claim("x")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Streams ``in/a`` and ``in/b/a`` with the values 0 and 100."""
    save(tmp_path, "in/a", [0], int)
    save(tmp_path, "in/b/a", [100], int)
    return tmp_path


def source(run: Run, db: Path, label: str = "read") -> beam.PCollection:
    read = ReadFromNamedStream(str(db), "in/**", int, name=lambda n: n[3:])
    return run.pipeline | label >> read


def _plus_one(config: Any, x: int) -> int:
    return x + 1


PlusOne = op(_plus_one)


def steps(run: Run) -> list[str]:
    proto = run.pipeline.to_runner_api()
    return [t.unique_name for t in proto.components.transforms.values()]


KINDS = {
    "one source": (False, False),
    "two sources": (True, False),
    "elements": (False, True),
    "elements of another source": (True, True),
}


@pytest.mark.parametrize("kind", most_slow(KINDS))
@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(IN_MEMORY, id="memory"),
        pytest.param(PROCESSES, id="processes", marks=pytest.mark.processes),
    ],
)
@pytest.mark.slow
def test_what_two_sinks_would_write(kind: str, flags: tuple[str], db: Path) -> None:
    """One of them does, and the failure of the other names both."""
    apart, elements = KINDS[kind]
    run = Run(*flags)
    x = source(run, db)
    y = source(run, db, "again") if apart else x
    plus = y | PlusOne()
    if elements:
        plus = plus | beam.Map(lambda row: row).with_output_types(plus.element_type)
    written = [
        x | "One" >> WriteToNamedStream(str(db), "out/{stream}"),
        plus | "Other" >> WriteToNamedStream(str(db), "out/b/{stream}"),
    ]
    failures = tuple(w.failures for w in written) | beam.Flatten()
    lines = failures | beam.Map(lambda f: f"{f.stream}: {f.reason}")
    _ = lines | beam.io.WriteToText(str(db / "failures"), num_shards=1)
    run.run()
    (file,) = db.glob("failures-*")
    found = set(file.read_text().splitlines())
    (failure,) = found
    loser = failure.partition(":")[0]
    for said in (
        "'out/{stream}' from stream 'b/a'",
        "'out/b/{stream}' from stream 'a'",
    ):
        assert said in failure
    (value,) = stream(db, "out/b/a").load()
    assert value == {"a": 100, "b/a": 1, "out/b/a": 100}[loser]
    # One source has one job a stream, with both sinks.
    fails_too = kind == "one source" and loser == "b/a"
    assert stream(db, "out/b/b/a").committed() != fails_too
    assert not list(NamedStorage(str(db)).store().list(".work/runs/"))


def test_what_might_meet_and_does_not(db: Path) -> None:
    run = Run()
    x = source(run, db)
    run.keep_written("x", x | WriteToNamedStream(str(db), "out/{stream}"))
    for number in range(2):
        sink = WriteToNamedStream(str(db), f"out/more {number}/{{stream}}")
        run.keep_written(f"{number}", x | f"Sink {number}" >> sink)
    run.run()
    assert run.commits("x") == ["out/a", "out/b/a"]
    for number in range(2):
        names = [f"out/more {number}/{name}" for name in ("a", "b/a")]
        assert run.commits(f"{number}") == names
    assert not list(NamedStorage(str(db)).store().list(".work/runs/"))
    assert [step for step in steps(run) if step.endswith("Forget names")]


def test_what_cannot_meet_claims_nothing(db: Path) -> None:
    run = Run()
    x = source(run, db)
    for name in ("one/{stream}", "two/{stream}"):
        run.keep_written(name, x | name >> WriteToNamedStream(str(db), name))
    _ = x | "Far" >> WriteToNamedStream(str(db / "another"), "one/{stream}")
    run.run()
    assert run.commits("one/{stream}") == ["one/a", "one/b/a"]
    assert not [step for step in steps(run) if "Forget" in step]
