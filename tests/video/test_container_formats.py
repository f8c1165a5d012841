"""A video is one file: nothing else is opened, whatever it says or is called."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from beam_scanner import NamedVideoStorage, NamedVideoStream
from beam_scanner.errors import ScannerException, VideoError
from beam_scanner.storage.streams.audio import AudioStream
from beam_scanner.video import open as open_video
from beam_scanner.video.container import open_container
from beam_scanner.video.container_formats import FORMAT_WHITELIST
from beam_scanner.video.indexing import index_video
from beam_scanner.video.sound import index_audio
from beam_scanner.video.thread_scheduling import kept_scheduling
from tests.support.hostile import replace_box
from tests.support.video_fixtures import make_video

# What follows a list, waits for a pipe or reads all of a device takes longer.
MOST_SECONDS = 60

# What was looked at and left out of the list of formats, and why.
REFUSED = {
    "lists": "concat dash dvdvideo hls image2 imf rtp rtsp sap sdp vobsub "
    "webm_dash_manifest",
    "devices": "alsa android_camera avfoundation bktr caca decklink dshow fbdev gdigrab "
    "iec61883 jack kmsgrab lavfi libcdio libdc1394 openal oss pulse sndio v4l2 vfwcap "
    "video4linux2 x11grab xcbgrab",
    "scripts": "avisynth data ffmetadata sbg svg_pipe tty vapoursynth",
    "captions": "aqtitle ass dvbsub dvbtxt jacosub lrc mcc microdvd mpl2 mpsub pjs rcwt "
    "realtext sami scc srt stl subviewer subviewer1 sup tedcaptions vplayer webvtt",
}


def formats_of_the_build() -> set[str]:
    """All that this FFmpeg reads."""
    found = set()
    for name in av.formats_available:
        with contextlib.suppress(ValueError):
            format = av.ContainerFormat(name, "r")
            if format.is_input:
                found.add(format.name)
    return found


def test_every_format_of_the_build_has_been_looked_at():
    allowed = set(FORMAT_WHITELIST.split(","))
    refused = {name for names in REFUSED.values() for name in names.split()}
    assert not allowed & refused
    for names in formats_of_the_build():
        known = [set(names.split(",")) & group for group in (allowed, refused)]
        # One of several names is enough for FFmpeg.
        assert sum(map(bool, known)) == 1, names


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    make_video(folder / "a.mp4", 12, size=(64, 48))
    make_video(folder / "a.ts", 12, size=(64, 48))
    make_video(folder / "1.png", 1, "png", pix_fmt="rgb24", container_format="image2")
    return folder


@pytest.fixture(scope="module")
def knocks() -> Iterator[tuple[int, list[Any]]]:
    """A port, and who has connected to it."""
    came: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    came.append(connection)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], came


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n{}#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
LISTS = {
    "concat": "ffconcat version 1.0\nfile a.mp4\n",
    "concat_absolute": "ffconcat version 1.0\nfile {folder}/a.mp4\n",
    "concat_net": "ffconcat version 1.0\nfile http://127.0.0.1:{port}/a.mp4\n",
    "hls": HLS.format("", "a.ts"),
    "hls_absolute": HLS.format("", "{folder}/a.ts"),
    "hls_file": HLS.format("", "file:{folder}/a.ts"),
    "hls_net": HLS.format("", "http://127.0.0.1:{port}/a.ts"),
    "hls_key": HLS.format('#EXT-X-KEY:METHOD=AES-128,URI="{folder}/a.ts"\n', "a.ts"),
    "hls_map": HLS.format('#EXT-X-MAP:URI="{folder}/a.mp4"\n', "a.ts"),
    "hls_concat": HLS.format("", "concat:{folder}/a.ts|{folder}/a.ts"),
    "hls_master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:{port}/x\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "rtsp": "RTSPtext\nrtsp://127.0.0.1:{port}/a\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
    'type="static"><Period><AdaptationSet><Representation id="1">'
    "<BaseURL>http://127.0.0.1:{port}/a.mp4</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>",
    "asx": '<ASX version="3.0"><Entry><Ref href="http://127.0.0.1:{port}/a"/></Entry></ASX>',
    "reference": "[Reference]\nRef1=http://127.0.0.1:{port}/a\n",
    "pls": "[playlist]\nFile1=a.mp4\nNumberOfEntries=1\n",
    "vobsub": "# VobSub index file, v7\nsize: 64x48\nid: en, index: 0\n"
    "timestamp: 00:00:00:000, filepos: 000000000\n",
    "text": "Dear diary,\nfile a.mp4\n" * 40,
    "captions": "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image '
    'href="http://127.0.0.1:{port}/a.png"/></svg>',
    "script": "# SBaGen\n-SE\nNOW tone\ntone: 200+10/90\n",
    "metadata": ";FFMETADATA1\ntitle=x\n",
}
NAMES = (
    "film.mp4",
    "film.m3u8",
    "film.ts",
    "film.sdp",
    "film.png",
    "film.ffconcat",
    "film",
)


def bytes_of(path: Path) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(path.read_bytes())


def ways(path: Path) -> dict[str, Callable[[], Any]]:
    """All that opens a video or a sound."""
    storage = NamedVideoStorage(str(path.parent / "db"))
    return {
        "video.open": lambda: open_video(str(path)),
        "salvage": lambda: open_video(str(path), damage="salvage"),
        "callable": lambda: index_video(bytes_of(path)),
        "file": lambda: open_video(io.BytesIO(path.read_bytes())),
        "stream": lambda: NamedVideoStream(storage, "film", path=path).ingest(),
        "copy": lambda: NamedVideoStream(storage, "film", path=path).ingest(copy=True),
        "sound": lambda: index_audio(str(path)),
        "sound stream": lambda: AudioStream(str(path), frame_size=1).len(),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", LISTS)
def test_lists_and_scripts_are_refused(folder, knocks, kind, name):
    port, came = knocks
    path = folder / kind / name
    path.parent.mkdir(exist_ok=True)
    text = LISTS[kind].replace("{folder}", str(folder)).replace("{port}", str(port))
    path.write_text(text)
    for beside in ("a.mp4", "a.ts"):
        if not (path.parent / beside).exists():
            os.link(folder / beside, path.parent / beside)
    began = time.monotonic()
    for way, use in ways(path).items():
        with pytest.raises(VideoError) as caught:
            use()
        in_memory = way in ("callable", "file")
        assert in_memory or str(path) in str(caught.value), way
        if kind.startswith(("concat", "hls")) and "sound" not in way:
            assert "a video is one file" in str(caught.value), way
    assert time.monotonic() - began < MOST_SECONDS
    assert came == []


@pytest.mark.parametrize("kind", ["concat", "hls"])
def test_ffmpeg_left_to_itself_follows_lists(folder, kind):
    path = folder / f"plain_{kind}.{'mp4' if kind == 'concat' else 'm3u8'}"
    path.write_text(LISTS[kind])
    with av.open(f"file:{path}") as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) == 12


@pytest.mark.parametrize("name", ["%d.png", "%01d.png", "[0-9].png", "?.png", "*.png"])
def test_a_pattern_is_no_file(folder, name):
    with pytest.raises(VideoError, match="does not exist"):
        open_video(str(folder / name))


ODD_NAMES = [
    "a.mp4",
    "%d.mp4",
    "100%.mp4",
    "concat:a.mp4|b.mp4",
    "http:a.mp4",
    "file:a.mp4",
    "data:video,a.mp4",
    "subfile,,start,0,end,9,,:a.mp4",
    "pipe:0",
    "-i",
    "-",
    "*.mp4",
    "?[0-9]{1,2}.mp4",
    "a.mp4|b.mp4",
    "a\nb.mp4",
    " .mp4",
    "ü😀.mp4",
    os.fsdecode(b"\xff\xfe.mp4"),
    "a.m3u8",
    "a.sdp",
    "a.txt",
    "a.png",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_means_nothing(tmp_path, folder, name, monkeypatch):
    path = tmp_path / name
    path.write_bytes((folder / "a.mp4").read_bytes())
    expected = index_video(str(folder / "a.mp4")).to_bytes()
    assert index_video(str(path)).to_bytes() == expected
    monkeypatch.chdir(tmp_path)
    assert index_video(name).to_bytes() == expected


@pytest.mark.parametrize("name", ["%d.png", "[12].png", "*.png", "a?.png", "{1,2}.png"])
def test_an_image_with_the_name_of_a_pattern(tmp_path, folder, name):
    path = tmp_path / name
    path.write_bytes((folder / "1.png").read_bytes())
    (tmp_path / "1.png").write_bytes(b"another")
    with open_video(str(path)) as one, open_video(str(folder / "1.png")) as other:
        assert len(one) == 1
        assert np.array_equal(one[0], other[0])


def test_a_reference_of_a_mov_file_is_not_followed(tmp_path, folder):
    other = os.fsencode(folder / "a.mp4")
    location = b"\0\0\0\0" + b"file://" + other + b"\0"
    entry = (12 + len(location) - 4).to_bytes(4, "big") + b"url " + location
    refs = b"\0\0\0\0\0\0\0\1" + entry
    new = (8 + len(refs)).to_bytes(4, "big") + b"dref" + refs
    parents = (b"dinf", b"minf", b"mdia", b"trak", b"moov")
    data = replace_box((folder / "a.mp4").read_bytes(), b"dref", new, parents)
    # Without the other file's data, what lies at those places here is no picture.
    data = data.replace(data[data.find(b"mdat") + 4 :][:400], bytes(400))
    path = tmp_path / "refers.mov"
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"refers\.mov"):
        index_video(str(path), verify=True)


def listen_at(path: Path) -> None:
    """Leaves a socket behind."""
    with socket.socket(socket.AF_UNIX) as server:
        # The path may be too long for it.
        here = os.getcwd()
        os.chdir(path.parent)
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


SPECIAL = {
    "named pipe": ("a named pipe", lambda path: os.mkfifo(path)),
    "socket": ("a socket", lambda path: listen_at(path)),
    "zeros": ("a device", lambda path: path.symlink_to("/dev/zero")),
    "nothing": ("a device", lambda path: path.symlink_to("/dev/null")),
    "random": ("a device", lambda path: path.symlink_to("/dev/urandom")),
    "folder": ("is a folder", lambda path: path.mkdir()),
    "kernel": ("empty", lambda path: path.symlink_to("/proc/self/maps")),
    "empty": ("empty", lambda path: path.write_bytes(b"")),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file(tmp_path, kind):
    told, make = SPECIAL[kind]
    path = tmp_path / "film.mp4"
    make(path)
    began = time.monotonic()
    for way, use in ways(path).items():
        if way in ("callable", "file"):
            continue
        with pytest.raises(VideoError, match=told) as caught:
            use()
        assert str(path) in str(caught.value)
    assert time.monotonic() - began < MOST_SECONDS


@pytest.mark.parametrize("head", ["mp4", "ts", "avi", "mkv", "nothing"])
def test_a_file_of_terabytes_that_is_not_there(tmp_path, folder, head):
    path = tmp_path / f"film.{head}"
    if head != "nothing":
        make_video(path, 12, "mpeg4", size=(64, 48))
    else:
        path.write_bytes(b"")
    os.truncate(path, 10 << 40)
    began = time.monotonic()
    with contextlib.suppress(ScannerException):
        index_video(str(path))
    assert time.monotonic() - began < MOST_SECONDS


def test_loops_are_shown_once(tmp_path):
    path = str(tmp_path / "a.gif")
    with av.open(path, "w", options={"loop": "0"}) as container:  # For ever.
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for number in range(6):
            picture = np.full((48, 64, 3), 40 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="rgb8")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(path) as video:
        assert len(video) == 6


def test_a_file_that_grows_meanwhile(tmp_path, folder):
    whole = make_video(tmp_path / "whole.ts", 200, size=(64, 48))
    data = Path(whole).read_bytes()
    path = tmp_path / "grows.ts"
    path.write_bytes(data[: len(data) // 2])
    over = threading.Event()

    def grow() -> None:
        with open(path, "ab") as file:
            for start in range(len(data) // 2, len(data), 188):
                file.write(data[start : start + 188])
                file.flush()
        over.set()

    thread = threading.Thread(target=grow)
    thread.start()
    # Some rows of it, or an error of ours.
    with contextlib.suppress(ScannerException):
        assert 0 < len(index_video(str(path))) <= 200
    thread.join()
    assert len(index_video(str(path))) == 200


# Written by hand, to other files, to nothing, or to somebody else.
_NO_FILES = frozenset(
    [
        "alsa",
        "caca",
        "chromaprint",
        "crc",
        "dash",
        "fbdev",
        "ffmetadata",
        "fifo",
        "fifo_test",
        "framecrc",
        "framehash",
        "framemd5",
        "hash",
        "hds",
        "hls",
        "image2",
        "image2pipe",
        "md5",
        "null",
        "oss",
        "rtp",
        "rtp_mpegts",
        "rtsp",
        "sap",
        "sdl",
        "segment",
        "ssegment",
        "smoothstreaming",
        "stream_segment",
        "streamhash",
        "tee",
        "uncodedframecrc",
        "v4l2",
        "webm_chunk",
        "webm_dash_manifest",
        "xv",
    ]
)


def muxers() -> list[str]:
    """Formats that this FFmpeg both writes and reads."""
    readable = {name for names in formats_of_the_build() for name in names.split(",")}
    found = []
    for name in sorted(av.formats_available - _NO_FILES):
        with contextlib.suppress(ValueError):
            format = av.ContainerFormat(name, "w")
            if format.is_output and set(format.name.split(",")) & readable:
                found.append(name)
    return found


def written(name: str, path: str) -> bool:
    """Writes a file with the codecs that a format takes by default, if it has any."""
    try:
        with kept_scheduling(), av.open(path, "w", format=name) as container:
            video, audio = container.default_video_codec, container.default_audio_codec
            if video in av.codecs_available:
                stream: Any = container.add_stream(video, rate=25)
                stream.width, stream.height = 352, 288
                formats = stream.codec_context.codec.video_formats
                stream.pix_fmt = formats[0].name if formats else "yuv420p"
                picture = np.zeros((288, 352, 3), np.uint8)
                for number in range(3):
                    frame = av.VideoFrame.from_ndarray(picture + 40 * number)
                    frame.pts = number
                    container.mux(stream.encode(frame))
            elif audio in av.codecs_available:
                stream = container.add_stream(audio, rate=48000)
                samples = np.zeros((1, 48000), np.int16)
                sound = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                sound.sample_rate = 48000
                container.mux(stream.encode(sound))
            else:
                return False
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError):
        return False
    return os.path.getsize(path) > 0


def test_every_format_that_can_be_written_is_read(tmp_path):
    tried = []
    for name in muxers():
        extensions = sorted(av.ContainerFormat(name, "w").extensions) or ["dat"]
        path = str(tmp_path / f"{name}.{extensions[0]}")
        if not written(name, path):
            continue
        try:
            with av.open(f"file:{path}") as container:
                expected = container.format.name, len(container.streams)
        except av.FFmpegError:
            continue  # FFmpeg does not know it again.
        if expected[0] in REFUSED["captions"].split():
            continue
        container, file = open_container(path)
        with container, file:
            assert (container.format.name, len(container.streams)) == expected
        tried.append(name)
    assert len(tried) > 50, tried
