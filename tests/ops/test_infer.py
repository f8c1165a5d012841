"""Infer: models of every kind, against what they say row by row."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest

from beam_scanner import (
    CacheMode,
    Client,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    errors,
)
from beam_scanner.kernels import KernelConfig
from beam_scanner.ops.infer import InferKernel
from beam_scanner.transforms import Infer, ReadFromVideo, WriteToNamedStream
from beam_scanner.types import FrameType
from tests.support.client_helpers import PROCESSES, THREADS, open_client
from tests.support.models import (
    Means,
    NumberHandler,
    as_floats,
    first,
    note,
    noted,
    onnx_means,
)
from tests.support.video_fixtures import frame_number, make_video

PERF = PerfParams.manual(8, 16)
ROWS = 60


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_video(tmp_path_factory.mktemp("film") / "film.mp4", ROWS, gop=12)


@pytest.fixture
def loads(tmp_path: Path) -> Path:
    """A folder for notes of loads."""
    folder = tmp_path / "loads"
    folder.mkdir()
    return folder


def whole(value: Any) -> int:
    return int(value)


def run(
    sc: Client,
    film: str,
    model: Any,
    *,
    perf: Any = PERF,
    name: str = "out",
    **args: Any,
) -> tuple[list[Any], Any]:
    """What a model says of the rows of a film, and the report."""
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    column = sc.ops.Infer(frame=frames, model_handler=model, **args)
    out = NamedStream(sc, name)
    output = sc.io.Output(column, [out])
    job = sc.run(output, perf, cache_mode=CacheMode.Overwrite, show_progress=False)
    return list(out.load()), sc.report(job)


# Kinds of models


def test_a_handler(sc: Client, film: str, loads: Path) -> None:
    found, _ = run(sc, film, NumberHandler(loads), batch=7, postprocess=whole)
    assert found == list(range(ROWS))


def test_handlers_of_its_functions_and_arguments(
    sc: Client, film: str, loads: Path
) -> None:
    handler = (
        NumberHandler(loads)
        .with_preprocess_fn(lambda pair: pair[1])
        .with_postprocess_fn(
            lambda result: result._replace(inference=-result.inference)
        )
    )
    found, _ = run(
        sc,
        film,
        handler,
        preprocess=lambda frame: ("the frame", frame),
        postprocess=lambda number: ["minus", number],
        inference_args={"more": 1000},
    )
    assert found == [["minus", -1000 - number] for number in range(ROWS)]


def test_functions_of_a_handler_that_takes_whole_batches(
    sc: Client, film: str, loads: Path
) -> None:
    sizes = NumberHandler(loads).with_preprocess_fn(lambda b: b[::-1])
    found, _ = run(
        sc, film, sizes.with_no_batching(), batch=4, perf=PerfParams.manual(20, 20)
    )
    reversed_ = [row // 4 * 4 + 3 - row % 4 for row in range(ROWS)]
    assert found == reversed_


def test_a_class_and_a_callable(sc: Client, film: str) -> None:
    means = [frame.mean() for frame in NamedVideoStream(sc, "f", path=film).load()]
    for model in (Means, Means(), lambda batch: 2 * batch.mean(axis=(1, 2, 3))):
        found, _ = run(sc, film, model)
        assert np.allclose(found, [2 * mean for mean in means])


def test_windows_are_clips(sc: Client, film: str) -> None:
    def shape(batch: Any) -> list[Any]:
        return [(batch.shape, [frame_number(f) for f in clip]) for clip in batch]

    found, _ = run(sc, film, shape, stencil=[-1, 0, 2], batch=4)
    assert found[17] == ((4, 3, 48, 64, 3), [16, 17, 19])
    assert found[-1][1] == [58, 59, 59]


def test_a_window_goes_through_preprocess_as_one(
    sc: Client, film: str, loads: Path
) -> None:
    def last(clip: Any) -> Any:
        assert clip.shape == (2, 48, 64, 3)
        return clip[1]

    handler = NumberHandler(loads)
    found, _ = run(sc, film, handler, stencil=[0, 1], preprocess=last)
    assert found == [*range(1, ROWS), ROWS - 1]


def test_frames_out(sc: Client, film: str) -> None:
    def halves(batch: Any) -> Sequence[FrameType]:
        return batch // 2

    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    column = sc.ops.Infer(frame=frames, model_handler=halves)
    assert column.type is None
    out = NamedVideoStream(sc, "half")
    sc.run(sc.io.Output(column.lossless(), [out]), PERF, show_progress=False)
    given = list(NamedVideoStream(sc, "film").load())
    assert all(
        np.array_equal(a // 2, b) for a, b in zip(given, out.load(), strict=True)
    )


def test_rows_that_are_no_frames(sc: Client, film: str) -> None:
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    histograms = sc.ops.Histogram(frame=frames)

    def total(batch: Any) -> list[int]:
        return [int(np.sum(histogram)) for histogram in batch]

    column = sc.ops.Infer(frame=histograms, model_handler=total)
    out = NamedStream(sc, "out")
    sc.run(sc.io.Output(column, [out]), PERF, show_progress=False)
    assert list(out.load()) == [3 * 48 * 64] * ROWS


def two(number: Any, row: FrameType) -> tuple[int, str]:
    assert frame_number(row) == number
    return number, f"frame {number}"


def test_several_outputs_and_the_row(sc: Client, film: str, loads: Path) -> None:
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    columns: Any = sc.ops.Infer(
        frame=frames, model_handler=NumberHandler(loads), postprocess=two
    )
    outs = [NamedStream(sc, "a"), NamedStream(sc, "b")]
    outputs = [sc.io.Output(c, [s]) for c, s in zip(columns, outs, strict=True)]
    sc.run(outputs, PERF, show_progress=False)
    assert list(outs[0].load()) == list(range(ROWS))
    assert outs[1].load(rows=[41]).__next__() == "frame 41"


def test_several_outputs_of_a_transform(film: str, tmp_path: Path, loads: Path) -> None:
    with beam.Pipeline() as pipeline:
        made = (
            pipeline
            | ReadFromVideo(film)
            | Infer(NumberHandler(loads), postprocess=two, batch=8)
        )
        made.ret1 | WriteToNamedStream(str(tmp_path / "db"), name="names")
    with open_client(tmp_path / "db") as client:
        assert next(NamedStream(client, "names").load(rows=[3])) == "frame 3"


def test_onnx(sc: Client, film: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from apache_beam.ml.inference.onnx_inference import OnnxModelHandlerNumpy

    handler = OnnxModelHandlerNumpy(
        onnx_means(tmp_path / "means.onnx"), providers=["CPUExecutionProvider"]
    )
    found, _ = run(sc, film, handler, preprocess=as_floats, postprocess=first)
    frames = NamedVideoStream(sc, "film").load()
    assert np.allclose(found, [2 * f[..., 0].mean() for f in frames], rtol=1e-5)


def test_scikit_learn(sc: Client, film: str, tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    import pickle

    from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy

    fitted = linear_model.LinearRegression().fit(np.eye(3), [1, 2, 4])
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(fitted))

    def color(frame: Any) -> Any:
        return frame.mean(axis=(0, 1))

    handler = SklearnModelHandlerNumpy(str(path), max_batch_size=8)
    found, _ = run(sc, film, handler, preprocess=color)
    colors = [color(frame) for frame in NamedVideoStream(sc, "film").load()]
    assert np.allclose(found, fitted.predict(colors))


# Batches


def test_batches_fill_across_work_packets(sc: Client, film: str) -> None:
    def sizes(batch: Any) -> list[int]:
        return [len(batch)] * len(batch)

    found, _ = run(sc, film, sizes, batch=24, perf=PerfParams.manual(4, 60))
    assert found == [24] * 48 + [12] * 12


def test_batches_fill_across_slice_groups(sc: Client, film: str) -> None:
    def seen(clips: Any) -> list[Any]:
        return [(len(clips), [frame_number(f) for f in clip]) for clip in clips]

    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    groups = sc.streams.Slice(frames, [sc.partitioner.all(10)])
    column = sc.ops.Infer(frame=groups, model_handler=seen, batch=24, stencil=[-1, 0])
    out = NamedStream(sc, "out")
    output = sc.io.Output(sc.streams.Unslice(column), [out])
    sc.run(output, PerfParams.manual(60, 60), show_progress=False)
    found: list[Any] = list(out.load())
    assert [size for size, _ in found] == [24] * 48 + [12] * 12
    # Windows stay inside of their group.
    assert [window for _, window in found[9:12]] == [[8, 9], [10, 10], [10, 11]]


def test_whole_batches_are_of_one_slice_group(
    sc: Client, film: str, loads: Path
) -> None:
    handler = NumberHandler(loads).with_preprocess_fn(lambda b: b[::-1])
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    groups = sc.streams.Slice(frames, [sc.partitioner.all(10)])
    column = sc.ops.Infer(
        frame=groups, model_handler=handler.with_no_batching(), batch=24
    )
    out = NamedStream(sc, "out")
    output = sc.io.Output(sc.streams.Unslice(column), [out])
    sc.run(output, PerfParams.manual(60, 60), show_progress=False)
    assert list(out.load()) == [row // 10 * 10 + 9 - row % 10 for row in range(ROWS)]


def test_frames_of_another_size_begin_another_batch(sc: Client, film: str) -> None:
    def cut(frame: Any) -> Any:
        return frame[: 24 if frame_number(frame) in (5, 6) else 48]

    found, _ = run(
        sc,
        film,
        lambda batch: [batch.shape] * len(batch),
        batch=8,
        perf=PerfParams.manual(60, 60),
        preprocess=cut,
    )
    shapes = [(5, 48, 64, 3)] * 5 + [(2, 24, 64, 3)] * 2 + [(1, 48, 64, 3)]
    assert found[:8] == shapes
    assert found[8] == (8, 48, 64, 3)


def test_a_batch_of_one(sc: Client, film: str) -> None:
    found, _ = run(sc, film, lambda batch: [batch.shape] * len(batch), batch=1)
    assert set(found) == {(1, 48, 64, 3)}


def test_plans_and_profiles_say_how_it_is_called(
    sc: Client, film: str, loads: Path
) -> None:
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    handler = NumberHandler(loads)
    column = sc.ops.Infer(frame=frames, model_handler=handler, batch=24)
    output = sc.io.Output(column, [NamedStream(sc, "out")])
    said = "batch 24, on CPU, NumberHandler, 1 copy a process"
    assert said in str(sc.explain(output, PerfParams.manual(60, 60)))
    job = sc.run(output, PerfParams.manual(60, 60), show_progress=False)
    found = sc.get_profile(job).statistics()
    assert found["calls"] == {"Infer": said}
    assert found["counters"]["op:Infer:calls"] == 3
    copies: Any = sc.ops.Infer(
        frame=frames, model_handler=NumberHandler(loads, model_copies=2)
    )
    assert copies.node.spec.note == "NumberHandler, 2 copies a machine"


# One load


@pytest.mark.parametrize(
    ("flags", "processes"),
    [
        (["--direct_running_mode=in_memory"], 1),
        (THREADS, 1),
        pytest.param(PROCESSES, 2, marks=pytest.mark.processes),
    ],
)
def test_one_load_a_process(
    film: str, tmp_path: Path, loads: Path, flags: list[str], processes: int
) -> None:
    with open_client(tmp_path / "db", flags) as sc:
        perf = PerfParams.manual(4, 4)
        found, report = run(sc, film, NumberHandler(loads), perf=perf, batch=4)
    assert found == list(range(ROWS))
    assert report.tasks > 4
    by = noted(loads)
    assert len(by) == len(set(by))
    assert len(by) <= processes


@pytest.mark.processes
@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.slow
def test_processes_share_a_model(
    film: str, tmp_path: Path, loads: Path, copies: int
) -> None:
    handler = NumberHandler(loads, model_copies=copies)
    with open_client(tmp_path / "db", PROCESSES) as sc:
        perf = PerfParams.manual(4, 4)
        found, _report = run(sc, film, handler, perf=perf, batch=4)
    assert found == list(range(ROWS))
    by = noted(loads)
    assert len(by) == len(set(by)) == copies


@pytest.mark.processes
@pytest.mark.slow
def test_functions_of_a_handler_whose_model_is_shared(
    sc: Client, film: str, loads: Path
) -> None:
    """They are given what the handler gives, and tell which row is wrong."""

    def finished(wrong: int) -> Any:
        def finish(result: Any) -> int:
            if result.inference == wrong:
                raise ValueError("not this one")
            return int(result.inference) + len(result._fields)

        return NumberHandler(loads, model_copies=1).with_postprocess_fn(finish)

    found, _ = run(sc, film, finished(-1), batch=4, postprocess=lambda n: -n)
    assert found == [-number - 3 for number in range(ROWS)]
    with pytest.raises(errors.JobFailure, match="not this one") as caught:
        run(sc, film, finished(11), batch=4)
    assert [failure.row for failure in caught.value.failures] == [11]


def test_a_task_that_fails_costs_no_load(sc: Client, film: str, loads: Path) -> None:
    with pytest.raises(errors.JobFailure) as caught:
        run(sc, film, NumberHandler(loads, fault="late"), batch=4)
    assert len(noted(loads)) == 1
    assert "frame 20 is not for me" in str(caught.value)


@pytest.mark.slow
def test_a_handler_that_is_given_another_path(
    sc: Client, film: str, tmp_path: Path, loads: Path
) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    for number, path in enumerate(paths):
        path.write_text(str(1000 * number))
    handler = NumberHandler(loads, paths[0])
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    column = sc.ops.Infer(frame=frames, model_handler=handler)
    out = NamedStream(sc, "out")

    def again() -> tuple[int, bool]:
        output = sc.io.Output(column, [out])
        job = sc.run(output, PERF, CacheMode.Ignore, show_progress=False)
        return next(out.load(rows=[5])), job is not None

    assert again() == (5, True)
    assert again() == (5, False)
    handler.update_model_path(str(paths[1]))
    assert again() == (1005, True)
    assert again() == (1005, False)
    paths[1].write_text("2000")
    assert again() == (2005, True)
    assert len(noted(loads)) == 3


# What goes wrong


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("lost", "gave 3 predictions for 4 rows"),
        ("extra", "gave 5 predictions for 4 rows"),
    ],
)
def test_lost_and_extra_predictions(
    sc: Client, film: str, loads: Path, fault: str, said: str
) -> None:
    with pytest.raises(errors.JobFailure) as caught:
        run(sc, film, NumberHandler(loads, fault=fault), batch=4)
    failure = caught.value.failures[0]
    assert (failure.op, failure.row) == ("Infer", 20)
    assert f"NumberHandler {said}" in failure.reason


class Deadly:
    """Ends its process, or never ends, at frame 1005."""

    def __init__(self, how: str) -> None:
        self.how = how

    def load(self) -> None: ...

    def __call__(self, batch: Any) -> list[int]:
        found = [frame_number(frame) for frame in batch]
        if 1005 in found:
            if self.how == "hang":
                time.sleep(1000)
            os.kill(os.getpid(), signal.SIGKILL)
        return found


@pytest.mark.processes
@pytest.mark.parametrize(
    ("how", "kind"),
    [("die", "death"), pytest.param("hang", "timeout", marks=pytest.mark.slow)],
)
def test_what_ends_a_process_costs_one_stream(
    tmp_path: Path, how: str, kind: str
) -> None:
    names = ["a", "b", "c"]
    films = [
        make_video(tmp_path / f"{name}.mp4", 12, first_number=1000 * (name == "b"))
        for name in names
    ]
    with open_client(tmp_path / "db", PROCESSES) as sc:
        videos = [
            NamedVideoStream(sc, f"film {name}", path=film)
            for name, film in zip(names, films, strict=True)
        ]
        frames = sc.io.Input(videos)
        column = sc.ops.Infer(frame=frames, model_handler=Deadly(how), batch=4)
        outs = [NamedStream(sc, name) for name in names]
        output = sc.io.Output(column, outs)
        with pytest.raises(errors.JobFailure) as caught:
            sc.run(output, PERF, show_progress=False, task_timeout=20)
        (failure,) = caught.value.failures
        assert (failure.stream, failure.kind, failure.op) == ("b", kind, "Infer")
        assert [list(outs[n].load()) for n in (0, 2)] == [list(range(12))] * 2


@pytest.mark.parametrize("where", ["preprocess", "postprocess"])
def test_the_row_at_which_a_function_raises(
    sc: Client, film: str, loads: Path, where: str
) -> None:
    def check(value: Any) -> Any:
        if (value if isinstance(value, int) else frame_number(value)) == 22:
            raise KeyError("frame 22")
        return value

    arguments: Any = {where: check}
    with pytest.raises(errors.JobFailure) as caught:
        run(sc, film, NumberHandler(loads), batch=8, **arguments)
    assert caught.value.failures[0].row == 22


def test_a_row_alone_may_fail(sc: Client, film: str, loads: Path) -> None:
    handler = NumberHandler(loads, fault="late")
    found, _ = run(sc, film, handler, batch=8, on_error="null")
    assert [n for n, value in enumerate(found) if not isinstance(value, int)] == [20]


class Greedy:
    """Runs out of memory."""

    def load(self) -> None: ...

    def __call__(self, batch: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 9.00 GiB")


def test_out_of_memory_says_what_to_set(sc: Client, film: str) -> None:
    with pytest.raises(errors.JobFailure) as caught:
        run(sc, film, Greedy, batch=8)
    failure = caught.value.failures[0]
    assert failure.exception == "DeviceMemoryError"
    for said in ("a batch of 8 rows", "batch=8", "Greedy", "Set a smaller batch="):
        assert said in failure.reason


def test_out_of_memory_while_loading() -> None:
    class Large:
        def load(self) -> None:
            raise MemoryError

        def __call__(self, batch: Any) -> Any: ...

    with pytest.raises(errors.DeviceMemoryError, match="while Large loaded its model"):
        InferKernel(KernelConfig(), Large).setup_with_resources()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "needs the argument 'model_handler'"),
        ({"model_handler": "yolo.onnx"}, "must be a ModelHandler of Beam"),
        ({"model_handler": len, "postprocess": 3}, "postprocess of op Infer must be"),
        ({"model_handler": len, "preprocess": "x"}, "preprocess of op Infer must be"),
        ({"model_handler": len, "batch": 0}, "batch of op Infer must be 1 or more"),
        ({"model_handler": len, "batch": "x"}, "batch of op Infer must be"),
        ({"model_handler": len, "inference_args": 3}, "inference_args of op Infer"),
        ({"model_handler": len, "model_path": "x"}, "no argument 'model_path'"),
    ],
)
def test_bad_calls(sc: Client, film: str, arguments: Any, said: str) -> None:
    frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
    with pytest.raises(errors.ArgumentError, match=said):
        sc.ops.Infer(frame=frames, **arguments)


def test_bad_calls_of_the_transform() -> None:
    with pytest.raises(errors.ArgumentError, match="twice, by position and by name"):
        Infer(len, model_handler=len)  # type: ignore[misc]
    with pytest.raises(errors.ArgumentError, match="takes its arguments by name"):
        Infer(len, 3)  # type: ignore[call-arg]


# Metrics


def test_metrics_of_a_pipeline(film: str, tmp_path: Path, loads: Path) -> None:
    pipeline = beam.Pipeline()
    handler = NumberHandler(loads)
    (
        pipeline
        | ReadFromVideo(film)
        | Infer(handler, batch=20)
        | WriteToNamedStream(str(tmp_path / "db"), name="numbers")
    )
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query(
        beam.metrics.MetricsFilter().with_namespace("Numbers")
    )
    counters = {each.key.metric.name: each.committed for each in found["counters"]}
    assert counters == {"num_inferences": ROWS}
    sums = {e.key.metric.name: e.committed.sum for e in found["distributions"]}
    assert sums["inference_request_batch_size"] == ROWS
    assert sums["inference_request_batch_byte_size"] == ROWS * 48 * 64 * 3
    assert sums["load_model_latency_milli_secs"] >= 200
    assert sums["inference_batch_latency_micro_secs"] > 0


def test_importing_loads_no_beam_ml() -> None:
    assert "apache_beam.ml.inference.base" in sys.modules  # of the support module
    from tests.support.programs import run_code

    run_code(
        "import sys; import beam_scanner; from beam_scanner.ops import register_ops; "
        "register_ops(); sys.exit('apache_beam' in sys.modules)"
    )


def test_notes_are_by_process(tmp_path: Path) -> None:
    note(str(tmp_path))
    assert noted(tmp_path) == [os.getpid()]
