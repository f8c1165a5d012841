"""Native ops on every runner: workers need not have the library, and outlive it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_scanner import Client, NamedStream, NamedVideoStream, PerfParams
from beam_scanner.kernels import registered_ops, registry
from beam_scanner.kernels.native import load_library
from beam_scanner.ops import register_ops
from tests.support.native_libraries import build
from tests.support.runner_graphs import left_over
from tests.support.targets import IN_MEMORY, Target

NAME = "Runners"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("native") / "ops.so", NAME=f'"{NAME}"')


@pytest.fixture
def loaded(library: Path, tmp_path: Path) -> Iterator[None]:
    """The ops of a file that is gone by the time that workers run them."""
    register_ops()
    before = set(registered_ops())
    path = Path(shutil.copy(library, tmp_path / "gone.so"))
    load_library(path)
    path.unlink()
    yield
    for name in set(registered_ops()) - before:
        registry().remove(name)


def made_of(db: Path, film: str, flags: list[str]) -> list[bytes]:
    """The bytes of what is made of a film."""
    with Client(db_path=str(db), options=flags) as sc:
        frames = sc.io.Input([NamedVideoStream(sc, "film", path=film)])
        made = sc.ops.Histogram(frame=sc.ops.RunnersAdd(frame=frames, by=7))
        stream = NamedStream(sc, "made")
        perf = PerfParams.manual(4, 24)
        sc.run(sc.io.Output(made, [stream]), perf, show_progress=False)
        return [Path(file).read_bytes() for file in stream.files()]


@pytest.mark.slow
def test_every_runner_makes_the_same(
    target: Target, loaded: None, film: str, tmp_path: Path
) -> None:
    wanted = made_of(tmp_path / "memory", film, IN_MEMORY)
    assert made_of(tmp_path / "db", film, target.flags(2)) == wanted
    assert not left_over(tmp_path / "db")


@pytest.mark.slow
def test_a_crash_costs_its_stream_alone(
    target: Target, loaded: None, tmp_path: Path
) -> None:
    with Client(db_path=str(tmp_path / "db"), options=target.flags(2)) as sc:
        names = ("good", "bad")
        for name, row in zip(names, (b"a", b"x"), strict=True):
            NamedStream(sc, f"in/{name}").save([b"a", row], bytes)
        value = sc.io.Input([NamedStream(sc, f"in/{name}") for name in names])
        out, _ = sc.ops.RunnersWrong(value=value, way="segfault")
        outputs = [NamedStream(sc, f"out/{name}") for name in names]
        number = sc.run(
            sc.io.Output(out, outputs),
            PerfParams.manual(2, 2),
            show_progress=False,
            on_failure="return",
            # Otherwise threads, and a run in memory, run kernels in this process.
            task_timeout=60,
        )
        assert number is not None
        (failure,) = sc.report(number).failures
        assert (failure.kind, failure.op, failure.row) == ("death", "RunnersWrong", 1)
        assert "SIGSEGV" in failure.reason
        assert list(outputs[0].load()) == [b"good"] * 2
        assert not outputs[1].committed()
