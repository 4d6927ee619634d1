"""Cron lines mean what crontab(5) means, in UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from etl.errors import SettingsError
from etl.scheduler import parse_cron
from etl.scheduler.cron import due_times, next_due


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("0 6 * * 1-5", "Mon Tue Wed Thu Fri"),
        ("0 6 * * mon-fri", "Mon Tue Wed Thu Fri"),
        ("0 6 * * 0", "Sun"),
        ("0 6 * * 7", "Sun"),
        ("0 6 * * 5-7", "Fri Sat Sun"),
        ("0 6 * * SAT-mon", "Mon Sat Sun"),
        ("0 6 * * 1,3", "Mon Wed"),
        ("0 6 * * */2", "Tue Thu Sat Sun"),
        ("0 6 * * *", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_weekdays_mean_what_crontab_means_by_them(line: str, days: str) -> None:
    monday = datetime(2025, 3, 3, tzinfo=UTC)
    due = list(due_times(parse_cron(line), monday, monday + timedelta(days=7)))
    assert " ".join(f"{moment:%a}" for moment in due) == days


@pytest.mark.parametrize(
    "line",
    [
        "",
        "@daily",
        "* * * *",
        "60 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "0 6 * * 8",
        "0 6 * * fry",
        "0 6 30 2 *",
    ],
)
def test_a_line_that_is_no_cron_is_named_with_what_is_valid(line: str) -> None:
    with pytest.raises(SettingsError, match=r"minute 0-59") as caught:
        parse_cron(line)
    assert repr(line) in str(caught.value)


def test_a_day_and_a_weekday_together_are_refused_as_ambiguous() -> None:
    with pytest.raises(SettingsError, match=r"'0 6 1 \* 1' limits both"):
        parse_cron("0 6 1 * 1")


def test_no_hour_is_left_out_or_doubled_when_clocks_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for day in (datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)):
            due = list(due_times(parse_cron("30 * * * *"), day, day + timedelta(days=1)))
            assert due == [day + timedelta(hours=hour, minutes=30) for hour in range(24)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_leap_day_is_waited_for() -> None:
    assert next_due(parse_cron("0 0 29 2 *"), datetime(2025, 1, 1, tzinfo=UTC)) == datetime(
        2028, 2, 29, tzinfo=UTC
    )
