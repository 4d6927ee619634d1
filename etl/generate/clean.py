"""The good rows of a recipe, drawn a block at a time so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate

import numpy as np

from etl.generate.draws import Ints, Shuffle, below, draw, pick, positions
from etl.generate.names import FIELDS, HOSTS, MAILS
from etl.generate.recipe import REGIONS, Recipe, customers_by_region, revenue_by_region, sales_by_region

PRODUCTS = 88
_RANKS = np.arange(PRODUCTS, dtype=np.int64)
PRODUCT_IDS = 101 + _RANKS * 37 % PRODUCTS  # by popularity, so that the ids do not give the ranking away
PRICE_CENTS = 995 + 50 * below(236, draw(21, "price", _RANKS))  # key 21: list prices meet the average sale
_POPULARITY = np.cumsum(10_000 // (_RANKS + 2))  # Zipf-Mandelbrot: a few products sell most
_QUANTITIES = np.cumsum(np.array([26, 22, 16, 11, 8, 6, 4, 3, 2, 2], dtype=np.int64))  # of 1 to 10 pieces

_MONTHS = (82, 74, 90, 94, 101, 106, 97, 91, 103, 108, 128, 146)  # January to December
_DAYS = [date(2025, 11, 1) + timedelta(days) for days in range(365)]
_WEEK = (10, 10, 10, 10, 10, 6, 6)  # Monday to Sunday
_SEASON = np.cumsum(
    np.array([_MONTHS[day.month - 1] * _WEEK[day.weekday()] for day in _DAYS], dtype=np.int64)
)
_DATES = [day.isoformat() for day in _DAYS]
_CENTS = [f".{cents:02}" for cents in range(100)]


class Customers:
    """The customers of one recipe: who lives where, and who buys. Positions count from 0 in id order."""

    def __init__(self, recipe: Recipe) -> None:
        self.count, self._seed, self._first_id = recipe.customers, recipe.seed, recipe.first_customer_id
        sizes = customers_by_region(recipe)
        self.in_region = np.array(sizes, dtype=np.int64)
        self._ends = np.cumsum(self.in_region)
        self._starts = self._ends - self.in_region
        self._buyers = np.array([-(-size * 4 // 5) for size in sizes], dtype=np.int64)  # the others never buy
        self._order = Shuffle(self.count, self._seed, "customers")

    def lines(self, position: Ints) -> list[str]:
        """CSV lines: customer_id,customer_name,email,region."""
        ids = (self._first_id + position).tolist()
        people = below(len(FIELDS), draw(self._seed, "name", position)).tolist()
        hosts = below(len(HOSTS), draw(self._seed, "host", position)).tolist()
        regions = np.searchsorted(self._ends, self._order.place(position), side="right").tolist()
        return [
            f"{id_},{FIELDS[person]},{MAILS[person]}{id_}@{HOSTS[host]},{REGIONS[region].name}\n"
            for id_, person, host, region in zip(ids, people, hosts, regions, strict=True)
        ]

    def buyer_ids(self, region: Ints, position: Ints) -> Ints:
        """A buying customer of each region, some more often than others: the smaller of two even draws."""
        bits = draw(self._seed, "buyer", position)
        nth = below(self._buyers[region], np.minimum(bits, bits << np.uint64(32)))
        return self._first_id + self._order.position(self._starts[region] + nth)


@dataclass(frozen=True)
class SaleColumns:
    """Everything of some sales but their amounts, which depend on the other sales of a block."""

    region: Ints  # index into REGIONS
    product: Ints  # popularity rank, 0 sells most
    customer_id: Ints
    quantity: Ints
    day: Ints  # days after the first


class Sales:
    """The sales of one recipe. Positions count from 0 in id order, which is also the order of dates."""

    def __init__(self, recipe: Recipe) -> None:
        self.count, self._seed, self._first_id = recipe.sales, recipe.seed, recipe.first_sales_id
        self._customers = Customers(recipe)
        self._known = Customers(recipe.known) if recipe.known else None
        there = self._customers.in_region + (self._known.in_region if self._known else 0)
        self.in_region = sales_by_region(recipe, there.tolist())
        self.revenue_cents = revenue_by_region(recipe, self.in_region)
        self._ends = np.array(list(accumulate(self.in_region)), dtype=np.int64)
        self._order = Shuffle(self.count, self._seed, "sales")

    def columns(self, position: Ints) -> SaleColumns:
        """What any sale is, from its position alone."""
        place = self._order.place(position)
        region = np.searchsorted(self._ends, place, side="right").astype(np.int64)
        popular = pick(_POPULARITY, draw(self._seed, "product", position))
        return SaleColumns(
            region=region,
            product=np.where(place < PRODUCTS, place, popular),  # each product sells at least once
            customer_id=self._customer_ids(region, position),
            quantity=1 + pick(_QUANTITIES, draw(self._seed, "quantity", position)),
            day=self._days(position),
        )

    def lines(self, position: Ints, columns: SaleColumns, cents: Ints) -> list[str]:
        """CSV lines: sales_id,product_id,customer_id,quantity,sale_date,sale_amount."""
        rows = zip(
            (self._first_id + position).tolist(),
            PRODUCT_IDS[columns.product].tolist(),
            columns.customer_id.tolist(),
            columns.quantity.tolist(),
            columns.day.tolist(),
            (cents // 100).tolist(),
            (cents % 100).tolist(),
            strict=True,
        )
        return [
            f"{a},{b},{c},{d},{_DATES[day]},{whole}{_CENTS[rest]}\n" for a, b, c, d, day, whole, rest in rows
        ]

    def weights(self, position: Ints, columns: SaleColumns) -> Ints:
        """What each sale is worth beside the others: list price by quantity, 8 % up or down."""
        permille = 920 + below(161, draw(self._seed, "noise", position))
        return PRICE_CENTS[columns.product] * columns.quantity * permille

    def recounted(self, position: Ints) -> list[str]:
        """The same sales again, one piece more (1 after 10) at list price."""
        columns = self.columns(position)
        columns = replace(columns, quantity=columns.quantity % 10 + 1)
        return self.lines(position, columns, PRICE_CENTS[columns.product] * columns.quantity)

    def _customer_ids(self, region: Ints, position: Ints) -> Ints:
        new = self._customers.buyer_ids(region, position)
        if self._known is None:
            return new
        nobody_new = self._customers.in_region[region] == 0
        somebody_known = self._known.in_region[region] > 0
        coin = below(2, draw(self._seed, "known", position)) == 1
        return np.where(nobody_new | (coin & somebody_known), self._known.buyer_ids(region, position), new)

    def _days(self, position: Ints) -> Ints:
        season = int(_SEASON[-1])
        point = (position * season + below(season, draw(self._seed, "day", position))) // self.count
        return np.searchsorted(_SEASON, point, side="right").astype(np.int64)


def customer_blocks(recipe: Recipe) -> Iterator[list[str]]:
    """The lines of crm_customers, in the order of customer_id."""
    customers = Customers(recipe)
    for position in positions(recipe.customers):
        yield customers.lines(position)


def sale_blocks(recipe: Recipe) -> Iterator[list[str]]:
    """The lines of erp_sales, in the order of sales_id.

    Each region's amounts add up to its revenue exactly, because each block meets its own share of it.
    """
    sales = Sales(recipe)
    done = [0] * len(REGIONS)
    for position in positions(recipe.sales):
        columns = sales.columns(position)
        cents = sales.weights(position, columns)
        for region in range(len(REGIONS)):
            rows = np.flatnonzero(columns.region == region)
            share = _due(sales, region, done[region] + rows.size) - _due(sales, region, done[region])
            cents[rows] = _split(share, cents[rows])
            done[region] += rows.size
        yield sales.lines(position, columns, cents)


def _due(sales: Sales, region: int, rows: int) -> int:
    """Cents that a region's first `rows` sales come to."""
    return sales.revenue_cents[region] * rows // max(1, sales.in_region[region])


def _split(cents: int, weights: Ints) -> Ints:
    """Whole cents in proportion to weights, summing to `cents`; the odd cents go to the first rows."""
    if not weights.size:
        return weights
    parts: Ints = weights * cents // weights.sum()  # at most 1.4e8 * 1.1e9: fits 63 bits
    parts[: cents - int(parts.sum())] += 1
    return parts
