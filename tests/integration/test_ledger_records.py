"""Schedules, results, reports, marks and audit as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import sqlalchemy as sa

from etl.declared import Severity
from etl.errors import LedgerError, UsageError
from etl.facts import StageTiming
from etl.ledger import LeaseEntry, Ledger
from etl.model import CheckResult, CheckState, MoneyAccount, Published, RowAccount, TickOutcome
from tests.clock import Clock

MASTER = "master_etl_orchestrator"
GOLD = "gold_layer_analytics_pipeline"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(ledger_url, clock) as opened:
        yield opened


def test_the_orchestrator_alone_is_scheduled_at_first(ledger: Ledger) -> None:
    assert {name: state.cron for name, state in ledger.pipelines().items() if state.cron} == {
        MASTER: "*/15 * * * *"
    }
    assert not any(state.paused for state in ledger.pipelines().values())


def test_pausing_and_a_new_cron_are_kept_apart(ledger: Ledger, clock: Clock) -> None:
    ledger.set_cron(GOLD, "0 6 * * *")
    began = clock.now
    clock.forward(hours=1)
    ledger.set_paused(GOLD, True)
    ledger.set_cron(GOLD, "0 6 * * *")
    state = ledger.pipelines()[GOLD]
    assert (state.paused, state.cron, state.since) == (True, "0 6 * * *", began)
    with pytest.raises(UsageError, match="no pipeline 'goldd'"):
        ledger.set_paused("goldd", True)


def test_a_due_time_gets_one_outcome_only(ledger: Ledger, clock: Clock) -> None:
    run, _ = ledger.request(MASTER, ())
    due = clock.now
    assert ledger.record_tick(MASTER, due, TickOutcome.STARTED, run.run_id)
    assert not ledger.record_tick(MASTER, due, TickOutcome.MISSED, reason="twice")
    assert not ledger.record_tick(MASTER, due.astimezone(timezone(timedelta(hours=5))), TickOutcome.MISSED)
    assert ledger.record_tick(GOLD, due, TickOutcome.SKIPPED, reason="paused")
    assert [(tick.pipeline, tick.outcome, tick.run_id) for tick in ledger.ticks()] == [
        (GOLD, TickOutcome.SKIPPED, None),
        (MASTER, TickOutcome.STARTED, 1),
    ]


def test_a_tick_cannot_name_a_run_that_does_not_exist(ledger: Ledger, clock: Clock) -> None:
    with pytest.raises(LedgerError, match=r"(?i)foreign key"):
        ledger.record_tick(MASTER, clock.now, TickOutcome.STARTED, run_id=99)


def test_only_a_claimed_tick_is_settled(ledger: Ledger, clock: Clock) -> None:
    run, _ = ledger.request(MASTER, ())
    due = clock.now
    assert ledger.claim_tick(MASTER, due)
    assert ledger.settle_tick(MASTER, due, TickOutcome.MISSED, None, "No engine was running.")
    assert not ledger.settle_tick(
        MASTER, due, TickOutcome.STARTED, run.run_id, ""
    )  # an engine that woke up late
    assert [(tick.outcome, tick.run_id) for tick in ledger.ticks()] == [(TickOutcome.MISSED, None)]


def a_check(**changes: object) -> CheckResult:
    result = CheckResult(
        check="amount_not_negative",
        table="silver.sales_clean",
        severity=Severity.BLOCK,
        state=CheckState.FAILED,
        examined=10_000,
        failing=2,
        duration_seconds=0.01,
        query="select 1",
        sample=({"sales_id": 7, "sale_amount": Decimal("-12.50"), "sale_date": date(2025, 1, 2)},),
        message="2 rows",
        version=3,
        run_id=1,
    )
    return replace(result, **changes)  # type: ignore[arg-type]


def test_the_newest_result_of_every_check_stands(ledger: Ledger, clock: Clock) -> None:
    ledger.save_checks([a_check(), a_check(check="other", state=CheckState.UNEXAMINED, examined=0)])
    clock.forward(minutes=15)
    ledger.save_checks([a_check(failing=5)])
    newest, other = ledger.latest_checks()
    assert (newest.failing, newest.examined_at) == (5, clock.now)
    assert newest.sample == ({"sales_id": 7, "sale_amount": "-12.50", "sale_date": "2025-01-02"},)
    assert (other.check, other.state) == ("other", CheckState.UNEXAMINED)


def test_the_history_of_a_check_is_oldest_first_and_limited(ledger: Ledger) -> None:
    for failing in range(14):
        ledger.save_checks([a_check(failing=failing), a_check(check="other", failing=0)])
    history = ledger.check_history(limit=10)
    assert history["silver.sales_clean", "amount_not_negative"] == tuple(range(4, 14))
    assert history["silver.sales_clean", "other"] == (0,) * 10


def test_accounts_come_back_to_the_last_cent(ledger: Ledger) -> None:
    rows = RowAccount("erp_sales", "b1", 11, 1, 10, 0, 0, 0, bronze_only=False, silver=9, quarantined=1)
    cents = Decimal("123456789012345678901234567890.10")
    zero = Decimal("0.00")
    money = MoneyAccount("erp_sales", "b1", "sale_amount", "USD", cents, cents, zero, zero, zero, 1)
    ledger.save_accounts(1, [rows], [money])
    ledger.save_accounts(2, [replace(rows, silver=10, quarantined=0), replace(rows, batch_id="")], [])
    assert ledger.accounts(1).money == (money,)
    assert str(ledger.accounts(1).money[0].bronze) == "123456789012345678901234567890.10"
    newest = ledger.accounts()
    assert (newest.version, [row.batch_id for row in newest.rows], newest.rows[1].silver) == (
        2,
        ["", "b1"],
        10,
    )


def test_saving_the_accounts_of_a_version_again_replaces_them(ledger: Ledger) -> None:
    rows = RowAccount("erp_sales", "", 11, 1, 10, 0, 0, 0, bronze_only=False, silver=10)
    ledger.save_accounts(1, [rows], [])
    ledger.save_accounts(1, [rows], [])
    assert ledger.accounts().rows == (rows,)
    assert ledger.accounts(8).version == 0


def test_the_history_of_a_table_is_oldest_first_and_limited(ledger: Ledger, clock: Clock) -> None:
    def published(version: int) -> Published:
        inputs = (("silver.sales_clean", version),)
        return Published("gold.m", version, 1, "f", inputs, 10 * version, 512, clock.now)

    ledger.save_table_versions([published(1), published(2)])
    ledger.save_table_versions([published(2), published(3)])
    assert ledger.table_history() == {"gold.m": ((1, 10), (2, 20), (3, 30))}
    assert ledger.table_history(limit=2) == {"gold.m": ((2, 20), (3, 30))}


def test_timings_come_newest_run_first(ledger: Ledger) -> None:
    bronze, silver = (
        StageTiming(1, "bronze", 0.25, 20_003, None),
        StageTiming(1, "silver", 0.125, 20_000, 1 << 30),
    )
    ledger.save_timings([bronze, silver])
    ledger.save_timings([replace(bronze, run_id=2, cpu_seconds=0.5)])
    assert ledger.timings() == (replace(bronze, run_id=2, cpu_seconds=0.5), bronze, silver)
    assert [timing.run_id for timing in ledger.timings(limit=1)] == [2]


def test_a_kept_report_comes_back_whole(ledger: Ledger, clock: Clock) -> None:
    assert ledger.report() is None
    body = {"sections": [{"title": "Flöw", "rows": [["WEST", "448,428.24"]]}], "total": Decimal("926552.36")}
    first = ledger.save_report(1, 3, clock.now, True, "Ready", body)
    second = ledger.save_report(2, 4, clock.now, False, "Not ready", {})
    kept = ledger.report(first)
    assert kept is not None
    assert kept["body"] == body | {"total": "926552.36"}
    assert (kept["made_at"], kept["ready"], kept["headline"]) == (clock.now, True, "Ready")
    newest = ledger.report()
    assert newest is not None
    assert newest["report_id"] == second
    assert [(r.report_id, r.ready) for r in ledger.reports()] == [(second, False), (first, True)]
    assert ledger.report(99) is None


def test_marks_are_set_again_and_the_audit_is_only_added_to(ledger: Ledger) -> None:
    for value in ("off", "on"):
        ledger.mark("dirty_sample", value)
        ledger.audit("ana", "dirty_sample", value)
    assert ledger.marks() == {"dirty_sample": "on"}
    assert [(entry.who, entry.what, entry.detail) for entry in ledger.audit_trail()] == [
        ("ana", "dirty_sample", "on"),
        ("ana", "dirty_sample", "off"),
    ]


def test_names_come_in_the_order_of_their_characters_codes(ledger: Ledger) -> None:
    names = ["silver.a_b", "silver.ab", "silver.B", "silver.a-b", "silver.é", "silver.a b"]
    ledger.save_checks([a_check(table=name) for name in names])
    assert [result.table for result in ledger.latest_checks()] == sorted(names)


def test_a_character_that_no_text_may_hold_is_kept_or_written_out(ledger: Ledger, ledger_url: str) -> None:
    ledger.audit("ana", "looked at", "a\0b")
    ledger.save_checks([a_check(sample=({"name": "a\0b"},), message="a\0b")])
    kept = "a\0b" if ledger_url.startswith("sqlite") else "a\\x00b"
    assert ledger.audit_trail()[0].detail == kept
    assert (ledger.latest_checks()[0].message, ledger.latest_checks()[0].sample) == (
        kept,
        ({"name": "a\0b"},),
    )


def test_the_stamp_changes_with_what_another_writes_and_only_then(
    ledger: Ledger, ledger_url: str, clock: Clock
) -> None:
    with Ledger(ledger_url, clock) as other:
        before = ledger.stamp()
        assert other.stamp() == before
        other.claim_next()  # nothing waits
        other.refuse_waiting(1, "nothing was asked for")
        assert ledger.stamp() == before
        other.mark("dirty_sample", "on")
        assert ledger.stamp() == other.stamp() != before
        with pytest.raises(LedgerError):
            other.record_tick(MASTER, clock.now, TickOutcome.STARTED, run_id=99)
        assert ledger.stamp() == other.stamp()


def test_the_lease_tells_who_had_it_last(ledger: Ledger, clock: Clock) -> None:
    assert ledger.lease() is None
    ledger.note_lease("one:11", "http://10.0.0.1:8501", 4)
    first = LeaseEntry("one:11", "http://10.0.0.1:8501", 4, clock.now)
    assert ledger.lease() == first
    clock.forward(seconds=5)
    ledger.release_lease("one:11")
    assert ledger.lease() == replace(first, released_at=clock.now)
    ledger.note_lease("two:12", "", 5)
    ledger.release_lease("one:11")  # it was slow to stop
    assert ledger.lease() == LeaseEntry("two:12", "", 5, clock.now)


def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(sa.exc.StatementError, match="has no time zone"):
        ledger.save_report(1, 1, datetime(2025, 1, 1), True, "", {})  # noqa: DTZ001  that is the fault
