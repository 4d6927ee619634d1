"""The yardstick on PostgreSQL: hand-written COPY and SQL of the same steps, without contracts, accounts or quarantine.

    python -m bench.postgres_script LANDING URL

Text to bronze by COPY, typed and deduplicated silver with a known customer, the three gold tables, in one database. A
value that cannot be cast must not end it, and PostgreSQL has no lenient cast: so each cast has a pattern before it.
"""

# ruff: noqa: S608  # patterns of this file

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.script import CUSTOMER_ANALYTICS, PRODUCT_ANALYTICS

WHOLE = "case when trim({0}) ~ '^[+-]?[0-9]{{1,18}}$' then trim({0})::bigint end"
AMOUNT = "case when trim({0}) ~ '^[+-]?[0-9]{{1,16}}([.][0-9]{{0,2}})?$' then trim({0})::numeric(18, 2) end"
DAY = "case when trim({0}) ~ '^[0-9]{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' then trim({0})::date end"

BRONZE = {
    "crm/crm_customers*.csv": ("bronze.crm_customers_raw", "customer_id, customer_name, email, region"),
    "erp/erp_sales*.csv": (
        "bronze.erp_sales_raw", "sales_id, product_id, customer_id, quantity, sale_date, sale_amount"
    ),
}  # fmt: skip

STEPS = (
    f"""
    create table silver.customers_clean as
    select customer_id, customer_name, email, region from (
        select *, row_number() over (partition by customer_id) as newest from (
            select
                {WHOLE.format("customer_id")} as customer_id,
                trim(customer_name) as customer_name,
                lower(trim(email)) as email,
                upper(trim(region)) as region
            from bronze.crm_customers_raw
            offset 0
        ) as typed
    ) as ranked
    where newest = 1 and customer_id is not null and region is not null
    """,
    "create index on silver.customers_clean (customer_id)",
    "analyze silver.customers_clean",
    f"""
    create table silver.sales_clean as
    select sales_id, product_id, customer_id, quantity, sale_date, sale_amount from (
        select *, row_number() over (partition by sales_id) as newest from (
            select
                {WHOLE.format("sales_id")} as sales_id,
                {WHOLE.format("product_id")} as product_id,
                {WHOLE.format("customer_id")} as customer_id,
                {WHOLE.format("quantity")} as quantity,
                {DAY.format("sale_date")} as sale_date,
                {AMOUNT.format("sale_amount")} as sale_amount
            from bronze.erp_sales_raw
            offset 0
        ) as typed
    ) as ranked
    where newest = 1 and sales_id is not null and product_id is not null and quantity >= 1
        and sale_date is not null and sale_amount >= 0
        and customer_id in (select customer_id from silver.customers_clean)
    """,
    "create index on silver.sales_clean (sales_id)",
    "analyze silver.sales_clean",
    CUSTOMER_ANALYTICS,
    PRODUCT_ANALYTICS,
    """
    create table gold.monthly_revenue as
    select
        date_trunc('month', s.sale_date)::date as month,
        c.region,
        s.product_id,
        count(*) as orders,
        sum(s.quantity) as quantity,
        sum(s.sale_amount) as revenue
    from silver.sales_clean as s
    join silver.customers_clean as c using (customer_id)
    group by 1, 2, 3
    """,
)


def build(landing: Path, url: str) -> dict[str, int]:
    """Build everything in an empty database, in one transaction; the rows of each gold table."""
    import psycopg2

    connection: Any = psycopg2.connect(url.replace("+psycopg2", ""))
    try:
        with connection, connection.cursor() as cursor:
            for schema in ("bronze", "silver", "gold"):
                cursor.execute(f"create schema {schema}")
            for pattern, (table, columns) in BRONZE.items():
                cursor.execute(f"create table {table} ({columns.replace(',', ' text,')} text)")
                for path in sorted(landing.glob(pattern)):
                    with path.open("rb") as file:
                        cursor.copy_expert(f"copy {table} ({columns}) from stdin (format csv, header)", file)
                cursor.execute(f"analyze {table}")
            for step in STEPS:
                cursor.execute(step)
            found = {}
            for name in ("customer_analytics", "product_analytics", "monthly_revenue"):
                cursor.execute(f"select count(*) from gold.{name}")
                found[name] = int(cursor.fetchone()[0])
            return found
    finally:
        connection.close()


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), sys.argv[2]))
