"""What the page of regions shows, as pandas frames cached through `ui.data` by published version.

Amounts stay Decimal in every frame; `plain` turns them into floats for drawing only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from ui import data
from ui.period import Period, before, between

REGIONS = "gold.customer_analytics"
MONTHS = "gold.monthly_revenue"
SALES = "silver.sales_clean"
CUSTOMERS = "silver.customers_clean"
REVENUE = (MONTHS, "revenue")

_MONTH_COLUMNS = ("month", "region", "revenue", "orders", "quantity")
_NO_MONEY = Decimal(0)
_EARLIEST, _LATEST = date(1000, 1, 1), date(3000, 1, 1)


@dataclass(frozen=True)
class Totals:
    """Sums over a period. `customers` is None where silver cannot tell; `buying` says that it counts buyers only."""

    revenue: Decimal
    orders: int
    quantity: int
    customers: int | None
    buying: bool

    @property
    def average(self) -> Decimal | None:
        """Revenue per order; None without orders."""
        return self.revenue / self.orders if self.orders else None


def unit(table: str, column: str) -> str:
    """The unit a column is declared in, such as USD; "" where none is."""
    facts = data.published(table)
    fields = facts.fields if facts else ()
    return next((field.unit for field in fields if field.name == column), "")


@data.by_version
def months() -> list[date]:
    """Every month from the first to the last with sales, without gaps; empty before the first publication."""
    found = region_months()["month"]
    return between(found.min(), found.max()) if len(found) else []


def from_regions(period: Period) -> bool:
    """Whether the figures of a period are those of gold.customer_analytics, not sums over months."""
    return period.whole and data.published(REGIONS) is not None


def source_of_regions(period: Period) -> str:
    """The table that the figures of a period come from."""
    return REGIONS if from_regions(period) else MONTHS


def newest_sale() -> date | None:
    """The last day with a sale; None before the first publication."""
    if data.published(REGIONS) is None:
        return None
    return max((day for day in data.rows(REGIONS)["last_sale_date"] if day is not None), default=None)


@data.by_version
def newest_open_sale(period: Period) -> date | None:
    """The last day with a sale, where the period's last month may still grow because it is not the month's last."""
    newest = newest_sale()
    if newest is None or (period.until is not None and newest >= period.until):
        return None
    return None if (newest + timedelta(days=1)).day == 1 else newest


@data.by_version
def comparable(period: Period) -> Period | None:
    """The equally long period before, where the figures reach back that far and the period is over."""
    return None if newest_open_sale(period) else before(period, months())


@data.by_version
def regions(period: Period) -> pd.DataFrame:
    """One row per region, most revenue first: region, revenue, orders, quantity, customers, average, share, trend.

    Unbounded from gold.customer_analytics, otherwise summed over the months of gold.monthly_revenue; then
    `customers` counts those who bought. `trend` is revenue by month, oldest first, as floats.
    """
    frame = _all_regions() if from_regions(period) else _regions_within(period)
    total = added(frame["revenue"])
    frame["average"] = _ratios(frame["revenue"], frame["orders"])
    frame["share"] = [float(ratio(revenue, total) or 0) for revenue in frame["revenue"]]
    trends = _trends(period)
    frame["trend"] = [trends.get(name, []) for name in frame["region"]]
    return frame


@data.by_version
def totals(period: Period, region: str | None = None) -> Totals:
    """The sums of all regions, or of one."""
    frame = regions(period)
    frame = frame if region is None else frame[frame["region"] == region]
    counted = [count for count in frame["customers"] if count is not None]
    return Totals(
        revenue=added(frame["revenue"]),
        orders=int(frame["orders"].sum()),
        quantity=int(frame["quantity"].sum()),
        customers=sum(counted) if len(counted) == len(frame) else None,
        buying=not from_regions(period),
    )


@data.by_version
def by_month(period: Period, region: str | None = None) -> pd.DataFrame:
    """One row per month, oldest first, gaps filled with 0: month, revenue, orders, average, customers (who bought)."""
    frame = _within(region_months(), period)
    frame = frame if region is None else frame[frame["region"] == region]
    wanted = [month for month in months() if _inside(month, period)]
    sums = _summed(frame, "month", ("revenue", "orders")).reindex(wanted)
    sums = filled(sums, "orders")
    sums["average"] = _ratios(sums["revenue"], sums["orders"])
    buyers = _buyers_by_month(region)
    sums["customers"] = [buyers.get(month, 0) for month in wanted]
    return sums.rename_axis("month").reset_index()


def region_months() -> pd.DataFrame:
    """One row per month and region, from gold.monthly_revenue: month, region, revenue, orders, quantity."""
    if data.published(MONTHS) is None:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in _MONTH_COLUMNS})
    # Revenue of every region in every month, over all products.
    return data.select(
        """
        select
            month,
            region,
            sum(revenue) as revenue,
            cast(sum(orders) as bigint) as orders,
            cast(sum(quantity) as bigint) as quantity
        from gold.monthly_revenue
        group by month, region
        order by month, region
        """,
        limit=200_000,
    )


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame with Decimals as floats, for charts and cells; never for sums or files."""
    shown = frame.copy()
    for name in shown.columns:
        if any(isinstance(value, Decimal) for value in shown[name]):
            shown[name] = shown[name].astype(float)
    return shown


def percent(shares: Iterable[float]) -> list[float]:
    """Shares (0..1) in percent to one place, cut as `fmt.share` cuts them: a whole is never reached by rounding."""
    return [math.floor(1000 * part + 1e-9) / 10 for part in shares]


def added(amounts: Iterable[Any]) -> Decimal:
    """The exact sum of Decimals."""
    return sum(amounts, _NO_MONEY)


def bounds(period: Period) -> tuple[date, date]:
    """The first day of a period and the first after it; every day a contract can hold where it is unbounded."""
    return period.first or _EARLIEST, period.until or _LATEST


def filled(frame: pd.DataFrame, *counts: str) -> pd.DataFrame:
    """Months without a row as months in which nothing was sold."""
    sold = [value if isinstance(value, Decimal) else _NO_MONEY for value in frame["revenue"]]
    frame["revenue"] = pd.Series(sold, index=frame.index, dtype=object)
    for name in counts:
        frame[name] = frame[name].fillna(0).astype(int)
    return frame


def ratio(part: Any, whole: Any) -> Decimal | None:
    """An exact quotient; None without a whole."""
    return Decimal(part) / Decimal(whole) if whole else None


def _all_regions() -> pd.DataFrame:
    names = {
        "region": "region",
        "total_revenue": "revenue",
        "total_orders": "orders",
        "total_quantity": "quantity",
        "total_customers": "customers",
    }
    frame = data.rows(REGIONS, columns=tuple(names), order_by=("-total_revenue", "region"))
    return frame.rename(columns=names)


def _regions_within(period: Period) -> pd.DataFrame:
    sums = _summed(
        _within(region_months(), period), "region", ("revenue", "orders", "quantity")
    ).reset_index()
    buyers = _buyers(period)
    sums["customers"] = pd.Series([buyers.get(name) for name in sums["region"]], dtype=object)
    return sums.sort_values(["revenue", "region"], ascending=[False, True], ignore_index=True)


def _can_count_buyers() -> bool:
    return data.published(SALES) is not None and data.published(CUSTOMERS) is not None


def _buyers(period: Period) -> dict[str, int]:
    if not _can_count_buyers():
        return {}
    # Customers of each region who bought in the period; each counts once, however often they bought.
    found = data.select(
        """
        select
            coalesce(c.region, '(none)') as region,
            count(distinct s.customer_id) as customers
        from silver.sales_clean as s
        join silver.customers_clean as c on c.customer_id = s.customer_id
        where s.sale_date >= ? and s.sale_date < ?
        group by coalesce(c.region, '(none)')
        """,
        bounds(period),
    )
    return {region: int(count) for region, count in zip(found["region"], found["customers"], strict=True)}


def _buyers_by_month(region: str | None) -> dict[date, int]:
    if not _can_count_buyers():
        return {}
    # Customers who bought, by month; each counts once in every month they bought in.
    found = data.select(
        """
        select
            extract(year from s.sale_date) as year_of,
            extract(month from s.sale_date) as month_of,
            count(distinct s.customer_id) as customers
        from silver.sales_clean as s
        join silver.customers_clean as c on c.customer_id = s.customer_id
        where coalesce(?, c.region, '(none)') = coalesce(c.region, '(none)')
        group by extract(year from s.sale_date), extract(month from s.sale_date)
        """,
        (region,),
    )
    return {date(int(y), int(m), 1): int(count) for y, m, count in found.itertuples(index=False)}


def _trends(period: Period) -> dict[str, list[float]]:
    frame = plain(_within(region_months(), period))
    if frame.empty:
        return {}
    wanted = [month for month in months() if _inside(month, period)]
    grid = frame.pivot(index="region", columns="month", values="revenue").reindex(columns=wanted).fillna(0.0)
    return {
        str(name): [round(value, 2) for value in line]
        for name, line in zip(grid.index, grid.to_numpy(), strict=True)
    }


def _summed(frame: pd.DataFrame, by: str, columns: Sequence[str]) -> pd.DataFrame:
    # Exact: pandas sums an object column with Python's own addition.
    return frame.groupby(by)[list(columns)].sum()


def _within(frame: pd.DataFrame, period: Period) -> pd.DataFrame:
    kept = pd.Series([_inside(month, period) for month in frame["month"]], index=frame.index, dtype=bool)
    return frame[kept]


def _inside(month: date, period: Period) -> bool:
    return (period.first is None or month >= period.first) and (period.last is None or month <= period.last)


def _ratios(parts: pd.Series[Any], wholes: pd.Series[Any]) -> pd.Series[Any]:
    found = [ratio(part, whole) for part, whole in zip(parts, wholes, strict=True)]
    return pd.Series(found, index=parts.index, dtype=object)
