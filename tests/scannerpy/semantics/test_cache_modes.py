"""What runs do about results that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beam_scanner import (
    CacheMode,
    JobFailure,
    NamedStorage,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    ScannerException,
)
from tests.support.client_helpers import (
    files_of,
    numbers,
)
from tests.support.semantics import define, run

# Cache modes


def test_error_refuses_and_changes_nothing(sc, frame):
    number = sc.ops.SemNumber(frame=sc.streams.Range(frame, [(0, 5)]))
    output = NamedStream(sc, "out")
    run(sc, sc.io.Output(number, [output]), cache_mode=CacheMode.Error)
    before = files_of(sc.db_path)
    with pytest.raises(ScannerException, match="`out`"):
        run(sc, sc.io.Output(number, [output]), cache_mode=CacheMode.Error)
    assert files_of(sc.db_path) == before


@pytest.mark.slow
def test_ignore_knows_what_changed(sc, test_video, small_video):
    """Nothing is run for a result that is there; anything else is another result."""
    output = NamedStream(sc, "out")
    kernel = """
        from typing import Any
        from beam_scanner import register_python_op
        SHIFT = {shift}
        @register_python_op(version={version!r})
        def SemChanging(config, x: Any) -> Any:
            return x + SHIFT {more}
        """

    def graph(rows=(0, 4), scale=1, offset=0, video=test_video, name="film"):
        source = sc.io.Input([NamedVideoStream(sc, name, path=video)])
        number = sc.ops.SemNumber(frame=sc.streams.Range(source, [rows]))
        scaled = sc.ops.SemScale(x=number, scale=scale, offset=[offset])
        return sc.io.Output(sc.ops.SemChanging(x=scaled), [output])

    def ignored(**changes):
        """Whether a run did nothing; and what it then has."""
        job = run(sc, graph(**changes), cache_mode=CacheMode.Ignore)
        return job is None, list(output.load())

    define(kernel.format(shift=100, version="1", more=""))
    assert ignored() == (False, [100, 101, 102, 103])
    assert ignored() == (True, [100, 101, 102, 103])
    # The same code once more, as when a cell is run again.
    define(kernel.format(shift=100, version="1", more=""))
    assert ignored()[0]
    assert ignored(rows=(1, 3)) == (False, [101, 102])
    assert ignored(rows=(1, 3)) == (True, [101, 102])
    assert ignored(scale=2) == (False, [100, 102, 104, 106])
    assert ignored(scale=2, offset=5) == (False, [105, 107, 109, 111])
    assert ignored(scale=2, offset=5)[0]
    changed = {"scale": 2, "offset": 5}
    define(kernel.format(shift=100, version="1", more="+ 1"))
    assert ignored(**changed) == (False, [106, 108, 110, 112])
    define(kernel.format(shift=200, version="1", more="+ 1"))
    assert ignored(**changed) == (False, [206, 208, 210, 212])
    define(kernel.format(shift=200, version="2", more="+ 1"))
    assert ignored(**changed) == (False, [206, 208, 210, 212])
    assert ignored(**changed)[0]
    assert ignored(video=small_video, name="other", rows=(0, 1)) == (False, [1201])
    output.delete(sc)
    assert ignored(video=small_video, name="other", rows=(0, 1)) == (False, [1201])


def test_ignore_runs_only_what_is_missing(sc, test_video, small_video):
    def graph(names):
        streams = [
            NamedVideoStream(sc, name, path=test_video if name == "a" else small_video)
            for name in names
        ]
        source = sc.streams.Range(sc.io.Input(streams), [(0, 3)] * len(names))
        number = sc.ops.SemNumber(frame=source)
        return [
            sc.io.Output(number, [NamedStream(sc, f"{name}.no") for name in names]),
            sc.io.Output(source, [NamedVideoStream(sc, f"{name}.v") for name in names]),
        ]

    run(sc, graph("ab"), cache_mode=CacheMode.Ignore)
    job = run(sc, graph("abc"), cache_mode=CacheMode.Ignore)
    report = sc.report(job)
    assert (report.committed, report.cached) == (["c.no"], ["a.no", "b.no"])
    # One of two outputs is gone: the job is run, and both are the same run's.
    NamedStream(sc, "b.no").delete()
    report = sc.report(run(sc, graph("abc"), cache_mode=CacheMode.Ignore))
    assert (report.committed, report.cached) == (["b.no"], ["a.no", "c.no"])
    assert list(NamedStream(sc, "b.no").load()) == [1000, 1001, 1002]
    assert numbers(NamedVideoStream(sc, "b.v")) == [1000, 1001, 1002]
    assert run(sc, graph("abc"), cache_mode=CacheMode.Ignore) is None


def test_one_name_in_two_databases_is_two_jobs(sc, tmp_path):
    letters = NamedStream(sc, "letters of two")
    letters.save(list(range(8)), Any)
    places = [NamedStorage(str(tmp_path / name)) for name in ("left", "right")]
    outputs = [NamedStream(place, "same name") for place in places]
    taken = sc.io.Input([letters, letters])
    job = run(sc, sc.io.Output(taken, outputs), PerfParams.manual(2, 2))
    assert [list(output.load()) for output in outputs] == [list(range(8))] * 2
    # Shared manifests would name the files of one database for both.
    assert sc.report(job).tasks == 8


def test_a_result_is_known_whatever_was_made_with_it(sc, frame):
    numbers_, differences = NamedStream(sc, "kn"), NamedStream(sc, "kd")
    some = sc.streams.Range(frame, [(0, 8)])
    made = [
        sc.io.Output(sc.ops.SemNumber(frame=some), [numbers_]),
        sc.io.Output(sc.ops.FrameDifference(frame=some), [differences]),
    ]
    run(sc, made)
    assert run(sc, made[1], cache_mode=CacheMode.Ignore) is None
    assert run(sc, made[::-1], cache_mode=CacheMode.Ignore) is None


@pytest.mark.slow
def test_overwrite_keeps_the_old_stream_until_the_new_one_is_there(sc, frame):
    output = NamedStream(sc, "out")
    number = sc.ops.SemNumber(frame=frame)

    def attempt(on):
        made = sc.ops.SemFails(x=number, on=on)
        run(sc, sc.io.Output(made, [output]), PerfParams.manual(8, 24))

    attempt(())
    first, files = output.files(), files_of(sc.db_path)
    # All but the last of 30 tasks succeed.
    with pytest.raises(JobFailure, match="row 719: ValueError: not 719"):
        attempt((719,))
    assert output.files() == first
    assert list(output.load()) == list(range(720))
    # What the other tasks made is kept, unseen, for the next attempt at the same.
    assert files <= files_of(sc.db_path)
    again = sc.io.Output(sc.ops.SemFails(x=number, on=(719,)), [output])
    job = run(sc, again, PerfParams.manual(8, 24), on_failure="return")
    assert sc.report(job).reused == 29
    assert [f.row for f in sc.report(job).failures] == [719]
    assert output.files() == first
    attempt(("other",))
    assert output.len() == 720
    assert not set(output.files()) & set(first)
    assert not any(Path(file).exists() for file in first)
