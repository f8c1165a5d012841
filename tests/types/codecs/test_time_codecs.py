from __future__ import annotations

import datetime
from datetime import UTC, timedelta, timezone
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam_scanner.errors import ElementTypeError
from beam_scanner.types import get_type_info
from beam_scanner.types.codecs.time_codecs import zone_name, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
LIVE = Annotated[datetime.datetime, BERLIN]
NOON = datetime.datetime(2031, 5, 1, 12)


@given(st.integers(-1439, 1439))
def test_zones_have_names(minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    zone = UTC if minutes == 0 else zone
    assert zone_of(zone_name(zone)) == zone


@pytest.mark.parametrize("zone", [timezone(timedelta(1 / 48), "x"), ZoneInfo("UTC")])
def test_zones_that_would_come_back_as_others(zone: Any) -> None:
    with pytest.raises(ElementTypeError, match="cannot be stored"):
        zone_name(zone)


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (datetime.datetime, NOON.replace(tzinfo=UTC), "without a time zone"),
        (datetime.datetime, NOON.date(), "expected a datetime, got date"),
        (LIVE, NOON, "of time zone Europe/Berlin"),
        (LIVE, NOON.replace(tzinfo=UTC), "of time zone Europe/Berlin"),
        (
            LIVE,
            datetime.datetime(2020, 3, 29, 2, 30, tzinfo=BERLIN),
            "that there is in",
        ),
        (LIVE, datetime.datetime(1, 1, 1, tzinfo=BERLIN), "that there is in"),
        (datetime.date, NOON, "expected a date, got datetime"),
        (datetime.time, datetime.time(1, tzinfo=UTC), "without a time zone"),
        (datetime.timedelta, timedelta.max, "fits 64 bits of microseconds"),
    ],
)
def test_other_values_are_refused(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(ElementTypeError, match=problem):
        get_type_info(annotation).serialize(value)


def test_the_hour_that_there_is_twice() -> None:
    info = get_type_info(LIVE)
    for fold in (0, 1):
        value = datetime.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold)
        back = info.deserialize(info.serialize(value))
        assert (back.fold, back.utcoffset()) == (fold, value.utcoffset())
