"""Stored video as one file."""

import av
import numpy as np
import pytest

from beam_scanner.errors import ArgumentError, StorageError, VideoError
from beam_scanner.storage import NamedVideoStream
from beam_scanner.storage.stored_rows import Publication
from beam_scanner.types import NULL, FrameType
from beam_scanner.video.encoding import Encoding
from tests.support.sounds import film_with_sound, heard
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


@pytest.fixture
def film(storage, tmp_path):
    path = film_with_sound(tmp_path / "film.mp4", "flac")
    return NamedVideoStream(storage, "film", path=str(path))


def rows_of_film(storage, rows):
    """A stream that a graph could have made of these rows."""
    stream = NamedVideoStream(storage, "rows")
    frames = [numbered_frame(row) for row in rows]
    stream.save(frames, FrameType, seconds=[row / 25 for row in rows])
    return stream


def test_sound_of_a_video_is_kept(storage, tmp_path, film):
    path = film.save_mp4(tmp_path / "copy", sound=True)
    whole = heard(tmp_path / "film.mp4", 48000)
    assert np.array_equal(heard(path, 48000), whole)
    assert film.save_mp4(tmp_path / "silent") != path
    with av.open(str(tmp_path / "silent.mp4")) as container:
        assert not container.streams.audio
    assert sorted(p.name for p in tmp_path.glob("*part")) == []


@pytest.mark.parametrize("scale", [None, (32, 24)])
@pytest.mark.parametrize("by_path", [False, True])
def test_sound_of_a_range_of_rows(storage, tmp_path, film, scale, by_path):
    stream = rows_of_film(storage, range(30, 80))
    sound = str(tmp_path / "film.mp4") if by_path else film
    path = stream.save_mp4(tmp_path / "range", scale=scale, sound=sound)
    found, whole = heard(path, 48000), heard(tmp_path / "film.mp4", 48000)
    begin, count = 30 * 48000 // 25, 50 * 48000 // 25
    assert np.array_equal(found[:count], whole[begin : begin + count])
    with av.open(path) as container:
        assert len(list(container.decode(video=0))) == 50


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (range(0, 100, 2), "row 1 is at 0.080 s, where the video has 0.040 s"),
        ([5, 6, 6], "row 2 is at 0.240 s, where the video has 0.280 s"),
        ([98, 99, 100], "row 2 is at 4.000 s, where the video has no frame"),
        ([3, 2, 1], "row 1 is at 0.080 s, where the video has 0.160 s"),
    ],
)
def test_sound_of_other_rows_is_refused(storage, tmp_path, film, rows, told):
    stream = rows_of_film(storage, rows)
    with pytest.raises(VideoError, match="must be one range of the rows") as error:
        stream.save_mp4(tmp_path / "out", sound=film)
    assert str(error.value).endswith(told)
    assert not (tmp_path / "out.mp4").exists()


def test_sound_that_cannot_be_meant(storage, tmp_path, film):
    stream = rows_of_film(storage, range(10))
    with pytest.raises(ArgumentError, match="made by a graph and has no sound"):
        stream.save_mp4(tmp_path / "out", sound=True)
    with pytest.raises(ArgumentError, match="takes no fps"):
        stream.save_mp4(tmp_path / "out", fps=10, sound=film)
    stream.save([numbered_frame(0)] * 2, FrameType)
    with pytest.raises(VideoError, match="of row 0 no time is known"):
        stream.save_mp4(tmp_path / "out", sound=film)
