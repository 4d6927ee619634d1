"""A report as Markdown, as one self-contained HTML page, or as JSON; foreign text is escaped."""

from __future__ import annotations

import json
from html import escape

from etl.errors import UsageError
from etl.facts import Report, ReportSection
from etl.texts import STATE_WORDS, is_figures, when
from etl.wire import to_plain

SYNTHETIC = "Synthetic data: this is the sample workspace."

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #ffffff; --line: #dde2e8;
  --head: #f4f6f8; --passed: #17734a; --warned: #8a5a00; --failed: #b3261e; --unexamined: #5b6675; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #a3aebb; --paper: #14181d;
  --line: #313a45; --head: #1d232a;
  --passed: #5fd39b; --warned: #f0b849; --failed: #ff8a80; --unexamined: #a3aebb; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1240px; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p.made { color: var(--soft); margin-top: 0; }
.state { margin-left: .4rem; border: 1px solid currentColor; border-radius: 1rem; padding: .05rem .6rem;
  font-size: .8rem; }
.passed { color: var(--passed); } .warned { color: var(--warned); }
.failed { color: var(--failed); } .unexamined { color: var(--unexamined); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  font-variant-numeric: tabular-nums; }
th { background: var(--head); font-weight: 600; }
.number { text-align: right; } td.number { white-space: nowrap; }
@page { size: landscape; margin: 12mm; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } h2 { break-after: avoid; }
  tr { break-inside: avoid; } .wide { overflow: visible; } }
"""


def render(report: Report, form: str) -> str:
    """The report as `md`, `html` or `json`. Raises UsageError for another form."""
    forms = {"md": markdown, "html": html, "json": as_json}
    if form not in forms:
        raise UsageError(f"A report has no form {form!r}.", f"Valid are: {', '.join(forms)}.")
    return forms[form](report)


def as_json(report: Report) -> str:
    """One JSON document with every field of the report."""
    return json.dumps(to_plain(report), indent=2, ensure_ascii=False) + "\n"


def markdown(report: Report) -> str:
    """GitHub-flavoured Markdown: a heading a section, a table where there is one."""
    parts = [f"# {_md(report.headline)}", _md(_made(report))]
    if report.sample:
        parts.append(f"> {SYNTHETIC}")
    parts += [_md_section(section) for section in report.sections]
    return "\n\n".join(parts) + "\n"


def html(report: Report) -> str:
    """One page without any outside file: styles inside, light and dark, made to be printed as well."""
    sample = f"<p><strong>{SYNTHETIC}</strong></p>" if report.sample else ""
    sections = "\n".join(_html_section(section) for section in report.sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.headline)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(report.headline)}</h1>\n<p class="made">{escape(_made(report))}</p>\n{sample}\n'
        f"{sections}\n</body>\n</html>\n"
    )


def _made(report: Report) -> str:
    return f"Validation report of version {report.version}, run {report.run_id}, made {when(report.made_at)}."


def _md_section(section: ReportSection) -> str:
    state = f" ({STATE_WORDS[section.state]})" if section.state is not None else ""
    parts = [f"## {_md(section.title)}{state}", _md(section.lead)]
    if section.columns and section.rows:
        lines = [section.columns, ("---",) * len(section.columns), *section.rows]
        parts.append("\n".join(f"| {' | '.join(map(_md_cell, line))} |" for line in lines))
    return "\n\n".join(part for part in parts if part)


def _md(text: str) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no HTML, no link."""
    marks = {character: f"\\{character}" for character in "\\`*_[]#|~"} | {
        "<": "&lt;",
        ">": "&gt;",
        "&": "&amp;",
    }
    return " ".join("".join(marks.get(character, character) for character in text).split())


def _md_cell(text: str) -> str:
    return text if text == "---" else _md(text)


def _html_section(section: ReportSection) -> str:
    state = ""
    if section.state is not None:
        state = f' <span class="state {escape(section.state)}">{STATE_WORDS[section.state]}</span>'
    table = _html_table(section) if section.columns and section.rows else ""
    head = f"<h2>{escape(section.title)}{state}</h2>\n<p>{escape(section.lead)}</p>"
    return f"<section>\n{head}\n{table}</section>"


def _html_table(section: ReportSection) -> str:
    columns = range(len(section.columns))
    aligned = [' class="number"' if is_figures(row[i] for row in section.rows) else "" for i in columns]
    head = "".join(
        f'<th scope="col"{a}>{escape(c)}</th>' for c, a in zip(section.columns, aligned, strict=True)
    )
    rows = (
        "".join(f"<td{a}>{escape(cell)}</td>" for cell, a in zip(row, aligned, strict=True))
        for row in section.rows
    )
    body = "\n".join(f"<tr>{cells}</tr>" for cells in rows)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<div class="wide">{table}</div>\n'
