"""What PostgreSQL computes otherwise than DuckDB, as functions of the warehouse, so that both give the same values.

They are made anew when the warehouse is prepared, and called by the SQL that `etl.dialects` writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

ALIKE = "immutable parallel safe"
ASCII = "".join(map(chr, range(0x20, 0x7F)))
BEYOND_LETTERS = 0x20000  # no letter with two cases has a code point from here on
GAP = 64  # code points between two letters that may be looked up together

_DOUBLE = f"""
create or replace function bronze._double(given double precision) returns double precision
language sql {ALIKE} return given;

create or replace function bronze._double(given numeric) returns double precision
language sql {ALIKE} return given::double precision;
"""
"""Both give the double that is nearest to a decimal."""

_AVERAGE = f"""
create or replace function bronze._average(total double precision, many bigint) returns double precision
language sql {ALIKE} return total / nullif(many, 0);

create or replace function bronze._average(total numeric, many bigint) returns double precision
language sql {ALIKE} return ((total + 0e-30) / nullif(many, 0))::double precision;

create or replace function bronze._average(total bigint, many bigint) returns double precision
language sql {ALIKE} return ((total + 0e-30) / nullif(many, 0))::double precision;
"""
"""The nearest double to the exact quotient; without the zeros PostgreSQL would give 16 digits of it."""

_ROUNDED = f"""
create or replace function bronze._rounded(given double precision) returns double precision
language sql {ALIKE} return trunc(given)
    + case when abs(given - trunc(given)) >= 0.5 then sign(given) else 0 end;

create or replace function bronze._round(given double precision, places integer) returns double precision
language sql {ALIKE} return case
    when places < 0 then bronze._rounded(given / 10::double precision ^ (-places)) * 10::double precision ^ (-places)
    else bronze._rounded(given * 10::double precision ^ places) / 10::double precision ^ places
end;

create or replace function bronze._round(given numeric, places integer) returns numeric
language sql {ALIKE} return round(given, least(places, scale(given)));

create or replace function bronze._round(given bigint, places integer) returns bigint
language sql {ALIKE} return round(given::numeric, least(places, 0))::bigint;

create or replace function bronze._round(given integer, places integer) returns integer
language sql {ALIKE} return round(given::numeric, least(places, 0))::integer;
"""
"""Halves go away from zero. PostgreSQL rounds doubles to even, and not to places at all."""

_AS_DECIMAL = f"""
create or replace function bronze._whole(given double precision) returns numeric
language sql {ALIKE} return case
    when abs(given) < 9e15 then given::bigint::numeric
    else trunc(given / 2::double precision ^ 96)::bigint::numeric * 79228162514264337593543950336
        + trunc((given - trunc(given / 2::double precision ^ 96) * 2::double precision ^ 96)
            / 2::double precision ^ 48)::bigint::numeric * 281474976710656
        + (given - trunc(given / 2::double precision ^ 48) * 2::double precision ^ 48)::bigint::numeric
end;

create or replace function bronze._as_decimal(given double precision, places integer) returns numeric
language sql {ALIKE} return bronze._whole(bronze._rounded(given * 10::double precision ^ places))
    * ('1e-' || places)::numeric;

create or replace function bronze._as_decimal(given numeric, places integer) returns numeric
language sql {ALIKE} return round(given, places);

create or replace function bronze._as_decimal(given bigint, places integer) returns numeric
language sql {ALIKE} return round(given::numeric, places);

create or replace function bronze._as_decimal(given integer, places integer) returns numeric
language sql {ALIKE} return round(given::numeric, places);

create or replace function bronze._as_decimal(given text, places integer) returns numeric
language sql {ALIKE} return round(given::numeric, places);
"""
"""DuckDB multiplies a double by a power of ten and takes the nearest whole number, with all the digits that it has;
PostgreSQL would take the double's first 15 digits."""

_AS_TEXT = f"""
create or replace function bronze._as_text(given double precision) returns text
language sql {ALIKE} return case
    when given in ('NaN', 'Infinity', '-Infinity')
        then replace(replace(lower(given::text), 'infinity', 'inf'), 'NaN', 'nan')
    when abs(given) >= 1e15 and abs(given) < 1e16
        then given::text::numeric::text || case when given = trunc(given) then '.0' else '' end
    when strpos(given::text, '.') = 0 and strpos(given::text, 'e') = 0 then given::text || '.0'
    else given::text
end;
""" + "".join(
    f"""
create or replace function bronze._as_text(given {kind}) returns text
language sql {ALIKE} return given::text;
"""
    for kind in ("text", "bigint", "integer", "numeric", "date", "timestamp", "boolean")
)

_CASE = """
create or replace function bronze._{case}(given text) returns text language plpgsql {alike} as $function$
begin
    if octet_length(given) = length(given) or given collate "C" !~ '[{letters}]' then
        return {case}(given collate "C");
    end if;
    return translate({case}(given collate "C"), '{known}{before}', '{known}{after}');
end
$function$;
"""


@cache
def functions() -> str:
    """The statements that make the functions, in the schema `bronze`, which must be there.

    Two that run at once disturb each other: hold the lock under which the warehouse is prepared.
    """
    return "".join(
        (
            _DOUBLE,
            _AVERAGE,
            _ROUNDED,
            _AS_DECIMAL,
            _AS_TEXT,
            *(_case_function(case) for case in ("upper", "lower")),
        )
    )


def _case_function(case: str) -> str:
    """Upper or lower case as DuckDB has it, letter by letter, whatever Unicode the server's own collations know.

    The server's own differ: libc in ß, ICU in 102 letters, PostgreSQL 18's own in 28, and no server has them all.
    `translate` looks a letter up from the first on, so the common ones come first; what has no letter that
    changes (Chinese, Arabic) is told apart before.
    """
    changed = dict(_changed(case))
    return _CASE.format(
        case=case,
        alike=ALIKE,
        letters="".join(f"{chr(low)}-{chr(high)}" for low, high in _ranges(map(ord, changed))),
        known=ASCII.replace("'", "''"),
        before="".join(changed),
        after="".join(changed.values()),
    )


def _changed(case: str) -> list[tuple[str, str]]:
    """Every letter beyond ASCII that DuckDB changes, and into which."""
    import duckdb

    letters = f"unnest(range(128, 55296) || range(57344, {BEYOND_LETTERS}))::integer"
    with duckdb.connect() as known:
        return known.execute(
            f"select letter, {case}(letter) from (select chr({letters}) as letter) "  # noqa: S608
            f"where {case}(letter) <> letter order by letter"
        ).fetchall()


def _ranges(codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Few ranges that hold all the code points, and others between them."""
    low = high = -GAP
    for code in sorted(codes):
        if code - high > GAP:
            if low > 0:
                yield low, high
            low = code
        high = code
    yield low, high
