"""What DuckDB's SQL computes, PostgreSQL computes too: every function that gold may use, on the same rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.declared import Field, Kind, Layer, Table
from etl.dialects import condition
from etl.layers import gold
from tests.engines import Duck, Engine, on_postgres
from tests.postgres import Server
from tests.times import tries

Both = tuple[Engine, Engine]
COLUMNS = {
    "n": "bigint",
    "k": "integer",
    "whole": "bigint",
    "cents": "decimal(18,2)",
    "fine": "decimal(18,6)",
    "wide": "decimal(38,2)",
    "day": "date",
    "moment": "timestamp",
    "word": "text",
    "flag": "boolean",
}


@pytest.fixture(scope="module")
def both(postgres: Server) -> Iterator[Both]:
    with duckdb.connect() as connection, on_postgres(postgres) as server:
        engines: Both = (Duck(connection), server)
        for engine in engines:
            bytewise = {"text": 'text collate "C"'} if engine.dialect == "postgres" else {}
            kinds = {name: bytewise.get(kind, kind) for name, kind in COLUMNS.items()}
            engine.table("silver.rows", kinds, rows(400))
        yield engines


def rows(many: int) -> list[tuple[object, ...]]:
    dice = random.Random(7)  # noqa: S311 - the same rows each time

    def maybe(value: object) -> object:
        return None if dice.random() < 0.1 else value

    words = [
        "",
        "a",
        "B",
        "b",
        "É",
        "é",
        "ß",
        "Straße",
        "Ärger",
        "zebra",
        " x ",
        "\tx",
        "\u00a0y\u3000",
        "a_b",
        "a%b",
        "a\\b",
        "I",
        "ı",
        "İ",
        "株",
        "-",
        "_",
        "10",
        "9",
    ]
    made: list[tuple[object, ...]] = []
    for n in range(many):
        moment = datetime(1999, 12, 31, 23, 59, 58) + timedelta(microseconds=dice.randrange(0, 10**15))  # noqa: DTZ001
        made.append(
            (
                n,
                dice.randint(0, 9),
                maybe(dice.randint(-(10**9), 10**9)),
                maybe(cents(dice)),
                maybe(Decimal(dice.randint(-(10**12), 10**12)) / 10**6),
                maybe(cents(dice) * 10**4),
                maybe(moment.date()),
                maybe(moment),
                maybe(dice.choice(words)),
                maybe(dice.random() < 0.5),
            )
        )
    return made


def cents(dice: random.Random) -> Decimal:
    return Decimal(dice.choice([dice.randint(-500, 500), dice.randint(-(10**13), 10**13)])) / 100


def answered(engine: Engine, sql: str, kind: Kind, decimals: int = 2) -> list[tuple[object, ...]]:
    """A query over `silver.rows` that gives `n` and `answer`, as a gold table with that type."""
    fields = (Field("n", Kind.INTEGER), Field("answer", kind, decimals=decimals))
    table = Table(
        "gold.asked", Layer.GOLD, "one row per n", ("n",), fields, ("silver.rows",), "", "", sql=sql
    )
    names = {"silver.rows": "silver.rows"}
    return sorted(engine.rows(gold.select(table, names, engine.dialect)), key=repr)


def require_equal(both: Both, sql: str, kind: Kind, decimals: int = 2) -> None:
    duck, other = (answered(engine, sql, kind, decimals) for engine in both)
    assert duck, "nothing was compared"
    assert other == duck


NUMBERS = (
    "cents / 3",
    "cents / nullif(k, 0)",
    "cents / nullif(whole, 0)",
    "whole / 7",
    "n / 3 * 3",
    "wide / 7",
    "wide / nullif(cents, 0)",
    "fine / 0.3",
    "1 / (n + 1)",
    "1e3 / (n + 1)",
    "0.01 / (n + 1)",
    "k * fine",
    "k * cents * 0.5",
    "cents * 0.075",
    "wide + fine",
    "-cents / 2",
    "round(cents / 7, 2)",
    "round(cents / 8)",
    "round(cents, 1)",
    "round(cents)",
    "round(fine, 3)",
    "round(cents / 7, -2)",
    "round(whole, -3)",
    "round(k, -1)",
    "round(fine, 9)",
    "round(k / 2)",
    "round(-k / 2)",
    "floor(cents)",
    "ceil(cents)",
    "floor(cents / 7)",
    "ceil(fine)",
    "floor(k)",
    "abs(cents)",
    "abs(-k)",
    "sign(cents)",
    "sign(whole)",
    "sqrt(abs(cents))",
    "ln(abs(cents) + 1)",
    "exp(k)",
    "power(k, 3)",
    "power(1.5, k)",
    "k ** 2",
    "k % 3",
    "-k % 3",
    "cents % 7",
    "whole % 1000",
    "cast(cents as double)",
    "cast(cents as decimal(18,1))",
    "cast(fine as decimal(18,2))",
    "cast(fine as decimal)",
    "cast(cents / 7 as decimal(38,4))",
    "cast(k as decimal(9,2))",
    "cast(wide as double)",
    "cast(fine / 3 as decimal(38,10))",
    "greatest(cents, fine)",
    "least(cents, null, 5)",
    "coalesce(cents, 0) / 3",
    "nullif(cents, 0)",
    "case when flag then cents else fine end",
    "if(flag, cents, 0)",
    "case when flag then cents / 3 else 0 end",
    "extract(year from day)",
    "year(day)",
    "quarter(day)",
    "month(moment)",
    "day(moment)",
    "extract(second from moment)",
    "extract(hour from day)",
    "extract(minute from moment)",
    "year(day) / 7",
    "length(word)",
    "length(word) / 3",
    "cast(day - date '2000-01-01' as bigint)",
    "cents + n",
    "xor(k, 5)",
)
INTEGERS = (
    "cents",
    "fine",
    "cents / 7",
    "fine / 3",
    "k / 2",
    "-k / 2",
    "k / 2 + n",
    "cast(fine / 7 as integer)",
    "cast(k / 2 as bigint)",
    "cast(k + 0.5 as integer)",
    "length(word) * 2",
    "floor(cents / 3)",
    "cast(flag as integer)",
    "sign(cents)",
    "round(fine)",
)
TEXTS = (
    "word",
    "upper(word)",
    "lower(word)",
    "upper(lower(word))",
    "trim(word)",
    "trim(both 'x' from word)",
    "ltrim(word)",
    "rtrim(word)",
    "substring(word, 2)",
    "substring(word, 1, 2)",
    "replace(word, 'a', '')",
    "substring(word, 1, length(word) - 1)",
    "word || '-' || k",
    "k || '-' || n",
    "concat(word, k, null, cents)",
    "cast(cents as varchar)",
    "cast(cents / 4 as varchar)",
    "cast(k as varchar)",
    "cast(day as varchar)",
    "cast(moment as varchar)",
    "cast(flag as varchar)",
    "case when flag then 'x' else 'Y' end",
    "coalesce(word, '(none)')",
    "nullif(word, 'a')",
    "'x'",
    "cents",
    "k / 4",
    "day",
    "flag",
    "greatest(word, 'b')",
    "least(word, 'B', 'é')",
    "if(flag, 'a', word)",
    "cast(wide / 3 as varchar)",
    "cast(power(10, k) as varchar)",
    "cast(1.5 * power(10, k * 2) as varchar)",
    "cast(power(10, -k) as varchar)",
    "year(day) || '-' || quarter(day)",
    "case k when 1 then 'one' end",
)
TRUTHS = (
    "word < 'b'",
    "word > 'B'",
    "word = 'a'",
    "word between 'A' and 'c'",
    "word like 'a%'",
    "word like 'a\\\\b'",
    "word like 'a_b'",
    "word ilike 'É%'",
    "word not ilike 'straSSE'",
    "word ilike 'STRASSE%'",
    "word not like 'a%'",
    "word not like 'a!%b' escape '!'",
    "word not ilike 'A!%b' escape '!'",
    "word like 'a!_b' escape '!'",
    "word in ('a', 'É')",
    "word is not distinct from null",
    "upper(word) < 'Z'",
    "cents > 0",
    "cents = fine",
    "day < '2010-06-01'",
    "day between '2001-01-01' and '2011-01-01'",
    "moment >= timestamp '2005-01-01'",
    "flag and cents > 0",
    "not flag or flag is null",
    "case when flag then 'a' else 'B' end < 'a'",
    "k in (1, 2)",
    "cents / 3 > fine",
    "word || k > 'B'",
    "upper(word) = 'I'",
    "lower(word) like 'stra%'",
    "greatest(word, 'a') > 'Z'",
    "exists (select 1 from silver.rows as o where o.k = r.k and o.n > r.n)",
)
DAYS = (
    "day",
    "date_trunc('month', day)",
    "date_trunc('week', moment)",
    "cast(date_trunc('year', day) as date)",
    "cast(moment as date)",
    "day + interval 1 day",
    "day - interval '2' month",
    "coalesce(day, '2020-02-29')",
    "greatest(day, date '2010-01-01')",
    "day + 1",
    "max(day) over (partition by k)",
)
MOMENTS = (
    "moment",
    "day",
    "date_trunc('hour', moment)",
    "date_trunc('month', day)",
    "moment + interval 90 minute",
    "cast(day as timestamp)",
    "date_trunc('second', moment)",
    "date_trunc('quarter', moment)",
    "moment - interval 1 year",
)


@pytest.mark.parametrize(
    ("made_as", "expression"),
    [
        (kind, expression)
        for kind, expressions in (
            (Kind.RATIO, NUMBERS),
            (Kind.INTEGER, INTEGERS),
            (Kind.TEXT, TEXTS),
            (Kind.BOOLEAN, TRUTHS),
            (Kind.DATE, DAYS),
            (Kind.TIMESTAMP, MOMENTS),
        )
        for expression in expressions
    ],
)
def test_an_expression_gives_the_same_value_for_every_row(both: Both, made_as: Kind, expression: str) -> None:
    require_equal(both, f"select n, {expression} as answer from silver.rows as r", made_as)


@pytest.mark.parametrize(
    ("made_as", "expression"),
    [
        (Kind.RATIO, "avg(cents)"),
        (Kind.RATIO, "avg(distinct cents)"),
        (Kind.RATIO, "avg(k)"),
        (Kind.RATIO, "avg(wide)"),
        (Kind.RATIO, "avg(cents / 3)"),
        (Kind.RATIO, "avg(cents) filter (where flag)"),
        (Kind.RATIO, "sum(cents) / count(*)"),
        (Kind.RATIO, "sum(cents) / sum(k)"),
        (Kind.DECIMAL, "sum(cents)"),
        (Kind.DECIMAL, "sum(wide)"),
        (Kind.DECIMAL, "sum(cents * k)"),
        (Kind.DECIMAL, "sum(distinct cents)"),
        (Kind.INTEGER, "sum(whole)"),
        (Kind.INTEGER, "sum(k)"),
        (Kind.INTEGER, "sum(whole) * 1000"),
        (Kind.INTEGER, "count(distinct word)"),
        (Kind.INTEGER, "count(word)"),
        (Kind.INTEGER, "sum(case when flag then 1 else 0 end)"),
        (Kind.TEXT, "min(word)"),
        (Kind.TEXT, "max(word)"),
        (Kind.TEXT, "max(upper(word))"),
        (Kind.TEXT, "min(case when flag then 'b' else 'C' end)"),
        (Kind.TEXT, "max(word || k)"),
        (Kind.DATE, "max(day)"),
        (Kind.TIMESTAMP, "min(moment)"),
        (Kind.TEXT, "max(sum(k)) over ()"),
        (Kind.RATIO, "sum(cents) / nullif(sum(sum(cents)) over (), 0)"),
        (Kind.RATIO, "avg(avg(cents)) over ()"),
    ],
)
def test_an_aggregate_gives_the_same_value_for_every_group(
    both: Both, made_as: Kind, expression: str
) -> None:
    require_equal(both, f"select n % 7 as n, {expression} as answer from silver.rows group by n % 7", made_as)


@pytest.mark.parametrize(
    "order",
    [
        "word",
        "word desc",
        "upper(word)",
        "cents desc",
        "day",
        "moment desc",
        "flag",
        "case when flag then 'a' else 'B' end",
        "word || k",
        "k / 3 desc",
        "coalesce(word, 'zz')",
        "word nulls first",
        "trim(word) desc nulls last",
    ],
)
@pytest.mark.parametrize(
    ("made_as", "function"),
    [
        (Kind.INTEGER, "row_number()"),
        (Kind.INTEGER, "ntile(7)"),
        (Kind.DECIMAL, "lag(cents, 2, 0)"),
        (Kind.TEXT, "lead(word)"),
        (Kind.DECIMAL, "sum(cents)"),
        (Kind.RATIO, "avg(cents)"),
        (Kind.TEXT, "first_value(word)"),
        (Kind.DATE, "last_value(day)"),
        (Kind.TEXT, "min(word)"),
    ],
)
def test_a_window_has_the_same_order_for_texts_and_blanks(
    both: Both, made_as: Kind, function: str, order: str
) -> None:
    over = f"{function} over (partition by k order by {order}, n)"
    require_equal(both, f"select n, {over} as answer from silver.rows", made_as)


@pytest.mark.parametrize("function", ["rank()", "dense_rank()", "percent_rank()", "cume_dist()"])
@pytest.mark.parametrize("order", ["word", "upper(word) desc", "day", "k"])
def test_equals_share_a_rank(both: Both, function: str, order: str) -> None:
    require_equal(
        both, f"select n, {function} over (order by {order}) as answer from silver.rows", Kind.RATIO
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select n, word as answer from (select * from silver.rows) where word > 'B'",
        "select n, word as answer from (select n, Word from silver.rows as r) as User order by WORD desc limit 7",
        "with a as (select k, max(word) as word from silver.rows group by k) select r.n, a.word as answer from silver.rows as r join a using (k)",  # noqa: E501 - one query
        "select silver.rows.n, silver.rows.word as answer from silver.rows",
        "select n, answer from (select n, word as answer from silver.rows where n < 5 union all select n, 'b' from silver.rows where n = 7)",  # noqa: E501 - one query
        "select row_number() over (order by answer) as n, answer from (select distinct word as answer from silver.rows)",  # noqa: E501 - one query
        "select n, (select max(o.word) from silver.rows as o where o.k = r.k) as answer from silver.rows as r",
    ],
)
def test_a_query_of_several_parts_means_the_same(both: Both, sql: str) -> None:
    require_equal(both, sql, Kind.TEXT)


def test_a_quotient_has_the_same_digits_for_100_000_pairs(both: Both) -> None:
    dice = random.Random(11)  # noqa: S311 - the same pairs each time
    halves = [(Decimal(n) / 100, 20_000 * m) for n in range(-60, 60) for m in (1, 3, 7, 11)]
    pairs = [
        *halves,
        *(
            (
                Decimal(dice.randint(-(10 ** dice.randint(1, 16)), 10 ** dice.randint(1, 16))) / 100,
                dice.randint(1, 10 ** dice.randint(1, 12)),
            )
            for _ in range(100_000)
        ),
    ]
    for engine in both:
        engine.table(
            "silver.rows_of_pairs",
            {"n": "bigint", "a": "decimal(18,2)", "b": "bigint"},
            [(n, *pair) for n, pair in enumerate(pairs)],
        )
    duck, other = (
        engine.rows(
            f"select n, {condition('cast(a / b as decimal(38,6))', engine.dialect)}, "
            f"{condition('round(a / b, 2)', engine.dialect)}, {condition('cast(b / a as decimal(38,2))', engine.dialect)} "  # noqa: E501 - one query
            "from silver.rows_of_pairs where a <> 0 order by n"
        )
        for engine in both
    )
    assert len(duck) > 100_000
    assert [pair for pair in zip(duck, other, strict=True) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("case", ["upper", "lower"])
def test_every_letter_of_unicode_has_the_case_that_duckdb_gives_it(both: Both, case: str) -> None:
    duck, other = both
    letters = "select chr(unnest(range(1, 55296) || range(57344, 1114112))::integer) as word"
    known = duck.rows(f"select word, {case}(word) from ({letters})")
    series = "select chr(code) as word from generate_series(1, 1114111) as codes(code) where code not between 55296 and 57343"  # noqa: E501 - one query
    found = dict(
        other.rows(f"select word, {condition(f'{case}(word)', 'postgres')} from ({series}) as letters")
    )
    assert len(found) == len(known) == 1_112_063
    assert [(word, changed, found[word]) for word, changed in known if found[word] != changed] == []


@tries(60)
@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=30)
)
def test_texts_are_cut_compared_and_changed_alike(both: Both, texts: list[str]) -> None:
    said = (
        "upper(word)",
        "lower(word)",
        "trim(word)",
        "length(word)",
        "substring(word, 2, 3)",
        "replace(word, 'a', 'bb')",
        "word ilike '%a%'",
        "row_number() over (order by upper(word), word, n)",
        "max(word) over (order by n)",
    )
    answers = []
    for engine in both:
        kind = 'text collate "C"' if engine.dialect == "postgres" else "text"
        engine.table("silver.texts", {"n": "bigint", "word": kind}, list(enumerate(texts)))
        columns = ", ".join(condition(one, engine.dialect) for one in said)
        answers.append(engine.rows(f"select n, {columns} from silver.texts order by n"))
    assert answers[0] == answers[1]


def test_a_quotient_by_nothing_ends_the_build_on_both(both: Both) -> None:
    for engine in both:
        with pytest.raises(Exception, match=r"(?i)division by zero|inf|nan"):
            answered(engine, "select n, n / 0 as answer from silver.rows", Kind.RATIO)
