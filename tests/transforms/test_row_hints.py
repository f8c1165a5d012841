"""Types of the rows that leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam import typehints
from apache_beam.typehints.decorators import TypeCheckError

from beam_scanner.elements.coders import Frame
from beam_scanner.transforms import (
    Commit,
    FrameKey,
    Range,
    ReadFromVideo,
    RepeatNull,
    Resize,
    WriteToNamedVideo,
)
from tests.support.pipeline_kernels import Boxes, Mean, Number
from tests.support.pipeline_runs import Run


def test_types_of_what_leaves(run: Run, films: Path, tmp_path: Path) -> None:
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4")
    assert frames.element_type == typehints.Tuple[FrameKey, Frame]
    assert (frames | Number()).element_type == typehints.Tuple[FrameKey, int]
    assert (frames | Mean()).element_type == typehints.Tuple[FrameKey, float]
    nulls = frames | RepeatNull(2)
    wanted = typehints.Tuple[FrameKey, typehints.Optional[Frame]]
    assert nulls.element_type == wanted
    assert (nulls | "Small" >> Resize(width=8, height=6)).element_type == wanted
    boxes = (frames | Boxes()).element_type.tuple_types[1]
    assert boxes.inner_type.get_type_for("label") is np.int32
    written = frames | WriteToNamedVideo(str(tmp_path), "a")
    assert written.commits.element_type is Commit


def test_annotated_functions_are_checked(run: Run, films: Path) -> None:
    def mean(kv: Any) -> Any:
        return float(kv[1].mean())

    def twice(kv: Any) -> Any:
        return kv[1] * 2

    def wrong(kv: Any) -> Any:
        return kv[1]

    # Beam does not read annotations that are text, as they are in this module.
    mean.__annotations__ = {"kv": tuple[FrameKey, np.ndarray], "return": float}
    twice.__annotations__ = {"kv": tuple[FrameKey, int], "return": int}
    wrong.__annotations__ = {"kv": tuple[FrameKey, str], "return": str}
    frames = run.pipeline | ReadFromVideo(f"{films}/a.mp4") | Range(0, 4)
    run.keep("means", frames | beam.Map(mean))
    run.keep("twice", frames | Number() | beam.Map(twice))
    with pytest.raises(TypeCheckError, match="wrong"):
        frames | beam.Map(wrong)
    run.run()
    assert run.rows("twice") == [0, 2, 4, 6]
    assert len(run.rows("means")) == 4
