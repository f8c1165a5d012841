"""Keys of rows that have left a graph."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
import pickle
import re
import textwrap
from pathlib import Path
from typing import Any, Tuple  # noqa: UP035

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from beam_scanner.elements.keys import FrameKey, FrameKeyCoder
from beam_scanner.errors import ArgumentError, ElementTypeError
from tests.support.programs import PROCESSES, python

IN_MEMORY = PipelineOptions(["--direct_running_mode=in_memory"])
ROWS = st.integers(0, 2**63 - 1)
TIMES = st.none() | st.floats()
KEYS = st.builds(
    FrameKey, st.text(st.characters(), min_size=1), ROWS, ROWS, TIMES
) | st.builds(FrameKey, st.sampled_from("ab"), st.just(0), st.integers(0, 2), TIMES)


def whole(key: FrameKey) -> tuple[Any, ...]:
    return key.stream, key.group, key.row, key.pts_seconds


def place(key: FrameKey) -> tuple[Any, ...]:
    time = key.pts_seconds
    return key.stream, key.group, key.row, time is not None, time or 0.0


@settings(max_examples=50)
@given(KEYS, KEYS)
def test_equality_order_and_hash(a: FrameKey, b: FrameKey) -> None:
    assert (a == b) == (whole(a) == whole(b))
    assert (a < b) == (place(a) < place(b))
    assert (a > b) == (place(a) > place(b))
    if a == b:
        assert hash(a) == hash(b)
    assert a != whole(a)  # type: ignore[comparison-overlap]


@settings(max_examples=50)
@given(KEYS)
def test_coders_round_trip(key: FrameKey) -> None:
    coder = FrameKeyCoder()
    assert coder.decode(coder.encode(key)) == key
    assert coder.get_impl().encode_nested(key) == coder.encode_nested(key)
    for copy in (pickle.loads(pickle.dumps(key)), pickler.loads(pickler.dumps(key))):
        assert copy == key
    # Off by what a character takes more than a byte, at most.
    assert len(coder.encode(key)) <= coder.estimate_size(key) + 3 * len(key.stream)


@settings(max_examples=50)
@given(KEYS, KEYS)
def test_keys_are_grouped_by_equality(a: FrameKey, b: FrameKey) -> None:
    coder = beam.coders.registry.get_coder(FrameKey).as_deterministic_coder("")
    assert coder.is_deterministic()
    assert (coder.encode(a) == coder.encode(b)) == (a == b)
    # Where Beam does not know the type of the keys, it encodes no lone surrogates.
    assume(not re.search("[\ud800-\udfff]", a.stream + b.stream))
    untyped = beam.coders.registry.get_coder(Any).as_deterministic_coder("")
    assert (untyped.encode(a) == untyped.encode(b)) == (a == b)
    assert untyped.decode(untyped.encode(a)) == a


def test_numbers_are_plain() -> None:
    key = FrameKey("a", np.int32(1), np.int64(2), np.float32(0.5))  # type: ignore[arg-type]
    assert [type(v) for v in whole(key)] == [str, int, int, float]
    assert FrameKey("a", 0, 0, math.nan).pts_seconds is None
    assert whole(dataclasses.replace(key, row=5)) == ("a", 1, 5, 0.5)
    zeros = FrameKey("a", 0, 0, 0.0), FrameKey("a", 0, 0, -0.0)
    assert len({FrameKeyCoder().encode(zero) for zero in zeros}) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("", 0, 0), "stream of a FrameKey must be a string, not empty, got ''"),
        ((b"a", 0, 0), "stream of a FrameKey must be a string"),
        (("a", -1, 0), "group of a FrameKey must be a whole number from 0"),
        (("a", 0, 1.5), "row of a FrameKey must be a whole number .* got 1.5"),
        (("a", 0, 2**63), "row of a FrameKey must be a whole number"),
        (("a", 0, 0, "soon"), "pts_seconds of a FrameKey must be a number or None"),
    ],
)
def test_impossible_fields(fields: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        FrameKey(*fields)


def test_keys_are_frozen() -> None:
    key = FrameKey("a", 0, 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        key.row = 1  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        key.other = 1  # type: ignore[attr-defined]


def test_other_keys_are_refused() -> None:
    with pytest.raises(ElementTypeError, match="expected a FrameKey, got tuple"):
        FrameKeyCoder().encode(("a", 0, 0))


@pytest.mark.skipif(
    Version(beam.__version__) < Version("2.77"),
    reason="older versions of Beam infer fewer types",
)
def test_beam_knows_the_fields() -> None:
    pipeline = beam.Pipeline()
    rows = pipeline | beam.Create([(FrameKey("a", 0, 0), 1)])
    picked = rows | beam.Select(
        stream=lambda kv: kv[0].stream,
        row=lambda kv: kv[0].row,
        time=lambda kv: kv[0].pts_seconds,
    )
    fields = dict(picked.element_type._fields)
    assert fields["stream"] is str
    assert fields["row"] is int
    assert fields["time"] == beam.typehints.Optional[float]


def untyped(key: Any, value: Any) -> Any:
    return key, value


@pytest.mark.parametrize("typed", [True, False])
def test_grouping_keeps_times(typed: bool, caplog: pytest.LogCaptureFixture) -> None:
    keys = [FrameKey("a", 0, row, row / 10 or None) for row in range(3)]
    with beam.Pipeline(runner=FnApiRunner(), options=IN_MEMORY) as pipeline:
        sides = {}
        for name in ("left", "right"):
            made = pipeline | name >> beam.Create(list(zip(keys, "xyz", strict=True)))
            if not typed:
                # Without an idea what the function gives.
                made = made | f"Untyped {name}" >> beam.MapTuple(untyped)
            sides[name] = made
        joined = (
            sides
            | beam.CoGroupByKey()
            | beam.MapTuple(
                lambda key, found: (key, list(found["left"]), list(found["right"]))
            )
        )
        assert_that(
            joined,
            equal_to([(k, [c], [c]) for k, c in zip(keys, "xyz", strict=True)]),
        )
    records = [r for r in caplog.records if r.name.startswith("apache_beam.coders")]
    warned = [r for r in records if r.levelno >= logging.WARNING]
    assert bool(warned) != typed


def test_order_is_by_row() -> None:
    keys = [FrameKey(s, g, r) for s, g, r in itertools.product("ab", (0, 2), (1, 10))]
    assert sorted(set(keys)) == keys


PROGRAM = """
    import sys
    from typing import Tuple
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from beam_scanner.elements.keys import FrameKey


    def late(row):
        return FrameKey("a", 0, row % 2, row % 2 / 10), row


    def total(kv, kind):
        return f"{kind} {kv[0]!r} {sum(kv[1])}"


    if __name__ == "__main__":
        with beam.Pipeline(options=PipelineOptions(sys.argv[1:])) as pipeline:
            rows = pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(late)
            same = beam.Map(lambda kv: kv).with_output_types(Tuple[FrameKey, int])
            kinds = {"untyped": rows, "typed": rows | "Typed" >> same}
            totals = [
                rows | f"Group {kind}" >> beam.GroupByKey() | kind >> beam.Map(total, kind)
                for kind, rows in kinds.items()
            ]
            (
                totals
                | beam.Flatten()
                | "All" >> beam.combiners.ToList()
                | "Write" >> beam.Map(lambda found: open("out", "w").write("|".join(found)))
            )
"""


@pytest.mark.slow
@pytest.mark.processes
def test_programs_with_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    python("program.py", *PROCESSES, cwd=tmp_path)
    assert sorted((tmp_path / "out").read_text().split("|")) == [
        f"{kind} FrameKey(stream='a', group=0, row={row}, pts_seconds={row / 10}) {total}"
        for kind in ("typed", "untyped")
        for row, total in ((0, 2), (1, 4))
    ]


def test_key_hints_survive_pickling() -> None:
    hint = Tuple[FrameKey, int]  # noqa: UP006
    assert pickler.loads(pickler.dumps(hint)) == hint
    coder = pickler.loads(pickler.dumps(beam.coders.registry.get_coder(FrameKey)))
    assert coder == FrameKeyCoder()
