"""Records cross to JSON and back without losing a digit, a zone or a state."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.facts import Freshness, Report, ReportSection, Rows
from etl.model import Attempt, CheckState, MoneyAccount, RowAccount, Run, RunState, Task, TaskState, Trigger
from etl.wire import distinct_names, from_plain, objects, to_plain

AT = datetime(2026, 11, 23, 4, 5, 6, 789, tzinfo=UTC)


def make_run() -> Run:
    attempt = Attempt(1, TaskState.FAILED, AT, AT + timedelta(seconds=2), "disk busy")
    task = Task(
        7,
        3,
        0,
        "silver.sales_clean",
        "silver",
        "silver.sales_clean",
        "",
        "new files",
        TaskState.SUCCEEDED,
        (attempt,),
        AT,
        AT + timedelta(seconds=1.5),
        10_000,
        "",
    )
    return Run(
        3,
        "master_etl_orchestrator",
        ("gold",),
        False,
        True,
        None,
        Trigger.COMMAND,
        "ann",
        RunState.SUCCEEDED,
        AT,
        AT,
        AT + timedelta(seconds=4),
        5,
        "",
        tasks=(task,),
    )


def test_a_run_comes_back_as_it_was_sent() -> None:
    sent = json.loads(json.dumps(to_plain(make_run())))
    assert from_plain(Run, sent) == make_run()


def test_computed_figures_travel_with_their_record() -> None:
    plain = to_plain(make_run())
    assert (plain["seconds"], plain["tasks"][0]["seconds"]) == (4.0, 1.5)
    account = RowAccount("erp_sales", "b1", 12, 1, 10, 0, 1, 0, bronze_only=False, silver=9)
    assert to_plain(account)["closes"] is False
    assert to_plain(account)["rows_difference"] == 1


def test_money_keeps_every_digit_and_never_becomes_a_float() -> None:
    account = MoneyAccount(
        "erp_sales",
        "",
        "sale_amount",
        "USD",
        Decimal("12345678901234567890.10"),
        Decimal("0.10"),
        Decimal("1E+3"),
        Decimal(0),
        Decimal(0),
        0,
    )
    plain = to_plain(account)
    assert plain["bronze"] == "12345678901234567890.10"
    assert plain["superseded"] == "1000"
    assert from_plain(MoneyAccount, plain) == account


def test_a_report_survives_the_ledger() -> None:
    section = ReportSection("Freshness", "One feed.", ("a",), (("1",), ("",)), CheckState.UNEXAMINED)
    report = Report(1, 2, 3, AT, False, "Not ready", ("x",), ("y",), (section,), None, sample=True)
    assert from_plain(Report, json.loads(json.dumps(to_plain(report)))) == report


def test_a_promise_of_a_day_is_86400_seconds() -> None:
    freshness = Freshness(CheckState.PASSED, AT, timedelta(hours=24))
    assert to_plain(freshness) == {
        "state": "passed",
        "newest_arrival": "2026-11-23T04:05:06.000789+00:00",
        "fresh_within": 86400.0,
    }
    assert from_plain(Freshness, to_plain(freshness)) == freshness


def test_a_time_keeps_its_offset() -> None:
    assert to_plain(AT.astimezone(timezone(timedelta(hours=2)))).endswith("+02:00")


def test_query_rows_are_objects_in_column_order() -> None:
    rows = Rows(
        ("z", "a", "d"),
        ("decimal", "text", "date"),
        ((Decimal("1.50"), None, date(2026, 1, 2)),),
        truncated=False,
    )
    assert json.dumps(objects(rows)) == '[{"z": "1.50", "a": null, "d": "2026-01-02"}]'


def test_a_repeated_column_name_loses_no_column() -> None:
    assert distinct_names(("a", "a_2", "a", "a")) == ("a", "a_2", "a_3", "a_4")
    assert objects(Rows(("a", "a"), ("i", "i"), ((1, 2),))) == [{"a": 1, "a_2": 2}]


def test_not_a_number_is_valid_json() -> None:
    assert json.loads(json.dumps(to_plain([float("nan"), float("-inf")]), allow_nan=False)) == ["nan", "-inf"]


def test_paths_and_bytes_are_text() -> None:
    assert to_plain({"path": Path("a/b"), "raw": b"\xff\x00"}) == {"path": "a/b", "raw": "ff00"}


def test_a_thing_without_a_plain_form_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="object"):
        to_plain(object())


@pytest.mark.parametrize(
    ("field", "value"), [("run_id", "3"), ("run_id", True), ("state", "sleeping"), ("requested_at", 5)]
)
def test_a_value_of_the_wrong_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"sleeping|Run\."):
        from_plain(Run, to_plain(make_run()) | {field: value})


def test_a_missing_field_is_named() -> None:
    plain = to_plain(make_run())
    del plain["pipeline"]
    with pytest.raises(ValueError, match="pipeline"):
        from_plain(Run, plain)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.datetimes(timezones=st.just(UTC)))
def test_any_amount_and_any_time_come_back_equal(amount: Decimal, at: datetime) -> None:
    plain = json.loads(json.dumps(to_plain([amount, at])))
    assert Decimal(plain[0]) == amount
    assert datetime.fromisoformat(plain[1]) == at
