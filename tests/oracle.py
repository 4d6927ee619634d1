"""What must come of files, by the csv module and Decimal alone: nothing here asks the engine or copies its SQL.

It knows the two shipped contracts and those of their terms that tests change.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

CRM, ERP = "crm_customers", "erp_sales"
COLUMNS = {
    CRM: ("customer_id", "customer_name", "email", "region"),
    ERP: ("sales_id", "product_id", "customer_id", "quantity", "sale_date", "sale_amount"),
}
KEY = {CRM: "customer_id", ERP: "sales_id"}
BLANKS = " \t\n\r\v\f"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
CENTS = re.compile(r"[+-]?([0-9]{1,16}(\.[0-9]{0,2})?|\.[0-9]{1,2})")
WRITTEN = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,10})?|\.[0-9]{1,10})")

Fields = dict[str, str | None]
Place = tuple[str, int, int]  # SHA-256 of the batch, physical line, number of the correction


@dataclass(frozen=True)
class Terms:
    """What tests turn in the contracts."""

    least_quantity: int = 1
    newest_by: str = ""  # "" or sale_date
    mail_is_email: bool = False  # whether a customer file may call the column mail
    dear_is_wrong: bool = False  # whether a piece may not cost more than 10: a rule in SQL


SHIPPED = Terms()


@dataclass(frozen=True)
class File:
    """A landed file as the csv module reads it, every physical line accounted for."""

    source: str
    text: str
    header: tuple[str, ...]  # the contract's columns, and whatever else the file calls its own
    rows: dict[int, Fields]
    unreadable: dict[int, str]
    blank: int
    continuation: int
    lines: int

    @property
    def sha(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def read(source: str, text: str, terms: Terms = SHIPPED) -> File:
    """Take a file apart. Its lines end in LF, its quotes are sound; it may hold NUL, blank and miscounted lines."""
    columns = COLUMNS[source]
    found = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = ["email" if name == "mail" and terms.mail_is_email else name for name in next(found)]
    file = {"rows": {}, "unreadable": {}, "blank": 0, "continuation": 0}  # type: dict[str, Any]
    before = found.line_num
    for fields in found:
        number, spanned, before = before + 1, found.line_num - before, found.line_num
        if not "".join(fields).strip(" \t") and len(fields) < 2:
            file["blank"] += 1
        elif any("\0" in value for value in fields):
            file["unreadable"][number] = "a NUL byte"
        elif len(fields) != len(columns):
            word = "few" if len(fields) < len(columns) else "many"
            file["unreadable"][number] = f"too {word} fields: {len(fields)} instead of {len(columns)}"
        else:
            row = {name: value or None for name, value in zip(header, fields, strict=True)}
            file["rows"][number] = {name: row.get(name) for name in columns}
            file["continuation"] += spanned - 1
    return File(source, text, tuple(header), lines=before, **file)


# -- one row ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A row after cleaning: typed values, and every rule it breaks but the one that needs other tables."""

    values: dict[str, Any]
    reasons: tuple[str, ...]


def cleaned(text: str | None, *, collapse: bool = False, case: str = "") -> str | None:
    text = (text or "").strip(BLANKS)
    text = re.sub(r"[ \t\n\r\f]+", " ", text) if collapse else text
    text = {"upper": text.upper, "lower": text.lower}[case]() if case else text
    return text or None


def judge_customer(fields: Fields) -> Judged:
    values: dict[str, Any] = {}
    reasons: list[str] = []
    values["customer_id"] = _whole("customer_id", fields, reasons)
    for name, case in (("customer_name", ""), ("email", "lower"), ("region", "upper")):
        values[name] = cleaned(fields[name], collapse=name != "email", case=case)
        if name == "email" and values[name] and not EMAIL.fullmatch(values[name]):
            reasons.append("email does not have the agreed form")
        if name != "email" and values[name] is None:
            reasons.append(f"{name} is missing")
    return Judged(values, tuple(reasons))


def judge_sale(fields: Fields, terms: Terms) -> Judged:
    reasons: list[str] = []
    values: dict[str, Any] = {
        n: _whole(n, fields, reasons) for n in ("sales_id", "product_id", "customer_id")
    }
    values["quantity"] = _whole("quantity", fields, reasons)
    if values["quantity"] is not None and values["quantity"] < terms.least_quantity:
        reasons.append(f"quantity is below {terms.least_quantity}")
    values["sale_date"] = _day(fields, reasons)
    values["sale_amount"] = _cents(fields, reasons)
    amount, quantity = values["sale_amount"], values["quantity"]
    if terms.dear_is_wrong and None not in (amount, quantity) and amount > 10 * quantity:
        reasons.append("too_dear_a_piece")
    return Judged(values, tuple(reasons))


def _whole(name: str, fields: Fields, reasons: list[str]) -> int | None:
    text = cleaned(fields[name])
    if text is None:
        reasons.append(f"{name} is missing")
    elif not WHOLE.fullmatch(text):
        reasons.append(f"{name} is not a whole number")
    else:
        return int(text)
    return None


def _day(fields: Fields, reasons: list[str]) -> date | None:
    text = cleaned(fields["sale_date"])
    if text is None:
        reasons.append("sale_date is missing")
        return None
    try:
        if re.fullmatch(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:  # no such day
        pass
    reasons.append("sale_date is not a day written YYYY-MM-DD")
    return None


def _cents(fields: Fields, reasons: list[str]) -> Decimal | None:
    text = cleaned(fields["sale_amount"])
    if text is None:
        reasons.append("sale_amount is missing")
    elif not CENTS.fullmatch(text):
        reasons.append("sale_amount is not a number with at most 2 decimals")
    else:
        if Decimal(text) < 0:
            reasons.append("sale_amount is below 0")
        return Decimal(text)
    return None


def written_amount(fields: Fields) -> Decimal:
    """The amount as it stands in the text; 0 where none can be read."""
    text = cleaned(fields.get("sale_amount"))
    return Decimal(text) if text and WRITTEN.fullmatch(text) else Decimal(0)


# -- all rows --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """One row of bronze, or one correction, as it takes part in the order of versions."""

    place: Place
    sequence: int  # of its batch
    fields: Fields


@dataclass
class Outcome:
    """Where every version of one source is."""

    silver: dict[Place, dict[str, Any]] = field(default_factory=dict)
    superseded: set[Place] = field(default_factory=set)
    quarantined: dict[Place, tuple[str, ...]] = field(default_factory=dict)


def settle(source: str, versions: Iterable[Version], terms: Terms, customers: Iterable[int]) -> Outcome:
    """Judge every version that takes part; `customers` are the known parents of sales."""
    outcome, known = Outcome(), set(customers)
    by_key: dict[int, list[tuple[tuple[Any, ...], Version, dict[str, Any]]]] = {}
    for version in versions:
        judged = judge_customer(version.fields) if source == CRM else judge_sale(version.fields, terms)
        reasons, parent = list(judged.reasons), judged.values["customer_id"]
        if source == ERP and parent is not None and parent not in known:
            reasons.append("customer_id is not a known crm_customers")
        if reasons:
            outcome.quarantined[version.place] = tuple(reasons)
            continue
        newest = judged.values["sale_date"] if source == ERP and terms.newest_by else date.min
        order = (newest, version.sequence, version.place[1])
        by_key.setdefault(judged.values[KEY[source]], []).append((order, version, judged.values))
    for versions_of_key in by_key.values():
        *older, (_, newest_version, values) = sorted(versions_of_key, key=lambda found: found[0])
        outcome.silver[newest_version.place] = values
        outcome.superseded |= {version.place for _, version, _ in older}
    return outcome


def settle_both(customers: Iterable[Version], sales: Iterable[Version], terms: Terms) -> dict[str, Outcome]:
    """Both sources: customers first, as sales refer to them."""
    crm = settle(CRM, customers, terms, ())
    known = [values["customer_id"] for values in crm.silver.values()]
    return {CRM: crm, ERP: settle(ERP, sales, terms, known)}


# -- gold ------------------------------------------------------------------------------------------------------


def regions(customers: Sequence[dict[str, Any]], sales: Sequence[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """gold.customer_analytics: region, customers, buyers, orders, pieces, revenue, newest day."""
    found = set()
    for region in {customer["region"] for customer in customers}:
        ids = {customer["customer_id"] for customer in customers if customer["region"] == region}
        own = [sale for sale in sales if sale["customer_id"] in ids]
        found.add(
            (
                region, len(ids), len({sale["customer_id"] for sale in own}), len(own),
                sum(sale["quantity"] for sale in own), sum((sale["sale_amount"] for sale in own), Decimal(0)),
                max((sale["sale_date"] for sale in own), default=None),
            )
        )  # fmt: skip
    return found


def months(customers: Sequence[dict[str, Any]], sales: Sequence[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """gold.monthly_revenue: month, region, product, orders, pieces, revenue."""
    region_of = {customer["customer_id"]: customer["region"] for customer in customers}
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for sale in sales:
        month = sale["sale_date"].replace(day=1)
        groups.setdefault((month, region_of[sale["customer_id"]], sale["product_id"]), []).append(sale)
    return {
        (*group, len(own), sum(s["quantity"] for s in own), sum((s["sale_amount"] for s in own), Decimal(0)))
        for group, own in groups.items()
    }


def products(sales: Sequence[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """gold.product_analytics: product, orders, pieces, revenue, customers, first and last day, rank."""
    revenue: dict[int, Decimal] = {}
    for sale in sales:
        revenue[sale["product_id"]] = revenue.get(sale["product_id"], Decimal(0)) + sale["sale_amount"]
    found = set()
    for product, total in revenue.items():
        own = [sale for sale in sales if sale["product_id"] == product]
        days = [sale["sale_date"] for sale in own]
        found.add(
            (
                product, len(own), sum(sale["quantity"] for sale in own), total,
                len({sale["customer_id"] for sale in own}), min(days), max(days),
                sorted(revenue, key=lambda other: (-revenue[other], other)).index(product) + 1,
            )
        )  # fmt: skip
    return found
