"""What arrives is watched: its volume, its columns, its age; and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.calls import perform
from etl.declared import Severity
from etl.drift import DriftKind
from etl.errors import UsageError
from etl.facts import CheckFacts
from etl.model import CheckState, RunState
from etl.scheduler import Scheduler
from etl.service import Service, open_service
from etl.settings import Settings
from tests.damage import Damaged
from tests.workspaces import CUSTOMERS, QUICK, SALES, few_files, land, run, workspace

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


class Day:
    """A clock that goes from day to day."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def next(self) -> None:
        self.now += timedelta(days=1)


@pytest.fixture
def day() -> Day:
    return Day()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


@pytest.fixture
def service(settings: Settings, day: Day) -> Iterator[Service]:
    with open_service(settings, clock=day, retry=QUICK) as opened:
        yield opened


def customers(count: int, first: int, header: str = CUSTOMERS) -> str:
    """So many customers, none of them known yet."""
    return header + "".join(
        f"{first + n},Customer {first + n},c{first + n}@example.com,WEST\n" for n in range(count)
    )


def bring(service: Service, settings: Settings, day: Day, *counts: int) -> None:
    """On the next day a file of each of so many customers, all taken in by one run."""
    day.next()
    stamp = (day.now - START).days
    for at, count in enumerate(counts):
        land(settings, f"crm/crm_customers_{stamp}_{at}.csv", customers(count, stamp * 100_000 + at * 10_000))
    assert run(service, "bronze").state is RunState.SUCCEEDED


def check(service: Service, name: str, table: str = "bronze.crm_customers_raw") -> CheckFacts:
    service.examine_watched()  # what the clock changed since
    return next(facts for facts in service.checks() if (facts.check, facts.table) == (name, table))


# -- volume ---------------------------------------------------------------------------------------------------


def test_a_short_history_is_grey_says_its_numbers_and_does_not_stand_against_the_verdict(
    service: Service, settings: Settings, day: Day
) -> None:
    run(service)
    bring(service, settings, day, 300, 10)
    volume = check(service, "Volume as usual")
    assert (volume.result.state, volume.result.examined) == (CheckState.UNEXAMINED, 0)
    assert volume.result.message == "Too little history: 2 batches to compare with, 7 or more needed."
    run(service)
    day.next()
    table = next(table for table in service.tables() if table.name == "bronze.crm_customers_raw")
    assert "not examined" not in table.state_note
    assert service.verdict().ready
    assert any("Volume as usual of crm_customers_raw" in reason for reason in service.verdict().reasons)


@pytest.mark.parametrize("count", [30, 700])
def test_a_file_of_unusual_size_warns_with_what_was_expected_and_stops_nothing(
    service: Service, settings: Settings, day: Day, count: int
) -> None:
    bring(service, settings, day, 300, 310, 290, 305, 295, 300)
    bring(service, settings, day, 301)
    assert check(service, "Volume as usual").result.state is CheckState.PASSED
    bring(service, settings, day, count)
    volume = check(service, "Volume as usual")
    assert (volume.result.state, volume.result.examined, volume.result.failing) == (CheckState.WARNED, 1, 1)
    assert volume.severity is Severity.WARN
    assert f"has {count:,} rows; 225 to 375 are usual (median 300 of 8 batches)" in volume.result.message
    assert volume.result.sample[0]["rows"] == count
    assert service.select(volume.result.query).rows[0][2] == count, "the query shows what was compared"
    assert volume.history == (0, 1)
    assert any(sight.headline == "crm_customers is of unusual size" for sight in service.attention())
    assert run(service).state is RunState.SUCCEEDED
    assert service.verdict().ready
    assert any("225 to 375 are usual" in reason for reason in service.verdict().reasons)


def test_a_small_table_is_grey_and_names_the_floor(service: Service, settings: Settings, day: Day) -> None:
    bring(service, settings, day, 5, 6, 5, 4, 5, 6, 5, 5)
    bring(service, settings, day, 50)
    volume = check(service, "Volume as usual")
    assert volume.result.state is CheckState.UNEXAMINED
    assert "100 or more needed" in volume.result.message


def test_a_day_marked_as_an_incident_is_left_out_and_can_be_taken_back(
    service: Service, settings: Settings, day: Day
) -> None:
    bring(service, settings, day, *[300] * 8)
    bring(service, settings, day, 20)
    ruined = day.now.date()
    assert check(service, "Volume as usual").result.state is CheckState.WARNED
    service.mark_incident("crm_customers", ruined, "export broke off", by="ada")
    marked = check(service, "Volume as usual")
    assert marked.result.state is CheckState.UNEXAMINED, "explained is not the same as passed"
    assert "marked as an incident" in marked.result.message
    bring(service, settings, day, 300)
    volume = check(service, "Volume as usual")
    assert volume.result.state is CheckState.PASSED
    assert "of 9 batches" in volume.result.message
    service.unmark_incident("crm_customers", ruined, by="bo")
    assert "of 10 batches" in check(service, "Volume as usual").result.message
    trail = [(entry.who, entry.what, entry.detail) for entry in service._ledger.audit_trail()]
    assert trail[:2] == [
        ("bo", "unmark_incident", f"crm_customers {ruined}"),
        ("ada", "mark_incident", f"crm_customers {ruined}: export broke off"),
    ]


def test_a_withdrawn_batch_is_left_out_and_counts_again_when_it_is_reinstated(
    service: Service, settings: Settings, day: Day
) -> None:
    bring(service, settings, day, *[300] * 8)
    bring(service, settings, day, 20)
    assert check(service, "Volume as usual").result.state is CheckState.WARNED
    (wrong,) = [batch.batch_id for batch in service.batches() if batch.rows == 20]
    service.work(service.withdraw_batch(wrong, "the wrong file", by="ada").run_id)
    left_out = check(service, "Volume as usual")
    assert left_out.result.state is CheckState.UNEXAMINED
    assert "was withdrawn" in left_out.result.message
    service.work(service.reinstate_batch(wrong, by="ada").run_id)
    assert check(service, "Volume as usual").result.state is CheckState.WARNED


def test_incidents_are_asked_for_from_outside_too(service: Service, day: Day) -> None:
    given = {"source": "erp_sales", "day": "2026-03-01", "reason": " half  a day ", "by": "ada"}
    perform(service, "mark_incident", given)
    perform(service, "mark_incident", given | {"reason": "the whole day"})
    (incident,) = perform(service, "incidents", {})
    assert (incident["day"], incident["reason"], incident["by"]) == ("2026-03-01", "the whole day", "ada")
    assert service.incidents()[0].day == date(2026, 3, 1)
    perform(service, "unmark_incident", {"source": "erp_sales", "day": "2026-03-01"})
    assert service.incidents() == ()


@pytest.mark.parametrize(
    ("source", "when", "reason", "told"),
    [
        ("erp", date(2026, 3, 1), "x", "There is no source 'erp'"),
        ("erp_sales", date(2026, 3, 3), "x", "2026-03-03 has not come yet"),
        ("erp_sales", date(2026, 3, 1), "  ", "An incident needs a reason"),
        ("erp_sales", date(2026, 3, 1), "x" * 501, "The reason has 501 characters"),
    ],
)
def test_an_incident_that_says_nothing_is_refused(
    service: Service, source: str, when: date, reason: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        service.mark_incident(source, when, reason)
    assert service.incidents() == ()


def test_taking_back_a_mark_that_is_not_there_is_refused(service: Service) -> None:
    with pytest.raises(UsageError, match="2026-03-01 is not marked"):
        service.unmark_incident("erp_sales", date(2026, 3, 1))
    with pytest.raises(UsageError, match="which is no day"):
        perform(service, "unmark_incident", {"source": "erp_sales", "day": "1.3.2026"})


def test_the_rows_of_each_batch_and_what_is_expected_next_can_be_asked(
    service: Service, settings: Settings, day: Day
) -> None:
    bring(service, settings, day, *[300] * 6)
    bring(service, settings, day, 300)
    service.mark_incident("crm_customers", day.now.date(), "x")
    found = next(volume for volume in service.volumes() if volume.source == "crm_customers")
    assert [one.load.rows for one in found.batches] == [3, *[300] * 7]
    assert [one.load.left_out for one in found.batches] == [*[False] * 7, True]
    assert (found.expected.batches, found.expected.low, found.expected.high) == (7, 225, 375)


# -- columns --------------------------------------------------------------------------------------------------


def test_columns_as_agreed_are_examined_and_pass(service: Service) -> None:
    assert check(service, "Schema as agreed").result.state is CheckState.UNEXAMINED
    run(service)
    schema = check(service, "Schema as agreed")
    assert (schema.result.state, schema.result.examined) == (CheckState.PASSED, 4)
    assert service.drift() == ()


def test_a_missing_and_a_new_column_warn_and_the_rename_is_proposed(
    service: Service, settings: Settings, day: Day
) -> None:
    run(service)
    day.next()
    text = customers(6, 100, "customer_id,customer_name,E-Mail,region\n")
    land(settings, "crm/crm_customers_2.csv", text)
    run(service, "bronze")
    schema = check(service, "Schema as agreed")
    assert (schema.result.state, schema.result.failing) == (CheckState.WARNED, 2)
    gone, new = service.drift("crm_customers")
    assert (gone.kind, gone.column, gone.path) == (DriftKind.MISSING, "email", "crm/crm_customers_2.csv")
    assert (
        gone.proposal
        == "looks renamed: add 'E-Mail' to the aliases of email in contracts/crm_customers.odcs.yaml"
    )
    assert (new.kind, new.column, new.found) == (DriftKind.NEW, "E-Mail", "text")
    assert gone.proposal in schema.result.message
    assert {row[1] for row in service.select(schema.result.query).rows} == {"email", "E-Mail"}
    assert perform(service, "drift", {"source": "crm_customers", "limit": 1})[0]["kind"] == "missing"


def test_the_proposal_taken_up_ends_the_warning_and_is_still_told(
    service: Service, settings: Settings, day: Day
) -> None:
    contract = settings.project / "contracts" / "crm_customers.odcs.yaml"
    text, lower = contract.read_text(), "          - {property: case, value: lower}\n"
    assert lower in text
    contract.write_text(text.replace(lower, lower + "          - {property: aliases, value: [E-Mail]}\n"))
    land(settings, "crm/crm_customers_2.csv", customers(6, 100, "customer_id,customer_name,E-Mail,region\n"))
    run(service)
    assert check(service, "Schema as agreed").result.state is CheckState.PASSED
    (renamed,) = service.drift("crm_customers")
    assert (renamed.kind, renamed.column, renamed.found, renamed.agreed) == (
        DriftKind.RENAMED, "email", "E-Mail", True,
    )  # fmt: skip


def test_a_new_column_is_agreed_where_the_contract_lets_columns_evolve(
    service: Service, settings: Settings
) -> None:
    contract = settings.project / "contracts" / "crm_customers.odcs.yaml"
    text, place = contract.read_text(), "    physicalName: customers_clean"
    assert place in text
    evolving = "    customProperties: [{property: unknownColumns, value: evolve}]\n"
    contract.write_text(text.replace(place, evolving + place))
    header = CUSTOMERS.strip() + ",Größe (cm)\n"
    lines = "".join(f"{n},N,n{n}@example.com,WEST,{n}\n" for n in range(100, 106))
    land(settings, "crm/crm_customers_2.csv", header + lines)
    run(service)
    (new,) = service.drift("crm_customers")
    assert (new.kind, new.column, new.found, new.agreed) == (
        DriftKind.NEW,
        "Größe (cm)",
        "whole numbers",
        True,
    )
    assert check(service, "Schema as agreed").result.state is CheckState.PASSED
    forms = service.select("select form from bronze._columns where column_name = 'grosse_cm'").rows
    assert forms == (("whole",),)


def test_a_file_read_again_is_looked_at_again(service: Service, settings: Settings) -> None:
    contract = settings.project / "contracts" / "crm_customers.odcs.yaml"
    land(settings, "crm/crm_customers_2.csv", customers(6, 100, "customer_id,customer_name,E-Mail,region\n"))
    run(service)
    assert [drift.kind for drift in service.drift()] == [DriftKind.MISSING, DriftKind.NEW]
    lower = "          - {property: case, value: lower}\n"
    contract.write_text(
        contract.read_text().replace(lower, lower + "          - {property: aliases, value: [E-Mail]}\n")
    )
    (batch,) = [batch.batch_id for batch in service.batches() if batch.path.endswith("_2.csv")]
    service.work(service.replay_batch(batch, by="ada").run_id)
    assert [drift.kind for drift in service.drift()] == [DriftKind.RENAMED]
    assert check(service, "Schema as agreed").result.state is CheckState.PASSED


def test_a_refused_file_is_told_of_once_and_its_columns_are_listed_with_the_likely_rename(
    service: Service, settings: Settings
) -> None:
    run(service)
    lines = "5,10,1,1,2026-03-05,40.00\n" * 3
    land(settings, "erp/erp_sales_2.csv", SALES.replace("sale_amount", "amount") + lines)
    assert run(service, "bronze").state is RunState.SUCCEEDED
    gone, new = service.drift("erp_sales")
    assert (
        gone.proposal
        == "looks renamed: add 'amount' to the aliases of sale_amount in contracts/erp_sales.odcs.yaml"
    )
    assert (new.column, new.found) == ("amount", "decimals with a point")
    assert (
        len([sight for sight in service.attention() if "erp_sales_2" in f"{sight.headline} {sight.detail}"])
        == 1
    )
    schema = check(service, "Schema as agreed", "bronze.erp_sales_raw")
    assert schema.result.state is CheckState.PASSED, "of what landed"


@pytest.mark.parametrize(
    ("column", "row", "said"),
    [
        ("sale_date", "{n},10,1,1,05.03.2026,40.00", "held dates YYYY-MM-DD, now dates DD.MM.YYYY (like '05.03.2026')"),
        ("quantity", "{n},10,1,1.5,2026-03-05,40.00", "held whole numbers, now decimals with a point (like '1.5')"),
        ("sale_amount", '{n},10,1,1,2026-03-05,"40,50"', "now numbers with a comma (like '40,50')"),
    ],
)  # fmt: skip
def test_a_column_that_looks_another_way_than_before_is_retyped(
    service: Service, settings: Settings, day: Day, column: str, row: str, said: str
) -> None:
    for first in (100, 200):
        lines = "".join(f"{first + n},10,1,1,2026-03-05,40.00\n" for n in range(6))
        land(settings, f"erp/erp_sales_{first}.csv", SALES + lines)
    run(service)
    assert not service.drift()
    day.next()
    land(settings, "erp/erp_sales_300.csv", SALES + "".join(row.format(n=300 + n) + "\n" for n in range(6)))
    run(service, "bronze")
    (drift,) = service.drift("erp_sales")
    assert (drift.kind, drift.column) == (DriftKind.RETYPED, column)
    assert said in drift.sentence
    assert check(service, "Schema as agreed", "bronze.erp_sales_raw").result.state is CheckState.WARNED


def test_a_large_file_is_looked_at_in_stretches_from_its_beginning_to_its_end(
    service: Service, settings: Settings, day: Day
) -> None:
    run(service)
    day.next()
    lines = "".join(f"{n},10,1,1,2026-03-05,40.00\n" for n in range(100, 10_600))
    other = "".join(f"{n},10,1,1,05.03.2026,40.00\n" for n in range(10_600, 40_000))
    land(settings, "erp/erp_sales_1.csv", SALES + lines)
    run(service, "bronze")
    day.next()
    land(settings, "erp/erp_sales_2.csv", SALES + lines.replace("10,1,1", "11,1,1") + other)
    run(service, "bronze")
    assert [drift.column for drift in service.drift("erp_sales")] == ["sale_date"]
    filled = service.select("select max(filled) from bronze._columns").rows[0][0]
    assert filled == 10_000


def test_what_drifted_is_committed_with_the_batch_or_not_at_all(
    settings: Settings, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(settings, "crm/crm_customers_2.csv", customers(6, 100, "customer_id,customer_name,E-Mail,region\n"))
    with open_service(settings, clock=day, retry=QUICK) as service:

        def broken(*_: object) -> None:
            raise RuntimeError("the power is gone")

        monkeypatch.setattr(type(service._warehouse), "_publish_bronze", broken)
        assert run(service, "bronze").state is RunState.FAILED
        counts = "select (select count(*) from bronze._batches), (select count(*) from bronze._drift), "
        counts += "(select count(*) from bronze._columns)"
        assert service.select(counts).rows == ((0, 0, 0),)
        monkeypatch.undo()
        assert run(service, "bronze").state is RunState.SUCCEEDED
        assert service.select(counts).rows == ((3, 2, 14),)


# -- rows -----------------------------------------------------------------------------------------------------


def test_the_row_count_is_held_against_the_source_for_every_feed(
    service: Service, settings: Settings
) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + '5,10,1,1,2026-03-05,4.00\n6,10,"1,1,2026-03-05,4.00\n')
    run(service)
    counted = check(service, "Row count as in the source", "bronze.erp_sales_raw")
    assert counted.severity is Severity.BLOCK
    assert (counted.result.state, counted.result.examined, counted.result.failing) == (
        CheckState.PASSED,
        8,
        0,
    )
    assert counted.result.message == "5 rows of 8 lines counted independently, 0 unexplained"
    assert counted.result.duration_seconds > 0
    assert service.select(counted.result.query).rows == ()


def test_what_was_set_aside_is_shown_by_sample_and_query(service: Service, settings: Settings) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + '5,10,99,1,2026-03-05,4.00\n6,10,"1,1,2026-03-05,4.00\n')
    run(service)
    aside = check(service, "No row set aside", "silver.sales_clean")
    assert (aside.result.failing, len(aside.result.sample)) == (1, 1)
    assert aside.result.sample[0]["customer_id"] == "99"
    assert len(service.select(aside.result.query).rows) == 1
    lines = check(service, "No line unreadable", "silver.sales_clean")
    assert lines.result.sample[0]["raw"] == '6,10,"1,1,2026-03-05,4.00'
    assert service.select(lines.result.query).rows[0][1] == 3


def test_every_check_that_examined_something_says_what_it_asked(service: Service) -> None:
    run(service)
    examined = [facts for facts in service.checks() if facts.result.examined]
    assert len(examined) > 40
    assert [facts.check for facts in examined if not facts.result.query] == []
    assert [facts.check for facts in examined if not facts.description] == []
    assert [facts.check for facts in examined if not facts.history] == []


@pytest.mark.parametrize(
    ("loss", "name", "told"),
    [
        (
            "select * from ({sql}) as found where sales_id <> 3",
            "Row account closes",
            "1 rows are not explained",
        ),
        (
            "select sales_id, product_id, customer_id, quantity, sale_date, _batch_id, _row_number, _correction, "
            "cast(round(sale_amount / 3) as decimal(18, 2)) as sale_amount from ({sql}) as found",
            "Money account closes (sale_amount)",
            "USD is not explained",
        ),
    ],
)
def test_an_account_that_does_not_close_is_a_failed_check_until_it_does(
    service: Service, loss: str, name: str, told: str
) -> None:
    sound = service.engine.tools
    service.engine.tools = replace(sound, compiled=Damaged(lambda sql: loss.format(sql=sql)))
    assert run(service).state is RunState.FAILED
    failed = check(service, name, "silver.sales_clean")
    assert (failed.result.state, failed.severity) == (CheckState.FAILED, Severity.BLOCK)
    assert failed.result.failing > 0
    assert told in failed.result.message
    assert not service.verdict().ready
    service.engine.tools = sound
    run(service)
    assert check(service, name, "silver.sales_clean").result.state is CheckState.PASSED
    assert service.verdict().ready


def test_a_pass_on_an_older_version_is_not_green(service: Service, settings: Settings) -> None:
    run(service)
    name = "Row count as in the source"
    assert check(service, name).result.state is CheckState.PASSED
    warehouse: Any = service._warehouse
    with warehouse._transaction() as session:  # by an engine that died before it kept results
        session.run(
            "insert into bronze._publications select 1 + (select max(version) from bronze._publications), run_id, "
            "table_name, fingerprint, inputs, rows, fence, published_at from bronze._publications "
            "where table_name = 'bronze.crm_customers_raw'"
        )
    stale = check(service, name)
    assert stale.result.state is CheckState.UNEXAMINED
    assert "has not been examined" in stale.result.message


# -- at every tick --------------------------------------------------------------------------------------------


def test_freshness_is_examined_at_a_tick_and_kept_when_its_state_changes(service: Service, day: Day) -> None:
    run(service)
    place = ("bronze.erp_sales_raw", "Fresh enough")
    assert service._ledger.check_history()[place] == (0,)
    service.examine_watched()
    day.now += timedelta(hours=23)
    service.examine_watched()
    assert service._ledger.check_history()[place] == (0,), "nothing has changed"
    day.now += timedelta(hours=2)
    assert service.examine_watched() > 0
    assert service.examine_watched() == 0
    assert service._ledger.check_history()[place] == (0, 1)
    late = check(service, "Fresh enough", "bronze.erp_sales_raw")
    assert (late.result.state, late.history) == (CheckState.WARNED, (0, 1))
    assert json.dumps(late.result.sample)


def test_what_the_clock_changes_is_examined_at_every_tick_also_of_a_paused_schedule(service: Service) -> None:
    service.pause("master_etl_orchestrator", True)
    examined: list[int] = []
    scheduler = Scheduler(
        service._ledger,
        lambda: (),
        (),
        service._requested,
        lambda: datetime.now(UTC),
        cron="*/15 * * * *",
        on_tick=lambda: examined.append(1),
    )
    scheduler.start()
    try:
        scheduler._tick("master_etl_orchestrator")
    finally:
        scheduler.stop()
    assert examined
