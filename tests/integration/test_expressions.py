"""What the guards make of hostile texts, on DuckDB and on PostgreSQL: the right value or none, never another."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import ibis
import pytest

from etl import days
from etl import expressions as phrases
from etl.declared import Cleaning, Column, Kind, Severity
from etl.dialects import speedy
from tests.engines import DIALECTS, Engine, opened


@pytest.fixture(scope="module", params=DIALECTS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with opened(request) as engine:
        yield engine


Asked = Callable[[ibis.Table], ibis.Value]


def answers(engine: Engine, texts: Sequence[str | None], ask: Asked) -> list[Any]:
    """The answer to each text, all in one statement as in a build: one bad text may not end it."""
    given = ibis.table({"place": "int64", "written": "string"}, name="given")
    sql = str(ibis.to_sql(given.select("place", answer=ask(given)), dialect=engine.dialect))
    engine.table("given", {"place": "bigint", "written": "text"}, list(enumerate(texts)))
    said = speedy(sql, engine.dialect)
    return [row[1] for row in engine.rows(f"select place, answer from ({said}) as said order by 1")]


def cast(
    engine: Engine,
    kind: Kind,
    texts: Sequence[str | None],
    decimals: int = 2,
    **cleaning: Any,
) -> list[Any]:
    """The typed values of texts as received, as silver sees them."""
    column = Column("written", kind, 0, decimals=decimals, cleaning=Cleaning(**cleaning))
    return answers(
        engine,
        texts,
        lambda given: phrases.safe_cast(
            phrases.cleaned(given.written, column.cleaning, engine.dialect), column, engine.dialect
        ),
    )


WHOLE = {
    "12": 12, " 12 ": 12, "\t12\r\n": 12, "+5": 5, "-0": 0, "-7": -7, "007": 7,
    "999999999999999999": 999_999_999_999_999_999, "9999999999999999999": None,
    "12.5": None, "12.0": None, "12.": None, "0x10": None, "1_000": None, "1,000": None, "1 000": None,
    "epoch": None, "infinity": None, "NaN": None, "true": None, "1e3": None, "": None, "   ": None,
    "１２": None, "٣": None, "Ⅳ": None, "5\u00a0": None, "--5": None, "+-5": None, "5-": None, "5\x00": None,
    "5\n6": None, "'5'": None, "5;": None, None: None,
}  # fmt: skip


def test_a_whole_number_is_digits_with_a_sign_and_nothing_else(
    engine: Engine,
) -> None:
    # PostgreSQL holds no NUL, so there none comes this far.
    texts = {
        text: value for text, value in WHOLE.items() if engine.dialect == "duckdb" or "\0" not in (text or "")
    }
    assert dict(zip(texts, cast(engine, Kind.INTEGER, list(texts)), strict=True)) == texts


def test_without_trimming_a_blank_is_part_of_the_text(engine: Engine) -> None:
    assert cast(engine, Kind.INTEGER, [" 12", "12 ", "12\n", "12"], trim=False) == [None, None, None, 12]


CENTS = {
    "12.5": Decimal("12.50"), "12.50": Decimal("12.50"), "12": Decimal(12), " 12.5 ": Decimal("12.50"),
    "+1.5": Decimal("1.50"), "-1.5": Decimal("-1.50"), "-0": Decimal(0), "-0.00": Decimal(0),
    ".5": Decimal("0.50"), "5.": Decimal(5), "+.5": Decimal("0.50"), "-.05": Decimal("-0.05"),
    "9999999999999999.99": Decimal("9999999999999999.99"), "10000000000000000.00": None,
    "12.345": None, "12.340": None, "0.001": None, ".": None, "+": None, "-.": None, "1.2.3": None,
    "1,50": None, "1,234.56": None, "1e3": None, "0x10": None, "1_000.5": None, "inf": None, "-Infinity": None,
    "nan": None, "epoch": None, "$5": None, "５.５": None, "5 .5": None, "(5.00)": None, "": None, None: None,
}  # fmt: skip


def test_an_amount_has_at_most_the_contracts_decimals_and_is_never_rounded(
    engine: Engine,
) -> None:
    assert dict(zip(CENTS, cast(engine, Kind.DECIMAL, list(CENTS)), strict=True)) == CENTS


@pytest.mark.parametrize(
    ("decimals", "longest"), [(0, "9" * 18), (2, "9" * 16 + ".99"), (6, "9" * 12 + ".999999")]
)
def test_the_most_digits_a_decimal_may_have_still_fit(engine: Engine, decimals: int, longest: str) -> None:
    assert cast(engine, Kind.DECIMAL, [longest, "1" + longest], decimals) == [Decimal(longest), None]


def test_an_amount_that_the_column_refuses_is_still_counted_as_written(
    engine: Engine,
) -> None:
    texts = ["12.345", "12.50", "-7", "99999999999999999.99", "12.5x", "1e3", ""]
    found = answers(
        engine, texts, lambda given: phrases.readable_amount(given.written, Cleaning(), engine.dialect)
    )
    assert found == [
        Decimal("12.345"), Decimal("12.50"), Decimal(-7), Decimal("99999999999999999.99"), None, None, None,
    ]  # fmt: skip


CASTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "comma": {"decimal_comma": True, "thousands_separator": "."},
    "blanks": {"decimal_comma": True, "thousands_separator": " ", "currency_signs": ("kr.", "€")},
    "signs": {"thousands_separator": ",", "currency_signs": ("$", "CR"), "negatives": ("(1)", "1-", "1 DR")},
    "percent": {"thousands_separator": "'", "percent": True, "negatives": ("(1)",)},
}


@pytest.mark.parametrize("how", list(CASTS))
def test_no_text_ends_a_build_or_gains_a_digit(engine: Engine, how: str) -> None:
    """Whatever is written, the value has exactly the digits of the text, in their order, or there is none."""
    dice = random.Random(how)  # noqa: S311 - the same texts each time
    signs = [
        "1",
        "0",
        "25",
        "123",
        ".",
        ",",
        " ",
        "-",
        "+",
        "(",
        ")",
        "$",
        "€",
        "kr.",
        "CR",
        " DR",
        "%",
        "'",
        "e",
        "\n",
    ]
    texts = ["".join(dice.choices(signs, k=dice.randint(1, 7))) for _ in range(20_000)]
    column = Column("written", Kind.DECIMAL, 0, decimals=4, cleaning=Cleaning(**CASTS[how]))
    asked: list[Asked] = [
        lambda given: phrases.safe_cast(given.written, column, engine.dialect),
        lambda given: phrases.readable_amount(given.written, column.cleaning, engine.dialect),
        lambda given: phrases.safe_cast(given.written, replace(column, kind=Kind.INTEGER), "duckdb"),
    ]
    for ask in asked:
        found = dict(zip(texts, answers(engine, texts, ask), strict=True))
        read = {text: value for text, value in found.items() if value is not None}
        assert len(read) > 20
        for text, value in read.items():
            written = "".join(letter for letter in text.replace("kr.", "") if letter.isdigit()).strip("0")
            assert format(abs(Decimal(value)), "f").replace(".", "").strip("0") == written, text


GERMAN = {
    "1.234,56": Decimal("1234.56"), "1.234.567,8": Decimal("1234567.80"), "1234,56": Decimal("1234.56"),
    "12,5": Decimal("12.50"), ",5": Decimal("0.50"), "1.234": Decimal(1234), "-1.234,00": Decimal(-1234),
    "12.50": None, "1.23": None, "1.2345,00": None, "1,234,567": None, "1,234.56": None, "0,001": None,
}  # fmt: skip

AMERICAN = {
    "1,234.56": Decimal("1234.56"), "1,234,567": Decimal(1_234_567), "1234.56": Decimal("1234.56"),
    "12,50": None, "1,2": None, "1,23,456.00": None, "12,3456": None, ",5": None, "1.234,56": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "cleaning"),
    [
        (GERMAN, {"decimal_comma": True, "thousands_separator": "."}),
        (AMERICAN, {"thousands_separator": ","}),
    ],
    ids=["decimal comma", "decimal point"],
)
def test_a_separator_in_the_wrong_place_never_makes_an_amount_a_hundred_times_as_much(
    engine: Engine, texts: dict[str, Decimal | None], cleaning: dict[str, Any]
) -> None:
    assert dict(zip(texts, cast(engine, Kind.DECIMAL, list(texts), **cleaning), strict=True)) == texts


@pytest.mark.parametrize("decimals", range(10))
def test_parted_thousands_hold_as_many_digits_as_a_plain_number(engine: Engine, decimals: int) -> None:
    most = 18 - decimals
    numbers = [int("9" * digits) for digits in range(1, most + 1)]
    texts = [f"{number:,}" for number in numbers]
    assert cast(engine, Kind.DECIMAL, texts, decimals, thousands_separator=",") == numbers
    assert cast(engine, Kind.DECIMAL, [f"{10**most:,}"], decimals, thousands_separator=",") == [None]


@pytest.mark.parametrize("separator", [" ", "'", ".", "\u00a0", "\u202f"])
def test_any_agreed_sign_may_part_thousands(engine: Engine, separator: str) -> None:
    texts = [f"1{separator}234{separator}567,5", f"12{separator}50", f"1{separator}{separator}234"]
    found = cast(engine, Kind.DECIMAL, texts, decimal_comma=True, thousands_separator=separator)
    assert found == [Decimal("1234567.50"), None, None]


def test_signs_of_currency_stand_before_or_after_a_number_never_inside(
    engine: Engine,
) -> None:
    texts = {
        "€5.00": Decimal(5), "5.00 €": Decimal(5), "-€5": Decimal(-5), "EUR 5": Decimal(5), "5": Decimal(5),
        "1€50": None, "1 € 50": None, "€": None, "$5": None, "5 euro": None,
    }  # fmt: skip
    assert (
        dict(zip(texts, cast(engine, Kind.DECIMAL, list(texts), currency_signs=("€", "EUR")), strict=True))
        == texts
    )


ISO_DAYS = {
    "2024-02-29": date(2024, 2, 29), "2000-02-29": date(2000, 2, 29), "2026-12-31": date(2026, 12, 31),
    "1000-01-01": date(1000, 1, 1), "2999-12-31": date(2999, 12, 31), " 2026-01-05 ": date(2026, 1, 5),
    "2026-02-29": None, "1900-02-29": None, "2026-04-31": None, "2026-13-01": None, "2026-00-10": None,
    "2026-01-00": None, "2026-01-32": None, "0000-01-01": None, "0999-12-31": None, "3000-01-01": None,
    "2026-1-5": None, "26-01-05": None, "20260105": None, "2026/01/05": None, "05.01.2026": None,
    "2026-01-05T00:00:00": None, "2026-01-05 00:00": None, "2026-01-05 (BC)": None, "-2026-01-05": None,
    "２０２６-01-05": None, "epoch": None, "infinity": None, "today": None, "ERROR": None, "": None, None: None,
}  # fmt: skip


def test_a_day_is_a_real_one_in_the_contracts_form(engine: Engine) -> None:
    assert dict(zip(ISO_DAYS, cast(engine, Kind.DATE, list(ISO_DAYS)), strict=True)) == ISO_DAYS


def test_formats_are_tried_in_their_order(engine: Engine) -> None:
    texts = ["31/12/2025", "01/02/2025", "12/31/2025", "29/02/2023", "2025-12-31", "1/2/2025"]
    day_first = cast(engine, Kind.DATE, texts, formats=("DD/MM/YYYY", "MM/DD/YYYY"))
    month_first = cast(engine, Kind.DATE, texts, formats=("MM/DD/YYYY", "DD/MM/YYYY"))
    last = date(2025, 12, 31)
    assert day_first == [last, date(2025, 2, 1), last, None, None, None]
    assert month_first == [last, date(2025, 1, 2), last, None, None, None]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("D/M/YYYY", "5/1/2026", "5/1/26"),
        ("D/M/YYYY", "05/01/2026", "005/01/2026"),
        ("DD.MM.YYYY", "05.01.2026", "05x01x2026"),
        ("YYYYMMDD", "20260105", "2026015"),
        ("YYYY-MM-DD", "2026-01-05", "2026-01-05\n"),
    ],
)
def test_a_format_means_its_signs_as_they_are(engine: Engine, form: str, good: str, bad: str) -> None:
    assert cast(engine, Kind.DATE, [good, bad], formats=(form,), trim=False) == [date(2026, 1, 5), None]


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("YYYY-MM-DD", "printf('%04d-%02d-%02d', y, m, d)"),
        ("M/D/YYYY", "printf('%d/%d/%d', m, d, y)"),
        ("DDMMYY", "printf('%02d%02d%02d', d, m, y % 100)"),
        ("D.MM.YYYY", "printf('%d.%02d.%d', d, m, y)"),
        ("YYYYMMDD", "printf('%d%02d%02d', y, m, d)"),
        (
            "D-MMM-YYYY",
            "printf('%d-%s-%d', d, strftime(make_date(2000, greatest(least(m, 12), 1), 1), '%b'), y)",
        ),
    ],
)
def test_the_quick_calendar_agrees_with_the_spelt_out_one_on_every_day_of_27_years(
    form: str, written: str
) -> None:
    given = ibis.table({"written": "string"}, name="days")
    clock = " HH:mm"
    both = given.select(
        "written",
        quick=days.quick_calendar_day(given.written, form),
        spelt_out=days.calendar_day(given.written, form),
        quick_moment=days.quick_calendar_moment(given.written + " 23:59", form + clock),
        spelt_out_moment=days.calendar_moment(given.written + " 23:59", form + clock),
    )
    connection = duckdb.connect()
    connection.execute(
        f"create or replace temporary table days as select {written} as written "
        "from range(1999, 2026) as years(y), range(0, 14) as months(m), range(0, 33) as days(d) "
        "union all select unnest(?)",
        [[text for text in ISO_DAYS if text is not None]],
    )
    sql = str(ibis.to_sql(both, dialect="duckdb"))
    differing = (
        f"select written from ({sql}) where quick is distinct from spelt_out "
        "or quick_moment is distinct from spelt_out_moment or quick is distinct from cast(quick_moment as date)"
    )
    assert connection.execute(differing).fetchall() == []
    real = connection.execute(
        f"select count(distinct quick) from ({sql}) where quick between '1999-01-01' and '2025-12-31'"
    )
    assert real.fetchall() == [(27 * 365 + 7,)], "every day of those years, seven of them leap years"


def test_the_expression_for_a_real_day_knows_the_whole_calendar() -> None:
    real = re.compile(days.REAL_DAY)
    first, last = date(1000, 1, 1).toordinal(), date(2999, 12, 31).toordinal()
    known = {date.fromordinal(day).isoformat() for day in range(first, last + 1)}
    for year in (999, 1000, *range(1599, 2002), 2999, 3000):  # the calendar repeats itself after 400 years
        every = {f"{year:04}-{month:02}-{day:02}" for month in range(14) for day in range(33)}
        assert {text for text in every if real.match(text)} == every & known


def test_a_moment_is_in_utc_and_has_an_hour_that_exists(engine: Engine) -> None:
    texts = {
        "2026-01-05 23:59:59": datetime(2026, 1, 5, 23, 59, 59),  # noqa: DTZ001 - as the warehouse keeps it
        # Skipped by the clocks of half the world, not by UTC.
        "2026-03-29 02:30:00": datetime(2026, 3, 29, 2, 30),  # noqa: DTZ001
        "2026-01-05 24:00:00": None, "2026-01-05 23:60:00": None, "2026-01-05 23:59:60": None,
        "2026-02-29 10:00:00": None, "2026-01-05T10:00:00": None, "2026-01-05 10:00:00Z": None,
        "2026-01-05 1:00:00": None, "2026-01-05": None, "epoch": None, "now": None,
    }  # fmt: skip
    found = cast(engine, Kind.TIMESTAMP, list(texts), formats=("YYYY-MM-DD HH:mm:SS",))
    assert dict(zip(texts, found, strict=True)) == texts


def test_yes_and_no_come_in_few_words(engine: Engine) -> None:
    texts = {
        "TRUE": True,
        " yes ": True,
        "1": True,
        "No": False,
        "f": False,
        "0": False,
        "2": None,
        "on": None,
        "": None,
    }
    assert dict(zip(texts, cast(engine, Kind.BOOLEAN, list(texts)), strict=True)) == texts


def test_cleaning_goes_from_trimming_to_the_value_map(engine: Engine) -> None:
    cleaning: dict[str, Any] = {
        "collapse_spaces": True, "null_tokens": ("n/a", "-"), "strip_prefix": "C-", "strip_pattern": "[.]0$",
        "case": "upper", "value_map": (("WEST COAST", "WEST"), ("X", "")),
    }  # fmt: skip
    texts = {
        " west   coast ": "WEST", "West\tCoast": "WEST", "east": "EAST", "C-12.0": "12", "n/a": None, " - ": None,
        "N/A": "N/A", "x": None, "C-": None, "": None, " ": None, None: None,
    }  # fmt: skip
    assert dict(zip(texts, cast(engine, Kind.TEXT, list(texts), **cleaning), strict=True)) == texts


def test_nothing_is_cleaned_that_the_contract_does_not_name(engine: Engine) -> None:
    texts = ["a  b", "n/a", "ÀB", "\u00a0x\u00a0", "Straße"]
    assert cast(engine, Kind.TEXT, texts) == texts


BOOKED = {
    "(1,234.50)": Decimal("-1234.50"), "( 5 )": Decimal(-5), "12.50-": Decimal("-12.50"), "12.50 -": Decimal("-12.50"),
    "7 DR": Decimal(-7), "7DR": Decimal(-7), "7 CR": Decimal(7), "($5.00)": Decimal(-5), "$(5.00)": Decimal(-5),
    "-3": Decimal(-3), "3": Decimal(3), "(0.00)": Decimal(0), ".5-": Decimal("-0.50"),
    "1,234.50 DR": Decimal("-1234.50"),
    "(-5)": None, "-(5)": None, "-5-": None, "(5)-": None, "(5-)": None, "(5": None, "5)": None, "()": None, "-": None,
    "(1)(2)": None, "5 DR DR": None, "5 dr": None, "(12,50)": None, "--5": None, "(+5)": None, "5\n6-": None,
}  # fmt: skip


def test_a_number_below_zero_is_written_as_the_contract_says_and_never_negated_twice(
    engine: Engine,
) -> None:
    found = cast(
        engine,
        Kind.DECIMAL,
        list(BOOKED),
        negatives=("(1)", "1-", "1 DR"),
        thousands_separator=",",
        currency_signs=("$", "CR"),
    )
    assert dict(zip(BOOKED, found, strict=True)) == BOOKED


def test_whole_numbers_too_may_carry_their_sign_behind(engine: Engine) -> None:
    texts = ["12-", "(12)", "12", "1.2-"]
    assert cast(engine, Kind.INTEGER, texts, negatives=("(1)", "1-")) == [-12, -12, 12, None]
    assert cast(engine, Kind.INTEGER, texts) == [None, None, 12, None]


def test_the_money_account_reads_every_spelling_that_the_column_reads(
    engine: Engine,
) -> None:
    how = Cleaning(negatives=("(1)", "1-", "1 DR"), thousands_separator=",", currency_signs=("$", "CR"))
    found = answers(
        engine, list(BOOKED), lambda given: phrases.readable_amount(given.written, how, engine.dialect)
    )
    assert dict(zip(BOOKED, found, strict=True)) == BOOKED


SHARES = {
    "12.5%": Decimal("0.1250"), "12.5 %": Decimal("0.1250"), "%5": Decimal("0.0500"), "100%": Decimal(1),
    "-5%": Decimal("-0.05"), "(5%)": Decimal("-0.05"), "0.125": Decimal("0.1250"), "0.01%": Decimal("0.0001"),
    "1,250%": Decimal("12.5"), "5": Decimal(5),
    "99999999999999.99%": Decimal("999999999999.9999"),
    "0.001%": None, "5%%": None, "5%5": None, "%": None, "%5%": None, "0.12345": None,
}  # fmt: skip


def test_a_percent_sign_makes_a_hundredth_and_never_rounds(engine: Engine) -> None:
    found = cast(
        engine,
        Kind.DECIMAL,
        list(SHARES),
        4,
        percent=True,
        thousands_separator=",",
        negatives=("(1)",),
    )
    assert dict(zip(SHARES, found, strict=True)) == SHARES
    assert cast(engine, Kind.DECIMAL, ["12,5 %"], 4, percent=True, decimal_comma=True) == [Decimal("0.1250")]


def test_a_percent_sign_nobody_agreed_on_is_no_number(engine: Engine) -> None:
    assert cast(engine, Kind.DECIMAL, ["12.5%"]) == [None]
    assert cast(engine, Kind.DECIMAL, ["12.5%"], currency_signs=("%",)) == [Decimal("12.50")]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("DD-MMM-YYYY", ["05-Jan-2026", "05-JAN-2026", "05-january-2026"], ["5-Jan-2026", "05-Jän-2026"]),
        ("D MMMM YYYY", ["5 January 2026", "05 Jan 2026"], ["5 Janu 2026", "5 Jan. 2026", "5  Jan 2026"]),
        ("MMM D, YYYY", ["Jan 5, 2026"], ["January 32, 2026", "1 5, 2026"]),
        ("DDMMMYYYY", ["05JAN2026"], ["05012026", "5JAN2026"]),
        ("M/D/YY", ["1/5/26", "01/05/26"], ["1/5/2026", "1/5/6"]),
    ],
)  # fmt: skip
def test_months_have_names_and_years_may_be_short(
    engine: Engine, form: str, good: list[str], bad: list[str]
) -> None:
    found = cast(engine, Kind.DATE, good + bad, formats=(form,))
    assert found == [date(2026, 1, 5)] * len(good) + [None] * len(bad)


def test_all_months_are_known_by_long_and_short_names(engine: Engine) -> None:
    names = [date(2026, month, 1).strftime(form) for month in range(1, 13) for form in ("%B", "%b")]
    found = cast(engine, Kind.DATE, [f"1 {name} 2026" for name in names], formats=("D MMM YYYY",))
    assert found == [date(2026, 1 + place // 2, 1) for place in range(24)]


def test_months_may_have_other_names_than_english_ones(engine: Engine) -> None:
    months: list[tuple[str, ...]] = [(f"m{month}", f"mois-{month}") for month in range(1, 13)]
    months[2] = ("Mär", "März", "Mrz")
    texts = ["5. Mär 2026", "5. MÄRZ 2026", "5. mrz 2026", "5. Mar 2026", "5. m4 2026"]
    found = cast(engine, Kind.DATE, texts, formats=("D. MMM YYYY",), month_names=tuple(months))
    # A name with a digit cannot be told from the day beside it.
    assert found == [date(2026, 3, 5)] * 3 + [None, None]


def test_two_digits_of_a_year_mean_1970_to_2069(engine: Engine) -> None:
    found = cast(engine, Kind.DATE, ["1/1/70", "1/1/99", "1/1/00", "1/1/69", "2/29/00"], formats=("M/D/YY",))
    assert [day.year for day in found] == [1970, 1999, 2000, 2069, 2000]


def test_hours_may_be_counted_twice_to_twelve(engine: Engine) -> None:
    texts = {
        "1/2/2026 3:45 PM": (15, 45), "1/2/2026 12:00 AM": (0, 0), "1/2/2026 12:30 pm": (12, 30),
        "1/2/2026 11:59 am": (11, 59), "1/2/2026 0:30 AM": None, "1/2/2026 13:00 PM": None, "1/2/2026 3:45": None,
        "1/2/2026 3:60 PM": None,
    }  # fmt: skip
    found = cast(engine, Kind.TIMESTAMP, list(texts), formats=("M/D/YYYY h:mm A",))
    assert [moment and (moment.hour, moment.minute) for moment in found] == list(texts.values())


def test_a_moment_keeps_its_fraction_of_a_second_and_may_end_in_z(
    engine: Engine,
) -> None:
    clocks = ["10:00:00.125Z", "10:00:00Z", "10:00:00.1234567Z", "10:00:00+01:00"]
    texts = [f"2026-01-05T{clock}" for clock in clocks]
    found = cast(
        engine,
        Kind.TIMESTAMP,
        texts,
        formats=("YYYY-MM-DDTHH:mm:SSZ", "YYYY-MM-DDTHH:mm:SS.fZ"),
    )
    ten = datetime(2026, 1, 5, 10)  # noqa: DTZ001 - as the warehouse keeps it
    assert found == [ten.replace(microsecond=125_000), ten, None, None]


def test_a_moment_with_a_distance_from_utc_is_kept_in_utc(engine: Engine) -> None:
    ten = datetime(2026, 1, 5, 10)  # noqa: DTZ001 - as the warehouse keeps it
    texts = {
        "2026-01-05T10:00:00Z": ten, "2026-01-05T11:00:00+01:00": ten, "2026-01-05T04:30:00-0530": ten,
        "2026-01-06T00:00:00+14:00": ten, "2026-01-04T24:00:00-10:00": None, "2026-01-05T10:00:00": None,
        "2026-01-05T10:00:00+1": None, "2026-01-05T10:00:00+15:00": None, "2026-02-30T10:00:00Z": None, None: None,
    }  # fmt: skip
    form = "YYYY-MM-DDTHH:mm:SSO"
    assert cast(engine, Kind.TIMESTAMP, list(texts), formats=(form,)) == list(texts.values())
    spelt_out = answers(engine, list(texts), lambda given: days.calendar_moment(given.written, form))
    assert spelt_out == list(texts.values())


def broken(engine: Engine, column: Column, texts: Sequence[str | None]) -> list[list[str]]:
    """The reasons why each text breaks the column's rules."""

    def reasons(given: ibis.Table) -> ibis.Value:
        text = phrases.cleaned(given.written, column.cleaning, engine.dialect)
        value = phrases.safe_cast(text, column, engine.dialect)
        rules = phrases.broken_rules(column, text, value)
        said = [ibis.ifelse(rule, reason, ibis.null("string")) for reason, rule in rules]
        return ibis.array([ibis.null("string"), *said]).filter(lambda reason: reason.notnull())

    return answers(engine, texts, reasons)


def test_days_and_moments_have_bounds(engine: Engine) -> None:
    first, last = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, 12, tzinfo=UTC)
    day = Column("written", Kind.DATE, 0, earliest=first, latest=last)
    assert broken(engine, day, ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", None]) == [
        ["written is below 2026-01-02"], [], [], ["written is above 2026-01-03"], [],
    ]  # fmt: skip
    moment = replace(day, kind=Kind.TIMESTAMP, cleaning=Cleaning(formats=("YYYY-MM-DD HH:mm",)))
    assert broken(engine, moment, ["2026-01-02 00:00", "2026-01-03 12:00", "2026-01-03 12:01"]) == [
        [], [], ["written is above 2026-01-03 12:00:00"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "accepted", "good", "bad"),
    [
        (Kind.INTEGER, ("1", "-20"), ["1", "+1", "01", "-20"], ["2", "20"]),
        (Kind.DECIMAL, ("7", "19.50"), ["7", "7.00", "19.5"], ["7.01", "-7"]),
        (Kind.DATE, ("2026-01-31",), ["2026-01-31"], ["2026-01-30"]),
        (Kind.TEXT, ("A",), ["A", " A "], ["a", "AB"]),
    ],
)
def test_accepted_values_are_compared_as_what_they_are(
    engine: Engine,
    kind: Kind,
    accepted: tuple[str, ...],
    good: list[str],
    bad: list[str],
) -> None:
    column = Column("written", kind, 0, accepted=accepted)
    found = broken(engine, column, [*good, *bad, None])
    assert found == [[]] * len(good) + [["written is not an accepted value"]] * len(bad) + [[]]


@pytest.mark.parametrize("severity", list(Severity))
def test_only_a_rule_that_quarantines_is_a_reason(engine: Engine, severity: Severity) -> None:
    column = Column(
        "written", Kind.TEXT, 0, required=True, pattern="[A-Z]+", accepted=("A", "B"),
        severities=(("present", severity), ("accepted", severity), ("form", severity)),
    )  # fmt: skip
    found = broken(engine, column, ["A", "7", None])
    told = [
        ["written does not have the agreed form", "written is not an accepted value"],
        ["written is missing"],
    ]
    assert found == [[], *(told if severity is Severity.QUARANTINE else [[], []])]
