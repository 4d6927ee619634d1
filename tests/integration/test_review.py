"""What a review of the engine found, each with the law it broke."""

from __future__ import annotations

import sys
import threading
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from etl.errors import SettingsError, UsageError, WarehouseError
from etl.gate import require_select
from etl.layers.gold import read_as
from etl.model import CheckState, RunState, TaskState
from etl.service import Service
from etl.settings import Settings, read_settings
from etl.warehouse.writing import newest
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

ANALYTICS = "gold/customer_analytics.sql"
SALES_CONTRACT = "contracts/erp_sales.odcs.yaml"
AMOUNT = """      - name: discount
        logicalType: number
        customProperties:
          - {property: decimals, value: 2}
          - {property: amount, value: USD}

"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = workspace(tmp_path)
    few_files(found)
    return found


def edit(settings: Settings, file: str, old: str, new: str) -> None:
    path = settings.project / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def versions(service: Service) -> dict[str, int]:
    return {table.name: table.version for table in service.tables()}


def test_a_table_whose_check_cannot_be_run_is_not_published(settings: Settings) -> None:
    edit(settings, ANALYTICS, "where buying_customers > total_customers", "where cast(region as integer) = 0")
    with opened(settings) as service:
        assert run(service).state is RunState.FAILED
        stands = versions(service)
    assert stands["gold.customer_analytics"] == 0
    assert stands["gold.product_analytics"] > 0


def test_a_contract_may_rename_its_bronze_table_without_losing_its_batches(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
    edit(
        settings, SALES_CONTRACT, "  - name: erp_sales # bronze.erp_sales_raw, quarantine.erp_sales\n",
        "  - name: erp_sales\n    customProperties: [{property: bronzeName, value: sales_landed}]\n",
    )  # fmt: skip
    land(settings, "erp/erp_sales2.csv", SALES + "9,10,1,1,2026-01-05,1.00\n")
    with opened(settings) as service:
        assert run(service).state is RunState.SUCCEEDED
        assert len(service.rows("bronze.sales_landed").rows) == 5
        assert len(service.rows("silver.sales_clean").rows) == 5
        assert service.verdict().ready


def test_amounts_too_long_for_any_column_do_not_stop_the_others(settings: Settings) -> None:
    nines = "9" * 26
    land(
        settings, "erp/erp_sales2.csv",
        SALES + f"7,10,1,1,2026-01-05,{nines}\n8,10,1,1,2026-01-05,{nines}\n9,10,1,1,2026-01-05,1.00\n",
    )  # fmt: skip
    with opened(settings) as service:
        assert run(service).state is RunState.SUCCEEDED
        batch = next(m for m in service.accounts().money_batches if m.silver == Decimal("1.00"))
    assert batch.closes
    assert batch.rows_without_amount == 2


def test_the_money_account_keeps_every_digit_of_long_amounts(settings: Settings) -> None:
    long = "123456789012345678.1234567891"
    land(
        settings,
        "erp/erp_sales2.csv",
        SALES + "".join(f"{n},10,1,1,2026-01-05,{long}\n" for n in range(50, 61)),
    )
    with opened(settings) as service:
        assert run(service).state is RunState.SUCCEEDED
        batch = next(m for m in service.accounts().money_batches if m.quarantined)
        (total,) = service.accounts().money_totals
    assert batch.quarantined == batch.bronze == Decimal("1358024679135802459.3580246801")
    assert total.bronze == Decimal("1358024679135802559.3580246801")


def test_a_run_that_could_not_publish_is_continued_from_what_it_built(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings) as service:
        asked = service.request_run()

        def cancel_after_silver() -> None:
            tasks = service.run(asked.run_id).tasks
            if any(t.name == "silver.sales_clean" and t.state is TaskState.SUCCEEDED for t in tasks):
                service.cancel(asked.run_id)

        while service.run(asked.run_id).state in (RunState.QUEUED, RunState.RUNNING):
            service.engine.work_one(cancel_after_silver)
        assert service.run(asked.run_id).state is RunState.CANCELLED
        again = service.work(service.request_run(from_run=asked.run_id).run_id)
        assert again.state is RunState.SUCCEEDED
        assert service.verdict().ready


class Killed(BaseException):
    """The process ends here."""


def test_a_crash_before_the_ledger_has_its_copies_is_made_good_by_the_next_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise Killed

    with opened(settings) as service, monkeypatch.context() as patched:
        patched.setattr("etl.steps.Steps._keep_copies", die)
        with pytest.raises(Killed):
            run(service)
    with opened(settings) as service:
        assert not service.verdict().ready
        assert run(service).state is RunState.SUCCEEDED
        assert service.verdict().ready
        assert not any(step.layer in ("silver", "gold") for step in service.plan().steps)


def test_a_blocked_new_definition_leaves_the_old_table_readable_and_a_report(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        edit(
            settings, ANALYTICS, "--   - {name: last_sale_date",
            "--   - {name: extra, type: integer, meaning: seven}\n--   - {name: last_sale_date",
        )  # fmt: skip
        edit(settings, ANALYTICS, "    r.last_sale_date\n", "    7 as extra, r.last_sale_date\n")
        edit(settings, ANALYTICS, "where buying_customers > total_customers", "where total_orders > 0")
        assert run(service).state is RunState.FAILED
        assert "extra" not in service.rows("gold.customer_analytics").columns
        assert len(service.reports()) == 2


def test_bronze_lands_alone_although_silver_still_stands_by_an_older_contract(settings: Settings) -> None:
    with opened(settings) as service:
        run(service)
        edit(settings, SALES_CONTRACT, "slaProperties:", f"{AMOUNT}slaProperties:")
        land(settings, "erp/erp_sales2.csv", SALES.strip() + ",discount\n9,10,1,1,2026-01-05,1.00,0.50\n")
        assert run(service, "bronze").state is RunState.SUCCEEDED
        assert run(service).state is RunState.SUCCEEDED
        assert {m.column: m.silver for m in service.accounts().money_totals} == {
            "sale_amount": Decimal("101.00"), "discount": Decimal("0.50"),
        }  # fmt: skip


@pytest.mark.parametrize("also_sales", [False, True])
def test_what_landed_is_pending_in_the_accounts_while_its_silver_is_blocked(
    settings: Settings, also_sales: bool
) -> None:
    rule = (
        "    quality:\n      - {type: sql, name: no_zed, mustBe: 0, severity: block, "
        "query: \"select count(*) from ${table} where customer_name = 'Zed'\"}\nslaProperties:"
    )
    edit(settings, "contracts/crm_customers.odcs.yaml", "slaProperties:", rule)
    with opened(settings) as service:
        run(service)
        land(settings, "crm/crm_customers_2.csv", CUSTOMERS + "90,Zed,,WEST\n")
        if also_sales:
            land(settings, "erp/erp_sales_2.csv", SALES + "9,10,1,1,2026-01-05,1.00\n")
        assert run(service).state is RunState.FAILED
        (customers,) = (a for a in service.accounts().row_totals if a.source == "crm_customers")
    assert (customers.bronze, customers.silver, customers.pending) == (4, 3, 1)


def test_a_column_may_be_called_filename(settings: Settings) -> None:
    column = "      - name: filename\n        logicalType: string\n\n"
    edit(settings, SALES_CONTRACT, "slaProperties:", f"{column}slaProperties:")
    land(settings, "erp/erp_sales.csv", SALES.strip() + ",filename\n9,10,1,1,2026-01-05,1.00,a.csv\n")
    with opened(settings) as service:
        assert run(service).state is RunState.SUCCEEDED
        assert service.rows("silver.sales_clean", columns=["filename"]).rows == (("a.csv",),)


def test_a_comment_between_the_lines_of_a_check_does_not_end_it(settings: Settings) -> None:
    edit(
        settings, ANALYTICS,
        "--     sql: select * from {table} where revenue_share < 0 or revenue_share > 1",
        "--     sql: |\n--       select * from {table} where revenue_share < 0 -- below\n"
        "--         or revenue_share > 0",
    )  # fmt: skip
    with opened(settings) as service:
        run(service)
        check = next(c for c in service.checks() if c.check == "share_between_0_and_1")
    assert check.result.state is CheckState.FAILED


def test_a_column_may_be_named_with_its_schema() -> None:
    sql = "select silver.sales_clean.quantity from silver.sales_clean"
    read = read_as(sql, (("silver.sales_clean", '"silver"."_new_sales_clean"'),), "duckdb")
    assert read == 'SELECT sales_clean.quantity FROM "silver"."_new_sales_clean" AS sales_clean'


@pytest.mark.parametrize(
    "sql",
    [
        'with "x.parquet" as (select * from "x.parquet") select * from "x.parquet"',
        "select * from duckdb_views, (with duckdb_views as (select 1 as a) select * from duckdb_views) as t",
        "with a as (select * from b), b as (select 1 as n) select * from a",
    ],
)
def test_a_query_cannot_borrow_the_name_of_another_part_of_it(sql: str) -> None:
    with pytest.raises(UsageError, match="names no schema"):
        require_select(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "with a as (select 1 as n), b as (select * from a) select * from a, b",
        "with recursive a as (select 1 as n union all select n + 1 from a where n < 3) select * from a",
        "with a as (select 1 as n) select * from (select * from a) as t where n in (select n from a)",
        "select * from (with a as (select 1 as n) select * from a union all select * from a) as t",
        "with a as (select 1 as n) select * from a union all select * from a",
    ],
)
def test_a_query_may_use_the_names_it_gives(settings: Settings, sql: str) -> None:
    with opened(settings) as service:
        assert service.select(sql).rows


def test_a_query_without_end_is_stopped(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "with recursive t as (select 1 as n union all select n + 1 from t) select count(*) from t"
    with opened(settings) as service:
        monkeypatch.setattr(module_of(service._warehouse.query), "QUERY_SECONDS", 0.3)
        with pytest.raises(WarehouseError, match=r"stopped after 0\.3 seconds"):
            service.select(endless)


def module_of(method: Any) -> ModuleType:
    """Where the warehouse at hand has it written down."""
    return sys.modules[method.__module__]


def test_the_version_read_before_a_publication_does_not_stand_after_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_read, published = threading.Event(), threading.Event()
    with opened(settings) as service:
        run(service)
        asking = threading.Thread(target=service.version)

        def read_then_dawdle(session: Any) -> int:
            found = newest(session)
            if threading.current_thread() is asking:
                has_read.set()
                published.wait(20)
            return found

        monkeypatch.setattr(module_of(service._warehouse.version), "newest", read_then_dawdle)
        land(settings, "crm/crm_customers_2.csv", CUSTOMERS + "90,Al,,WEST\n")
        monkeypatch.setattr(service._warehouse, "_version", None)  # not known, so that it is read
        asking.start()
        assert has_read.wait(20)
        run(service, "bronze")
        published.set()
        asking.join()
        found = service.select("select max(version) from bronze._publications").rows[0][0]
        assert service.version() == found


def test_a_state_folder_that_the_warehouse_takes_for_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"has a \[ in its path"):
        read_settings(environ={"METALAYER_STATE": str(tmp_path / "a[1]")})


def test_an_empty_table_is_one_reason_and_not_one_for_each_of_its_checks(tmp_path: Path) -> None:
    with opened(workspace(tmp_path)) as service:
        run(service)
        verdict = service.verdict()
    assert not verdict.ready
    assert "sales_clean is empty: none of its checks has examined anything" in verdict.reasons
    assert not [reason for reason in verdict.reasons if "the blocking check" in reason]
