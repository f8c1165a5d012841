from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from beam_scanner import (
    JobFailure,
    NamedStorage,
    NamedStream,
    PerfParams,
)
from beam_scanner.graph.nodes import InputNode, OpColumn, OutputNode
from beam_scanner.kernels import register_python_op
from beam_scanner.run.pickled_outputs import may_infer
from tests.support.client_helpers import IN_MEMORY, PROCESSES, THREADS, open_client

SMALL_TASKS = PerfParams.manual(work_packet_size=2, io_packet_size=2)


@dataclasses.dataclass
class Word:
    text: str
    more: list[float] | None


class Count(NamedTuple):
    words: int
    last: Word | None


@register_python_op(name="TypedWord")
def typed_word(config: Any, text: bytes) -> Word:
    return Word(text.decode(), [len(text) / 2] if len(text) > 1 else None)


@register_python_op(name="TypedCounts", batch=3)
def typed_counts(config: Any, word: Sequence[Word]) -> Sequence[Count | None]:
    return [None if w.more is None else Count(len(w.text), w) for w in word]


@register_python_op(name="TypedWrong")
def typed_wrong(config: Any, text: bytes) -> dict[str, float]:
    half: Any = "?" if text == b"not" else 0.5
    return {"length": len(text), "half": half}


@register_python_op(name="AnyWord")
def any_word(config: Any, text: bytes) -> Any:
    return {"text": text.decode(), "more": [len(text)] if len(text) > 3 else []}


@register_python_op(name="AnyMixed")
def any_mixed(config: Any, text: bytes) -> Any:
    return 0 if len(text) > 2 else len(text) / 2


@register_python_op(name="AnyLengths", unbounded_state=True)
class AnyLengths:
    def __init__(self, config: Any) -> None:
        self.seen = 0

    def reset(self) -> None:
        self.seen = 0

    def execute(self, word: Any) -> int:
        self.seen += len(word["more"])
        return self.seen


WORDS = [b"to", b"be", b"or", b"not", b"to", b"be", b"that", b"is", b"the", b"question"]


def _source(sc: Any) -> Any:
    stream = NamedStream(sc, "words")
    stream.save(WORDS)
    return sc.io.Input([stream])


def _run(sc: Any, column: Any, name: str, **options: Any) -> NamedStream:
    stream = NamedStream(sc, name)
    output = sc.io.Output(column, [stream])
    sc.run(output, SMALL_TASKS, show_progress=False, **options)
    return stream


def test_classes_go_from_op_to_op_and_come_back(sc: Any) -> None:
    words = sc.ops.TypedWord(text=_source(sc))
    counts = _run(sc, sc.ops.TypedCounts(word=words), "counts")
    kept = _run(sc, words, "kept")
    expected = [Word(w.decode(), [len(w) / 2]) for w in WORDS]
    assert list(kept.load()) == expected
    assert list(counts.load()) == [Count(len(w.text), w) for w in expected]
    query = (
        f"select value.text, value.more[1] from read_parquet({kept.files()}) limit 1"
    )
    assert duckdb.sql(query).fetchall() == [("to", 1.0)]
    # What is stored is an input like any other.
    again = sc.ops.TypedCounts(word=sc.io.Input([kept]))
    assert list(_run(sc, again, "again").load()) == list(counts.load())


def test_a_wrong_value_names_op_stream_row_and_place(sc: Any) -> None:
    with pytest.raises(JobFailure) as caught:
        _run(sc, sc.ops.TypedWrong(text=_source(sc)), "wrong")
    (failure,) = caught.value.failures
    assert (failure.stream, failure.op, failure.row) == ("wrong", "TypedWrong", 3)
    expected = "type dict[str, float] at ['half'] expected a number, got str '?'"
    assert expected in failure.reason
    assert not NamedStream(sc, "wrong").committed()


def test_null_rows_and_none(sc: Any) -> None:
    spaced = sc.streams.RepeatNull(_source(sc), [2])
    words = sc.ops.TypedWord(text=spaced)
    found = list(_run(sc, sc.ops.TypedCounts(word=words), "counts").load())
    assert [type(row).__name__ for row in found[:2]] == ["Count", "NullElement"]


def test_tasks_whose_values_differ_agree_on_a_type(sc: Any) -> None:
    stream = _run(sc, sc.ops.AnyWord(text=_source(sc)), "words of any")
    assert (
        stream.descriptor().type_name
        == "Any[typed_dict('', {'text': str, 'more': list[int]})]"
    )
    assert len(stream.files()) == 5
    assert list(stream.load())[3:7:3] == [
        {"text": "not", "more": []},
        {"text": "that", "more": [4]},
    ]
    read = f"read_parquet({stream.files()}) order by row"
    found = duckdb.sql(f"select value.text, value.more from {read}").fetchall()
    assert found[6] == ("that", [4])
    lengths = sc.ops.AnyLengths(word=sc.io.Input([stream]))
    assert list(_run(sc, lengths, "lengths").load())[-1] == 2


def test_phases_hand_on_what_has_no_declared_type(sc: Any) -> None:
    words = sc.ops.AnyWord(text=_source(sc))
    assert list(_run(sc, sc.ops.AnyLengths(word=words), "sum").load())[-1] == 2


def test_values_without_one_type_are_named_at_commit(sc: Any) -> None:
    with pytest.warns(UserWarning, match="as one type") as caught:
        stream = _run(sc, sc.ops.AnyMixed(text=_source(sc)), "mixed")
    (text,) = [str(w.message) for w in caught if "as one type" in str(w.message)]
    assert text.startswith(
        "values of op AnyMixed cannot be stored as one type (float, int): "
    )
    assert "stream 'mixed' holds them as pickles" in text
    assert "as in `-> float`" in text
    assert {type(value) for value in stream.load()} == {int, float}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:values of op AnyMixed cannot be stored as one type")
def test_runners_write_the_same_bytes(tmp_path: Path) -> None:
    found = [
        _digests(tmp_path / str(number), options)
        for number, options in enumerate((IN_MEMORY, THREADS, PROCESSES))
    ]
    assert found[0] == found[1] == found[2]


def _digests(folder: Path, options: Any) -> list[str]:
    """Of all files of three streams, in the order of their rows."""
    with open_client(folder, options) as sc:
        source = _source(sc)
        columns = [
            sc.ops.TypedWord(text=source),
            sc.ops.AnyWord(text=source),
            sc.ops.AnyMixed(text=source),
        ]
        made = [_run(sc, c, f"made {n}").files() for n, c in enumerate(columns)]
    return [_digest(file) for files in made for file in files]


def _digest(file: str) -> str:
    return hashlib.blake2b(Path(file).read_bytes()).hexdigest()


def test_pickles_of_strangers_are_not_read_to_find_their_type(tmp_path: Path) -> None:
    ours = NamedStorage(tmp_path)
    NamedStream(ours, "odd").save([1], Any)
    column = {trusted: _column(tmp_path, trusted) for trusted in (True, False)}
    assert may_infer(OutputNode(column[True], (NamedStream(ours, "a"),)))
    assert not may_infer(OutputNode(column[False], (NamedStream(ours, "a"),)))


def _column(folder: Path, trusted: bool) -> OpColumn:
    theirs = NamedStream(NamedStorage(folder, trusted=trusted), "odd")
    return OpColumn(InputNode((theirs,)), 0, theirs.type())
