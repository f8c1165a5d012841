"""One pass over the packets: what each is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beam_scanner.errors import VideoError
from beam_scanner.types import media_limits
from beam_scanner.video import packet_scan
from beam_scanner.video.container import OpenVideo
from beam_scanner.video.decoder_setup import SetupTracker
from beam_scanner.video.lost_rows import Packets, Pictures
from beam_scanner.video.packet_scan import PacketScan
from tests.support.video_fixtures import make_video


def scanned(
    path: Any, decoded: int = 0, salvage: bool = False
) -> tuple[Packets, Pictures]:
    pictures = Pictures()
    with OpenVideo(str(path)) as video:
        return PacketScan(video, str(path), salvage, pictures, decoded).read(), pictures


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_video(tmp_path_factory.mktemp("films") / "a.mp4", 30, gop=10)


def test_every_packet_is_noted(film: str) -> None:
    packets, pictures = scanned(film)
    assert packets.codec == "h264"
    assert len(packets.pts) == 30
    assert np.flatnonzero(packets.clean).tolist() == [0, 10, 20]
    assert (packets.pictures == 1).all()
    assert packets.shown.all()
    assert (np.diff(packets.dts) > 0).all()
    assert (np.diff(np.sort(packets.pts)) == packets.last_duration).all()
    assert (packets.size > 0).all()
    assert (packets.signs, packets.cut, packets.open_gop) == ({}, "", False)
    assert pictures.pts == []


@pytest.mark.parametrize("decoded", [1, 8])
def test_only_the_first_frames_are_decoded_and_one_later_keyframe(
    film: str, decoded: int
) -> None:
    packets, pictures = scanned(film, decoded)
    assert decoded <= len(pictures.pts) < 20
    wanted = np.sort(packets.pts)[: len(pictures.pts)].tolist()
    assert sorted(pictures.pts) == wanted
    assert list(pictures.probes) == [10]
    assert (pictures.width, pictures.height) == (64, 48)


def test_more_frames_than_are_allowed(
    film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packet_scan, "max_frames", lambda: 20)
    monkeypatch.setattr(media_limits, "max_frames", lambda: 20)
    with pytest.raises(VideoError, match=r"a\.mp4"):
        scanned(film)


def test_what_cannot_be_read_on_is_an_error_or_the_end(
    film: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packets = OpenVideo.packets

    def fails(video: OpenVideo) -> Any:
        for number, packet in enumerate(packets(video)):
            if number == 12:
                raise ValueError("no more")
            yield packet

    monkeypatch.setattr(OpenVideo, "packets", fails)
    with pytest.raises(VideoError, match="is damaged after packet 12: no more"):
        scanned(film)
    found, _ = scanned(film, salvage=True)
    assert len(found.pts) == 12
    assert found.cut == "it cannot be read after packet 12: no more"


def test_more_setups_than_are_kept_leave_one_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_video(tmp_path / "a.mp4", 30, gop=10)
    read = SetupTracker.data

    def overflows(tracker: Any, number: int, data: memoryview) -> None:
        read(tracker, number, data)
        tracker.overflows = True

    monkeypatch.setattr(SetupTracker, "data", overflows)
    packets, _ = scanned(film)
    assert np.flatnonzero(packets.clean).tolist() == [0]
