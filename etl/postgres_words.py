"""What a node of DuckDB's SQL is in PostgreSQL, where the same word computes another thing or sorts otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from sqlglot import exp

BLANKS = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What DuckDB's trim() takes away: Unicode's separators, no tabs and line ends."""
DECIMAL_PLACES = 3  # of DuckDB's `decimal` without any
_TEXTS = (exp.DPipe, exp.Concat, exp.Substring, exp.Replace, exp.Trim, exp.Upper, exp.Lower)
_DECIMALS = (exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL)
_DOUBLES = (exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT)


def ours(name: str, *given: Any) -> exp.Expr:
    """A call of one of the functions of `etl.postgres_functions`."""
    called = exp.Anonymous(this=f"_{name}", expressions=[exp.convert(one) for one in given])
    return exp.Dot(this=exp.to_identifier("bronze"), expression=called)


def bytewise(text: exp.Expr) -> exp.Expr:
    """A text that sorts by its bytes, whatever the database's own order is."""
    return exp.paren(exp.Collate(this=text, expression=exp.to_identifier("C", quoted=True)), copy=False)


def as_double(value: exp.Expr) -> exp.Expr:
    return ours("double", value)


def averages(tree: exp.Expr) -> None:
    """DuckDB's average of decimals: the exact sum as a double, divided by the count. With a filter or a window it
    divides first, and rounds once.
    """
    for node in list(tree.find_all(exp.Avg)):
        whole: exp.Expr = node
        while isinstance(whole.parent, exp.Filter | exp.Window) and whole.arg_key == "this":
            whole = whole.parent
        total, count = _with(whole, exp.Sum), _with(whole, exp.Count)
        divided = exp.Div(this=total, expression=count) if whole is node else ours("average", total, count)
        whole.replace(exp.paren(divided, copy=False))


def _with(whole: exp.Expr, kind: type[exp.Sum | exp.Count]) -> exp.Expr:
    """The same aggregate, filter and window, of another kind than average."""
    copied = exp.paren(whole.copy(), copy=False)
    average = cast(exp.Expr, copied.find(exp.Avg))
    average.replace(kind(this=average.this))
    return cast(exp.Expr, copied.this)


def said(node: exp.Expr) -> exp.Expr:
    """The node as PostgreSQL says it; itself where there is nothing to change. Its children have been said."""
    rule = _RULES.get(type(node))
    now = rule(node) if rule else node
    return bytewise(now) if isinstance(node, _TEXTS) else now


def _divided(node: exp.Expr) -> exp.Expr:
    # By nothing: DuckDB has infinity, which no column holds, and PostgreSQL an error; both end the build.
    return exp.Div(this=as_double(node.this), expression=as_double(node.expression), typed=True, safe=False)


def _rounded(node: exp.Expr) -> exp.Expr:
    return ours("round", node.this, node.args.get("decimals") or 0)


def _of_doubles(node: exp.Expr) -> exp.Expr:
    for name in ("this", "expression"):
        if node.args.get(name) is not None:
            node.set(name, as_double(node.args[name]))
    return node


def _letters(node: exp.Expr) -> exp.Expr:
    return ours(type(node).__name__.lower(), node.this)


def _trimmed(node: exp.Expr) -> exp.Expr:
    if not node.expression:
        node.set("expression", exp.Literal.string(BLANKS))
    return node


def _part_of_text(node: exp.Expr) -> exp.Expr:
    """Of less than no signs nothing is left, where PostgreSQL has an error; other starts than 1 are refused then."""
    length = node.args.get("length")
    if length is not None and not isinstance(length, exp.Literal):
        node.set(
            "length",
            exp.cast(exp.Greatest(this=length, expressions=[exp.Literal.number(0)]), "int", copy=False),
        )
    return node


def _length(node: exp.Expr) -> exp.Expr:
    return exp.cast(node, "bigint", copy=False)


def _like(node: exp.Expr) -> exp.Expr:
    """A backslash is a sign like others in DuckDB, unless the query says what escapes."""
    said_otherwise = isinstance(node.parent, exp.Escape)
    if isinstance(node, exp.ILike):
        both = {"this": ours("lower", node.this), "expression": ours("lower", node.expression)}
        node = exp.Like(**node.args | both)
    return node if said_otherwise else exp.Escape(this=node, expression=exp.Literal.string(""))


def _joined(node: exp.Expr) -> exp.Expr:
    for name in ("this", "expression"):
        node.set(name, ours("as_text", node.args[name]))
    return node


def _strung(node: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="concat", expressions=[ours("as_text", one) for one in node.expressions])


def _cut(node: exp.Expr) -> exp.Expr:
    """PostgreSQL cuts a date into a time with zone."""
    return exp.Anonymous(
        this="date_trunc",
        expressions=[exp.Literal.string(str(node.args["unit"].name).lower()), _moment(node.this)],
    )


def _extracted(node: exp.Expr) -> exp.Expr:
    return _part(node.name, node.expression)


def _named_part(node: exp.Expr) -> exp.Expr:
    return _part(type(node).__name__, node.this)


def _part(name: str, moment: exp.Expr) -> exp.Expr:
    """Seconds come without their fraction, and a date has hours: none."""
    part = exp.Extract(this=exp.var(name.upper()), expression=_moment(moment))
    return exp.cast(exp.Floor(this=part), "bigint", copy=False)


def _moment(value: exp.Expr) -> exp.Expr:
    while isinstance(value, exp.TsOrDsToDate | exp.TsOrDsToTimestamp):
        value = value.this
    return exp.cast(value, "timestamp", copy=False)


def _cast(node: exp.Expr) -> exp.Expr:
    to = node.args["to"]
    if to.this in _DECIMALS:
        places = (
            to.expressions[1].this.to_py()
            if len(to.expressions) > 1
            else 0
            if to.expressions
            else DECIMAL_PLACES
        )
        exact = exp.DataType.build(to.sql("duckdb") if to.expressions else f"decimal(18, {DECIMAL_PLACES})")
        return exp.Cast(this=ours("as_decimal", node.this, places), to=exact)
    if to.is_type(*exp.DataType.TEXT_TYPES):
        return bytewise(ours("as_text", node.this))
    if to.this in _DOUBLES:
        return exp.Cast(this=as_double(node.this), to=to)
    return node


def _literal(node: exp.Expr) -> exp.Expr:
    """`1e3` is a double in DuckDB."""
    if isinstance(node, exp.Literal) and not node.is_string and "e" in node.name.lower():
        return exp.cast(node.copy(), "double", copy=False)
    return node


def _either(node: exp.Expr) -> exp.Expr:
    """A choice among constants alone has no column to take its order from."""
    return (
        bytewise(node)
        if all(isinstance(one, exp.Literal) and one.is_string for one in _choices(node))
        else node
    )


def _choices(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Case):
        values = [one.args["true"] for one in node.args["ifs"]] + [node.args.get("default")]
    elif isinstance(node, exp.If):
        values = [node.args["true"], node.args.get("false")]
    else:
        values = [node.this, *node.expressions]
    return [value for value in values if value is not None and not isinstance(value, exp.Null)]


def _chosen(node: exp.Expr) -> exp.Expr:
    return node if isinstance(node.parent, exp.Case) else _either(node)


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Div: _divided, exp.Round: _rounded, exp.Sqrt: _of_doubles, exp.Ln: _of_doubles, exp.Exp: _of_doubles,
    exp.Pow: _of_doubles, exp.Upper: _letters, exp.Lower: _letters, exp.Trim: _trimmed, exp.Length: _length,
    exp.Substring: _part_of_text,
    exp.Like: _like, exp.ILike: _like, exp.DPipe: _joined, exp.Concat: _strung, exp.TimestampTrunc: _cut,
    exp.DateTrunc: _cut, exp.Extract: _extracted, exp.Year: _named_part, exp.Quarter: _named_part,
    exp.Month: _named_part, exp.Day: _named_part, exp.Cast: _cast, exp.Literal: _literal, exp.Case: _either,
    exp.If: _chosen, exp.Coalesce: _either, exp.Greatest: _either, exp.Least: _either,
}  # fmt: skip
