"""Cron lines in UTC, read as crontab(5) means them, and the times at which they come due."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from etl.errors import SettingsError

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?P<first>\*|[0-7]|[a-z]{3})(-(?P<last>[0-7]|[a-z]{3}))?(/(?P<step>[1-7]))?")
_VALID = (
    "Give five fields in UTC, such as '*/15 * * * *': "
    "minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-7 or sun-sat (0 and 7 are Sunday)."
)


def parse_cron(text: str) -> CronTrigger:
    """The trigger of a cron line. Raises SettingsError, naming the value and what is valid."""
    fields = text.lower().split()
    if len(fields) != 5:  # noqa: PLR2004
        raise SettingsError(f"schedule = {text!r} has {len(fields)} fields instead of five.", _VALID)
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        # crontab(5) means either, APScheduler means both: whichever we took, someone would be surprised.
        raise SettingsError(f"schedule = {text!r} limits both the day and the weekday.", "Leave one as *.")
    try:
        trigger = CronTrigger(
            minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=UTC
        )
    except ValueError as error:
        raise SettingsError(f"schedule = {text!r} is not a cron line: {error}.", _VALID) from error
    if next_due(trigger, datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise SettingsError(f"schedule = {text!r} never comes due: no month has that day.", _VALID)
    return trigger


def next_due(trigger: CronTrigger, after: datetime) -> datetime | None:
    """The first due time later than `after`."""
    due: datetime | None = trigger.get_next_fire_time(None, after.astimezone(UTC) + timedelta(microseconds=1))
    return due


def due_times(trigger: CronTrigger, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every due time later than `after` and not later than `until`, in order. About 17 µs each."""
    due = next_due(trigger, after)
    while due is not None and due <= until:
        yield due
        due = next_due(trigger, due)


def _weekdays(field: str) -> str:
    """The same days by name: APScheduler counts from Monday, crontab(5) from Sunday."""
    if field == "*":
        return field
    days = sorted({day for part in field.split(",") for day in _days(part)})
    return ",".join(_DAYS[day] for day in days)


def _days(part: str) -> Iterator[int]:
    """The days, from 0 for Sunday, of `1`, `mon-fri`, `5-7`, `sat-mon` or `*/2`. Raises ValueError."""
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is not a weekday")
    first, last, step = found["first"], found["last"], int(found["step"] or 1)
    if first == "*":
        return iter(range(0, 7, step))
    begin = _day(first)
    end = _day(last) if last else (6 if found["step"] else begin)
    length = end - begin + 1 if end >= begin else end + 7 - begin + 1
    return ((begin + offset) % 7 for offset in range(0, length, step))


def _day(name: str) -> int:
    if name.isdigit():
        return int(name)
    if name not in _DAYS:
        raise ValueError(f"{name!r} is not a weekday")
    return _DAYS.index(name)
