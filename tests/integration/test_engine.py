"""Plans, runs and publications on a small real workspace."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from etl.errors import UsageError
from etl.model import CheckState, Run, RunState, TaskState
from etl.service import Service
from etl.settings import Settings
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

MASTER = "master_etl_orchestrator"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


def states(ended: Run) -> dict[str, str]:
    return {task.name: task.state.value for task in ended.tasks}


def built(ended: Run) -> list[str]:
    return [task.table for task in ended.tasks if task.layer in ("silver", "gold")]


def revenue(service: Service) -> Decimal:
    found: Decimal = service.select("select sum(total_revenue) from gold.customer_analytics").rows[0][0]
    return found


def test_the_first_run_builds_everything_and_the_second_finds_nothing_due(settings: Settings) -> None:
    with opened(settings) as service:
        first = run(service)
        assert first.state is RunState.SUCCEEDED, first.error
        assert revenue(service) == Decimal("100.00")
        second = run(service)
    assert set(built(first)) == {
        "silver.customers_clean", "silver.sales_clean", "gold.customer_analytics", "gold.product_analytics",
        "gold.monthly_revenue",
    }  # fmt: skip
    assert built(second) == []
    assert second.version is None


def test_a_plan_says_what_it_would_do_and_why(settings: Settings) -> None:
    with opened(settings) as service:
        before = {step.name: step.why for step in service.plan().steps}
        assert before["bronze.erp_sales_raw"] == "1 new file"
        assert before["silver.sales_clean"] == "never built"
        run(service)
        assert not [step for step in service.plan().steps if step.layer in ("silver", "gold")]
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        after = {step.name: step.why for step in service.plan().steps}
        assert after["silver.sales_clean"] == "upstream is rebuilt: bronze.erp_sales_raw"
        assert "silver.customers_clean" not in after
        assert service.version() == 3, "a plan touches nothing"


def test_a_new_file_reaches_gold(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        ended = run(service)
        assert ended.state is RunState.SUCCEEDED
        assert "silver.customers_clean" not in built(ended)
        assert revenue(service) == Decimal("105.00")


def test_a_resent_file_adds_no_rows_but_its_arrival_is_kept(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        content = (settings.landing / "erp" / "erp_sales.csv").read_text()
        land(settings, "erp/erp_sales_again.csv", content)
        version = service.version()
        ended = run(service)
        assert ended.state is RunState.SUCCEEDED
        assert service.version() == version
        assert revenue(service) == Decimal("100.00")
        (batch,) = [batch for batch in service.batches() if batch.source == "erp_sales"]
        assert batch.arrivals == 2


def test_the_newest_version_of_a_key_is_current_and_the_older_is_superseded(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        land(settings, "erp/erp_sales_2.csv", SALES + "4,11,3,1,2026-02-06,15.00\n")
        run(service)
        assert revenue(service) == Decimal("105.00")
        (total,) = [a for a in service.accounts().row_totals if a.source == "erp_sales"]
        assert (total.bronze, total.silver, total.superseded) == (5, 4, 1)
        assert service.accounts().money_totals[0].superseded == Decimal("10.00")


def test_a_row_that_breaks_rules_waits_in_quarantine_with_every_reason(settings: Settings) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + "5,12,99,0,2026-02-30,1.234\n")
    with opened(settings) as service:
        ended = run(service)
        assert ended.state is RunState.SUCCEEDED
        rows = service.quarantine("erp_sales")
        (reasons,) = [row[rows.columns.index("_reasons")] for row in rows.rows]
        assert set(reasons) == {
            "customer_id is not a known crm_customers",
            "quantity is below 1",
            "sale_date is not a day written YYYY-MM-DD",
            "sale_amount is not a number with at most 2 decimals",
        }
        assert revenue(service) == Decimal("100.00")
        (money,) = service.accounts().money_totals
        assert (money.bronze, money.quarantined) == (Decimal("101.234"), Decimal("1.234"))
        assert money.closes


def test_an_orphan_is_taken_up_when_its_parent_arrives(settings: Settings) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + "5,12,99,1,2026-02-03,7.00\n")
    with opened(settings) as service:
        run(service)
        assert revenue(service) == Decimal("100.00")
        land(settings, "crm/crm_customers_2.csv", CUSTOMERS + "99,Zoë,zoe@example.com,NORTH\n")
        run(service)
        assert revenue(service) == Decimal("107.00")


def test_a_changed_gold_file_is_rebuilt_and_nothing_else(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
    gold = settings.project / "gold" / "product_analytics.sql"
    gold.write_text(gold.read_text() + "\n-- a closing remark\n\n")
    with opened(settings) as service:
        assert built(run(service)) == [], "a comment is no change"
    gold.write_text(gold.read_text().replace("sum(", "1 * sum(", 1))
    with opened(settings) as service:
        plan = service.plan()
        assert "definition changed" in next(s.why for s in plan.steps if s.name == "gold.product_analytics")
        assert built(run(service)) == ["gold.product_analytics"]


def test_a_changed_contract_rebuilds_its_silver_and_what_lies_downstream(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        contract = settings.project / "contracts" / "erp_sales.odcs.yaml"
        contract.write_text(contract.read_text().replace("minimum: 1", "minimum: 2"))
        ended = run(service)
        assert built(ended)[0] == "silver.sales_clean"
        assert "gold.monthly_revenue" in built(ended)
        assert revenue(service) == Decimal("30.00")


def test_one_layer_runs_alone_and_what_it_leaves_behind_is_stale(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        run(service, "bronze")
        stale = {table.short for table in service.tables() if table.stale}
        assert stale == {"sales_clean"}
        run(service, "silver")
        stale = {table.short for table in service.tables() if table.stale}
        assert stale == {"customer_analytics", "product_analytics", "monthly_revenue"}
        assert revenue(service) == Decimal("100.00")
        assert not service.verdict().ready
        run(service, "gold")
        assert not [table for table in service.tables() if table.stale]
        assert revenue(service) == Decimal("105.00")


def test_one_table_runs_alone_or_with_its_downstream(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        assert built(run(service, "monthly_revenue")) == ["gold.monthly_revenue"]
        below = built(run(service, "silver.sales_clean", downstream=True))
        assert below[0] == "silver.sales_clean"
        assert set(below[1:]) == {"gold.customer_analytics", "gold.product_analytics", "gold.monthly_revenue"}


def test_gold_alone_before_silver_says_what_to_run_first(settings: Settings) -> None:
    with opened(settings) as service:
        ended = run(service, "customer_analytics")
        assert ended.state is RunState.FAILED
        assert "Run silver.customers_clean first" in ended.error


def test_a_second_request_for_a_queued_run_returns_the_same(settings: Settings) -> None:
    with opened(settings) as service:
        first, second = service.request_run(["gold"]), service.request_run(["gold"])
        other = service.request_run(["silver"])
    assert first.run_id == second.run_id
    assert other.run_id != first.run_id


def test_a_queued_run_can_be_cancelled(settings: Settings) -> None:
    with opened(settings) as service:
        asked = service.request_run()
        service.cancel(asked.run_id)
        assert service.work(asked.run_id).state is RunState.CANCELLED
        assert service.version() == 0


def test_unknown_names_are_refused_with_the_nearest_ones(settings: Settings) -> None:
    with opened(settings) as service, pytest.raises(UsageError, match="customer_analytics"):
        service.request_run(["customer_analytic"])


BLOCKED = """
    quality:
      - type: sql
        name: no_sale_above_35
        query: "select * from ${table} where sale_amount > 35"
        mustBe: 0
        severity: block
"""


def test_a_blocked_silver_leaves_the_last_good_version_and_is_due_again(settings: Settings) -> None:
    contract = settings.project / "contracts" / "erp_sales.odcs.yaml"
    shipped = contract.read_text()
    with opened(settings) as service:
        run(service)
        good = service.version()
        _require_small_sales(contract)
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,50.00\n")
        blocked = run(service)
        assert blocked.state is RunState.FAILED
        assert states(blocked)["silver.sales_clean"] == "failed"
        assert states(blocked)["gold.customer_analytics"] == "skipped"
        assert revenue(service) == Decimal("100.00")
        assert service.version() == good + 1, "only the batch landed"
        assert service.verdict().state is CheckState.FAILED
        again = run(service)
        assert states(again)["silver.sales_clean"] == "failed", "still due"
        contract.write_text(shipped)
        mended = run(service)
        assert mended.state is RunState.SUCCEEDED, mended.error
        assert revenue(service) == Decimal("150.00")
        assert service.verdict().ready, service.verdict().reasons


def _require_small_sales(contract: Path) -> None:
    text = contract.read_text()
    at = text.index("    properties:")
    contract.write_text(text[:at] + BLOCKED.strip("\n") + "\n" + text[at:])


def test_a_run_goes_on_from_where_another_failed(settings: Settings) -> None:
    contract = settings.project / "contracts" / "erp_sales.odcs.yaml"
    shipped = contract.read_text()
    with opened(settings) as service:
        _require_small_sales(contract)
        failed = run(service)
        assert failed.state is RunState.FAILED
        contract.write_text(shipped)
        rest = service.work(service.request_run(from_run=failed.run_id).run_id)
        assert rest.state is RunState.SUCCEEDED, rest.error
        assert "bronze.erp_sales_raw" not in states(rest)
        assert "silver.customers_clean" not in states(rest)
        assert revenue(service) == Decimal("100.00")


def test_a_run_that_published_before_a_crash_has_succeeded_and_another_is_interrupted(
    settings: Settings,
) -> None:
    with opened(settings) as service:
        ended = run(service)
        ledger = service._ledger
        ledger.request(
            MASTER, (MASTER,), full=False, downstream=False, from_run=None, trigger=ended.trigger, by=""
        )
        ledger.claim_next()
    with opened(settings) as service:
        newest = service.runs().runs[0]
        assert newest.state is RunState.INTERRUPTED
        assert service.verdict().ready
        assert run(service).state is RunState.SUCCEEDED


def test_every_task_of_a_good_run_has_one_attempt_and_a_time(settings: Settings) -> None:
    with opened(settings) as service:
        ended = run(service)
    branch = next(task for task in ended.tasks if task.name == "determine_processing_branch")
    assert "bronze.erp_sales_raw: full (1 new file)" in branch.message
    for task in ended.tasks:
        assert task.state is TaskState.SUCCEEDED, task
        assert len(task.attempts) == 1
        assert task.seconds is not None


def test_explain_leads_from_a_key_to_the_line_of_its_file(settings: Settings) -> None:
    land(settings, "erp/erp_sales_2.csv", SALES + "4,11,3,1,2026-02-06,15.00\n7,11,77,1,2026-02-06,15.00\n")
    with opened(settings) as service:
        run(service)
        current = service.explain("sales_clean", "4")
        assert current.found
        assert (current.path, current.line_number) == ("erp/erp_sales_2.csv", 2)
        assert [heading for heading, _ in current.steps].count("Superseded") == 1
        orphan = service.explain("sales_clean", "7")
        assert not orphan.found
        assert ("Quarantined", "customer_id is not a known crm_customers.") in orphan.steps


@pytest.mark.parametrize(
    "sql",
    [
        "delete from silver.sales_clean",
        "select 1; select 2",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from duckdb_settings()",
        "select getenv('HOME')",
        "select * from information_schema.tables",
        "copy silver.sales_clean to '/tmp/x'",
        "attach '/tmp/x' as y",
        "pragma version",
        "with x as (select * from read_text('/etc/passwd')) select * from x",
        "select * from glob('*')",
        "select current_setting('temp_directory')",
    ],
)
def test_a_query_may_only_select_from_tables(settings: Settings, sql: str) -> None:
    with opened(settings) as service:
        run(service)
        with pytest.raises(UsageError):
            service.select(sql)


def test_a_query_answers_with_exact_decimals(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        found = service.select(
            "with big as (select * from silver.sales_clean where sale_amount > 10) "
            "select count(*), sum(sale_amount), max(sale_date) from big"
        )
    assert found.rows[0][:2] == (3, Decimal("90.00"))


def test_the_largest_amount_a_contract_takes_does_not_stop_gold(settings: Settings) -> None:
    land(settings, "erp/erp_sales_large.csv", SALES + "9,12,1,1,2026-03-01,9999999999999999.99\n")
    with opened(settings) as service:
        ended = run(service)
        assert ended.state is RunState.SUCCEEDED, ended.error
        found = service.select("select max(total_revenue)::varchar from gold.product_analytics").rows
        assert found == (("9999999999999999.99",),)
