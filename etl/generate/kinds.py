"""The ways in which a dirty file departs from its good rows: one line of a table each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from etl.generate.clean import Customers, Sales
from etl.generate.draws import Shuffle
from etl.generate.recipe import REGIONS, Recipe


@dataclass(frozen=True)
class Spot:
    """Where something is planted: the good row it precedes or replaces, and an id that no good row has."""

    fields: list[str]  # of the good row, as they are written
    unused_id: int
    turn: int  # how many of the same kind came before


@dataclass(frozen=True)
class Kind:
    """One way in which real exports go wrong, or look as if they did.

    A `fault` makes a line that can never become a silver row as it stands. Anything else is harmless, but
    must be accounted for. `disguises` means that the text replaces its good row, and cleaning restores that.
    """

    name: str
    text: Callable[[Spot], str]
    fault: bool = True
    disguises: bool = False


def _with(column: int, *values: str) -> Callable[[Spot], str]:
    """A row of an id of its own in which one column reads each of `values` in turn; {} is what it held."""

    def text(spot: Spot) -> str:
        fields = [str(spot.unused_id), *spot.fields[1:]]
        fields[column] = values[spot.turn % len(values)].replace("{}", fields[column])
        return ",".join(fields) + "\n"

    return text


def _without_a_value(spot: Spot) -> str:
    return _with(-1 - spot.turn % len(spot.fields), "")(spot)


def _shortened(spot: Spot) -> str:
    return ",".join([str(spot.unused_id), *spot.fields[1:-1]]) + "\n"


def _name_unquoted(spot: Spot) -> str:
    """The comma before a title is taken for a delimiter."""
    name = spot.fields[1].strip('"')
    return _with(1, name if "," in name else f"{name}, MD")(spot)


def _older_sale(spot: Spot) -> str:
    return ",".join([*spot.fields[:5], "1" + spot.fields[5]]) + "\n"


def _older_customer(spot: Spot) -> str:
    """The same customer before moving house, so that the wrong version shows in the regions' counts."""
    key, name, mail, region = spot.fields
    names = [each.name for each in REGIONS]
    moved_from = names[names.index(region.strip().upper()) - 1]
    return ",".join([key, name, "old." + mail, moved_from]) + "\n"


def _name_on_two_lines(spot: Spot) -> str:
    name = spot.fields[1].strip('"').replace(" ", "\n", 1)
    return ",".join([spot.fields[0], f'"{name}"', *spot.fields[2:]]) + "\n"


def _padded(spot: Spot) -> str:
    return ",".join([*spot.fields[:-2], f" {spot.fields[-2]} ", f"  {spot.fields[-1]} "]) + "\n"


def _lower_case_region(spot: Spot) -> str:
    return ",".join([*spot.fields[:-1], spot.fields[-1].lower()]) + "\n"


CUSTOMER_KINDS = (
    Kind("superseded", _older_customer, fault=False),
    Kind("missing_region", _with(3, "")),
    Kind("malformed_id", _with(0, "C-{}", "{}x", "{}.5", "#{}")),
    Kind("missing_id", _with(0, "")),
    Kind("too_few_fields", _shortened),
    Kind("too_many_fields", _name_unquoted),
    Kind("blank_line", lambda _: "\n", fault=False),
    Kind("embedded_newline", _name_on_two_lines, fault=False, disguises=True),
    Kind("surrounding_whitespace", _padded, fault=False, disguises=True),
    Kind("lower_case_region", _lower_case_region, fault=False, disguises=True),
)

# A recipe's ids stay below 5,000,000,000, so the unknown customers are unknown for good.
# \udce9 stands for the lone byte 0xE9 (é in Latin-1), which is not UTF-8.
SALE_KINDS = (
    Kind("superseded", _older_sale, fault=False),
    Kind("unknown_customer", _with(2, "9000000001", "9000000002", "9000000003")),
    Kind("missing_value", _without_a_value),
    Kind("amount_not_a_number", _with(5, "twelve", "{}O", "0x10", "12-50")),
    Kind("amount_with_3_decimals", _with(5, "{}5")),
    Kind("negative_amount", _with(5, "-{}")),
    Kind("quantity_zero", _with(3, "0")),
    Kind("quantity_not_an_integer", _with(3, "2.5", "1.25", "3.75")),
    Kind("impossible_date", _with(4, "2026-02-30", "2025-11-31", "2026-13-01", "2026-02-29")),
    Kind("wrong_date_format", _with(4, "31/12/2025", "2025/12/31", "20251231", "31.12.2025")),
    Kind("too_few_fields", _shortened),
    Kind("too_many_fields", _with(5, "1,{}")),
    Kind("stray_quote", _with(5, '"{}')),
    Kind("invalid_utf8", _with(1, "{}\udce9")),
    Kind("nul_byte", _with(2, "{}\0")),
    Kind("blank_line", lambda _: "\n", fault=False),
    Kind("surrounding_whitespace", _padded, fault=False, disguises=True),
)


def customer_kinds(recipe: Recipe) -> tuple[Kind, ...]:
    """The kinds a file of customers gets; with `known`, also newer versions of those delivered."""
    if recipe.known is None:
        return CUSTOMER_KINDS
    known = Customers(recipe.known)
    order = Shuffle(known.count, recipe.seed, "newer customers")

    def newer(spot: Spot) -> str:
        position = order.position(np.array([spot.turn % known.count], dtype=np.int64))
        key, name, mail, region = customer_fields(known.lines(position)[0])
        return ",".join([key, name, "new." + mail, region]) + "\n"

    return (Kind("newer_version", newer, fault=False), *CUSTOMER_KINDS)


def sale_kinds(recipe: Recipe) -> tuple[Kind, ...]:
    """The kinds a file of sales gets; with `known`, also newer versions of those delivered."""
    if recipe.known is None or recipe.known.sales == 0:
        return SALE_KINDS
    known = Sales(recipe.known)
    order = Shuffle(known.count, recipe.seed, "newer sales")

    def newer(spot: Spot) -> str:
        position = order.position(np.array([spot.turn % known.count], dtype=np.int64))
        return known.recounted(position)[0]

    return (Kind("newer_version", newer, fault=False), *SALE_KINDS)


def customer_fields(line: str) -> list[str]:
    """The fields of a customer's line as they are written; only the name can hold a comma."""
    key, rest = line.rstrip("\n").split(",", 1)
    return [key, *rest.rsplit(",", 2)]


def sale_fields(line: str) -> list[str]:
    """The fields of a sale's line; none is quoted."""
    return line.rstrip("\n").split(",")
