"""What means nothing on Beam says what to do, however it is called."""

import pytest

from beam_scanner.errors import ArgumentError, ScannerException
from beam_scanner.scannerpy import build_flags, kube, sampler
from beam_scanner.scannerpy.instead import refused


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_any_call_is_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"^fly: walk$"):
        refused("fly", "walk")(*arguments, key=4)


def test_names_are_in_the_message() -> None:
    for name in ("get_include", "print_lib", "get_grpc_version"):
        with pytest.raises(ScannerException, match=name):
            getattr(build_flags, name)()
    with pytest.raises(ScannerException, match=r"sc\.streams"):
        sampler.Sampler(None)
    with pytest.raises(ScannerException, match=r"kube\.master\(\): .*templates/flink"):
        kube.master()
    with pytest.raises(AttributeError, match="no attribute 'Clouds'"):
        kube.Clouds  # noqa: B018
