"""Laws 6, 7 and 9: one engine works, nothing empty is green, and no failure makes it worse than before."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from etl.model import CheckState, RunState, TaskState
from etl.settings import Settings
from tests.contents import contents, succeeded
from tests.damage import Damaged
from tests.faults.processes import command, ended
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

BOTH_SUMS = (
    "select (select sum(total_revenue) from gold.customer_analytics), "
    "(select sum(sale_amount) from silver.sales_clean)"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


# -- 6: once --------------------------------------------------------------------------------------------------


def test_of_two_commands_at_once_each_runs_alone_and_every_file_lands_once(settings: Settings) -> None:
    commands = [command(settings, "run", "--json") for _ in range(2)]
    answers = [ended(started) for started in commands]
    assert [answer.code for answer in answers] == [0, 0], answers
    runs = sorted((answer.document["run"] for answer in answers), key=lambda found: found["run_id"])
    alone = runs[0]["run_id"] != runs[1]["run_id"]  # else the second asked for what was queued already
    assert not alone or runs[0]["finished_at"] <= runs[1]["started_at"], "one at a time"
    with opened(settings) as service:
        assert service.select("select count(*), sum(sale_amount) from silver.sales_clean").rows == ((4, 100),)
        assert [(batch.source, batch.arrivals) for batch in service.batches()] == [
            ("erp_sales", 1), ("crm_customers", 1),
        ]  # fmt: skip
        assert [found.state for found in service.runs().runs if found.run_id == runs[1]["run_id"]] == [
            "succeeded"
        ]


def test_an_engine_that_was_overtaken_lands_nothing_and_publishes_nothing(settings: Settings) -> None:
    with opened(settings) as frozen:
        succeeded(frozen)
        good, version = contents(frozen), frozen.version()
        with frozen._warehouse.session() as another:
            another.run("update bronze._fence set fence = fence + 1")
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        land(settings, "crm/crm_customers_empty.csv", "")
        landing = run(frozen)
        assert landing.state is RunState.FAILED
        assert "Another engine has taken over" in landing.error
        publishing = run(frozen, "gold")
        assert publishing.state is RunState.FAILED
        assert "Another engine has taken over" in publishing.error
        assert (contents(frozen), frozen.version()) == (good, version)
        assert not frozen.accounts().refused
        frozen.engine.take_over()
        succeeded(frozen)
        assert frozen.select(BOTH_SUMS).rows == ((Decimal("105.00"), Decimal("105.00")),)


# -- 7: no empty green ----------------------------------------------------------------------------------------


def test_checks_of_an_empty_table_are_not_examined_and_the_verdict_is_not_ready(settings: Settings) -> None:
    land(settings, "erp/erp_sales.csv", SALES)
    with opened(settings) as service:
        succeeded(service)
        empty = {table.name for table in service.tables() if table.rows == 0}
        assert {"silver.sales_clean", "gold.product_analytics", "gold.monthly_revenue"} <= empty
        of_empty = [
            facts for facts in service.checks() if facts.table in empty and facts.result.examined == 0
        ]
        assert len(of_empty) > 5
        assert {facts.result.state for facts in of_empty} == {CheckState.UNEXAMINED}
        verdict = service.verdict()
        assert not verdict.ready
        assert verdict.state is CheckState.UNEXAMINED
        assert any("examined anything" in reason for reason in verdict.reasons)
        of_gold = {table.state for table in service.tables() if table.name in empty and table.layer == "gold"}
        assert of_gold == {CheckState.UNEXAMINED}


def test_before_the_first_run_nothing_is_green(settings: Settings) -> None:
    with opened(settings) as service:
        states = {facts.result.state for facts in service.checks()} | {
            layer.state for layer in service.layers()
        }
        states |= {table.state for table in service.tables()} | {service.verdict().state}
        assert states == {CheckState.UNEXAMINED}
        assert not service.verdict().ready


# -- 9: never worse than before -------------------------------------------------------------------------------


def test_a_source_that_fails_leaves_its_last_good_state_and_the_other_goes_on(settings: Settings) -> None:
    with opened(settings) as service:
        succeeded(service)
        good = contents(service, ["silver.sales_clean", "quarantine.erp_sales"])
        sound = service.engine.tools
        service.engine.tools = replace(
            sound, compiled=Damaged(lambda sql: f"select * from ({sql}) where 1 / 0 > 1 or x")
        )
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        land(settings, "crm/crm_customers_2.csv", CUSTOMERS + "2,Bo,bo@example.com,NORTH\n")
        ended = run(service)
        states = {task.table: task.state for task in ended.tasks if task.table}
        assert states["silver.sales_clean"] is TaskState.FAILED
        assert states["silver.customers_clean"] is TaskState.SUCCEEDED
        assert contents(service, list(good)) == good
        regions = service.select("select region, total_revenue from gold.customer_analytics order by 1").rows
        assert regions in (
            (("NORTH", Decimal("30.00")), ("WEST", Decimal("70.00"))),  # rebuilt from the last good sales
            (("EAST", Decimal("30.00")), ("WEST", Decimal("70.00"))),  # or left, and then told to be stale
        )
        assert not service.verdict().ready
        service.engine.tools = sound
        succeeded(service)
        assert service.select(BOTH_SUMS).rows == ((Decimal("105.00"), Decimal("105.00")),)
