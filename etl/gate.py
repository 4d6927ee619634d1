"""What people may ask the warehouse in SQL: one SELECT over tables of the four schemas, with known functions only."""

from __future__ import annotations

from collections.abc import Iterator

from etl.errors import UsageError

SCHEMAS = frozenset({"bronze", "silver", "gold", "quarantine"})
LONGEST = 20_000  # characters of a statement

FUNCTIONS = frozenset(
    {
        "abs", "and", "anonymous_agg_func", "any_value", "approx_distinct", "arg_max", "arg_min", "array_agg",
        "array_length", "array_to_string", "avg", "between", "bit_and", "bit_length", "bool_and", "bool_or",
        "case", "cast", "ceil", "ceiling", "char_length", "chr", "coalesce", "collate", "concat", "concat_ws",
        "contains", "corr", "count", "count_if", "countif", "covar_pop", "covar_samp", "cume_dist",
        "current_date", "current_timestamp", "date", "date_add", "date_diff", "date_from_parts", "date_part",
        "date_sub", "date_to_date_str", "date_trunc", "datediff", "day", "day_of_month", "day_of_week",
        "day_of_year", "dayname", "dense_rank", "dpipe", "exists", "exp", "explode", "extract", "first", "first_value",
        "floor", "greatest", "group_concat", "hash", "hour", "if", "ifnull", "ilike", "in", "initcap", "isnan",
        "lag", "last", "last_day", "last_value", "lcase", "lead", "least", "left", "length", "levenshtein",
        "like", "list", "list_contains", "ln", "log", "logical_and", "logical_or", "lower", "lpad", "ltrim",
        "make_date", "max", "md5", "median", "min", "minute", "mod", "mode", "month", "monthname", "not",
        "nth_value", "ntile", "nullif", "or", "percent_rank", "percentile_cont", "percentile_disc", "pow",
        "power", "quantile", "quantile_cont", "quantile_disc", "quarter", "rank", "regexp_extract",
        "regexp_full_match", "regexp_i_like", "regexp_like", "regexp_matches", "regexp_replace", "repeat",
        "replace", "reverse", "right", "round", "row_number", "rpad", "rtrim", "safe_divide", "second", "sign",
        "similar_to", "split", "split_part", "sqrt", "starts_with", "stddev", "stddev_pop", "stddev_samp",
        "str_length", "str_position", "str_to_date", "str_to_time", "strftime", "string_agg", "strpos", "substr",
        "substring", "sum", "time_str_to_date", "time_to_str", "timestamp", "timestamp_trunc", "to_char", "trim",
        "trunc", "try_cast", "ts_or_ds_add", "ts_or_ds_diff", "ts_or_ds_to_date", "ucase", "unix_to_time", "unnest",
        "upper", "var_pop", "var_samp", "variance", "variance_pop", "week", "width_bucket", "xor", "year",
    }
)  # fmt: skip


def require_select(sql: str, dialect: str = "duckdb") -> str:
    """The statement without its closing semicolon, in the warehouse's dialect. Raises UsageError, naming what is not
    allowed.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    if len(sql) > LONGEST:
        raise UsageError(f"The query has {len(sql):,} characters; at most {LONGEST:,} are read.")
    try:
        statements = [found for found in sqlglot.parse(sql, dialect=dialect) if found is not None]
    except SqlglotError as fault:
        raise UsageError(
            f"This is not SQL that can be read: {_first_line(fault)}.", "Mend the query."
        ) from fault
    if len(statements) != 1:
        raise UsageError(
            f"One SELECT is asked for, {len(statements)} statements came.", "Send them one by one."
        )
    tree = statements[0]
    if not isinstance(tree, exp.Query):
        raise UsageError(f"Only a SELECT may be asked, not {tree.key.upper()}.", "Changes go through runs.")
    for problem in _problems(tree):
        raise UsageError(problem, "Ask over bronze, silver, gold and quarantine, with ordinary functions.")
    return tree.sql(dialect=dialect, comments=False)


def _problems(tree: object) -> Iterator[str]:
    from sqlglot import exp

    assert isinstance(tree, exp.Expression)  # noqa: S101 - for the type checker
    for node in tree.walk():
        if isinstance(node, exp.Table):
            yield from _table_problems(node, _named_there(node))
        elif isinstance(node, exp.Into | exp.Command | exp.DML | exp.DDL) and not isinstance(node, exp.Query):
            yield f"{node.key.upper()} is not allowed in a query."
        elif isinstance(node, exp.Func):
            name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
            if name.lower() not in FUNCTIONS:
                yield f"The function {name.lower()} is not on the list of allowed ones."
        else:
            yield from _other_problems(node)


def _other_problems(node: object) -> Iterator[str]:
    """Ways around the list: what takes a lock, what names a function, a type or an operator of one's own."""
    from sqlglot import exp

    of_ones_own = (exp.DataType.Type.USERDEFINED, exp.DataType.Type.XML)
    if isinstance(node, exp.Lock):
        yield "Rows may not be locked by a query."
    elif isinstance(node, exp.Operator):
        yield "An operator may not be named by its schema."
    elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        yield f"The function {node.expression.name.lower()} may not be named by its schema."
    elif isinstance(node, exp.ObjectIdentifier) or (
        isinstance(node, exp.DataType) and node.this in of_ones_own
    ):
        yield f"The type {node.sql().lower()} is not an ordinary one."
    elif isinstance(node, exp.Column) and not node.table and _is_session_word(node.this):
        yield f"{node.name.lower()} is not a column: who asks is not told."


def _is_session_word(identifier: object) -> bool:
    """Words that read as columns and are none, unless they stand in quotes."""
    from sqlglot import exp

    if not isinstance(identifier, exp.Identifier) or identifier.quoted:
        return False
    return identifier.name.lower() in ("user", "current_role", "session_user", "system_user")


def _named_there(table: object) -> set[str]:
    """The names that `with` gives to queries where a table is read: elsewhere the same name is a file or a view."""
    from sqlglot import exp

    assert isinstance(table, exp.Table)  # noqa: S101 - for the type checker
    named: set[str] = set()
    node: exp.Expr = table
    while node.parent is not None:
        inside, node = node, node.parent
        if isinstance(node, exp.With):  # inside one of its queries: the earlier ones, and itself if recursive
            names = [cte.alias.lower() for cte in node.expressions]
            at = next(i for i, cte in enumerate(node.expressions) if cte is inside)
            named.update(names[: at + 1] if node.args.get("recursive") else names[:at])
        elif isinstance(node, exp.Query) and not isinstance(inside, exp.With):
            named.update(cte.alias.lower() for cte in node.ctes)
    return named


def _table_problems(node: object, ctes: set[str]) -> Iterator[str]:
    from sqlglot import exp

    assert isinstance(node, exp.Table)  # noqa: S101 - for the type checker
    if not isinstance(node.this, exp.Identifier):
        yield "A query may not call a function in place of a table."
    elif node.catalog:
        yield f"{node.catalog}.{node.db}.{node.name}: another database may not be named."
    elif not node.db:
        if node.name.lower() not in ctes:
            yield f"{node.name!r} names no schema: write silver.{node.name}, for example."
    elif node.db.lower() not in SCHEMAS:
        yield f"{node.db}.{node.name} is outside bronze, silver, gold and quarantine."


def _first_line(fault: Exception) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", str(fault)).split("\n", 1)[0].rstrip(".")
