"""Several videos: which rows they have, and which frames go together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from beam_scanner.data import video_list
from beam_scanner.data.given_videos import OpenedVideo
from beam_scanner.data.video_list import VideoList
from beam_scanner.errors import RowError, VideoError


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the videos that were opened; the last row of each is lost."""
    found: list[int] = []

    def open_video(length: int) -> OpenedVideo:
        found.append(length)
        lost = np.arange(length) == length - 1
        shape = (length % 2 + 1, 2, 3)
        reader: Callable[[], object] = object
        return OpenedVideo(
            f"v{length}",
            length,
            None,
            lost,
            6,
            shape,
            f"f{length}",
            reader,  # type: ignore[arg-type]
        )

    monkeypatch.setattr(video_list, "open_video", open_video)
    return found


def test_videos_are_opened_when_they_are_needed_and_once(opened: list[int]) -> None:
    videos = VideoList([3, 5, 4])
    seen: list[str] = []
    videos.check(np.array([[2, 0], [0, 1], [2, 2]]), lambda v: seen.append(v.name))
    assert opened == [3, 4]
    assert seen == ["v3", "v4"]
    videos.check(np.empty((0, 2), np.int64), lambda v: seen.append(v.name))
    assert videos.all_rows()[:, 0].tolist() == [0] * 3 + [1] * 5 + [2] * 4
    assert opened == [3, 4, 5]
    assert VideoList([]).all_rows().shape == (0, 2)


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        ((0, 3), RowError, "row 3 is outside 'v3' of 3 rows"),
        ((0, -1), RowError, "row -1 is outside"),
        ((2, 0), RowError, "there is no video 2: 2 are given"),
        ((-1, 0), RowError, "there is no video -1"),
        ((1, 4), VideoError, "'v5', row 4: it is lost"),
    ],
)
def test_rows_that_cannot_be_had(
    opened: list[int], pair: tuple[int, int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        VideoList([3, 5]).check(np.array([(0, 1), pair, (1, 1)]), lambda v: None)


def test_frames_of_one_shape(opened: list[int]) -> None:
    videos = VideoList([3, 5, 4])
    pairs = np.array([[0, 1], [1, 1], [0, 0], [2, 0], [0, 1]])
    assert videos.equal_shapes(pairs) == 3
    assert videos.equal_shapes(pairs[:2]) == 2
    assert videos.equal_shapes(pairs[3:]) == 1


def test_the_digest_is_of_what_is_opened(opened: list[int]) -> None:
    one, other, more = VideoList([3, 5]), VideoList([4, 5]), VideoList([3, 5, 6])
    assert one.digest(True) == other.digest(True) != more.digest(True)
    _, _ = one[0], other[0]
    assert one.digest(True) != other.digest(True)
    assert one.digest(False) == other.digest(False)
