"""The yardstick: a plain hand-written DuckDB script of the same steps, without contracts, accounts or quarantine.

    python -m bench.script LANDING STATE

Text to bronze, typed and deduplicated silver with a known customer, the three gold tables, in one durable file.
"""

from __future__ import annotations

import sys
from pathlib import Path

CUSTOMER_ANALYTICS = """
    create table gold.customer_analytics as
    select
        c.region,
        count(distinct c.customer_id) as total_customers,
        count(distinct s.customer_id) as buying_customers,
        count(s.sales_id) as total_orders,
        sum(s.quantity) as total_quantity,
        sum(s.sale_amount) as total_revenue,
        max(s.sale_date) as last_sale_date
    from silver.customers_clean as c
    left join silver.sales_clean as s using (customer_id)
    group by c.region
    """

PRODUCT_ANALYTICS = """
    create table gold.product_analytics as
    select
        product_id,
        count(*) as total_orders,
        sum(quantity) as total_quantity_sold,
        sum(sale_amount) as total_revenue,
        count(distinct customer_id) as unique_customers,
        min(sale_date) as first_sale_date,
        max(sale_date) as last_sale_date
    from silver.sales_clean
    group by product_id
    """

STEPS = (
    "create schema bronze",
    "create schema silver",
    "create schema gold",
    """
    create table bronze.crm_customers_raw as
    select * from read_csv('{landing}/crm/crm_customers*.csv', all_varchar = true, header = true)
    """,
    """
    create table bronze.erp_sales_raw as
    select * from read_csv('{landing}/erp/erp_sales*.csv', all_varchar = true, header = true)
    """,
    """
    create table silver.customers_clean as
    select * exclude (newest) from (
        select
            try_cast(trim(customer_id) as bigint) as customer_id,
            trim(customer_name) as customer_name,
            lower(trim(email)) as email,
            upper(trim(region)) as region,
            row_number() over (partition by try_cast(trim(customer_id) as bigint)) as newest
        from bronze.crm_customers_raw
    )
    where newest = 1 and customer_id is not null and region is not null
    """,
    """
    create table silver.sales_clean as
    select * exclude (newest) from (
        select
            try_cast(trim(sales_id) as bigint) as sales_id,
            try_cast(trim(product_id) as bigint) as product_id,
            try_cast(trim(customer_id) as bigint) as customer_id,
            try_cast(trim(quantity) as bigint) as quantity,
            try_cast(trim(sale_date) as date) as sale_date,
            try_cast(trim(sale_amount) as decimal(18, 2)) as sale_amount,
            row_number() over (partition by try_cast(trim(sales_id) as bigint)) as newest
        from bronze.erp_sales_raw
    ) as typed
    where newest = 1 and sales_id is not null and product_id is not null and quantity >= 1
        and sale_date is not null and sale_amount >= 0
        and customer_id in (select customer_id from silver.customers_clean)
    """,
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
    group by all
    """,
    "checkpoint",
)


def build(landing: Path, state: Path) -> dict[str, int]:
    """Build everything into a new file under `state`; the rows of each gold table."""
    import duckdb

    state.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(state / "script.duckdb")) as connection:
        for step in STEPS:
            connection.execute(step.replace("{landing}", str(landing)))
        tables = ("customer_analytics", "product_analytics", "monthly_revenue")
        return {name: len(connection.table(f"gold.{name}")) for name in tables}


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2])))
