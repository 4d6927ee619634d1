"""Tables for people: ruled and folded on a terminal, plain columns in a pipe."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from etl.cli.output import Output
from etl.texts import is_figures


def table(output: Output, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their columns; figures stand to the right."""
    cells = [[cell(value) for value in row] for row in rows]
    right = [is_figures(row[i] for row in cells) for i in range(len(columns))]
    if output.terminal:
        _ruled(output, columns, cells, right)
    else:
        _plain(output, columns, cells, right)


def cell(value: Any) -> str:
    """A value as one line of visible characters: nothing in a file may steer the terminal."""
    if value is None:
        return ""
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        text = f"{value:,}"
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode()
    return character


def _plain(
    output: Output, columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]
) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in (columns, *cells):
        aligned = (
            text.rjust(width) if figures else text.ljust(width)
            for text, width, figures in zip(row, widths, right, strict=True)
        )
        output.line("  ".join(aligned).rstrip())


def _ruled(
    output: Output, columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    ruled = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, figures in zip(columns, right, strict=True):
        ruled.add_column(Text(column), justify="right" if figures else "left", overflow="fold")
    for row in cells:
        ruled.add_row(*(Text(text, style=STYLES.get(text, "")) for text in row))
    Console(file=output.stdout).print(ruled)


STYLES = {
    "succeeded": "green",
    "passed": "green",
    "mended": "green",
    "failed": "bold red",
    "interrupted": "bold red",
    "warned": "yellow",
    "stale": "yellow",
    "running": "cyan",
    "queued": "cyan",
    "skipped": "dim",
    "not examined": "dim",
}
