"""The sentences of regions and products; the words are those of docs/glossary.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ui import fmt, state
from ui.period import Period

if TYPE_CHECKING:
    from etl.facts import TableFacts

NO_REGIONS = "No revenue by region yet"
NO_PRODUCTS = "No products yet"
RUN_FIRST = "Run everything from Overview; this page fills with the first published version."
PICK_REGION = "A click on a bar chooses a region."
CHOOSE_REGION = "Choose a region to see its customers"
PICK_PRODUCT = "A click on a bar or a point chooses a product."
PICK_POINT = "One point a product."
PICK_CUSTOMER = "Select a row to see the sales lines of a customer."
PICK_LINE = "Select a row to see the way of a line from its file."


def month(day: date) -> str:
    """`Nov 2026`."""
    return f"{day:%b %Y}"


def span(period: Period) -> str:
    """`All months`, `Nov 2026`, `Sep – Nov 2026`, `Nov 2025 – Oct 2026`."""
    if period.first is None or period.last is None:
        return "All months"
    if period.first == period.last:
        return month(period.first)
    start = f"{period.first:%b}" if period.first.year == period.last.year else month(period.first)
    return f"{start} – {month(period.last)}"


def provenance(table: str, facts: TableFacts | None, what: str = "") -> str:
    """`Sep – Nov 2026 · gold.monthly_revenue · version 42 · 3 min ago`; the table alone before it is published."""
    parts = [what, table] if what and facts else [table]
    if facts is not None:
        parts += [f"version {facts.version}", state.ago(facts.published_at)]
        parts += [f"stale: {facts.stale_because}"] if facts.stale else []
    return " · ".join(parts)


def course_of(region: str | None, period: Period, newest: date | None) -> str:
    """Whose months are shown; says where the last one may still grow."""
    months = "all months" if period.whole else span(period)
    said = f"{region or 'All regions'}, {months}"
    return f"{said}; sales up to {newest.day} {newest:%B}" if newest else said


def change(now: Any, before: Any) -> str:
    """How much more or less than before: `4.2 %`, `-0.6 %`; an arrow says the direction."""
    return f"{100 * (float(now) / float(before) - 1):.1f} %"


def earlier(value: str) -> str:
    """What a figure was before: `from $49.1k`."""
    return f"from {value}"


def compared(period: Period, before: Period | None) -> str:
    """`Aug – Oct 2026 against May – Jul 2026`; the period alone where nothing is compared."""
    return f"{span(period)} against {span(before)}" if before else span(period)


def leaders(shares: Sequence[float]) -> str:
    """How much the three largest make, where there are more."""
    if len(shares) <= 3:  # noqa: PLR2004
        return ""
    return f"The three largest of {len(shares)} make {fmt.share(sum(sorted(shares)[-3:]))} of the revenue."


def in_all(count: int, total: str) -> str:
    """`9 regions · $2,066,057.34 in all`."""
    return f"{fmt.count(count, 'region')} · {total} in all"


def regions_note(buying: bool) -> str:
    """Who the customers of the table of regions are."""
    if buying:
        return "Customers are those who bought in these months, counted in silver.sales_clean."
    return "Customers are all in silver.customers_clean, with or without a sale."


def customers_of(region: str | None) -> str:
    """The title of the drill's first step."""
    return f"Customers of {region}" if region else "Customers"


def sales_of_customer(customer_id: int) -> str:
    """The title of the drill's second step."""
    return f"Sales of customer {customer_id}"


def sales_of_product(product_id: int) -> str:
    """The title of a product's drill."""
    return f"Sales of product {product_id}"


def way_of_sale(sales_id: int) -> str:
    """The title of the drill's last step."""
    return f"Where sale {sales_id} came from"


def at_most(shown: int, most: int, noun: str, order: str) -> str:
    """`12 lines, newest first`; says when there may be more than are shown."""
    return (
        f"The first {fmt.count(most, noun)}, {order}"
        if shown >= most
        else f"{fmt.count(shown, noun)}, {order}"
    )


def product(product_id: int) -> str:
    """What a product is called; the files name products by number only."""
    return f"Product {product_id}"


def product_facts(rank: int, count: int, amount: str, orders: int) -> str:
    """`Rank 3 of 88 · $53.0k · 249 orders`."""
    return f"Rank {rank} of {count} · {amount} · {fmt.count(orders, 'order')}"


def pareto_note(count: int) -> str:
    """What the curve of running shares shows."""
    return f"Share of revenue that the best of {fmt.count(count, 'product')} make together."
