"""Lists of machine types: what machines have, and what they cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beam_scanner.clusters.machine_types import (
    SCANNERS,
    MachineRow,
    MachineTypeList,
    name_of,
)
from beam_scanner.errors import ArgumentError


def test_prices_of_scanner() -> None:
    assert SCANNERS.price("n1-standard-8") == pytest.approx(0.38)
    assert SCANNERS.price("n1-highmem-2", spot=True) == pytest.approx(0.025)
    assert SCANNERS.price("custom-2-4096") == pytest.approx(2 * 0.033174 + 4 * 0.004446)
    assert SCANNERS.price("nvidia-tesla-v100", spot=True) == 0.74
    with pytest.raises(ArgumentError, match=r"'m5.xlarge' is not in the list"):
        SCANNERS.price("m5.xlarge")


def test_machines_of_google_are_known() -> None:
    found = SCANNERS["n1-highmem-8"]
    assert (found.cpu, found.memory) == (8, 52)
    assert (SCANNERS["custom-6-20480"].cpu, SCANNERS["custom-6-20480"].memory) == (
        6,
        20,
    )
    for name in ("n1-huge-8", "n1-standard-x", "custom-4", "n2-standard-4", ""):
        assert name not in SCANNERS
        with pytest.raises(ArgumentError):
            SCANNERS[name]


@pytest.mark.parametrize("cpu", [1, 2, 4, 6, 96])
@pytest.mark.parametrize("memory", [1, 4, 15, 30, 360, 700])
def test_names_say_what_machines_have(cpu: int, memory: int) -> None:
    found = SCANNERS[name_of(cpu, memory)]
    assert (found.cpu, found.memory) == (cpu, memory)


def test_a_list_of_ones_own(tmp_path) -> None:
    rows: list[dict[str, Any]] = [
        {"name": "m5.xlarge", "cpu": 4, "memory": 16, "price": 0.192},
        {"name": "n1-standard-4", "cpu": 4, "memory": 15, "price": 9.0},
    ]
    path = tmp_path / "types.json"
    path.write_text(json.dumps(rows))
    types = MachineTypeList.read(path)
    assert list(types) == [MachineRow(**row) for row in rows]
    assert len(types) == 2
    assert "m5.xlarge" in types
    assert types.price("n1-standard-4") == 9.0
    with pytest.raises(ArgumentError, match=r"no spot price of 'm5.xlarge'"):
        types.price("m5.xlarge", spot=True)
    with pytest.raises(ArgumentError, match="did you mean"):
        types["m5.xlargo"]


@pytest.mark.parametrize(
    "row",
    [
        {"cpu": 1},
        {"name": ""},
        {"name": "a", "cost": 1},
        {"name": "a", "price": -1},
        {"name": "a", "cpu": "4"},
        7,
    ],
)
def test_what_is_no_machine_type(row) -> None:
    with pytest.raises(ArgumentError, match=r"machine type|negative"):
        MachineTypeList([row])


def test_what_is_no_file(tmp_path) -> None:
    (tmp_path / "a.json").write_text("{}")
    for name in ("none.json", "a.json"):
        with pytest.raises(ArgumentError, match="no list"):
            MachineTypeList.read(tmp_path / name)
