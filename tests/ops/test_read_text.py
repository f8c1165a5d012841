"""ReadText, on text that OpenCV has written into frames."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from beam_scanner import NamedStream, NamedVideoStream, PerfParams, errors
from beam_scanner.ops.read_text import ReadText
from beam_scanner.types import Text
from beam_scanner.video.encoder import Encoding, VideoEncoder
from tests.support.client_helpers import open_client
from tests.support.frames import CONFIG


def signs(path: Path) -> str:
    cv2 = pytest.importorskip("cv2")
    with VideoEncoder(str(path), Encoding()) as encoder:
        for row, text in enumerate(["EXIT 42", "", "beam scanner"]):
            frame = np.full((180, 320, 3), (250, 240, 200), np.uint8)
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(frame, text, (20, 60), font, 1.2, (120, 0, 0), 2)
            encoder.write(frame, row / 25)
    return str(path)


@pytest.mark.slow
def test_signs(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr")
    film = signs(tmp_path / "film.mp4")
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        output = NamedStream(sc, "texts")
        texts = sc.ops.ReadText(frame=frames)
        sc.run(sc.io.Output(texts, [output]), PerfParams.estimate())
        exit_sign, nothing, name = list(output.load())
    assert nothing == []
    assert [type(text) for text in exit_sign + name] == [Text] * 2
    assert exit_sign[0].text == "EXIT 42"
    assert name[0].text.replace(" ", "") == "beamscanner"
    assert exit_sign[0].score > 0.9
    (left, top), (right, _), (_, bottom), _ = exit_sign[0].corners
    # The baseline is at 60 pixels of 180, and capitals are about 25 pixels high.
    assert np.allclose([left, top, bottom], [20 / 320, 33 / 180, 62 / 180], atol=0.04)
    assert 0.4 < right < 0.65


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", find)
    with pytest.raises(errors.MissingDependencyError, match=r"pip install .*\[ocr\]"):
        ReadText(CONFIG)
