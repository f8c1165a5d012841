"""What a graph function of the command is given back."""

from __future__ import annotations

from pathlib import Path

from beam_scanner.apps.graph_function import Written
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream


def test_streams_are_listed_by_output_and_named_as_outputs_are(tmp_path: Path) -> None:
    storage = NamedStorage(tmp_path)
    videos = [NamedVideoStream(storage, name) for name in "ab"]
    asked: list[tuple[str, NamedVideoStream]] = []

    def stream(output: str, video: NamedVideoStream) -> NamedStream:
        asked.append((output, video))
        return NamedStream(storage, f"{video.name()}/{output}")

    written = Written(videos, stream)
    assert written == {}
    written["shots"] = [NamedStream(storage, "a/shots")]
    assert list(written) == ["shots"]
    assert written.videos == videos
    assert written.stream("montage", videos[1]).name() == "b/montage"
    assert asked == [("montage", videos[1])]
    # The videos are its own list.
    videos.clear()
    assert [video.name() for video in written.videos] == ["a", "b"]
