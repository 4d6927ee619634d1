"""`generate`: synthetic CRM and ERP files of any size and any dirt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import generate as synthetic
from etl import texts
from etl.cli.output import Answer, Output, unwritable
from etl.cli.progress import rows_progress
from etl.cli.tables import table

if TYPE_CHECKING:
    from etl.cli.running import Context


def generate(context: Context) -> Answer:
    """Write the two files. The same arguments give the same bytes."""
    asked = context.arguments
    recipe = synthetic.Recipe(asked.customers, asked.sales, asked.dirt, asked.seed)
    try:
        with rows_progress(context.output) as watch:
            made = synthetic.generate(recipe, Path(asked.out), watch)
    except OSError as fault:
        raise unwritable(asked.out, fault) from fault
    document = {
        "files": {source: str(path) for source, path in made.files.items()},
        "rows": made.rows,
        "lines": made.lines,
        "size_bytes": made.size_bytes,
        "planted": {source: dict(kinds) for source, kinds in made.planted_by_kind.items()},
        "seed": asked.seed,
    }
    return Answer(document, lambda output: _show(output, document))


def _show(output: Output, made: dict[str, Any]) -> None:
    rows = [
        (path, made["rows"][source], sum(made["planted"][source].values()), made["lines"][source],
         texts.size(made["size_bytes"][source]))
        for source, path in made["files"].items()
    ]  # fmt: skip
    table(output, ("File", "Good rows", "Faults planted", "Lines", "Size"), rows)
