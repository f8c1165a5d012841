"""Pictures hold the pixels of their rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beam_scanner.errors import ElementTypeError
from beam_scanner.exports.pictures import write_pictures
from beam_scanner.storage import NamedStorage, NamedStream, NamedVideoStream
from beam_scanner.types.element_types import NULL, Image
from beam_scanner.types.image_files import decode_image, encode_image
from tests.support.frames import picture
from tests.support.video_fixtures import make_video


def test_frames(tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", 6)
    stream = NamedVideoStream(NamedStorage(str(tmp_path / "db")), "a", path=film)
    stream.ingest()
    paths = [str(tmp_path / f"{row}.png") for row in range(6)]
    write_pictures(stream, paths)
    for path, frame in zip(paths, stream.load(), strict=True):
        assert np.array_equal(decode_image(Path(path).read_bytes()), frame)


@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_images(extension: str, tmp_path: Path) -> None:
    stream = NamedStream(NamedStorage(str(tmp_path / "db")), "images")
    stored = [encode_image(picture(shift=n), "jpeg", 80) for n in range(2)]
    stream.save([stored[0], NULL, stored[1]], ty=bytes)
    paths = [str(tmp_path / f"{row}.{extension}") for row in range(3)]
    write_pictures(stream, paths)
    assert not Path(paths[1]).exists()
    for path, data in zip(paths[::2], stored, strict=True):
        written = Path(path).read_bytes()
        assert (written == data) is (extension == "jpg")
        assert np.array_equal(decode_image(written), decode_image(data))


def test_typed_images_are_copied(tmp_path: Path) -> None:
    stream = NamedStream(NamedStorage(str(tmp_path / "db")), "images")
    stream.save([picture()], ty=Image)
    (data,) = stream.load_bytes()
    write_pictures(stream, [str(tmp_path / "0.png")])
    assert (tmp_path / "0.png").read_bytes() == data


def test_other_values(tmp_path: Path) -> None:
    stream = NamedStream(NamedStorage(str(tmp_path / "db")), "numbers")
    stream.save([1], ty=int)
    with pytest.raises(ElementTypeError, match="row 0 of 'numbers' holds int"):
        write_pictures(stream, [str(tmp_path / "0.png")])
    assert not (tmp_path / "0.png").exists()
