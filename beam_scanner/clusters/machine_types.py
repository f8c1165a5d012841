"""Machine types of clouds: cores, memory and price, from a list that can be replaced."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beam_scanner.errors import ArgumentError, did_you_mean

_MEMORY = {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9}
"""GB for each core, of Google's N1."""

_EXTENDED = 6.5


@dataclass(frozen=True)
class MachineRow:
    """A machine type, or a GPU.

    Attributes:
        name: As the cloud calls it.
        cpu: Its cores; 0 for a GPU.
        memory: GB; 0 for a GPU.
        price: US dollars an hour; None if it is not known.
        spot_price: The same of one that may be taken away; None if it is not known.
    """

    name: str
    cpu: int = 0
    memory: float = 0
    price: float | None = None
    spot_price: float | None = None


class MachineTypeList:
    """Machine types and GPUs with their prices.

    Args:
        rows: Each a ``MachineRow``, or a dict of its fields.

    Raises:
        ArgumentError: A row is none.

    Examples:
        >>> types = MachineTypeList([{'name': 'm5.xlarge', 'cpu': 4, 'memory': 16,
        ...                           'price': 0.192}])
        >>> types['m5.xlarge'].cpu, types.price('m5.xlarge')
        (4, 0.192)
    """

    def __init__(self, rows: Iterable[MachineRow | Mapping[str, Any]]) -> None:
        made = [row if isinstance(row, MachineRow) else _row(row) for row in rows]
        self._rows = {row.name: row for row in made}

    @staticmethod
    def read(path: str | os.PathLike[str]) -> MachineTypeList:
        """The list in a JSON file: a list of objects.

        Raises:
            ArgumentError: There is no such file, or it holds something else.
        """
        try:
            with open(path, encoding="utf-8") as file:
                rows = json.load(file)
        except (OSError, ValueError) as error:
            raise ArgumentError(f"{os.fspath(path)!r} is no list: {error}") from error
        if not isinstance(rows, list):
            raise ArgumentError(f"{os.fspath(path)!r} is no list of machine types")
        return MachineTypeList(rows)

    def __iter__(self) -> Iterator[MachineRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._rows or _n1(name) is not None)

    def __getitem__(self, name: str) -> MachineRow:
        """A machine type; those of Google's N1 are known by their names.

        Raises:
            ArgumentError: It is not in the list.
        """
        found = self._rows.get(name) or _n1(name)
        if found is None:
            raise ArgumentError(
                f"machine type {name!r} is not in the list of machine types; give one "
                "that has its cores, memory and price to "
                f"use_machine_types(){did_you_mean(name, self._rows)}"
            )
        return found

    def price(self, name: str, spot: bool = False) -> float:
        """US dollars an hour.

        Args:
            name: Of a machine type or GPU; sizes of ``n1`` and ``custom`` machines
                cost what ``n1-standard``, ``custom-cpu`` and ``custom-memory`` do.
            spot: Of one that may be taken away.

        Raises:
            ArgumentError: Its price is not known.
        """
        row = self._rows.get(name)
        if row is None:
            parts = name.split("-")
            if parts[0] == "n1" and len(parts) == 3 and _n1(name):
                return self.price("-".join(parts[:2]), spot) * int(parts[2])
            if parts[0] == "custom" and _n1(name):
                cpu, memory = int(parts[1]), int(parts[2]) / 1024
                return (
                    self.price("custom-cpu", spot) * cpu
                    + self.price("custom-memory", spot) * memory
                )
            row = self[name]
        found = row.spot_price if spot else row.price
        if found is None:
            kind = "spot price" if spot else "price"
            raise ArgumentError(
                f"the list of machine types has no {kind} of {name!r}; give one that "
                "has to use_machine_types()"
            )
        return found


def name_of(cpu: int, memory: int) -> str:
    """The machine type of Google's N1 with so many cores and GB.

    Examples:
        >>> name_of(4, 15), name_of(6, 20), name_of(2, 20)
        ('n1-standard-4', 'custom-6-20480', 'custom-2-20480-ext')
    """
    ratio = memory / cpu
    if math.log2(cpu).is_integer():
        for family, usual in _MEMORY.items():
            if math.isclose(ratio, usual):
                return f"n1-{family}-{cpu}"
    return f"custom-{cpu}-{memory * 1024}" + ("-ext" if ratio > _EXTENDED else "")


def _n1(name: str) -> MachineRow | None:
    """A machine of Google's N1, whose name says what it has."""
    parts = name.split("-")
    try:
        if parts[0] == "n1" and len(parts) == 3 and parts[1] in _MEMORY:
            cpu = int(parts[2])
            return MachineRow(name, cpu, _MEMORY[parts[1]] * cpu)
        if parts[0] == "custom" and parts[3:] in ([], ["ext"]):
            return MachineRow(name, int(parts[1]), int(parts[2]) / 1024)
    except (ValueError, IndexError):
        pass
    return None


def _row(given: Any) -> MachineRow:
    try:
        row = MachineRow(**given)
    except TypeError as error:
        raise ArgumentError(
            f"a machine type has name, cpu, memory, price, spot_price; got {given!r}"
        ) from error
    numbers = (row.cpu, row.memory, row.price or 0, row.spot_price or 0)
    if not isinstance(row.name, str) or not row.name:
        raise ArgumentError(f"a machine type has a name, got {given!r}")
    if any(not isinstance(n, (int, float)) or n < 0 for n in numbers):
        raise ArgumentError(f"{row.name!r} has a negative number, or none: {given!r}")
    return row


SCANNERS = MachineTypeList(
    MachineRow(name, price=price, spot_price=spot)
    for name, price, spot in (
        ("n1-standard", 0.0475, 0.01),
        ("n1-highmem", 0.0592, 0.0125),
        ("n1-highcpu", 0.03545, 0.0075),
        ("custom-cpu", 0.033174, 0.00698),
        ("custom-memory", 0.004446, 0.00094),
        ("nvidia-tesla-k80", 0.45, 0.135),
        ("nvidia-tesla-p100", 1.46, 0.43),
        ("nvidia-tesla-v100", 2.48, 0.74),
    )
)
"""Prices that Scanner has: Google's, of one core (``n1``), core and GB (``custom``), and
GPU, in 2018. For those of today, or of another cloud, give a list of your own."""
