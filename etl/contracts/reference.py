"""The tables of `docs/contract-reference.md`, made from the properties that are read, so that they cannot differ."""

from __future__ import annotations

from etl.contracts.portable import function_names
from etl.contracts.properties import CUSTOM, GOLD, STANDARD
from etl.contracts.vocabulary import DOCUMENTATION, SLA_DOCUMENTATION, Property, Where

HEAD = "| property | type | meaning | example |\n|---|---|---|---|"


def reference_tables() -> dict[str, str]:
    """Markdown by the name of the block it stands in."""
    return {
        "standard": _sections(STANDARD),
        "custom": _sections(CUSTOM),
        "gold": _sections(GOLD),
        "documentation": _documentation(),
        "functions": ", ".join(f"`{name}`" for name in function_names()),
    }


def _sections(rows: tuple[Property, ...]) -> str:
    places = dict.fromkeys(row.where for row in rows)
    return "\n\n".join(_section(where, [row for row in rows if row.where is where]) for where in places)


def _section(where: Where, rows: list[Property]) -> str:
    lines = [f"| `{row.name}` | {row.form} | {_cell(row.meaning)} | {_code(row.example)} |" for row in rows]
    return "\n".join([f"**In {where}**", "", HEAD, *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return text if text == "see below" else f"`{_cell(text)}`"


def _documentation() -> str:
    lines = [
        f"- in {where}: " + ", ".join(f"`{name}`" for name in sorted(DOCUMENTATION[where]))
        for where in DOCUMENTATION
    ]
    sla = ", ".join(f"`{name}`" for name in sorted(SLA_DOCUMENTATION))
    return "\n".join([*lines, f"- as `property` of an slaProperty: {sla}"])
