"""What the page of products shows, as pandas frames cached through `ui.data` by published version."""

from __future__ import annotations

import pandas as pd

from ui import data
from ui.reads_analytics import MONTHS, added, filled, months, ratio

PRODUCTS = "gold.product_analytics"
REVENUE = (PRODUCTS, "total_revenue")


@data.by_version
def products() -> pd.DataFrame:
    """One row per product, by rank: the columns of gold.product_analytics, share and reached (the running share)."""
    if data.published(PRODUCTS) is None:
        return pd.DataFrame()
    frame = data.rows(PRODUCTS, order_by=("revenue_rank", "product_id"), limit=200_000)
    total = added(frame["total_revenue"])
    running = frame["total_revenue"].cumsum()
    frame["share"] = [float(ratio(revenue, total) or 0) for revenue in frame["total_revenue"]]
    frame["reached"] = [float(ratio(so_far, total) or 0) for so_far in running]
    return frame


def needed_for(frame: pd.DataFrame, share: float) -> int:
    """How many products, best first, it takes to reach `share` of the revenue."""
    return min(len(frame), int((frame["reached"] < share).sum()) + 1)


@data.by_version
def product_by_month(product_id: int) -> pd.DataFrame:
    """One row per month, oldest first, gaps filled with 0: month, revenue, orders, quantity."""
    if data.published(MONTHS) is None:
        return pd.DataFrame({"month": [], "revenue": [], "orders": [], "quantity": []})
    # One product's revenue by month, over all regions.
    found = data.select(
        """
        select
            month,
            sum(revenue) as revenue,
            cast(sum(orders) as bigint) as orders,
            cast(sum(quantity) as bigint) as quantity
        from gold.monthly_revenue
        where product_id = ?
        group by month
        order by month
        """,
        (product_id,),
    )
    frame = filled(found.set_index("month").reindex(months()), "orders", "quantity")
    return frame.rename_axis("month").reset_index()
