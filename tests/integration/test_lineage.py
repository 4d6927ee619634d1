"""From a gold row to the silver rows it adds up."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from etl.errors import UsageError
from etl.service import Service
from etl.settings import Settings
from tests.workspaces import few_files, opened, run, workspace

HEADER = """-- description: A test.
-- grain: one row per {key}
-- key: {key}
-- columns:
--   - {{name: {key}, type: integer, meaning: key}}
--   - {{name: total, type: decimal, unit: USD, meaning: sum}}
-- reconcile: total = {of}
-- severity: warn
"""


@pytest.fixture
def few(tmp_path: Path) -> Settings:
    """Three customers in two regions and four sales worth 100.00 in all."""
    settings = workspace(tmp_path)
    few_files(settings)
    return settings


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with opened(workspace(tmp_path_factory.mktemp("sample"), sample=True)) as service:
        run(service)
        yield service


@pytest.mark.parametrize("table", ["customer_analytics", "product_analytics", "monthly_revenue"])
def test_the_rows_of_every_key_of_the_shipped_gold_add_up_to_it(sample: Service, table: str) -> None:
    key = sample.catalog.tables[f"gold.{table}"].key
    keys = sample.rows(f"gold.{table}", columns=key, order_by=key, limit=60).rows
    for values in keys:
        found = sample.gold_row(table, ",".join(map(str, values)), 1)
        assert found.adds_up, values
        assert found.count > 0, values


def test_the_keys_of_a_gold_table_share_all_rows_of_silver_among_them(sample: Service) -> None:
    regions = sample.rows("gold.customer_analytics", columns=["region"]).rows
    counted = sum(sample.gold_row("customer_analytics", region).count for (region,) in regions)
    assert counted == len(sample.rows_in("erp_sales", "silver", limit=1_000_000).rows)


def test_the_largest_rows_come_first_with_their_place(few: Settings) -> None:
    with opened(few) as service:
        run(service)
        found = service.gold_row("gold.customer_analytics", "WEST", 2)
        assert [row[0] for row in found.rows.rows] == [1, 3]
        assert (found.count, found.total, found.rows.truncated) == (3, Decimal("70.00"), True)
        assert {"_batch_id", "_row_number"} <= set(found.rows.columns)


def test_a_region_that_is_blank_is_found_under_the_name_that_gold_gives_it(few: Settings) -> None:
    gold = few.project / "gold" / "customer_analytics.sql"
    gold.write_text(
        gold.read_text().replace(
            "coalesce(c.region, '(none)')", "coalesce(nullif(c.region, 'EAST'), '(none)')"
        )
    )
    with opened(few) as service:
        run(service)
        found = service.gold_row("customer_analytics", "(none)")
        assert (found.count, found.adds_up) == (1, True)


def test_gold_that_leaves_rows_out_does_not_add_up(few: Settings) -> None:
    gold = few.project / "gold" / "small.sql"
    gold.write_text(
        HEADER.format(key="product_id", of="silver.sales_clean.sale_amount")
        + "select s.product_id, sum(s.sale_amount) as total from silver.sales_clean as s "
        "where s.sale_amount < 35 group by s.product_id\n"
    )
    with opened(few) as service:
        run(service)
        found = service.gold_row("small", "10")
        assert (found.gold, found.total, found.adds_up) == (Decimal("30.00"), Decimal("70.00"), False)


def test_a_key_that_all_rows_share_leads_to_all_rows(few: Settings) -> None:
    header = HEADER.format(key="place", of="silver.sales_clean.sale_amount")
    (few.project / "gold" / "all.sql").write_text(
        f"{header}select 1 as place, sum(s.sale_amount) as total from silver.sales_clean as s\n"
    )
    with opened(few) as service:
        run(service)
        found = service.gold_row("all", "1")
        assert (found.count, found.adds_up) == (4, True)


def test_gold_whose_key_is_not_in_reach_of_what_it_adds_up_says_so(few: Settings) -> None:
    header = HEADER.format(key="product_id", of="silver.customers_clean.customer_id")
    (few.project / "gold" / "far.sql").write_text(
        f"{header}select s.product_id, sum(c.customer_id) as total from silver.sales_clean as s "
        "join silver.customers_clean as c on c.customer_id = s.customer_id group by s.product_id\n"
    )
    with opened(few) as service:
        run(service)
        found = service.gold_row("far", "10")
        assert "not made from the rows that it adds up" in found.why_not
        assert (found.adds_up, found.rows.rows) == (False, ())


def test_what_is_no_gold_row_is_refused_or_not_there(few: Settings) -> None:
    with opened(few) as service:
        with pytest.raises(UsageError, match="never been built"):
            service.gold_row("gold.customer_analytics", "WEST")
        run(service)
        with pytest.raises(UsageError, match="no gold table"):
            service.gold_row("silver.sales_clean", "1")
        with pytest.raises(UsageError, match="month, region, product_id"):
            service.gold_row("gold.monthly_revenue", "WEST")
        assert not service.gold_row("gold.customer_analytics", "MOON").own.rows
