"""Ibis phrases for numbers as people write them: the whole text is matched before anything is taken out of it.

What is written another way than agreed ('12,50' where the comma parts thousands, '1€50') must not become a hundred
times as much. Each use of a text repeats its expression, so a number takes as few as it can.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

import ibis
from ibis.expr import types as ir

from etl.declared import Cleaning
from etl.formats import as_pattern

DIGITS = 18
GROUP = 3  # digits between two separators of thousands
HUNDREDTHS = 2  # decimals that a percent sign adds


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def split_part(text: str, sign: str, place: int) -> str:
    """What stands before (1) or after (2) the first of a sign."""
    raise NotImplementedError


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def ltrim(text: str, signs: str) -> str:
    """A text without some signs at its beginning."""
    raise NotImplementedError


def whole_number(text: ir.StringValue, how: Cleaning, dialect: str = "") -> ir.IntegerValue:
    """The integer a text says; NULL where it says none, or one of more than 18 digits."""
    return _cast(text, how, DIGITS, 0, "int64", dialect)


def decimal_number(text: ir.StringValue, how: Cleaning, decimals: int, dialect: str = "") -> ir.DecimalValue:
    """The decimal a text says, of 18 digits; NULL where it says none or has more decimals: nothing is rounded."""
    to = decimal_type(decimals)
    plain = _cast(text, how, DIGITS - decimals, decimals, to, dialect)
    if not how.percent:
        return plain
    # Two decimals fewer, so that a hundredth of it is exact too.
    fewer = decimals - HUNDREDTHS
    share = _cast(text, how, DIGITS - fewer, fewer, decimal_type(fewer))
    hundredth = (share * ibis.literal(Decimal("0.01"), "decimal(3,2)")).cast(to)
    return ibis.cases(
        (text.re_search("%[^%]*%"), ibis.null(to)), (text.contains("%"), hundredth), else_=plain
    )


def readable_amount(text: ir.StringValue, how: Cleaning, dialect: str = "") -> ir.DecimalValue:
    """The amount as written, with up to 18 digits and 10 decimals, for the money account: independent of the typed
    column. No column holds more digits, and ten thousand million such amounts can be added up.
    """
    return _cast(text, how, DIGITS, 10, "decimal(38,10)", dialect)


def decimal_type(decimals: int) -> str:
    """The column type of a decimal with that many places."""
    return f"decimal({DIGITS},{decimals})"


def _cast(
    text: ir.StringValue, how: Cleaning, whole: int, decimals: int, to: str, dialect: str = ""
) -> ir.Value:
    """The number, where the text is written as agreed with at most so many digits before and after its point."""
    form = _Form(how, whole, decimals)
    if dialect == "postgres" and form.plain:
        return ibis.ifelse(_is_plain(text, whole, decimals), text.cast(to), ibis.null(to))
    return ibis.ifelse(text.re_search(form.any), _digits(text, how, form).cast(to), ibis.null(to))


def _is_plain(text: ir.StringValue, whole: int, decimals: int) -> ir.BooleanValue:
    """As the expression of a plain number, for PostgreSQL, whose expressions cost by each sign they count: digits are
    looked for by two loops and counted by lengths. Four times cheaper.
    """
    if not decimals:
        short = (text.length() <= whole) | (ltrim(text, "+-").length() <= whole)
        return text.re_search("^[+-]?[0-9]+$") & short
    short = (text.length() <= whole) | (split_part(ltrim(text, "+-"), ".", 1).length() <= whole)
    has_digit = (text.length() > len("+.")) | text.re_search("[0-9]")
    few = split_part(text, ".", 2).length() <= decimals
    return text.re_search("^[+-]?[0-9]*[.]?[0-9]*$") & short & few & has_digit


def _digits(text: ir.StringValue, how: Cleaning, form: _Form) -> ir.StringValue:
    """A number that is written as agreed in the form every cast knows: minus, digits, point."""
    if form.plain:
        return text
    for sign in how.currency_signs:
        if set(sign) & set("0123456789.,-"):
            text = text.replace(sign, "")
    point = "," if how.decimal_comma else "."
    bare = text.re_replace(f"[^0-9{point}{'' if how.negatives else '-'}]", "")
    if how.negatives:
        bare = ibis.ifelse(text.re_search(form.negative), "-" + bare, bare)
    return bare.replace(",", ".") if how.decimal_comma else bare


class _Form:
    """How numbers are written, as regular expressions: `any` number, and a `negative` one of those."""

    def __init__(self, how: Cleaning, whole: int, decimals: int) -> None:
        number = _unsigned(how, whole, decimals)
        signs = (*how.currency_signs, "%") if how.percent else how.currency_signs
        around = f"(?:{_either(signs)}| )*" if signs else ""
        beside = around or " *"
        ends = [tuple(as_pattern(part.strip()) for part in form.split("1")) for form in how.negatives]
        forms = [f"^{around}{before}{beside}{number}{beside}{after}{around}$" for before, after in ends]
        self.plain = not (signs or forms or how.thousands_separator or how.decimal_comma)
        self.any = "|".join([f"^{around}[+-]?{around}{number}{around}$", *forms])
        self.negative = "|".join([f"^{around}-", *forms])


def _unsigned(how: Cleaning, whole: int, decimals: int) -> str:
    digits = f"[0-9]{{1,{whole}}}"
    if how.thousands_separator:
        digits = f"(?:{digits}|{_grouped(as_pattern(how.thousands_separator), whole)})"
    if not decimals:
        return digits
    point = "," if how.decimal_comma else "[.]"
    return f"(?:{digits}(?:{point}[0-9]{{0,{decimals}}})?|{point}[0-9]{{1,{decimals}}})"


def _grouped(separator: str, whole: int) -> str:
    """Up to `whole` digits whose thousands are parted."""
    groups, more = divmod(whole, GROUP)
    parted = f"[0-9]{{1,3}}(?:{separator}[0-9]{{3}}){{1,{groups - 1}}}"
    return parted + (f"|[0-9]{{1,{more}}}(?:{separator}[0-9]{{3}}){{{groups}}}" if more else "")


def _either(texts: Collection[str]) -> str:
    """A regular expression for any of some texts, the longest first."""
    return "|".join(map(as_pattern, sorted(texts, key=lambda one: (-len(one), one))))
