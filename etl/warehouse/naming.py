"""Names of tables as SQL writes them, and of those that are built aside."""

from __future__ import annotations

BUILD, CUT, PUT = "_new_", "_cut_", "_put_"
ASIDE = (BUILD, CUT, PUT)  # what the names of tables built aside begin with


def physical(table: str, built: bool) -> str:
    """`silver.sales_clean` as SQL names it; a build aside carries a prefix."""
    schema, name = table.split(".", 1)
    return f"{quoted(schema)}.{quoted(BUILD + name if built else name)}"


def side(table: str, prefix: str) -> str:
    """A table that belongs to a build of `table`: the keys it cuts, the rows it puts."""
    schema, name = table.split(".", 1)
    return f"{quoted(schema)}.{quoted(prefix + name)}"


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant, for the few statements that take no bound value."""
    return "'" + text.replace("'", "''") + "'"
