"""What GPUs decode: what FFmpeg knows of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.video.hardware_codecs import CODECS, check_hardware, refusal
from tests.support.corpus import indexed_kind


def _is_cuda(config: Any) -> bool:
    return config.device_type.name == "cuda" and config.is_supported


def test_the_codecs_are_those_that_ffmpeg_gives_to_nvdec() -> None:
    found = set()
    for name in av.codecs_available:
        try:
            codec = av.Codec(name, "r")
        except ValueError:
            continue
        if codec.type == "video" and any(map(_is_cuda, codec.hardware_configs)):
            found.add(codec.canonical_name)
    if not found:
        pytest.skip("this FFmpeg has no CUDA")
    assert found == CODECS


REFUSED = {
    "ffv1": "no decoder for its codec, ffv1",
    "prores": "no decoder for its codec, prores",
    "h264_422": "its pixel format is yuv422p",
    "h264_rgb": "its pixel format is gbrp",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, tmp_path: Path) -> None:
    path, index, _ = indexed_kind(kind, tmp_path)
    with pytest.raises(VideoError, match=REFUSED[kind]) as error:
        check_hardware(path, index)
    assert path in str(error.value)
    assert "decoder='cpu' decodes it" in str(error.value)


@pytest.mark.parametrize("kind", ["h264", "hevc", "vp9", "av1"])
def test_taken(kind: str, tmp_path: Path) -> None:
    path, index, _ = indexed_kind(kind, tmp_path)
    check_hardware(path, index)
    for changes in ({"width": 63}, {"height": 47}, {"crop": (63, 48)}):
        assert "odd side" in refusal(replace(index, **changes))
