"""Codecs of dates, times and spans of time, exact to the microsecond."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.codecs.structured import StructuredCodec, misfit

_MICROSECOND = timedelta(microseconds=1)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def zone_name(zone: tzinfo) -> str:
    """What a time zone is called in Arrow types.

    Raises:
        ElementTypeError: It has no name there.

    Examples:
        >>> zone_name(UTC), zone_name(timezone(timedelta(hours=2)))
        ('UTC', '+02:00')
    """
    if zone is UTC:
        return "UTC"
    if isinstance(zone, ZoneInfo) and zone.key and zone.key != "UTC":
        return zone.key
    if type(zone) is timezone:
        seconds = int(zone.utcoffset(None).total_seconds())
        sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
        name = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
        if zone_of(name) == zone and repr(zone) == repr(zone_of(name)):
            return name
    raise ElementTypeError(
        f"time zone {zone!r} cannot be stored: use datetime.UTC, a zoneinfo.ZoneInfo, "
        "or a timezone of whole minutes without a name"
    )


def zone_of(name: str) -> tzinfo:
    """The time zone that :func:`zone_name` has named.

    Raises:
        ElementTypeError: There is none.
    """
    if name == "UTC":
        return UTC
    offset = _OFFSET.fullmatch(name)
    try:
        if offset is None:
            return ZoneInfo(name)
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-span if offset[1] == "-" else span)
    # Of a name that is none, zoneinfo raises many things.
    except Exception as error:
        raise ElementTypeError(f"there is no time zone {name!r}: {error}") from error


@dataclass(frozen=True)
class DatetimeCodec(StructuredCodec):
    """Points in time, all in one time zone or all without one.

    Attributes:
        zone: See :func:`zone_name`; '' for datetimes without a time zone.
    """

    zone: str = ""

    @property
    def text(self) -> str:
        """As in ``datetime.datetime['UTC']``."""
        zone = f"[{self.zone!r}]" if self.zone else ""
        return f"datetime.datetime{zone}"

    @property
    def arrow_type(self) -> Any:
        """A timestamp in microseconds."""
        return pa.timestamp("us", self.zone or None)

    def to_plain(self, value: Any) -> datetime:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not datetime:
            raise misfit(value, "a datetime")
        if not self.zone:
            if value.tzinfo is not None:
                hint = "Annotated[datetime, zone] is one with a time zone"
                raise misfit(value, f"a datetime without a time zone ({hint})")
            return value
        zone = zone_of(self.zone)
        if value.tzinfo != zone:
            raise misfit(value, f"a datetime of time zone {self.zone}")
        try:
            plain = value.astimezone(UTC)
            back = plain.astimezone(zone)
        except OverflowError:
            back = None
        # Clocks that are put forward leave out an hour.
        if back is None or back.replace(fold=0) != value.replace(fold=0):
            raise misfit(value, f"a datetime that there is in {self.zone}")
        return plain

    def of_plain(self, plain: Any) -> datetime:
        """See :meth:`StructuredCodec.of_plain`."""
        if not isinstance(plain, datetime) or (plain.tzinfo is None) == bool(self.zone):
            raise ValueError(f"{plain!r} in place of a datetime")
        return plain.astimezone(zone_of(self.zone)) if self.zone else plain


@dataclass(frozen=True)
class DateCodec(StructuredCodec):
    """Days."""

    text = "datetime.date"
    arrow_type = pa.date32()

    def to_plain(self, value: Any) -> date:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not date:
            raise misfit(value, "a date")
        return value

    def of_plain(self, plain: Any) -> date:
        """See :meth:`StructuredCodec.of_plain`."""
        if type(plain) is not date:
            raise ValueError(f"{plain!r} in place of a date")
        return plain


@dataclass(frozen=True)
class TimeCodec(StructuredCodec):
    """Times of day, without a time zone."""

    text = "datetime.time"
    arrow_type = pa.time64("us")

    def to_plain(self, value: Any) -> time:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not time or value.tzinfo is not None:
            raise misfit(value, "a time without a time zone")
        return value

    def of_plain(self, plain: Any) -> time:
        """See :meth:`StructuredCodec.of_plain`."""
        if type(plain) is not time:
            raise ValueError(f"{plain!r} in place of a time")
        return plain


@dataclass(frozen=True)
class TimedeltaCodec(StructuredCodec):
    """Spans of time, up to 292,000 years."""

    text = "datetime.timedelta"
    arrow_type = pa.duration("us")

    def to_plain(self, value: Any) -> timedelta:
        """See :meth:`StructuredCodec.to_plain`."""
        if type(value) is not timedelta:
            raise misfit(value, "a timedelta")
        if not -(1 << 63) <= value // _MICROSECOND < 1 << 63:
            raise misfit(value, "a timedelta that fits 64 bits of microseconds")
        return value

    def of_plain(self, plain: Any) -> timedelta:
        """See :meth:`StructuredCodec.of_plain`."""
        if type(plain) is not timedelta:
            raise ValueError(f"{plain!r} in place of a timedelta")
        return plain
