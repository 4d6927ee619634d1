"""Gold files: header and SELECT, what is refused, and the three shipped analyses on a few rows counted by hand."""
# ruff: noqa: E501  # messages are quoted whole

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from etl.contracts.portable import DIALECTS, SqlFault
from etl.declared import Kind, Layer, Reconcile, Severity
from etl.errors import CatalogError
from etl.goldfile import parse_gold, render

ROOT = Path(__file__).parents[2]
SHIPPED = ("customer_analytics", "monthly_revenue", "product_analytics")

REVENUE = """\
-- description: Revenue by product.
-- grain: one row per product_id
-- key: product_id
-- columns:
--   - {name: product_id, type: integer, meaning: number of the product}
--   - {name: revenue, type: decimal, unit: USD, meaning: sum of the amounts}
-- reconcile: revenue = silver.sales_clean.sale_amount
-- checks:
--   - name: not_negative
--     sql: select * from {table} where revenue < 0
--     severity: warn
--     description: Nothing is sold for less than nothing.

-- Amounts of cancelled sales are 0.
select
    s.product_id,
    sum(s.sale_amount) as revenue
from silver.sales_clean as s
group by s.product_id
"""


@pytest.fixture
def revenue(tmp_path):
    """Reads REVENUE after one replacement."""

    def read(old: str = "", new: str = "", name: str = "revenue"):
        assert old in REVENUE
        path = tmp_path / "gold" / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(REVENUE.replace(old, new, 1), encoding="utf-8")
        return parse_gold(path, tmp_path)

    return read


def test_a_gold_file_declares_a_table(revenue):
    table = revenue()
    assert (table.name, table.layer, table.file) == ("gold.revenue", Layer.GOLD, "gold/revenue.sql")
    assert (table.description, table.grain, table.key) == (
        "Revenue by product.",
        "one row per product_id",
        ("product_id",),
    )
    assert [(field.name, field.kind, field.unit) for field in table.fields] == [
        ("product_id", Kind.INTEGER, ""),
        ("revenue", Kind.DECIMAL, "USD"),
    ]
    assert table.inputs == ("silver.sales_clean",)
    assert table.reconcile == (Reconcile("revenue", "silver.sales_clean", "sale_amount"),)
    assert table.severity is Severity.BLOCK


def test_its_key_is_checked_unasked(revenue):
    checks = {check.name: check for check in revenue().checks}
    assert list(checks) == ["key_present", "key_unique", "not_negative"]
    assert checks["key_unique"].severity is Severity.BLOCK
    assert checks["not_negative"].severity is Severity.WARN
    assert {check.examined_sql for check in checks.values()} == {"select count(*) from {table}"}


def test_severity_is_that_of_the_built_in_checks(revenue):
    table = revenue("-- key: product_id\n", "-- key: product_id\n-- severity: warn\n")
    assert table.severity is Severity.WARN
    assert table.checks[1].severity is Severity.WARN


def test_inputs_are_read_off_the_sql_without_its_ctes(revenue):
    select = REVENUE[REVENUE.index("select\n    s.") :]
    table = revenue(
        select,
        "with sold as (select s.product_id, s.sale_amount from silver.sales_clean as s), again as (select * from sold)\n"
        "select a.product_id, sum(a.sale_amount) as revenue from again as a\n"
        "join gold.products as p on p.product_id = a.product_id group by a.product_id",
    )
    assert table.inputs == ("gold.products", "silver.sales_clean")


def test_the_declared_order_is_the_published_one(revenue):
    swapped = REVENUE[REVENUE.index("    s.product_id") : REVENUE.index("from silver")]
    table = revenue(swapped, "    sum(s.sale_amount) as revenue,\n    s.product_id\n")
    assert [field.name for field in table.fields] == ["product_id", "revenue"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # The header.
        ("-- description: Revenue by product.\n", "", "1: A gold header has no 'description'. For example: description: Revenue by region."),
        ("-- grain: one row per product_id\n", "", "1: A gold header has no 'grain'. For example: grain: one row per region"),
        ("-- grain:", "-- grian:", "2: 'grian' is not a property of a gold header. Did you mean 'grain'?"),
        ("-- key: product_id", "-- key: [product_id, month]", "3: key names 'month', which is not a declared column. The columns are product_id, revenue."),
        ("type: decimal", "type: decimel", "6: 'decimel' is not a value of type. Did you mean 'decimal'?"),
        ("type: decimal, ", "", "6: A column of a gold header has no 'type'. For example: type: decimal"),
        ("meaning: sum of the amounts", "meaning: sum, of amounts", "6: 'of amounts' is not a property of a column of a gold header. Within { }, put text that holds a comma in quotes."),
        ("-- reconcile: revenue =", "-- reconcile: revenu =", "7: reconcile names 'revenu', which is not a declared column. Did you mean 'revenue'?"),
        ("silver.sales_clean.sale_amount", "sales_clean.sale_amount", "7: 'revenue = sales_clean.sale_amount' is not a reconciliation. For example: total_revenue = silver.sales_clean.sale_amount"),
        ("type: decimal, unit", "type: ratio, unit", "7: reconcile names 'revenue', which is of type ratio. Name a decimal or an integer: only those add up to the cent."),
        ("name: not_negative", "name: key_unique", "9: There are two checks named 'key_unique'. Rename one of them."),
        ("from {table} where", "from silver.x where", "10: A check is one SELECT of the bad rows of {table} and of nothing else. Write: select * from {table} where <what a bad row looks like>"),
        ("where revenue < 0", "where revenue < random()", "10: `random` is not known to mean the same in DuckDB, PostgreSQL and Spark. A result must not depend on chance."),
        ("severity: warn", "severity: quarantine", "11: 'quarantine' is not a value of severity. It can be block, warn."),
        ("-- key: product_id", "-- key: [a\n-- b: c", "4: This is not YAML: did not find expected ',' or ']'. Put text that holds : # { [ or , in quotes."),
        # The SELECT.
        ("    s.product_id,\n", "", "5: The header declares 'product_id', which the SELECT does not make. Add it to the SELECT, or leave it out of the header."),
        ("as revenue", "as revenu", "17: The SELECT makes 'revenu', which the header does not declare. Did you mean 'revenue'?"),
        (" as revenue", "", "17: The column SUM(s.sale_amount) has no name. Add: as <name>"),
        ("    s.product_id,\n", "    s.product_id,\n    s.product_id,\n", "17: The SELECT has two columns named 'product_id'. Rename one of them."),
        ("    s.product_id,\n", "    *,\n", "16: The outermost SELECT has a *. Name the columns."),
        ("from silver.sales_clean as s", "from sales_clean as s", "18: sales_clean AS s cannot be read by gold. Name a table as silver.… or gold.…"),
        ("from silver.sales_clean as s", "from bronze.erp_sales_raw as s", "18: bronze.erp_sales_raw AS s cannot be read by gold. Name a table as silver.… or gold.…"),
        ("from silver.sales_clean as s", "from 'sales.csv' as s", "18: \"sales.csv\" AS s cannot be read by gold. Name a table as silver.… or gold.…"),
        ("from silver.sales_clean as s", "from read_parquet('x') as s", "18: `read_parquet` is not known to mean the same in DuckDB, PostgreSQL and Spark. docs/contract-reference.md lists the functions that can be used."),
        ("from silver.sales_clean as s\n", "", "15: The SELECT reads no table. Read at least one silver.… or gold.… table."),
        ("sum(s.sale_amount)", "arg_max(s.sale_amount, s.sale_date)", "17: `arg_max` is not known to mean the same in DuckDB, PostgreSQL and Spark. Use row_number() over (partition by … order by …) and keep the first row."),
        ("sum(s.sale_amount)", "sum(try_cast(s.sale_amount as int))", "17: `try_cast` has no counterpart in PostgreSQL or Spark. Silver is typed already; use cast(… as …)."),
        ("group by s.product_id", "group by all", "16: `group by all` has no counterpart in PostgreSQL or Spark. Name the columns."),
        ("group by s.product_id", "group by s.product_id\nqualify row_number() over (order by s.product_id) = 1", "20: `qualify` has no counterpart in PostgreSQL or Spark. Put the window function into a CTE and filter on it with where."),
        ("silver.sales_clean as s", "(select * exclude (sale_date) from silver.sales_clean) as s", "18: `* exclude` has no counterpart in PostgreSQL or Spark. Name the columns."),
        ("silver.sales_clean as s", "silver.sales_clean as s semi join silver.x as x on x.a = s.product_id", "18: `semi join` has no counterpart in PostgreSQL or Spark. Use where exists (…), where not exists (…) or an inner join."),
        ("group by s.product_id", "group by s.product_id; select 1", "15: There are 2 statements. Write exactly one SELECT."),
        ("group by s.product_id", "group by s.product_id union select 1, 2", "15: The statement is UNION, not one SELECT. A UNION goes into a CTE."),
        ("group by s.product_id", "group by (s.product_id", "19: This is not SQL that DuckDB reads: Expecting ) near 'product_id'."),
    ],
)  # fmt: skip
def test_a_wrong_gold_file_is_refused_with_line_and_hint(revenue, old, new, told):
    with pytest.raises(CatalogError) as refused:
        revenue(old, new)
    assert f"gold/revenue.sql:{told}" in [str(problem) for problem in refused.value.problems]


def test_a_file_without_header_is_told_what_to_begin_with(tmp_path):
    path = tmp_path / "x.sql"
    path.write_text("select 1 as a from silver.a", encoding="utf-8")
    with pytest.raises(
        CatalogError, match=r"The file has no header\. Begin with comment lines: -- description"
    ):
        parse_gold(path, tmp_path)


def test_a_file_name_that_cannot_name_a_table_is_refused(revenue):
    with pytest.raises(CatalogError, match="'Revenue-2' cannot be the name of a table"):
        revenue(name="Revenue-2")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-- Amounts of cancelled sales are 0.", "-- Another remark."),
        ("select\n    s.", "SELECT s."),
        ("Revenue by product.", "What each product brings."),
        ("meaning: sum of the amounts", "meaning: total of all amounts"),
        ("unit: USD", "unit: EUR"),
    ],
)
def test_what_changes_no_row_does_not_change_the_fingerprint(revenue, old, new):
    assert revenue(old, new).fingerprint == revenue().fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sum(s.sale_amount)", "max(s.sale_amount)"),
        ("type: decimal", "type: integer"),
        ("type: decimal", "type: decimal, decimals: 3"),
        ("-- reconcile: revenue = silver.sales_clean.sale_amount\n", ""),
        ("revenue < 0", "revenue < 1"),
        ("--     severity: warn\n", ""),
    ],
)
def test_what_changes_a_table_or_its_checks_changes_the_fingerprint(revenue, old, new):
    assert revenue(old, new).fingerprint != revenue().fingerprint


def test_quotients_and_null_order_are_said_alike_in_every_dialect():
    sql = "select a / b as c, row_number() over (order by a desc) as r from silver.x"
    assert render(sql, "postgres") == (
        'SELECT CAST("a" AS DOUBLE PRECISION) / "b" AS "c", '
        'ROW_NUMBER() OVER (ORDER BY "a" DESC NULLS LAST) AS "r" FROM "silver"."x"'
    )
    assert "`a` / `b`" in render(sql, "spark")


def test_what_a_dialect_cannot_say_is_not_rendered():
    with pytest.raises(SqlFault, match="This is not SQL that DuckDB reads"):
        render("select from where", "postgres")


# The shipped analyses --------------------------------------------------------------------------------

SILVER = """
create schema silver;
create table silver.customers_clean (customer_id bigint, customer_name varchar, email varchar, region varchar);
insert into silver.customers_clean values
    (1, 'Ann', null, 'WEST'), (2, 'Bo', null, 'WEST'), (3, 'Cy', null, 'EAST'), (4, 'Di', null, 'NORTH'), (5, 'Ed', null, null);
create table silver.sales_clean (
    sales_id bigint, product_id bigint, customer_id bigint, quantity bigint, sale_date date, sale_amount decimal(18, 2)
);
insert into silver.sales_clean values
    (1, 7, 1, 2, '2026-01-31', 10.10), (2, 7, 1, 1, '2026-02-01', 20.20),
    (3, 8, 3, 5, '2026-02-28', 30.30), (4, 9, 5, 1, '2026-02-28', 0.00), (5, 6, 5, 1, '2026-03-01', 0.00);
"""
"""WEST 2 customers, 1 buys, 30.30; EAST 30.30; NORTH buys nothing; one customer without region, 2 sales of 0."""


@pytest.fixture
def analysis():
    """The rows of a shipped analysis on SILVER (or none of it), cast as they are published."""
    types = {Kind.TEXT: "varchar", Kind.INTEGER: "bigint", Kind.RATIO: "decimal(38, 6)", Kind.DATE: "date"}

    def rows(name: str, *, empty: bool = False):
        table = parse_gold(ROOT / "gold" / f"{name}.sql", ROOT)
        with duckdb.connect() as connection:
            connection.execute(SILVER)
            if empty:
                connection.execute("delete from silver.sales_clean; delete from silver.customers_clean")
            types[Kind.DECIMAL] = "decimal(38, 2)"
            columns = ", ".join(f'cast("{f.name}" as {types[f.kind]}) as "{f.name}"' for f in table.fields)
            connection.execute(
                f"create schema gold; create table gold.{name} as select {columns} from ({table.sql})"
            )
            broken = {
                check.name: len(connection.execute(check.sql.replace("{table}", table.name)).fetchall())
                for check in table.checks
            }
            key = ", ".join(table.key)
            return connection.execute(f"from gold.{name} order by {key}").fetchall(), broken

    return rows


def test_customer_analytics_keeps_regions_without_orders_and_customers_without_region(analysis):
    rows, broken = analysis("customer_analytics")
    assert rows == [
        ("(none)", 1, 1, 2, 2, Decimal("0.00"), Decimal("0.000000"), Decimal("0.000000"), date(2026, 3, 1)),
        ("EAST", 1, 1, 1, 5, Decimal("30.30"), Decimal("0.500000"), Decimal("30.300000"), date(2026, 2, 28)),
        ("NORTH", 1, 0, 0, 0, Decimal("0.00"), Decimal("0.000000"), None, None),
        ("WEST", 2, 1, 2, 3, Decimal("30.30"), Decimal("0.500000"), Decimal("15.150000"), date(2026, 2, 1)),
    ]
    assert {name: count for name, count in broken.items() if count} == {"region_with_orders": 1}


def test_product_analytics_ranks_equal_revenue_by_the_key(analysis):
    rows, broken = analysis("product_analytics")
    jan, feb, late, mar = date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)
    assert rows == [
        (6, 1, 1, Decimal("0.00"), Decimal("0.000000"), 1, mar, mar, 3),
        (7, 2, 3, Decimal("30.30"), Decimal("15.150000"), 1, jan, feb, 1),
        (8, 1, 5, Decimal("30.30"), Decimal("30.300000"), 1, late, late, 2),
        (9, 1, 1, Decimal("0.00"), Decimal("0.000000"), 1, late, late, 4),
    ]
    assert not any(broken.values())


def test_monthly_revenue_adds_up_by_month_region_and_product(analysis):
    rows, broken = analysis("monthly_revenue")
    assert rows == [
        (date(2026, 1, 1), "WEST", 7, 1, 2, Decimal("10.10")),
        (date(2026, 2, 1), "(none)", 9, 1, 1, Decimal("0.00")),
        (date(2026, 2, 1), "EAST", 8, 1, 5, Decimal("30.30")),
        (date(2026, 2, 1), "WEST", 7, 1, 1, Decimal("20.20")),
        (date(2026, 3, 1), "(none)", 6, 1, 1, Decimal("0.00")),
    ]
    assert not any(broken.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_analysis_of_nothing_is_empty(analysis, name):
    assert analysis(name, empty=True)[0] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_analysis_equals_silver_to_the_cent(analysis, name):
    table = parse_gold(ROOT / "gold" / f"{name}.sql", ROOT)
    (reconcile,) = table.reconcile
    place = [field.name for field in table.fields].index(reconcile.column)
    assert sum(row[place] for row in analysis(name)[0]) == Decimal("60.60")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_analysis_can_be_said_in_every_dialect(name, dialect):
    table = parse_gold(ROOT / "gold" / f"{name}.sql", ROOT)
    assert render(table.sql, dialect)
    assert all(render(check.sql.replace("{table}", table.name), dialect) for check in table.checks)
