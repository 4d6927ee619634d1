"""The generated exports: their figures to the cent, their faults to the line, their bytes for ever."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from math import nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import SettingsError
from etl.generate import CRM, CUSTOMER_KINDS, ERP, SALE_KINDS, Generated, Recipe, files, generate
from etl.generate import write_shipped_samples as write_shipped
from etl.generate.draws import Shuffle
from etl.generate.recipe import apportion
from etl.generate.shipped import DIRTY_SAMPLE

SHIPPED = Path(__file__).parents[2] / "data"
HEADERS = {
    CRM: b"customer_id,customer_name,email,region",
    ERP: b"sales_id,product_id,customer_id,quantity,sale_date,sale_amount",
}
REGION_CUSTOMERS = {
    "WEST": 1119, "NORTHWEST": 1080, "NORTHEAST": 1113, "CENTRAL": 1187, "EAST": 1131, "SOUTHWEST": 1164,
    "SOUTHEAST": 1098, "SOUTH": 1066, "NORTH": 1042,
}  # fmt: skip
REPORTED_REVENUE = {
    "WEST": Decimal("448428.24"), "NORTHWEST": Decimal("256688.34"), "NORTHEAST": Decimal("221435.78"),
}  # fmt: skip
REVENUE = Decimal("2066057.34")  # of 10,000 sales
DIRTY = Recipe(customers=2_000, sales=5_000, dirt=0.1, seed=7)
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def total(rows: list[Row]) -> Decimal:
    return sum((Decimal(row["sale_amount"]) for row in rows), Decimal(0))


def by_region(customers: list[Row], sales: list[Row]) -> dict[str, list[Row]]:
    region = {row["customer_id"]: row["region"] for row in customers}
    found: dict[str, list[Row]] = defaultdict(list)
    for sale in sales:
        found[region[sale["customer_id"]]].append(sale)
    return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return generate(Recipe(), tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def customers(sample: Generated) -> list[Row]:
    return read(sample.files[CRM])


@pytest.fixture(scope="module")
def sales(sample: Generated) -> list[Row]:
    return read(sample.files[ERP])


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    return generate(DIRTY, tmp_path_factory.mktemp("dirty"), suffix="_dirty")


@pytest.fixture(scope="module")
def undirtied(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    clean = Recipe(customers=DIRTY.customers, sales=DIRTY.sales, seed=DIRTY.seed)
    return generate(clean, tmp_path_factory.mktemp("clean"))


# The sample's figures


def test_the_sample_has_the_reported_customers_in_nine_regions(customers):
    assert Counter(row["region"] for row in customers) == REGION_CUSTOMERS
    assert len(customers) == 10_000


def test_the_sample_reproduces_the_reported_revenue_to_the_cent(customers, sales):
    revenue = {region: total(rows) for region, rows in by_region(customers, sales).items()}
    assert {region: revenue[region] for region in REPORTED_REVENUE} == REPORTED_REVENUE
    assert sum(revenue.values()) == total(sales) == REVENUE
    assert len(sales) == 10_000


def test_the_other_six_regions_differ_and_stay_below_northeast(customers, sales):
    revenue = {region: total(rows) for region, rows in by_region(customers, sales).items()}
    others = {revenue[region] for region in revenue if region not in REPORTED_REVENUE}
    assert len(others) == 6
    assert max(others) < revenue["NORTHEAST"]
    assert min(others) > revenue["NORTHEAST"] / 2


def test_the_sample_sells_88_products_a_few_of_which_make_most_of_the_revenue(sales):
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for sale in sales:
        revenue[sale["product_id"]] += Decimal(sale["sale_amount"])
    best_fifth = sorted(revenue.values(), reverse=True)[:18]
    assert len(revenue) == 88
    assert Decimal("0.5") < sum(best_fifth) / REVENUE < Decimal("0.8")


def test_the_west_orders_most_often_and_most_at_a_time(customers, sales):
    orders = by_region(customers, sales)
    assert max(orders, key=lambda region: len(orders[region])) == "WEST"
    assert max(orders, key=lambda region: total(orders[region]) / len(orders[region])) == "WEST"


def test_not_every_customer_buys_and_some_buy_often(sales):
    orders = Counter(sale["customer_id"] for sale in sales)
    assert 4_000 < len(orders) < 8_000
    assert max(orders.values()) > 5


def test_december_sells_more_than_twice_february(sales):
    months = Counter(sale["sale_date"][:7] for sale in sales)
    assert len(months) == 12
    assert months["2025-12"] > 2 * months["2026-02"]


def test_an_amount_is_about_quantity_times_the_price_of_its_product(sales):
    unit_prices: dict[str, list[Decimal]] = defaultdict(list)
    for sale in sales:
        unit_prices[sale["product_id"]].append(Decimal(sale["sale_amount"]) / int(sale["quantity"]))
    assert all(max(prices) < Decimal("1.6") * min(prices) for prices in unit_prices.values())


def test_every_row_of_the_sample_is_valid(customers, sales):
    assert [row["customer_id"] for row in customers] == [str(n) for n in range(1, 10_001)]
    assert [row["sales_id"] for row in sales] == [str(n) for n in range(1, 10_001)]
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\d+@example\.(com|org|net)", row["email"]) for row in customers)
    assert len({row["email"] for row in customers}) == 10_000
    assert all(good_sale(list(sale.values()), range(1, 10_001)) for sale in sales)


def test_names_try_the_reader_with_accents_apostrophes_and_quoted_commas(customers):
    names = {row["customer_name"] for row in customers}
    assert any("Zoë" in name for name in names)
    assert any("O'" in name for name in names)
    assert any(name.endswith("Nguyen, Jr.") for name in names)
    assert all(name == name.strip() and name for name in names)


# The same recipe, other recipes


def test_the_same_recipe_gives_the_same_bytes(tmp_path):
    recipe = Recipe(customers=300, sales=400, dirt=0.05)
    once, again = generate(recipe, tmp_path / "once"), generate(recipe, tmp_path / "again")
    for source in (CRM, ERP):
        assert once.files[source].read_bytes() == again.files[source].read_bytes()
    assert once.planted == again.planted


def test_another_seed_gives_other_rows_and_the_same_totals(tmp_path, customers, sales):
    other = generate(Recipe(seed=1), tmp_path)
    other_customers, other_sales = read(other.files[CRM]), read(other.files[ERP])
    assert other_customers != customers
    assert other_sales != sales
    assert {r: total(rows) for r, rows in by_region(other_customers, other_sales).items()} == {
        r: total(rows) for r, rows in by_region(customers, sales).items()
    }


def test_totals_are_exact_and_positive_over_many_blocks(tmp_path):
    made = generate(Recipe(customers=1_000, sales=120_000), tmp_path)
    orders = by_region(read(made.files[CRM]), read(made.files[ERP]))
    assert {region: total(orders[region]) for region in REPORTED_REVENUE} == {
        region: 12 * revenue for region, revenue in REPORTED_REVENUE.items()
    }
    assert {region: len(rows) for region, rows in orders.items()}["WEST"] == 12 * 1_980


@settings(max_examples=40, deadline=None)
@given(customers=st.integers(1, 300), sales=st.integers(0, 300), seed=st.integers(0, 2**64 - 1))
def test_any_size_keeps_the_proportions_to_the_cent(tmp_path_factory, customers, sales, seed):
    made = generate(Recipe(customers=customers, sales=sales, seed=seed), tmp_path_factory.mktemp("any"))
    people, sold = read(made.files[CRM]), read(made.files[ERP])
    assert (len(people), len(sold)) == (customers, sales)
    assert total(sold) == (REVENUE * sales / 10_000).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    assert len({sale["product_id"] for sale in sold}) == min(88, sales)
    assert all(good_sale(list(sale.values()), range(1, customers + 1)) for sale in sold)
    for region, found in Counter(row["region"] for row in people).items():
        assert abs(found - Decimal(REGION_CUSTOMERS[region]) * customers / 10_000) < 1


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**9), min_size=1).filter(any))
def test_apportioned_shares_lose_and_invent_nothing(total_cents, weights):
    shares = apportion(total_cents, weights)
    assert sum(shares) == total_cents
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total_cents * weight) < sum(weights)


@given(st.integers(1, 3_000), st.integers(0, 2**64 - 1))
def test_a_shuffle_gives_every_position_its_own_place_and_back(count, seed):
    order, positions = Shuffle(count, seed, "test"), np.arange(count, dtype=np.int64)
    places = order.place(positions)
    assert sorted(places.tolist()) == positions.tolist()
    assert order.position(places).tolist() == positions.tolist()


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("customers", 0, "1 to 1,000,000,000"),
        ("sales", -1, "0 to 1,000,000,000"),
        ("dirt", 0.6, "0 to 0.5"),
        ("dirt", nan, "0 to 0.5"),
        ("seed", -1, "0 to 18,446,744,073,709,551,615"),
        ("first_customer_id", 0, "1 to 1,000,000,000"),
        ("first_sales_id", 0, "1 to 1,000,000,000"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name_with_the_valid_range(name, value, valid):
    with pytest.raises(SettingsError) as refused:
        Recipe(**{name: value})
    assert f"{name} is {value}" in refused.value.message
    assert valid in refused.value.message


def test_a_suffix_cannot_lead_out_of_the_folder(tmp_path):
    with pytest.raises(SettingsError, match=r"suffix is '/\.\./x'"):
        generate(Recipe(customers=1, sales=0), tmp_path, suffix="/../x")


# Dirt


def good_sale(fields: list[str], customer_ids: range) -> bool:
    """Written anew for the tests, from the contract alone."""
    if len(fields) != 6 or not all(re.fullmatch(r"\d{1,18}", fields[n]) for n in (0, 1, 2, 3)):
        return False
    if not re.fullmatch(r"\d+(\.\d{1,2})?", fields[5]) or not re.fullmatch(r"\d{4}-\d\d-\d\d", fields[4]):
        return False
    try:
        day = date.fromisoformat(fields[4])
    except ValueError:
        return False
    in_period = date(2025, 11, 1) <= day <= date(2026, 10, 31)
    return in_period and int(fields[3]) >= 1 and Decimal(fields[5]) > 0 and int(fields[2]) in customer_ids


def good_sales(lines: list[bytes], customer_ids: range) -> dict[str, list[str]]:
    """The newest valid version of each sale."""
    newest = {}
    for line in lines[1:]:
        try:
            fields = [field.strip() for field in line.decode().split(",")]
        except UnicodeDecodeError:
            continue
        if b"\0" not in line and good_sale(fields, customer_ids):
            newest[fields[0]] = fields
    return newest


def good_customers(path: Path) -> dict[str, list[str]]:
    """The newest valid version of each customer, cleaned."""
    newest = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for fields in csv.reader(stream, strict=True):
            clean = [" ".join(field.split()) for field in fields]
            if len(clean) == 4 and clean[0].isdigit() and clean[3]:
                newest[clean[0]] = [*clean[:3], clean[3].upper()]
    return newest


def test_dirt_changes_no_good_sale(dirty, undirtied):
    known = range(1, DIRTY.customers + 1)
    expected = good_sales(undirtied.files[ERP].read_bytes().splitlines(), known)
    assert good_sales(dirty.files[ERP].read_bytes().split(b"\n"), known) == expected
    assert len(expected) == DIRTY.sales == dirty.rows[ERP]


def test_dirt_changes_no_good_customer(dirty, undirtied):
    expected = good_customers(undirtied.files[CRM])
    assert good_customers(dirty.files[CRM]) == expected
    assert len(expected) == DIRTY.customers == dirty.rows[CRM]


def field(number: int, pattern: str) -> Callable[[list[bytes], int], bool]:
    return lambda lines, at: (
        re.fullmatch(pattern, lines[at].decode(errors="replace").split(",")[number]) is not None
    )


def comma_count(count: int) -> Callable[[list[bytes], int], bool]:
    return lambda lines, at: re.sub(rb'"[^"]*"', b"", lines[at]).count(b",") == count


def key_again_below(lines: list[bytes], at: int) -> bool:
    key = lines[at].split(b",")[0]
    return any(line.split(b",")[0] == key for line in lines[at + 1 : at + 10])


def blank(lines: list[bytes], at: int) -> bool:
    return lines[at] == b""


def padded(lines: list[bytes], at: int) -> bool:
    return b", " in lines[at] and lines[at].endswith(b" ")


AMOUNT = r"\d+\.\d\d"
MARKS = {
    CRM: {
        "superseded": key_again_below,
        "missing_region": field(-1, ""),
        "malformed_id": field(0, r".*[^\d].*"),
        "missing_id": field(0, ""),
        "too_few_fields": comma_count(2),
        "too_many_fields": comma_count(4),
        "blank_line": blank,
        "embedded_newline": lambda lines, at: lines[at].count(b'"') == lines[at + 1].count(b'"') == 1,
        "surrounding_whitespace": padded,
        "lower_case_region": field(-1, r"[a-z ]+"),
    },
    ERP: {
        "superseded": key_again_below,
        "unknown_customer": field(2, r"900000000\d"),
        "missing_value": lambda lines, at: b"" in lines[at].split(b",") and lines[at].count(b",") == 5,
        "amount_not_a_number": lambda lines, at: not field(5, r"-?\d+(\.\d+)?")(lines, at),
        "amount_with_3_decimals": field(5, AMOUNT + r"\d"),
        "negative_amount": field(5, "-" + AMOUNT),
        "quantity_zero": field(3, "0"),
        "quantity_not_an_integer": field(3, r"\d\.\d+"),
        "impossible_date": field(4, r"2026-02-(29|30)|2025-11-31|2026-13-01"),
        "wrong_date_format": field(4, r"31[/.]12[/.]2025|2025/12/31|20251231"),
        "too_few_fields": comma_count(4),
        "too_many_fields": comma_count(6),
        "stray_quote": lambda lines, at: lines[at].count(b'"') == 1,
        "invalid_utf8": lambda lines, at: "\ufffd" in lines[at].decode(errors="replace"),
        "nul_byte": lambda lines, at: b"\0" in lines[at],
        "blank_line": blank,
        "surrounding_whitespace": padded,
    },
}


def test_every_planted_line_is_where_the_report_says(dirty):
    lines = {source: path.read_bytes().split(b"\n") for source, path in dirty.files.items()}
    astray = [
        each for each in dirty.planted if not MARKS[each.source][each.kind](lines[each.source], each.line - 1)
    ]
    assert len(dirty.planted) > 1_000
    assert astray == []


def test_every_kind_is_planted_about_as_often_as_any_other(dirty):
    for source, kinds in ((CRM, CUSTOMER_KINDS), (ERP, SALE_KINDS)):
        counts = dirty.planted_by_kind[source]
        assert counts.keys() == {kind.name for kind in kinds} == MARKS[source].keys()
        assert max(counts.values()) - min(counts.values()) <= 1


def faults(made: Generated, source: str) -> int:
    kinds = CUSTOMER_KINDS if source == CRM else SALE_KINDS
    return sum(made.planted_by_kind[source][kind.name] for kind in kinds if kind.fault)


@pytest.mark.parametrize("source", [CRM, ERP])
def test_the_share_of_faulty_lines_is_the_dirt_asked_for(dirty, source):
    assert faults(dirty, source) / (dirty.rows[source] + faults(dirty, source)) == pytest.approx(
        0.1, rel=0.02
    )


def test_the_smallest_dirt_plants_every_kind_once_even_in_one_row(tmp_path):
    made = generate(Recipe(customers=1, sales=1, dirt=0.001), tmp_path)
    assert set(made.planted_by_kind[CRM].values()) == set(made.planted_by_kind[ERP].values()) == {1}
    assert len(good_customers(made.files[CRM])) == 1
    assert len(good_sales(made.files[ERP].read_bytes().split(b"\n"), range(1, 2))) == 1


def test_the_report_counts_every_physical_line_and_byte(dirty):
    for source, path in dirty.files.items():
        text = path.read_bytes()
        assert text.splitlines()[0] == HEADERS[source]
        assert text.endswith(b"\n")
        assert dirty.lines[source] == text.count(b"\n")
        assert dirty.size_bytes[source] == len(text)


def test_the_list_of_planted_lines_is_capped_but_the_counts_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_PLANTED_LISTED", 5)
    made = generate(Recipe(customers=100, sales=100, dirt=0.1), tmp_path)
    assert Counter(each.source for each in made.planted) == {CRM: 5, ERP: 5}
    assert all(counts.total() > 5 for counts in made.planted_by_kind.values())


# How files appear


def test_a_watcher_never_sees_half_a_file(tmp_path):
    seen = []

    def look(source: str, done: int, rows: int) -> None:
        seen.append((source, done, rows, [path.name for path in tmp_path.rglob("*.csv")]))

    generate(Recipe(customers=60_000, sales=10), tmp_path, look)
    assert seen == [
        (CRM, 50_000, 60_000, []),
        (CRM, 60_000, 60_000, []),
        (ERP, 10, 10, ["crm_customers.csv"]),
    ]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["crm_customers.csv", "erp_sales.csv"]


def test_a_write_that_fails_leaves_the_older_file_and_nothing_else(tmp_path):
    before = generate(Recipe(customers=10, sales=10), tmp_path).files[CRM]
    older = before.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        generate(Recipe(customers=20, sales=20), tmp_path, fail)
    assert before.read_bytes() == older
    assert [path.name for path in (tmp_path / "crm").iterdir()] == ["crm_customers.csv"]


# What is shipped


def shipped(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.glob("sample*/*/*.csv")):
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def test_the_shipped_samples_are_what_their_recipes_make_byte_for_byte(tmp_path):
    write_shipped(tmp_path)
    made = dict(shipped(tmp_path))
    assert sorted(made) == [
        "sample-dirty/crm/crm_customers_dirty.csv",
        "sample-dirty/erp/erp_sales_dirty.csv",
        "sample/crm/crm_customers.csv",
        "sample/crm/customers_test.csv",
        "sample/crm/legacy_customers.csv",
        "sample/erp/erp_sales.csv",
    ]
    assert {name: text == made.get(name) for name, text in shipped(SHIPPED)} == dict.fromkeys(made, True)


def test_the_sample_lands_20003_bronze_rows():
    assert sum(len(read(path)) for path in (SHIPPED / "sample").rglob("*.csv")) == 20_003
    assert len(read(SHIPPED / "sample/crm/legacy_customers.csv")) == 2
    assert len(read(SHIPPED / "sample/crm/customers_test.csv")) == 1


def test_the_dirty_sample_has_every_kind_and_about_two_faults_in_a_hundred(tmp_path):
    made = generate(DIRTY_SAMPLE, tmp_path)
    for source, kinds in ((CRM, CUSTOMER_KINDS), (ERP, SALE_KINDS)):
        assert made.planted_by_kind[source].keys() == {kind.name for kind in kinds} | {"newer_version"}
        assert 0.018 < faults(made, source) / made.lines[source] < 0.025


def test_the_dirty_sample_sells_to_customers_of_both_files_and_updates_some_of_the_clean_one(
    customers, sales
):
    everyone = range(1, 10_501)
    lines = (SHIPPED / "sample-dirty/erp/erp_sales_dirty.csv").read_bytes().split(b"\n")
    sold = good_sales(lines, everyone)
    known = [sale for sale in sold.values() if int(sale[2]) <= 10_000]
    assert 300 < len(known) < 700
    clean = {sale["sales_id"]: list(sale.values()) for sale in sales}
    updates = [key for key in sold if key in clean]
    assert len(updates) == 2
    assert all(sold[key][:3] == clean[key][:3] and sold[key][3] != clean[key][3] for key in updates)
    people = good_customers(SHIPPED / "sample-dirty/crm/crm_customers_dirty.csv")
    regions = {row["customer_id"]: row["region"] for row in customers}
    moved = [key for key in people if key in regions]
    assert len(moved) == 2
    assert all(people[key][3] == regions[key] for key in moved)
