"""Hostile rows through silver's statements on DuckDB and on PostgreSQL: equal values, bits, reasons in their order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.declared import Cleaning, Column, Contract, Dialect, Kind, Reference, Rule, Severity
from etl.layers.silver import LIVE, REPEATED, TYPED, Parent, SilverSQL
from etl.layers.silver_sql import compile_silver
from tests.engines import Duck, Engine, on_postgres
from tests.postgres import Server
from tests.times import tries

TRIED = Cleaning(formats=("YYYY-MM-DD", "D/M/YY", "DD-MMM-YYYY", "YYYYMMDD"))
MOMENTS = Cleaning(formats=("YYYY-MM-DDTHH:mm:SSO", "YYYY-MM-DD HH:mm:SS.f", "M/D/YYYY h:mm A"))
MONEY = Cleaning(thousands_separator=",", currency_signs=("$", "€", "CR"), negatives=("(1)", "1-", "1 DR"))
NAMES = Cleaning(
    collapse_spaces=True,
    case="upper",
    null_tokens=("n/a", "-"),
    strip_prefix="C-",
    strip_pattern="[.]0$",
    value_map=(("WEST", "W"), ("ÄRGER", "Ä")),
)
COLUMNS = (
    Column("id", Kind.INTEGER, 1, required=True),
    Column(
        "code",
        Kind.TEXT,
        2,
        min_length=1,
        max_length=4,
        pattern="[A-Za-zÀ-ÿ]+(?:-[0-9]{1,2})?",
        cleaning=Cleaning(case="lower"),
    ),
    Column("name", Kind.TEXT, 3, required=True, accepted=("W", "EAST", "Ä", "STRAẞE"), cleaning=NAMES),
    Column("raw", Kind.TEXT, 4, cleaning=Cleaning(trim=False)),
    Column(
        "pieces", Kind.INTEGER, 5, minimum=Decimal(-5), maximum=Decimal(1000), accepted=("1", "2", "12", "-3")
    ),
    Column("price", Kind.DECIMAL, 6, minimum=Decimal("-10.5"), amount="USD", cleaning=MONEY),
    Column(
        "comma",
        Kind.DECIMAL,
        7,
        decimals=4,
        amount="EUR",
        cleaning=Cleaning(decimal_comma=True, thousands_separator="."),
    ),
    Column("share", Kind.RATIO, 8, decimals=4, cleaning=Cleaning(percent=True)),
    Column(
        "day",
        Kind.DATE,
        9,
        earliest=datetime(1999, 1, 2, tzinfo=UTC),
        latest=datetime(2026, 12, 31, tzinfo=UTC),
        cleaning=TRIED,
    ),
    Column("moment", Kind.TIMESTAMP, 10, earliest=datetime(2000, 1, 1, tzinfo=UTC), cleaning=MOMENTS),
    Column("flag", Kind.BOOLEAN, 11),
    Column("parent", Kind.TEXT, 12, reference=Reference("parents", "code"), cleaning=Cleaning(case="lower")),
)
RULES = (
    Rule("cheap_piece", "pieces > 1 and price / pieces < 0.5", Severity.QUARANTINE, 20),
    Rule("small_name_before_b", "name < 'b' and code || '-' || pieces > 'B'", Severity.QUARANTINE, 21),
    Rule("old_or_upper", "extract(year from day) < 2001 or upper(code) = 'É'", Severity.QUARANTINE, 22),
    Rule("told_only", "pieces = 1", Severity.WARN, 23),
)
PARENTS = ("a", "é", "ß", "west", "10")


def contract(newest_by: str | None, key: tuple[str, ...]) -> Contract:
    return Contract(
        "rows",
        "1.0.0",
        "rows.odcs.yaml",
        "crm/rows*.csv",
        Dialect(),
        "bronze.rows_raw",
        "rows_clean",
        "",
        COLUMNS,
        key,
        newest_by,
        timedelta(1),
        "ignore",
        RULES,
        "",
    )


PIECES = (
    "0",
    "1",
    "12",
    "007",
    "-",
    "+",
    ".",
    ",",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\v",
    "\f",
    "\u00a0",
    "\u2003",
    "\u0085",
    "\u2028",
    "/",
    ":",
    "T",
    "Z",
    "+01:00",
    "(",
    ")",
    "$",
    "€",
    "CR",
    " DR",
    "%",
    "'",
    '"',
    "\\",
    "\\n",
    "e3",
    "0x1",
    "_",
    "１",
    "٣",
    "½",
    "a",
    "B",
    "É",
    "é",
    "ß",
    "ẞ",
    "İ",
    "ı",
    "Σ",
    "ς",
    "ŉ",
    "ǆ",
    "W",
    "west",
    "C-",
    ".0",
    "n/a",
    "NaN",
    "inf",
    "epoch",
    "null",
    "now",
    "true",
    "Yes",
    "f",
    "AM",
    "pm",
    "Jan",
    "MAY",
    "2026-02-29",
    "2024-02-29",
    "2026-01-05",
    "31/4/25",
    "1/2/70",
    "05-MAR-2026",
    "20260105",
    "2026-01-05T10:00:00",
    "2026-01-05 10:00:00.123456",
    "1/2/2026 3:45 PM",
    "1,234.50",
    "1.234,5",
    "12.5%",
    "株式",
    "😀",
    "e\u0301",
)
TEXTS = (
    st.none()
    | st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
)
# Whole values that are right more often than not, so that rows get past the first rules.
RIGHT = {
    "id": st.integers(1, 4).map(str),
    "code": st.sampled_from(["ab", "É", "x-12", "Zz"]),
    "name": st.sampled_from([" west ", "C-east", "ärger", "straße"]),
    "pieces": st.sampled_from(["1", "+2", "12", "-3"]),
    "price": st.sampled_from(["1", "$1,000.5", "(10.50)", "3 DR"]),
    "comma": st.sampled_from(["1.234,5", "7"]),
    "share": st.sampled_from(["12.5%", "0.1"]),
    "day": st.dates().map(str) | st.sampled_from(["29/2/00", "1-May-2020"]),
    "parent": st.sampled_from(PARENTS),
    "moment": st.datetimes().map(lambda one: f"{one:%Y-%m-%d %H:%M:%S.%f}")
    | st.just("2026-01-05T23:30:00-0530"),
    "flag": st.sampled_from(["Y", "no"]),
}
ROWS = st.lists(
    st.tuples(*(st.one_of(*([RIGHT[c.name]] * 6 if c.name in RIGHT else []), TEXTS) for c in COLUMNS)),
    min_size=1,
    max_size=25,
)
VERSIONS = [contract(None, ("id",)), contract("day", ("id",)), contract("raw", ("name", "id"))]
SHOWN = ("current", "superseded", "quarantined")


@pytest.fixture(scope="module")
def both(postgres: Server) -> Iterator[tuple[Engine, Engine]]:
    with duckdb.connect() as connection, on_postgres(postgres) as server:
        engines: tuple[Engine, Engine] = (Duck(connection), server)
        for engine in engines:
            engine.table(
                "bronze._batches", {"batch_id": "text", "batch_seq": "bigint"}, [("one", 1), ("two", 2)]
            )
            engine.table("silver.parents", {"code": "text"}, [(code,) for code in PARENTS])
        yield engines


@cache
def statements(version: int, dialect: str) -> SilverSQL:
    return compile_silver(VERSIONS[version], [Parent("silver.parents", ("code",))], dialect)


def built(engine: Engine, sql: SilverSQL, rows: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that silver makes of the rows, in an order that does not depend on the engine."""
    kinds = {column.name: "text" for column in COLUMNS}
    place = {"_batch_id": "text", "_row_number": "bigint", "_correction": "integer"}
    placed = [(*row, "one" if number % 3 else "two", number, 0) for number, row in enumerate(rows)]
    for table in (TYPED, REPEATED):
        engine.execute(f"drop table if exists {table}")
    engine.table(LIVE, kinds | place, placed)
    engine.execute(f"create temporary table {TYPED} as {sql.typed}")
    engine.execute(f"create temporary table {REPEATED} as {sql.repeated}")
    found = {name: engine.rows(getattr(sql, name)) for name in SHOWN}
    found[TYPED] = engine.rows(f"select * from {TYPED}")
    for column, amount in sql.amounts:
        found[column] = engine.rows(f"select _row_number, {amount} from {LIVE}")
    found["valid"] = engine.rows(f"select _row_number from {TYPED} where {sql.valid}")
    return {name: sorted(made, key=repr) for name, made in found.items()}


@pytest.mark.parametrize("version", range(len(VERSIONS)))
@tries(25)
@given(rows=ROWS)
def test_silver_is_the_same_on_both(
    both: tuple[Engine, Engine], version: int, rows: list[tuple[Any, ...]]
) -> None:
    duck, other = (built(engine, statements(version, engine.dialect), rows) for engine in both)
    for name, made in duck.items():
        assert other[name] == made, name
