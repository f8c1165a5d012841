"""Whether the results of a job are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner.run.existing_results import Results, holds, is_spent, was_made_by
from beam_scanner.run.job_files import JobFiles
from beam_scanner.storage.stored_rows import Publication, SegmentTask
from beam_scanner.storage.streams.named import NamedStorage, NamedStream
from beam_scanner.types.type_info import get_type_info

WANTED = ("first", "second")


@pytest.fixture
def storage(tmp_path: Path) -> NamedStorage:
    storage = NamedStorage(str(tmp_path))
    storage.store(create=True)
    return storage


def publish(stream: NamedStream, token: str, fingerprint: str) -> None:
    writer = stream.segment_writer(
        SegmentTask(token, 0, "attempt", 0, None, get_type_info(bytes))
    )
    record: Any = writer.finish()
    stream.publish(
        Publication(token, [record], fingerprint, token, "source", type_name="Bytes")
    )


def streams(storage: NamedStorage) -> list[NamedStream]:
    return [NamedStream(storage, name) for name in ("a", "b")]


def results(storage: NamedStorage) -> Results:
    return Results(JobFiles(storage.store(), "f"), streams(storage), WANTED)


def test_nothing_is_there(storage: NamedStorage) -> None:
    found = results(storage)
    assert not found.are_there()
    assert not found.are_published()
    assert found.in_the_way() == []


def test_what_an_earlier_run_has_made_is_there_and_in_the_way(
    storage: NamedStorage,
) -> None:
    for stream, fingerprint in zip(streams(storage), WANTED, strict=True):
        publish(stream, "old", fingerprint)
    found = results(storage)
    assert found.are_there()
    assert not found.are_published()
    assert [stream.name() for stream in found.in_the_way()] == ["a", "b"]


@pytest.mark.parametrize("wrong", ["first", "other"])
def test_another_result_is_in_the_way_alone(storage: NamedStorage, wrong: str) -> None:
    publish(streams(storage)[1], "old", wrong)
    found = results(storage)
    assert not found.are_there()
    assert [stream.name() for stream in found.in_the_way()] == ["b"]


def test_what_an_interrupted_run_has_published_is_not_in_the_way(
    storage: NamedStorage,
) -> None:
    token = JobFiles(storage.store(), "f").begin(("", ""))
    first, second = streams(storage)
    publish(first, token, "first")
    assert results(storage).in_the_way() == []
    assert not results(storage).are_published()
    publish(second, token, "second")
    assert results(storage).are_published()


def test_a_stream_whose_files_are_gone_holds_nothing(storage: NamedStorage) -> None:
    stream = streams(storage)[0]
    stream.save([b"x"])
    found = stream.descriptor()
    assert holds(stream, found.fingerprint)
    assert not holds(stream, "other")
    assert was_made_by(stream, found.run)
    for file in stream.files():
        Path(file).unlink()
    assert not holds(stream, found.fingerprint)
    assert not was_made_by(stream, found.run)
    files = JobFiles(storage.store(), "f")
    assert is_spent(files, [stream], ["other"], found.generation)


def test_a_stream_that_was_published_and_removed_is_spent(
    storage: NamedStorage,
) -> None:
    files, (stream, other) = JobFiles(storage.store(), "f"), streams(storage)
    token = files.begin(("", ""))
    publish(stream, token, "first")
    assert not is_spent(files, [stream, other], WANTED, token)
    files.put_published(0, [[1, "first"]])
    assert not is_spent(files, [stream, other], WANTED, token)
    stream.delete()
    assert is_spent(files, [stream, other], WANTED, token)
