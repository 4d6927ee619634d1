"""Commands that show what was set aside: quarantine list and export."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from etl.calls import MOST_ROWS
from etl.cli.mending import row_name, whole_batch_id
from etl.cli.output import Answer, Output, write_file
from etl.cli.tables import table

if TYPE_CHECKING:
    from argparse import Namespace

    from etl.cli.running import Context
    from etl.door import Door

Plain = dict[str, Any]


def quarantine(context: Context) -> Answer:
    """The reasons of what was set aside; with a source also its rows."""
    asked, aside = context.arguments, None
    with context.door() as door:
        reasons = [r for r in door.call("quarantine_reasons") if asked.source in ("", r["source"])]
        if asked.source:
            aside = door.call("aside", **_chosen(door, asked), limit=asked.limit)
    if aside and len(aside["rows"]) < aside["total"]:
        context.output.say(
            f"Only the first {len(aside['rows']):,} of {aside['total']:,}; --limit asks for more."
        )
    document = {"reasons": reasons, "rows": _flat(aside) if aside else []}
    return Answer(document, lambda output: _show(output, reasons, aside))


def export(context: Context) -> Answer:
    """What was set aside of a source, whole: CSV as `quarantine replay` reads it, or JSON."""
    asked = context.arguments
    with context.door() as door:
        chosen = _chosen(door, asked)
        if asked.format == "csv" and (asked.out or not context.output.as_json):
            text: str = door.call("export_aside", **chosen)
            found: list[Plain] = []
        else:
            found = _flat(door.call("aside", **chosen, limit=MOST_ROWS))
            text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if asked.out is None:
        return Answer(found, lambda output: output.write(text))
    write_file(asked.out, text)
    rows = len(found) or sum(1 for _ in csv.reader(io.StringIO(text, newline=""))) - 1
    document = {"written": asked.out, "rows": rows}
    return Answer(document, lambda output: output.line(f"{rows:,} rows written to {asked.out}."))


def _chosen(door: Door, asked: Namespace) -> Plain:
    batch = whole_batch_id(door, asked.batch, asked.source)
    return {"source": asked.source, "state": asked.state, "batch_id": batch, "reason": asked.reason}


def _flat(aside: Plain) -> list[Plain]:
    """Each row as one object: its place and reasons, then its columns, or the raw line."""
    return [_object(row) for row in aside["rows"]]


def _object(row: Plain) -> Plain:
    place = row["place"]
    flat = {
        "_batch_id": place["batch_id"],
        "_row_number": place["row_number"],
        "_correction": place["correction"],
        "_reasons": row["reasons"],
    }
    if row["note"]:
        flat["_note"] = row["note"]
    return flat | ({"_raw": row["raw"]} if row["raw"] else {}) | dict(row["values"])


def _show(output: Output, reasons: list[Plain], aside: Plain | None) -> None:
    if not reasons and not (aside and aside["rows"]):
        output.line("Nothing is in quarantine.")
        return
    counted = [
        (r["source"], r["reason"], r["rows"], "unreadable line" if r["unreadable"] else "row")
        for r in reasons
    ]
    table(output, ("Source", "Reason", "Rows", "What"), counted)
    if aside is not None:
        output.line()
        _show_rows(output, aside)


def _show_rows(output: Output, aside: Plain) -> None:
    lines = any(row["raw"] for row in aside["rows"])
    notes = any(row["note"] for row in aside["rows"])
    columns = [
        "Row",
        *aside["columns"],
        *(["Line"] if lines else []),
        "Reasons",
        *(["Note"] if notes else []),
    ]
    rows = []
    for row in aside["rows"]:
        values = dict(row["values"])
        cells = [row_name(row["place"]), *(values.get(name) for name in aside["columns"])]
        cells += [row["raw"]] if lines else []
        rows.append([*cells, "; ".join(row["reasons"]), *([row["note"]] if notes else [])])
    table(output, columns, rows)
    output.line(f"({aside['total']:,} {'row' if aside['total'] == 1 else 'rows'} {aside['state']})")
