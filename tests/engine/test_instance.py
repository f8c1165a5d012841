"""What kernels may return, what happens when they fail, and what they log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from beam_scanner.engine.instance import OpError
from beam_scanner.errors import GraphError
from beam_scanner.graph.nodes import OpColumn
from beam_scanner.kernels import Kernel
from beam_scanner.rows.samplers import Gather
from beam_scanner.types import FrameType
from tests.support.fake_reader import FakeReader
from tests.support.harness import (
    Runner,
    call,
    outputs_of,
    run_columns,
    sampled,
    source,
)
from tests.support.odd_exceptions import odd_class


def one(column: OpColumn, source_column: OpColumn, values: Any, **options: Any) -> Any:
    return run_columns([column], {source_column: values}, **options)[0]


# -- elements ------------------------------------------------------------------------


def test_an_op_of_bytes_is_given_serialized_elements() -> None:
    def raw(config: Any, x: bytes) -> bytes:
        assert isinstance(x, bytes)
        return x

    frames = source()
    node = call(raw, frames)
    info = frames.type
    assert info is not None
    got = one(node.outputs()[0], frames, [(1, 2)])
    assert got == [info.serialize((1, 2))]


def test_an_op_of_anything_is_given_bytes_as_they_are() -> None:
    def shown(config: Any, x: Any) -> Any:
        return repr(x)

    data = source("bytes")
    assert one(call(shown, data).outputs()[0], data, [b"ab"]) == ["b'ab'"]


def test_frames_cannot_go_to_an_op_of_blobs() -> None:
    def same(config: Any, x: Any) -> Any:
        return x

    frames = source("frame")
    with pytest.raises(GraphError, match="frames were connected"):
        one(call(same, frames).outputs()[0], frames, [np.zeros((1, 1, 3), np.uint8)])


def test_no_kernel_sees_what_another_does_to_a_blob() -> None:
    def spoil(config: Any, x: Any) -> Any:
        x.append("spoilt")
        return len(x)

    def look(config: Any, x: Any) -> Any:
        return x

    frames = source()
    columns = [call(spoil, frames).outputs()[0], call(look, frames).outputs()[0]]
    values = [[1], [2]]
    assert run_columns(columns, {frames: values}) == [[2, 2], [[1], [2]]]
    assert values == [[1], [2]]


def frame(value: int) -> np.ndarray:
    return np.full((2, 3, 3), value, np.uint8)


def test_a_kernel_may_use_its_buffer_again() -> None:
    class Buffer(Kernel):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.buffer = np.zeros((2, 3, 3), np.uint8)

        def execute(self, x: Any) -> FrameType:
            self.buffer[:] = x
            return self.buffer

    numbers = source()
    got = one(call(Buffer, numbers).outputs()[0], numbers, range(5))
    assert [made[0, 0, 0] for made in got] == [0, 1, 2, 3, 4]


def test_a_kernel_may_write_into_a_frame_that_is_its_own() -> None:
    def invert(config: Any, frame: FrameType) -> FrameType:
        frame[:] = 255 - frame
        return frame

    frames = source("frame")
    got = one(call(invert, frames).outputs()[0], frames, [frame(1), frame(2)])
    assert [made[0, 0, 0] for made in got] == [254, 253]


@pytest.mark.parametrize(
    "write",
    [
        lambda frame: frame.fill(0),
        lambda frame: np.subtract(255, frame, out=frame),
        lambda frame: cv2.rectangle(frame, (0, 0), (1, 1), (255, 0, 0)),
    ],
)
def test_a_kernel_may_not_write_into_a_frame_that_others_use(write: Any) -> None:
    def written(config: Any, frame: FrameType) -> FrameType:
        write(frame)
        return frame

    frames = source("frame")
    columns = [call(written, frames).outputs()[0], frames]
    with pytest.raises(OpError, match="copy it before writing into it"):
        run_columns(columns, {frames: [frame(1)]})


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        (np.zeros((4, 6), np.uint8), (4, 6, 1)),
        (np.zeros((4, 6, 3), np.uint8)[::2, ::3], (2, 2, 3)),
        (np.zeros((4, 6, 3), np.uint8).transpose(1, 0, 2), (6, 4, 3)),
        (np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 4, 3), (2, 4, 3)),
        (np.zeros((5, 7, 2), np.float64), (5, 7, 2)),
        (np.zeros((3, 3, 3), bool), (3, 3, 3)),
        (np.zeros((0, 4, 3), np.uint8), (0, 4, 3)),
        (np.zeros(5, np.uint8), (5,)),
        (np.zeros((2, 2, 3, 4), np.uint8), (2, 2, 3, 4)),
    ],
)
def test_frames_of_any_dtype_shape_and_layout(made: np.ndarray, shape: Any) -> None:
    def make(config: Any, x: Any) -> FrameType:
        return made

    numbers = source()
    (got,) = one(call(make, numbers).outputs()[0], numbers, [0])
    assert got.dtype == made.dtype
    assert got.shape == shape
    assert np.array_equal(got, made.reshape(shape))
    assert got.flags.c_contiguous
    assert not np.shares_memory(got, made)


# -- failures ------------------------------------------------------------------------


def execute(self: Any, x: Any) -> Any:
    return x


def failure(
    kernel: Any, values: Any = (7, 8), kind: str = "any", **more: Any
) -> OpError:
    column = source(kind)
    with pytest.raises(OpError) as caught:
        one(call(kernel, column, **more).outputs()[0], column, values)
    assert not [t for t in threading.enumerate() if t.name == "read"]
    return caught.value


def test_an_exception_names_op_and_row_and_has_the_traceback() -> None:
    def bad(config: Any, x: Any) -> Any:
        if x == 8:
            raise KeyError("lost")
        return x

    error = failure(bad)
    assert (error.op, error.row) == ("bad", 1)
    assert "KeyError: 'lost'" in str(error)
    assert 'raise KeyError("lost")' in error.details


@pytest.mark.parametrize("method", ["__init__", "setup_with_resources"])
def test_an_exception_before_the_first_row(method: str) -> None:
    def fail(self: Any, config: Any = None) -> None:
        raise OSError("no model")

    body = {"execute": execute, method: fail}
    kernel = type("Broken", (Kernel,), body)
    error = failure(kernel)
    assert error.row is None
    assert "op Broken: OSError: no model" in str(error)


@pytest.mark.parametrize("method", ["reset", "new_stream"])
def test_an_exception_while_a_stream_begins(method: str) -> None:
    def fail(self: Any) -> None:
        raise OSError("cannot")

    error = failure(type("Broken", (Kernel,), {"execute": execute, method: fail}))
    assert error.row == 0
    assert "OSError: cannot" in str(error)


def test_close_that_fails_does_not_hide_the_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Kernel):
        def close(self) -> None:
            raise OSError("cannot close")

        def execute(self, x: Any) -> Any:
            raise KeyError("why")

    assert "KeyError: 'why'" in str(failure(Broken))
    assert "closing op Broken failed" in caplog.text


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1], "has 1 elements for a call with 2 rows"),
        ([1, 2, 3], "has 3 elements for a call with 2 rows"),
        ([], "has 0 elements for a call with 2 rows"),
        (None, "must be a sequence with one element a row, got NoneType"),
        (b"ab", "must be a sequence with one element a row, got bytes"),
        (5, "must be a sequence with one element a row, got int"),
    ],
)
def test_a_batch_of_the_wrong_length(result: Any, message: str) -> None:
    def bad(config: Any, x: Sequence[Any]) -> Sequence[Any]:
        return result

    error = failure(bad, batch=2)
    assert message in str(error)
    assert error.op == "bad"
    assert message in str(failure(bad, whole_stream=True))


def test_an_output_too_few() -> None:
    def bad(config: Any, x: Any) -> tuple[Any, Any]:
        return (1,)  # type: ignore[return-value]

    assert "2" in str(failure(bad))


@pytest.mark.parametrize("result", [None, 5, [b"a"]])
def test_a_value_that_is_not_bytes(result: Any) -> None:
    def bad(config: Any, x: Any) -> bytes:
        return result

    error = failure(bad)
    assert (error.op, error.row) == ("bad", 0)
    assert "row 0: its output: " in str(error)
    assert "ret0" not in str(error)


def test_a_value_that_cannot_be_pickled() -> None:
    def bad(config: Any, x: Any) -> Any:
        return (each for each in ())

    assert "row 0: its output: " in str(failure(bad))


@pytest.mark.parametrize("what", ["__getattribute__", "__class__", "__dict__"])
def test_an_exception_whose_class_raises_keeps_its_op_and_row(what: str) -> None:
    def bad(config: Any, x: Any) -> Any:
        raise odd_class(what)()

    error = failure(bad)
    assert (error.op, error.row, error.reason) == ("bad", 0, "Odd: text")
    assert "raise odd_class(what)()" in error.details


def test_several_outputs_are_told_apart() -> None:
    def bad(config: Any, x: Any) -> tuple[bytes, bytes]:
        return b"", 5  # type: ignore[return-value]

    assert "row 0: output 'ret1': " in str(failure(bad))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "must be a frame (a numpy array of H x W x C), got NoneType"),
        ([[1]], "must be a frame (a numpy array of H x W x C), got list"),
        (b"", "must be a frame"),
        (np.uint8(3), "must be a frame"),
        (np.array(3), "must be a frame"),
        (np.array([[None]]), "cannot have dtype object"),
    ],
)
def test_a_value_that_is_not_a_frame(result: Any, message: str) -> None:
    def bad(config: Any, x: Any) -> FrameType:
        return result

    error = failure(bad)
    assert (error.op, error.row) == ("bad", 0)
    assert message in str(error)


def test_a_reader_that_fails() -> None:
    class Broken(FakeReader):
        def read(self, rows: Any) -> list[Any]:
            if 6 in rows:
                raise OSError("damaged")
            return super().read(rows)

    frames = source()
    it = Runner(outputs_of(frames), 0, {id(frames.node): lambda: Broken(range(9))})
    with pytest.raises(OSError, match="damaged"):
        it.run([(0, 9)], 2)
    assert not [t for t in threading.enumerate() if t.name == "read"]


def test_a_kernel_that_fails_stops_reading() -> None:
    readers = []

    def reader() -> FakeReader:
        readers.append(FakeReader(range(10_000)))
        return readers[-1]

    def bad(config: Any, x: Any) -> Any:
        raise KeyError("lost")

    frames = source()
    node = call(bad, frames)
    it = Runner(outputs_of(node.outputs()[0]), 0, {id(frames.node): reader})
    with pytest.raises(OpError):
        it.run([(0, 10_000)], 10)
    assert max(len(reader.given) for reader in readers) <= 50


def test_reading_does_not_run_far_ahead() -> None:
    reader = FakeReader(range(10_000))
    ahead = []

    def slow(config: Any, x: Any) -> Any:
        ahead.append(len(reader.given) - x)
        return x

    frames = source()
    node = call(slow, frames)
    it = Runner(outputs_of(node.outputs()[0]), 0, {id(frames.node): lambda: reader})
    it.run([(0, 10_000)], 10)
    assert max(ahead) <= 50


# -- logs ----------------------------------------------------------------------------


def test_log_lines_carry_stream_op_and_row(caplog: pytest.LogCaptureFixture) -> None:
    class Talk(Kernel):
        def new_stream(self) -> None:
            logging.getLogger("mine").warning("begin")

        def execute(self, x: Any) -> Any:
            logging.getLogger("mine").warning("saw %s", x)
            return x

    frames = source()
    node = call(Talk, sampled(frames, Gather((4, 6))))
    one(node.outputs()[0], frames, range(9))
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "[stream 'job', op Talk, row 0] begin",
        "[stream 'job', op Talk, row 0] saw 4",
        "[stream 'job', op Talk, row 1] saw 6",
    ]
    caplog.clear()
    logging.getLogger("mine").warning("outside")
    assert [record.getMessage() for record in caplog.records] == ["outside"]


def test_log_lines_of_a_failure_do_not_stick(caplog: pytest.LogCaptureFixture) -> None:
    def bad(config: Any, x: Any) -> Any:
        raise KeyError("lost")

    failure(bad)
    logging.getLogger("mine").warning("outside")
    assert caplog.records[-1].getMessage() == "outside"
