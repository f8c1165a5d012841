"""The ops in C give what Python gives, by all instructions; and without a library."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from beam_scanner.errors import ElementTypeError, KernelError
from beam_scanner.kernels import KernelConfig, op_spec
from beam_scanner.ops import _native, register_ops
from beam_scanner.ops._native import NativeCompute, native_op
from beam_scanner.ops.difference import FrameDifference
from beam_scanner.ops.histogram import HistogramKernel, histogram_with_numpy
from beam_scanner.ops.shot_boundaries import _changes_with_numpy, find_boundaries
from beam_scanner.ops.shot_features import ShotFeatures, features_with_numpy
from tests.support.native_libraries import build

INSTRUCTIONS = ("plain", "ssse3", "avx2", "avx512")
CONFIG = KernelConfig()
EDGES = [0, 15, 16, 127, 128, 239, 240, 255]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, with the flags of an installation."""
    folder = tmp_path_factory.mktemp("ops")
    source = _native.LIBRARY.parent / "beam_scanner_ops.c"
    return build(folder / _native.LIBRARY.name, source, "-O3")


@pytest.fixture(scope="module", params=INSTRUCTIONS)
def compute(request: pytest.FixtureRequest, library: Path) -> Any:
    """Makes ops of the library that use certain instructions."""

    def make(name: str) -> NativeCompute:
        try:
            return NativeCompute(name, request.param, library)
        except KernelError as error:
            if "this machine has no" not in str(error):
                raise
            pytest.skip(str(error))

    return make


def test_some_instructions_are_everywhere(library: Path) -> None:
    assert NativeCompute("Histogram", "plain", library)
    with pytest.raises(KernelError, match="this machine has no mmx"):
        NativeCompute("Histogram", "mmx", library)


def frames(low: int, high: int, seed: int) -> Any:
    random = np.random.default_rng(seed)
    return random.integers(low, high, (*random.integers(1, 70, 2), 3), np.uint8)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), low=st.integers(0, 255))
def test_histograms(compute: Any, seed: int, low: int) -> None:
    native = compute("Histogram")
    frame = frames(low, 256, seed)
    np.testing.assert_array_equal(native(frame), histogram_with_numpy(frame))


@pytest.mark.parametrize("edge", EDGES)
def test_a_histogram_of_one_value(edge: int, compute: Any) -> None:
    """Every counter of a byte comes to its end, in more blocks than it holds."""
    native = compute("Histogram")
    frame = np.full((1000, 1001, 3), edge, np.uint8)
    frame[:, ::7, 1] = 255 - edge
    np.testing.assert_array_equal(native(frame), histogram_with_numpy(frame))


@pytest.mark.parametrize("pixels", [0, 1, 15, 16, 17, 255, 256, 257, 511, 1024, 1025])
def test_histograms_at_the_ends_of_blocks(pixels: int, compute: Any) -> None:
    native = compute("Histogram")
    frame = np.arange(pixels * 3).astype(np.uint8).reshape(1, pixels, 3)
    twin = histogram_with_numpy(frame)
    np.testing.assert_array_equal(native(frame), twin)
    assert native(frame).dtype == twin.dtype


def test_a_histogram_of_an_odd_address(compute: Any) -> None:
    native = compute("Histogram")
    memory = np.random.default_rng(7).integers(0, 256, 3 * 5000 + 64, np.uint8)
    for start in range(64):
        frame = memory[start : start + 15000].reshape(50, 100, 3)
        np.testing.assert_array_equal(native(frame), histogram_with_numpy(frame))


@settings(deadline=None, max_examples=60)
@given(st.data(), arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=40))
def test_differences(compute: Any, data: st.DataObject, shape: tuple[int, ...]) -> None:
    native = compute("FrameDifference")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    before, after = random.integers(0, 256, (2, *shape), np.uint8)
    expected = np.abs(before.astype(int) - after)
    found = native(before, after)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_every_difference_of_two_values(compute: Any) -> None:
    native = compute("FrameDifference")
    before, after = np.meshgrid(*[np.arange(256, dtype=np.uint8)] * 2)
    expected = np.abs(before.astype(int) - after)
    np.testing.assert_array_equal(native(before, after), expected)


COUNTS = arrays.arrays(
    np.int32,
    arrays.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=20),
    elements=st.one_of(
        st.integers(0, 2000), st.sampled_from([-(2**31), 2**31 - 1, 0, -1])
    ),
)


@settings(deadline=None, max_examples=60)
@given(counts=COUNTS)
def test_changes_of_histograms(compute: Any, counts: Any) -> None:
    found = compute("HistogramChanges")(counts)
    assert found.dtype == np.uint64
    expected = [0] * min(len(counts), 1)
    wide = counts.astype(object)
    for before, after in itertools.pairwise(wide):
        channels = zip(before, after, strict=True)
        most = [
            max((abs(b - a) for b, a in zip(*c, strict=True)), default=0)
            for c in channels
        ]
        expected.append(sum(most))
    assert found.tolist() == expected
    if counts.size:
        assert _changes_with_numpy(counts).tolist() == expected


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    height=st.one_of(st.integers(1, 30), st.sampled_from([359, 360, 540])),
    width=st.integers(1, 300),
)
def test_features_of_shots(compute: Any, seed: int, height: int, width: int) -> None:
    native = compute("ShotFeatures")
    random = np.random.default_rng(seed)
    low = random.integers(0, 256)
    frame = random.integers(low, 256, (height, width, 3), np.uint8)
    expected = features_with_numpy(frame)
    found = native(frame)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_features_of_the_brightest_frame(compute: Any) -> None:
    frame = np.full((2159, 40, 3), 255, np.uint8)
    expected = features_with_numpy(frame)
    np.testing.assert_array_equal(compute("ShotFeatures")(frame), expected)


# --- ops with the library, and without -----------------------------------------------


@pytest.fixture(params=[True, False], ids=["library", "none"])
def built(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> bool:
    """Whether the ops find a library."""
    path = request.getfixturevalue("library") if request.param else tmp_path / "none.so"
    monkeypatch.setattr(_native, "LIBRARY", path)
    monkeypatch.setattr(_native, "_checked", {})
    return bool(request.param)


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged of the library; threads of earlier tests may log, too."""
    return [record for record in caplog.records if record.name == _native.__name__]


def test_which_one_is_used(built: bool, caplog: pytest.LogCaptureFixture) -> None:
    kernel = HistogramKernel(CONFIG)
    assert isinstance(kernel._counts, NativeCompute) == built
    assert isinstance(FrameDifference(CONFIG)._of_bytes, NativeCompute) == built
    assert isinstance(ShotFeatures(CONFIG)._features, NativeCompute) == built
    assert told(caplog) == []


def test_ops_give_the_same(built: bool) -> None:
    frame = frames(0, 256, 11)
    shifted = np.roll(frame, 1, 0)
    counts = HistogramKernel(CONFIG).execute(frame[::-1])
    assert [each.dtype for each in counts] == [np.int32] * 3
    np.testing.assert_array_equal(counts, histogram_with_numpy(frame))
    difference = FrameDifference(CONFIG).execute([frame, shifted])
    np.testing.assert_array_equal(difference, np.abs(frame.astype(int) - shifted))
    floats = [frame.astype(np.float32), shifted.astype(np.float32)]
    np.testing.assert_array_equal(FrameDifference(CONFIG).execute(floats), difference)
    features = ShotFeatures(CONFIG).execute(frame)
    assert features == features_with_numpy(frame).tobytes()
    cut = np.zeros((40, 3, 16), np.int32)
    cut[20:] = 9
    assert find_boundaries(cut) == find_boundaries(cut.tolist()) == [20]


def test_errors_are_the_same(built: bool) -> None:
    kernel = HistogramKernel(CONFIG)
    for wrong in (np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.uint16)):
        with pytest.raises(ElementTypeError, match="Histogram expected an H x W x 3"):
            kernel.execute(wrong)
    pair = [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)]
    with pytest.raises(ElementTypeError, match="frames that differ in shape"):
        FrameDifference(CONFIG).execute(pair)


def test_fingerprints_do_not_tell_them_apart(
    library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register_ops()
    names = ("Histogram", "FrameDifference", "ShotBoundaries", "ShotFeatures")

    def digests() -> list[str]:
        HistogramKernel(CONFIG)
        ShotFeatures(CONFIG)
        find_boundaries(np.zeros((3, 3, 16), np.int32))
        return [op_spec(name).digest for name in names]

    monkeypatch.setattr(_native, "LIBRARY", tmp_path / "none.so")
    without = digests()
    monkeypatch.setattr(_native, "LIBRARY", library)
    monkeypatch.setattr(_native, "_checked", {})
    assert digests() == without


def test_a_library_that_gives_another_result_is_not_used(
    library: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_native, "LIBRARY", library)
    monkeypatch.setattr(_native, "_checked", {})
    frame = frames(0, 256, 3)

    def twin(frame: Any) -> Any:
        return histogram_with_numpy(frame) + np.int32(1)

    assert native_op("Histogram", twin, frame) is None
    assert native_op("Histogram", twin, frame) is None
    (record,) = told(caplog)
    assert record.levelno == logging.WARNING
    assert "gives another result than Python" in record.getMessage()


def test_a_library_that_cannot_be_opened_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(b"no library")
    monkeypatch.setattr(_native, "LIBRARY", path)
    monkeypatch.setattr(_native, "_checked", {})
    kernel = HistogramKernel(CONFIG)
    frame = frames(0, 256, 5)
    np.testing.assert_array_equal(kernel.execute(frame), histogram_with_numpy(frame))
    (record,) = told(caplog)
    assert "cannot be used" in record.getMessage()
