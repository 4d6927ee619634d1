"""What to generate: the recipe, and the proportions of regions that every recipe keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.errors import SettingsError

CRM, ERP = "crm_customers", "erp_sales"
BASE = 10_000  # customers, and sales, that the figures in REGIONS are for
MOST_ROWS = 1_000_000_000


@dataclass(frozen=True)
class Region:
    """A region's part in BASE customers and BASE sales."""

    name: str
    customers: int
    sales: int
    revenue_cents: int


REGIONS = (
    Region("WEST", 1_119, 1_980, 448_428_24),
    Region("NORTHWEST", 1_080, 1_212, 256_688_34),
    Region("NORTHEAST", 1_113, 1_083, 221_435_78),
    Region("CENTRAL", 1_187, 1_046, 211_058_93),
    Region("EAST", 1_131, 1_021, 203_516_07),
    Region("SOUTHWEST", 1_164, 972, 198_764_15),
    Region("SOUTHEAST", 1_098, 938, 187_392_60),
    Region("SOUTH", 1_066, 901, 173_845_82),
    Region("NORTH", 1_042, 847, 164_927_41),
)


@dataclass(frozen=True)
class Recipe:
    """How many good rows to write, how dirty the files are, and where ids start.

    `dirt` is the share of a file's records that are faulty, at most one half. Faulty lines stand between
    the good rows, under ids that follow theirs, and replace none: the good rows and their totals are the
    same at any `dirt`. `known` is the recipe of files already delivered: half of the sales are then to
    its customers, and with dirt some of its rows come again in a newer version.
    """

    customers: int = BASE
    sales: int = BASE
    dirt: float = 0.0
    seed: int = 42
    first_customer_id: int = 1
    first_sales_id: int = 1
    known: Recipe | None = None

    def __post_init__(self) -> None:
        _require("customers", self.customers, 1, MOST_ROWS)
        _require("sales", self.sales, 0, MOST_ROWS)
        _require("dirt", self.dirt, 0, 0.5)
        _require("seed", self.seed, 0, 2**64 - 1)
        _require("first_customer_id", self.first_customer_id, 1, MOST_ROWS)
        _require("first_sales_id", self.first_sales_id, 1, MOST_ROWS)


def _require(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # also refuses nan
        raise SettingsError(
            f"{name} is {value}, which is outside {least:,} to {most:,}.",
            f"Give {name} a value in that range.",
        )


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Whole shares of `total` in proportion to `weights`, summing to it exactly, by largest remainder."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def customers_by_region(recipe: Recipe) -> list[int]:
    """Customers of each of REGIONS."""
    return apportion(recipe.customers, [region.customers for region in REGIONS])


def sales_by_region(recipe: Recipe, buyers: Sequence[int]) -> list[int]:
    """Sales to customers of each of REGIONS; none where there is nobody to buy."""
    weights = [region.sales if there else 0 for region, there in zip(REGIONS, buyers, strict=True)]
    return apportion(recipe.sales, weights)


def revenue_by_region(recipe: Recipe, sales: Sequence[int]) -> list[int]:
    """Revenue in cents of each of REGIONS, given its number of sales."""
    whole = sum(region.revenue_cents for region in REGIONS)
    weights = [region.revenue_cents if count else 0 for region, count in zip(REGIONS, sales, strict=True)]
    total = (whole * recipe.sales + BASE // 2) // BASE
    return apportion(total, weights) if any(weights) else [0] * len(REGIONS)
