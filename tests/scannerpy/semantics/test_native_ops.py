"""Native ops in graphs: as Python's ops do, with their bytes; and when they do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_scanner import (
    CacheMode,
    Client,
    NamedStream,
    NamedVideoStream,
    NullElement,
    PerfParams,
    transforms,
)
from beam_scanner.errors import ElementTypeError, ScannerException
from beam_scanner.kernels import registered_ops, registry
from beam_scanner.ops import register_ops
from beam_scanner.transforms import ReadFromVideo, WriteToNamedStream, op
from beam_scanner.types import Histogram, get_type_info
from tests.support.native_libraries import build
from tests.support.targets import IN_MEMORY

ROWS = 9


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(
        tmp_path_factory.mktemp("native") / "libnative_ops.so", NAME='"Compiled"'
    )


@pytest.fixture
def sc(tmp_path: Path, library: Path) -> Iterator[Client]:
    register_ops()
    before = set(registered_ops())
    with Client(db_path=str(tmp_path / "db"), options=IN_MEMORY) as client:
        client.load_op(str(library))
        yield client
    for name in set(registered_ops()) - before:
        registry().remove(name)


def words(sc: Client, name: str = "words", type_: Any = bytes) -> NamedStream:
    stream = NamedStream(sc, name)
    if not stream.committed():
        stream.save([b"abcdefghi"[i : i + 1] for i in range(ROWS)], type_)
    return stream


def run(sc: Client, column: Any, name: str, **options: Any) -> list[Any]:
    output = NamedStream(sc, name)
    perf = PerfParams.manual(4, 4)
    sc.run(sc.io.Output(column, [output]), perf, show_progress=False, **options)
    return list(output.load())


def test_windows_batches_state_and_slices(sc: Client) -> None:
    value = sc.io.Input([words(sc)])
    found = run(sc, sc.ops.CompiledWindow(value=value), "window")
    assert found[:2] + found[-1:] == [b"1: a a b", b"1: a b c", b"1: h i i"]
    found = run(sc, sc.ops.CompiledWindow(value=value, stencil=[2]), "other window")
    assert found == [b"1: %c" % c for c in b"cdefghiii"]
    found = run(sc, sc.ops.CompiledBoth(value=value), "both")
    assert found[:4] == [b"3: a a", b"3: a b", b"3: b c", b"1: c d"]
    groups = sc.streams.Slice(value, [sc.partitioner.all(5)])
    joined = sc.ops.CompiledJoin(value=groups, prefix=["p"])
    found = run(sc, sc.streams.Unslice(joined), "joined")
    assert [text.partition(b"}")[2] for text in found[3:7]] == [
        b"abcd",
        b"abcde",
        b"f",
        b"fg",
    ]


def test_nulls(sc: Client) -> None:
    value = sc.streams.RepeatNull(
        sc.streams.Range(sc.io.Input([words(sc)]), [(0, 2)]), [2]
    )
    found = run(sc, sc.ops.CompiledWindow(value=value), "window")
    assert found[:2] == [b"1: a a null", b"1: a null b"]
    assert isinstance(found[2], NullElement)
    found = run(sc, sc.ops.CompiledBatch(value=value), "batch")
    assert [isinstance(each, NullElement) for each in found] == [
        False,
        True,
        False,
        True,
    ]
    assert found[2] == b"2: b"


def test_several_inputs_and_outputs(sc: Client, small_video: str) -> None:
    value = sc.io.Input([words(sc)])
    assert run(sc, sc.ops.CompiledAll(value, value, value), "all")[1] == b"1: b b b"
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=small_video)])
    some = sc.streams.Range(frames, [(0, 3)])
    copied, size = sc.ops.CompiledTwo(frame=sc.ops.CompiledAdd(frame=some, by=2))
    outputs = [NamedVideoStream(sc, "copy"), NamedStream(sc, "size")]
    sc.run(
        [
            sc.io.Output(copied.lossless(), [outputs[0]]),
            sc.io.Output(size, [outputs[1]]),
        ],
        PerfParams.estimate(),
        show_progress=False,
    )
    plain = list(NamedVideoStream(sc, "film").load(rows=[0, 1, 2]))
    for have, want in zip(outputs[0].load(), plain, strict=True):
        np.testing.assert_array_equal(have, want + np.uint8(2))
    assert list(outputs[1].load()) == [b"%d" % plain[0].nbytes] * 3


def test_typed_elements_are_checked(sc: Client, small_video: str) -> None:
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=small_video)])
    made = sc.ops.Histogram(frame=sc.streams.Range(frames, [(0, 3)]))
    plain = run(sc, made, "plain")
    same = run(sc, sc.ops.CompiledTyped(histogram=made), "same")
    assert NamedStream(sc, "same").type() == get_type_info(Histogram)
    for have, want in zip(same, plain, strict=True):
        np.testing.assert_array_equal(have, want)
    with pytest.raises(ScannerException, match=r"output 'same': .*191 bytes"):
        run(sc, sc.ops.CompiledTyped(histogram=made, less=1), "short")


def test_wrong_calls_are_refused_at_once(sc: Client) -> None:
    value = sc.io.Input([words(sc)])
    pickled = sc.io.Input([words(sc, "pickled", Any)])
    with pytest.raises(ElementTypeError, match="pickled Python objects"):
        sc.ops.CompiledBatch(value=pickled)
    with pytest.raises(
        ElementTypeError, match="argument 'way' of op CompiledWrong must be"
    ):
        sc.ops.CompiledWrong(value=value, way=3)
    with pytest.raises(ScannerException, match="needs the argument 'way'"):
        sc.ops.CompiledWrong(value=value)
    with pytest.raises(ScannerException, match="stream config argument"):
        sc.ops.CompiledJoin(value=value, prefix=("p",))
    with pytest.raises(ElementTypeError, match="argument 'prefix' of op CompiledJoin"):
        sc.ops.CompiledJoin(value=value, prefix=[3])
    with pytest.raises(ElementTypeError, match="argument 'prefix' of op CompiledJoin"):
        sc.ops.CompiledJoin(value=value, prefix=3)


def test_a_row_that_fails(sc: Client) -> None:
    stream = NamedStream(sc, "some")
    stream.save([b"a", b"x", b"b"], bytes)
    value = sc.io.Input([stream])
    out, _ = sc.ops.CompiledWrong(value=value, way="fail")
    with pytest.raises(ScannerException, match=r"op CompiledWrong, row 1: .*it fails"):
        run(sc, out, "failed")
    out, _ = sc.ops.CompiledWrong(value=value, way="fail", on_error="null")
    found = run(sc, out, "null")
    assert [isinstance(each, NullElement) for each in found] == [False, True, False]


def test_help(sc: Client) -> None:
    assert "by: int = 1" in str(sc.ops.CompiledAdd.__signature__)
    assert "What is added." in sc.ops.CompiledAdd.__doc__


def test_as_a_transform(sc: Client, small_video: str, tmp_path: Path) -> None:
    options = PipelineOptions(IN_MEMORY)
    with beam.Pipeline(options=options) as pipeline:
        added = pipeline | ReadFromVideo(small_video) | op("CompiledAdd")(by=1)
        made = added | transforms.Histogram()
        _ = made | WriteToNamedStream(sc.db_path, name="beam")
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=small_video)])
    plain = run(sc, sc.ops.Histogram(frame=sc.ops.CompiledAdd(frame=frames)), "plain")
    np.testing.assert_array_equal(list(NamedStream(sc, "beam").load()), plain)


def test_equal_work_is_not_done_twice(sc: Client) -> None:
    value = sc.io.Input([words(sc)])
    run(sc, sc.ops.CompiledBatch(value=value), "made")
    first = NamedStream(sc, "made").fingerprint()
    ignore = {"cache_mode": CacheMode.Ignore}
    run(sc, sc.ops.CompiledBatch(value=value), "made", **ignore)
    assert NamedStream(sc, "made").fingerprint() == first
