"""Profiles as Scanner's programs read them."""

import struct
import time
from pathlib import Path

import pytest

from beam_scanner import (
    FrameType,
    Kernel,
    NamedStream,
    NamedVideoStream,
    PerfParams,
    register_python_op,
)
from beam_scanner.errors import ArgumentError
from beam_scanner.scannerpy.profiler import Profile, read_advance, unpack_string
from tests.run.test_profiler import check_chrome_trace
from tests.support.client_helpers import IN_MEMORY, PROCESSES, open_client


@register_python_op(name="ProfiledResources")
class ProfiledResources(Kernel):
    """Gives frames as they are, and takes its time to get ready."""

    def fetch_resources(self) -> None:
        time.sleep(0.05)

    def execute(self, frame: FrameType) -> FrameType:
        return frame


def test_a_profile_is_found_by_the_id_of_its_run(tmp_path: Path, clip: str) -> None:
    with open_client(tmp_path / "db") as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "clip", path=clip)])
        output = sc.io.Output(sc.ops.Histogram(frame=frames), [NamedStream(sc, "h")])
        number = sc.run(output, PerfParams.estimate(), show_progress=False)
        assert number is not None
        profile = Profile(sc, number, load_threads=2)
        found = sc.get_profile(number)
        assert isinstance(found, Profile)

        def asked() -> int:
            return sc.get_profile(number, subsample=1).tasks

        def opened() -> int:
            return Profile(sc, number, subsample=1).tasks

        assert profile.statistics() == found.statistics()
        assert profile.write_trace(tmp_path / "a.trace") == str(tmp_path / "a.trace")
        for ask in (asked, opened):
            with pytest.warns(UserWarning, match="subsample is ignored") as warned:
                assert ask() == profile.tasks
            # It is about this file; garbage of others may have warnings of its own.
            ours = [each.filename for each in warned if each.category is UserWarning]
            assert ours == [__file__]
        with pytest.raises(ArgumentError, match="Job name 99 does not exist"):
            sc.get_profile(99)


@pytest.mark.parametrize(
    "flags", [IN_MEMORY, pytest.param(PROCESSES, marks=pytest.mark.slow)]
)
def test_a_profile_shows_all_that_a_run_does(
    tmp_path: Path, clip: str, flags: list[str]
) -> None:
    sc = open_client(tmp_path / "db", flags)
    frames = sc.io.Input([NamedVideoStream(sc, "clip", path=clip)])
    prepared = sc.ops.ProfiledResources(frame=frames)
    outputs = [
        sc.io.Output(prepared, [NamedVideoStream(sc, "frames")]),
        sc.io.Output(sc.ops.Histogram(frame=prepared), [NamedStream(sc, "h")]),
    ]
    number = sc.run(outputs, PerfParams.manual(4, 8), show_progress=False)
    assert number is not None
    profile = sc.get_profile(number)
    found = profile.statistics()
    assert {"ingest", "plan", "send graph", "pipeline", "conclude"} <= set(
        found["drive"]
    )
    assert {"open", "read", "read bytes", "decode", "convert"} <= set(found["load"])
    assert {"write", "encode", "store", "finish", "commit"} <= set(found["save"])
    assert {"wait for input", "wait for kernels"} <= set(found["wait"])
    assert "start workers" in found["start"]
    assert ("load run" in found["start"]) is (flags is PROCESSES)
    name = "ProfiledResources"
    assert {f"create:{name}", f"setup:{name}", f"op:{name}", "op:Histogram"} <= set(
        found["eval"]
    )
    assert found["eval"][f"fetch_resources:{name}"] >= 0.05
    events = profile.trace_events()
    check_chrome_trace(events)
    shown = {event["name"] for event in events}
    assert {"ingest", "plan", "start workers", f"fetch_resources:{name}"} <= shown
    levels = {event["name"] for event in events if event["ph"] == "C"}
    assert levels == {
        "rows in memory",
        "frames in memory",
        "frame bytes",
        "steps read ahead",
    }
    threads = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
    assert all(threads)
    assert any("read" in thread for thread in threads)


def test_values_are_read_one_after_the_other() -> None:
    data = struct.pack("=qB", -5, 7) + b"a name\0" + b"rest"
    (number,), place = read_advance("=q", data, 0)
    (small,), place = read_advance("B", data, place)
    assert (number, small) == (-5, 7)
    assert unpack_string(data, place) == ("a name", len(data) - 4)
