"""From a figure down to the lines of the files it rests on, cached through `ui.data` by published version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ui import data
from ui.period import Period
from ui.reads_analytics import CUSTOMERS, SALES, bounds

if TYPE_CHECKING:
    from etl.facts import Explained

MOST_CUSTOMERS = 100
MOST_LINES = 500


def can_drill() -> bool:
    """Whether both silver tables that the drill reads are published."""
    return data.published(SALES) is not None and data.published(CUSTOMERS) is not None


@data.by_version
def customers(region: str, period: Period) -> pd.DataFrame:
    """One row per customer of a region who bought, most revenue first, at most `MOST_CUSTOMERS`:
    customer_id, customer_name, email, orders, quantity, revenue, last_sale."""
    # The customers of a region by what they bought in the period.
    return data.select(
        """
        select
            c.customer_id,
            c.customer_name,
            c.email,
            count(*) as orders,
            cast(sum(s.quantity) as bigint) as quantity,
            sum(s.sale_amount) as revenue,
            max(s.sale_date) as last_sale
        from silver.sales_clean as s
        join silver.customers_clean as c on c.customer_id = s.customer_id
        where coalesce(c.region, '(none)') = ? and s.sale_date >= ? and s.sale_date < ?
        group by c.customer_id, c.customer_name, c.email
        order by revenue desc, c.customer_id
        """,
        (region, *bounds(period)),
        MOST_CUSTOMERS,
    )


@data.by_version
def customer_lines(customer_id: int, period: Period) -> pd.DataFrame:
    """One row per sales line of a customer, newest first, at most `MOST_LINES`, with the file and line it came from."""
    return _located(_lines(customer_id, None, period))


@data.by_version
def product_lines(product_id: int) -> pd.DataFrame:
    """One row per sales line of a product, newest first, at most `MOST_LINES`, with the file and line it came from."""
    return _located(_lines(None, product_id, Period()))


def explained(sales_id: int) -> Explained:
    """The way of one sales line from its file to silver."""
    return data.living().explain(SALES, str(sales_id))


def _lines(customer_id: int | None, product_id: int | None, period: Period) -> pd.DataFrame:
    # The sales lines of one customer or product, with what finds them again in bronze.
    return data.select(
        """
        select
            s.sales_id,
            s.sale_date,
            s.customer_id,
            c.customer_name,
            c.region,
            s.product_id,
            s.quantity,
            s.sale_amount,
            s._batch_id,
            s._row_number,
            s._correction
        from silver.sales_clean as s
        left join silver.customers_clean as c on c.customer_id = s.customer_id
        where coalesce(?, s.customer_id) = s.customer_id
            and coalesce(?, s.product_id) = s.product_id
            and s.sale_date >= ? and s.sale_date < ?
        order by s.sale_date desc, s.sales_id
        """,
        (customer_id, product_id, *bounds(period)),
        MOST_LINES,
    )


def _located(lines: pd.DataFrame) -> pd.DataFrame:
    paths = _paths()
    lines["file"] = [paths.get(batch, "") for batch in lines["_batch_id"]]
    lines["line"] = lines["_row_number"]
    lines["corrected"] = [correction != 0 for correction in lines["_correction"]]
    return lines.drop(columns=["_batch_id", "_row_number", "_correction"])


@data.by_version
def _paths() -> dict[str, str]:
    return {batch.batch_id: batch.path for batch in data.living().batches(limit=1_000_000)}
