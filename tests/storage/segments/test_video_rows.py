"""How much of a long video is read where little of it is needed."""

import numpy as np
import pytest

from beam_scanner.storage import NamedStorage, NamedVideoStream
from beam_scanner.video import source as video_source
from beam_scanner.video.decoder import VideoDecoder
from beam_scanner.video.indexing import index_video
from tests.support.long_videos import GOP, KINDS, long_video, upload
from tests.support.video_fixtures import frame_number

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("object_server", "kind"),
    [*(("gs", kind) for kind in KINDS), ("s3", "mp4, index at the end")],
    indirect=["object_server"],
)
def test_few_rows_of_a_long_video_take_few_bytes(
    object_server, bucket_url, kind, tmp_path
):
    """Indexing reads the film, once. Then a few rows read a few MB."""
    name, options = KINDS[kind]
    path = tmp_path / name
    # Places in a transport stream have to be searched for.
    frames = long_video(path, 72 if kind == "mpeg-ts" else 40, options)
    size = path.stat().st_size
    film = upload(f"{bucket_url}/{name}", path)
    forwarder = object_server.forwarder
    forwarder.reset()
    index = index_video(film)
    assert len(index) == frames
    # Formats whose packets do not tell everything are decoded once more.
    times_read = 2 if kind == "mpeg-ts" else 1
    assert forwarder.sent < (times_read + 0.1) * size
    rows = [frames // 7, frames // 2, frames - 20]
    video_source._digests.clear()
    forwarder.reset()
    with VideoDecoder(film, index) as decoder:
        found = [frame_number(frame) for frame in decoder.read(rows)]
    assert found == [row % (2 * GOP) for row in rows]
    assert forwarder.sent < 0.1 * size
    assert len(forwarder.requests) < 40
    path.unlink()


def test_a_stream_reads_few_bytes_too(object_server, bucket_url, tmp_path):
    """By way of a database: the index is read, not made again."""
    frames = long_video(tmp_path / "a.mp4", 24)
    size = (tmp_path / "a.mp4").stat().st_size
    film = upload(f"{bucket_url}/a.mp4", tmp_path / "a.mp4")
    storage = NamedStorage(f"{bucket_url}/db")
    NamedVideoStream(storage, "a", path=film).ingest()
    video_source._digests.clear()
    object_server.forwarder.reset()
    stream = NamedVideoStream(storage, "a", path=film)
    found = next(stream.load(rows=[frames - 5]))
    assert frame_number(np.asarray(found)) == (frames - 5) % (2 * GOP)
    assert object_server.forwarder.sent < 0.08 * size
