"""Videos in hwang's terms: samples of the file, frames by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_scanner.errors import RowError, VideoError
from beam_scanner.storage import NamedStorage, NamedVideoStream
from beam_scanner.types import FrameType
from tests.support.video_fixtures import frame_number, make_video, numbered_frames

FRAMES, GOP = 30, 12


@pytest.mark.parametrize("bframes", [0, 2])
def test_samples_are_those_of_the_file(tmp_path: Path, bframes: int) -> None:
    path = make_video(tmp_path / "a.mp4", FRAMES, gop=GOP, bframes=bframes)
    decoder = NamedVideoStream(NamedStorage(tmp_path / "db"), "a", path=path).as_hwang()
    index = decoder.video_index
    assert (index.frames(), index.frame_width(), index.frame_height()) == (30, 64, 48)
    assert (index.format(), index.fps()) == ("h264", 25)
    assert index.duration() == pytest.approx(FRAMES / 25 * index.timescale())
    assert index.keyframe_indices() == [0, 12, 24]
    offsets, sizes = index.sample_offsets(), index.sample_sizes()
    assert len(offsets) == len(sizes) == FRAMES
    data = Path(path).read_bytes()
    for number, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
        # A sample is a row of NAL units, each after its length.
        sample, kinds = data[offset : offset + size], []
        while sample:
            length = int.from_bytes(sample[:4], "big")
            kinds.append(sample[4] & 31)
            sample = sample[4 + length :]
        assert (5 in kinds) == (number in index.keyframe_indices())
        assert kinds[-1] in (1, 5)
    assert index.metadata_bytes()
    assert index.metadata_bytes() in data
    frames = decoder.retrieve([29, 0, 13, 13])
    assert [frame_number(frame) for frame in frames] == [29, 0, 13, 13]
    with pytest.raises(RowError, match="30"):
        decoder.retrieve([30])
    decoder.close()


def test_what_is_no_single_mp4_file_is_refused(tmp_path: Path) -> None:
    storage = NamedStorage(tmp_path / "db")
    other = make_video(tmp_path / "a.mkv", FRAMES, gop=GOP)
    with pytest.raises(VideoError, match="only MP4 and MOV"):
        NamedVideoStream(storage, "a", path=other).as_hwang()
    made = NamedVideoStream(storage, "made")
    made.save(numbered_frames(3), FrameType)
    with pytest.raises(VideoError, match="'made' was made by a graph"):
        made.as_hwang()
