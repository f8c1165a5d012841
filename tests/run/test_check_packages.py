"""Packages that ops need are looked for before a run begins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import Pipeline

from beam_scanner import Client, NamedStorage, NamedStream, NamedVideoStream, transforms
from beam_scanner.cli.main import main
from beam_scanner.errors import MissingDependencyError
from beam_scanner.graph.nodes import topological
from beam_scanner.kernels import register_python_op
from beam_scanner.models import ImageInput, KerasModelHandler, OnnxModelHandler
from beam_scanner.run.check_packages import check_packages
from beam_scanner.types import Any as AnyType
from beam_scanner.types import FrameType
from tests.support.video_fixtures import make_video

LOCAL = PipelineOptions(["--runner=DirectRunner"])
ELSEWHERE = PipelineOptions(["--runner=FlinkRunner"])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_video(tmp_path_factory.mktemp("film") / "film.mp4", 6)


@pytest.fixture
def sc(tmp_path: Path) -> Client:
    return Client(db_path=str(tmp_path / "db"))


def frames(sc: Client, film: str) -> Any:
    return sc.io.Input([NamedVideoStream(sc, "film", path=film)])


def checked(column: Any, options: PipelineOptions = LOCAL) -> None:
    check_packages(topological([column]), options)


@pytest.mark.parametrize(
    ("call", "module", "match"),
    [
        (
            lambda ops, x: ops.Blur(frame=x, kernel_size=3),
            "cv2",
            r"^op Blur needs OpenCV: pip install .*\[opencv\]",
        ),
        (
            lambda ops, x: ops.ConvertColor(frame=x, conversion=["COLOR_RGB2GRAY"]),
            "cv2",
            "^op ConvertColor needs OpenCV",
        ),
        (
            lambda ops, x: ops.DetectObjects(frame=x, model_uri="a.onnx"),
            "cv2",
            "^op DetectObjects needs OpenCV",
        ),
        (
            lambda ops, x: ops.EmbedFrames(frame=x, model_uri="a.onnx", family="clip"),
            "onnxruntime",
            r"^op EmbedFrames needs onnxruntime: pip install .*\[onnx\]",
        ),
        (
            lambda ops, x: ops.Infer(
                frame=x,
                model_handler=OnnxModelHandler("a.onnx"),
                preprocess=ImageInput("clip", 8),
            ),
            "cv2",
            "^op Infer needs OpenCV",
        ),
        (
            lambda ops, x: ops.Infer(
                frame=x, model_handler=KerasModelHandler("a.keras")
            ),
            "tensorflow",
            r"^op Infer needs .*: pip install .*\[tensorflow\]",
        ),
    ],
)
def test_what_is_missing_is_named(
    sc: Client,
    film: str,
    call: Any,
    module: str,
    match: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    column = call(sc.ops, frames(sc, film)).node
    for other in {"cv2", "onnxruntime"} - {module}:
        pytest.importorskip(other)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=match):
        checked(column)
    # Workers of other machines may have it.
    checked(column, ELSEWHERE)


def test_what_is_there_is_not_missing(sc: Client, film: str) -> None:
    pytest.importorskip("cv2")
    checked(sc.ops.Blur(frame=frames(sc, film), kernel_size=3).node)


def test_needs_of_a_users_own_are_none_of_ours(sc: Client, film: str) -> None:
    @register_python_op(name="NeedsItself")
    class Needs:
        needs = ("cv2",)

        def __init__(self, config: Any) -> None:
            raise MissingDependencyError("only workers make it")

        def execute(self, frame: FrameType) -> AnyType:
            return 1

    checked(sc.ops.NeedsItself(frame=frames(sc, film)).node)


def test_no_run_begins(
    sc: Client, film: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = sc.ops.Blur(frame=frames(sc, film), kernel_size=3)
    output = sc.io.Output(column, [NamedVideoStream(sc, "blurred")])
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match="op Blur needs OpenCV: pip ins"):
        sc.run(output, show_progress=False)
    work = [*(tmp_path / "db").glob(".work/jobs/*"), *tmp_path.glob("db/.work/runs/*")]
    assert work == []
    assert "Blur" in str(sc.explain(output))


def test_no_pipeline_begins(
    film: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(options=LOCAL)
    few = pipeline | transforms.ReadFromVideo(film) | transforms.Blur(kernel_size=3)
    few | transforms.WriteToNamedVideo(str(tmp_path / "db"), "blurred")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match="op Blur needs OpenCV: pip ins"):
        pipeline.run()


def test_the_command_says_it_in_a_line(
    film: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    out = str(tmp_path / "db")
    assert main([film, "--ops", "Blur(kernel_size=3)", "--output", out]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("beam-scanner: op Blur needs OpenCV: pip install ")
    assert not NamedStream(NamedStorage(out), "frames/film.mp4").committed()
