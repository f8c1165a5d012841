"""Profiles as Scanner's programs read them."""

import struct
from pathlib import Path

import pytest

from beam_scanner import NamedStream, NamedVideoStream, PerfParams
from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy.profiler import Profile, read_advance, unpack_string
from tests.support.client_helpers import open_client


def test_a_profile_is_found_by_the_id_of_its_run(tmp_path: Path, clip: str) -> None:
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "clip", path=clip)])
        output = sc.io.Output(sc.ops.Histogram(frame=frames), [NamedStream(sc, "h")])
        number = sc.run(output, PerfParams.estimate(), show_progress=False)
        assert number is not None
        profile = Profile(sc, number, load_threads=2)
        found = sc.get_profile(number)
        assert isinstance(found, Profile)
        assert profile.statistics() == found.statistics()
        assert profile.write_trace(tmp_path / "a.trace") == str(tmp_path / "a.trace")
        with pytest.warns(UserWarning, match="subsample is ignored"):
            assert sc.get_profile(number, subsample=1).tasks == profile.tasks
        with pytest.raises(ArgumentError, match="Job name 99 does not exist"):
            sc.get_profile(99)


def test_values_are_read_one_after_the_other() -> None:
    data = struct.pack("=qB", -5, 7) + b"a name\0" + b"rest"
    (number,), place = read_advance("=q", data, 0)
    (small,), place = read_advance("B", data, place)
    assert (number, small) == (-5, 7)
    assert unpack_string(data, place) == ("a name", len(data) - 4)
