"""Stored video as one file."""

import av
import numpy as np
import pytest

from beam_scanner.errors import StorageError, VideoError
from beam_scanner.storage import NamedVideoStream
from beam_scanner.storage.stored_rows import Publication
from beam_scanner.types import NULL, FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.video_fixtures import frame_number, numbered_frame, numbered_frames
from tests.support.video_segments import LOSSLESS, write_segments


@pytest.mark.parametrize("encoding", [Encoding(), LOSSLESS], ids=["lossy", "lossless"])
@pytest.mark.parametrize("name", ["out", "out.mp4", "out.MP4"])
def test_save_mp4(storage, tmp_path, encoding, name):
    stream = NamedVideoStream(storage, "v")
    frames = [
        NULL,
        *numbered_frames(25),
        NULL,
        *(numbered_frame(i) for i in range(25, 40)),
    ]
    seconds = np.arange(len(frames)) / 10
    records = write_segments(stream, frames, [11, 30], encoding, seconds)
    stream.publish(Publication("g1", records))
    path = stream.save_mp4(tmp_path / name)
    assert path == str(tmp_path / ("out.MP4" if name == "out.MP4" else "out.mp4"))
    with av.open(path) as video:
        shown = list(video.decode(video=0))
    assert [frame_number(f.to_ndarray(format="rgb24")) for f in shown] == list(
        range(40)
    )
    times = [frame.time for frame in shown]
    kept = [s for s, frame in zip(seconds, frames, strict=True) if frame is not NULL]
    assert times == pytest.approx([time - kept[0] for time in kept], abs=1e-4)
    left = [p for p in tmp_path.iterdir() if p.name not in ("db", "out.mp4", "out.MP4")]
    assert left == []


def test_save_mp4_scaled_and_faster(storage, tmp_path):
    stream = NamedVideoStream(storage, "v")
    stream.save(numbered_frames(20), FrameType, seconds=np.arange(20) / 10)
    path = stream.save_mp4(str(tmp_path / "small"), fps=50, scale=(128, 96))
    with av.open(path) as video:
        shown = list(video.decode(video=0))
    assert [frame_number(f.to_ndarray(format="rgb24")) for f in shown] == list(
        range(20)
    )
    assert (shown[0].width, shown[0].height) == (128, 96)
    assert shown[19].time == pytest.approx(19 / 50)


def test_save_mp4_of_what_is_no_video(storage, tmp_path):
    stream = NamedVideoStream(storage, "v")
    stream.save([np.zeros((4, 4, 2), np.float32)], FrameType)
    with pytest.raises(
        VideoError, match="stream 'v' from 0 on are not stored as video"
    ):
        stream.save_mp4(tmp_path / "x")
    stream.save(numbered_frames(2), FrameType)
    with pytest.raises((StorageError, VideoError), match="no/such/folder"):
        stream.save_mp4(tmp_path / "no/such/folder/x")
