"""Numbers of values, and plots of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest

from beam_scanner.notebook.plots import plot, series_of
from beam_scanner.notebook.thumbnails import Shot
from beam_scanner.types import NULL, Label
from tests.support.frames import picture
from tests.text.test_cards import HOSTILE


class Pair(NamedTuple):
    left: float
    right: float


@dataclass
class Point:
    x: float
    name: str


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, True], {"": [1, 2.5, 1]}),
        ([NULL, None, 3], {"": [np.nan, np.nan, 3]}),
        ([np.float32(1), np.array(2.0)], {"": [1, 2]}),
        ([[1, 2], [3, 4]], {"0": [1, 3], "1": [2, 4]}),
        ([[1, 2], [3]], {"0": [1, 3], "1": [2, np.nan]}),
        ([[Label("a")], [], NULL], {"number of things": [1, 0, np.nan]}),
        ([Pair(1, 2), Pair(3, 4)], {"left": [1, 3], "right": [2, 4]}),
        ([Point(1, "a"), Point(2, "b")], {"x": [1, 2]}),
        ([{"a": 1}, {"b": 2}], {"a": [1, np.nan]}),
        (["text", "more"], {}),
        ([NULL, NULL], {}),
        ([], {}),
        ([np.zeros((3, 4))], {}),
    ],
)
def test_numbers_in_values(values: list[Any], expected: dict[str, list[float]]) -> None:
    found = series_of(values)
    assert list(found) == list(expected)
    for name, numbers in expected.items():
        assert np.array_equal(found[name], np.array(numbers, float), equal_nan=True)


def svg(page: str) -> ElementTree.Element:
    return ElementTree.fromstring(page[page.index("<svg") :])


def test_a_line_goes_through_all_values() -> None:
    seconds, values = np.arange(5.0), np.array([0, 1, np.nan, 2, 1])
    page = plot(seconds, {HOSTILE: values})
    lines = [each for each in svg(page) if each.attrib.get("stroke-width") == "1.5"]
    [path] = [line.attrib["d"] for line in lines]
    places = [
        tuple(map(float, place)) for place in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)
    ]
    assert len(places) == 4
    # A gap where nothing is known.
    assert path.count("M") == 2
    xs, ys = zip(*places, strict=True)
    assert list(xs) == sorted(xs)
    assert ys[0] > ys[1] > ys[2]
    assert ys[1] == ys[3]


def test_peaks_of_very_many_values_are_kept() -> None:
    values = np.zeros(100_000)
    values[12_345] = 1
    page = plot(np.arange(100_000.0), {"": values})
    assert len(page) < 60_000
    assert min(float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", page)) < 20


def test_frames_are_below_their_places() -> None:
    frames = {n: Shot(picture(), f"{n} · {n}.000 s") for n in (0, 5, 9)}
    frames[7] = Shot(NULL, "7")
    root = svg(plot(np.arange(10.0), {"": np.arange(10.0)}, frames))
    groups = [each for each in root if each.attrib.get("class") == "bs-at"]
    assert len(groups) == 3
    assert [group[2].text for group in groups] == ["0.000 s", "5.000 s", "9.000 s"]
    assert all(
        group[1].attrib["href"].startswith("data:image/jpeg") for group in groups
    )
    height = float(root.attrib["viewBox"].split()[3])
    for group in groups:
        assert float(group[1].attrib["y"]) + float(group[1].attrib["height"]) < height


def test_values_that_do_not_differ() -> None:
    root = svg(plot(np.zeros(2), {"": np.full(2, 7.0)}, unit="rows"))
    assert "nan" not in ElementTree.tostring(root).decode()
    assert "0 rows" in "".join(root.itertext())
