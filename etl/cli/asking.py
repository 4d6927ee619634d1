"""Commands that ask for rows: query, explain."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from etl.cli.output import Answer, Output
from etl.cli.tables import cell, table
from etl.facts import Rows
from etl.wire import from_plain, objects

if TYPE_CHECKING:
    from etl.cli.running import Context


def query(context: Context) -> Answer:
    """The rows of one SELECT as a table, as CSV or as JSON."""
    asked = context.arguments
    with context.door() as door:
        plain = door.call("select", sql=asked.sql, limit=asked.limit)
    rows = from_plain(Rows, plain)
    if rows.truncated:
        context.output.say(f"Only the first {len(rows.rows):,} rows; --limit asks for more.")
    return Answer(objects(rows), lambda output: _show(output, rows, asked.format))


def explain(context: Context) -> Answer:
    """The way of one row, from the line of its file to where it is now; of a gold row, what it is made of."""
    asked = context.arguments.table
    with context.door() as door:
        if any(t["layer"] == "gold" and asked in (t["name"], t["short"]) for t in door.call("tables")):
            made = door.call("gold_row", table=asked, key=context.arguments.key)
            return Answer(made, lambda output: _show_gold(output, made), 0 if made["own"]["rows"] else 1)
        found = door.call("explain", table=context.arguments.table, key=context.arguments.key)
    return Answer(found, lambda output: _show_way(output, found), 0 if found["found"] else 1)


def as_csv(rows: Rows) -> str:
    """The rows under a header, lists as JSON, nothing for null, \\r\\n as RFC 4180 has it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(rows.columns)
    writer.writerows([_field(value) for value in row] for row in rows.rows)
    return text.getvalue()


def as_json(rows: Rows) -> str:
    """A list of objects in column order."""
    return json.dumps(objects(rows), indent=2, ensure_ascii=False) + "\n"


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _show(output: Output, rows: Rows, form: str) -> None:
    if form == "csv":
        output.write(as_csv(rows))
    elif form == "json":
        output.write(as_json(rows))
    else:
        table(output, rows.columns, [[_cell(value) for value in row] for row in rows.rows])
        output.line(f"({len(rows.rows):,} {'row' if len(rows.rows) == 1 else 'rows'})")


def _cell(value: Any) -> Any:
    """Ids and amounts as they are: a thousands separator would make another text of them."""
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _show_gold(output: Output, made: dict[str, Any]) -> None:
    if not made["own"]["rows"]:
        output.line(f"{made['table']} has no row {made['key']}.")
        return
    table(output, made["own"]["columns"], made["own"]["rows"])
    if made["why_not"]:
        output.line(made["why_not"])
        return
    adds = "adds up to" if made["adds_up"] else "DIFFERS from"
    output.line(
        f"{made['column']} {made['gold']} {adds} the {made['source_column']} of {made['count']:,} rows of "
        f"{made['source_table']}: {made['total']}. The largest:"
    )
    table(output, made["rows"]["columns"], made["rows"]["rows"])


def _show_way(output: Output, found: dict[str, Any]) -> None:
    if not found["found"]:
        received = "" if found["path"] else ", and nothing under that key was received"
        output.line(f"{found['table']} has no row {found['key']}{received}.")
    for heading, sentence in found["steps"]:
        output.line(f"{heading}: {sentence}")
    if found["raw"]:
        output.line(f"As received ({found['path']}, line {found['line_number']}):")
        output.line(f"  {cell(found['raw'])}")
