"""A report as Markdown, as one self-contained HTML page, or as JSON; foreign text is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html import escape

from etl.errors import UsageError
from etl.facts import Report, ReportSection
from etl.report.balance import ALL
from etl.texts import STATE_WORDS, is_figures, when
from etl.wire import to_plain

SYNTHETIC = "Synthetic data: this is the sample workspace."
DIGEST = "Digest (SHA-256):"
ANEW = "jq -cjS 'del(.digest, .report_id)' report.json | sha256sum"
MATCH = "The Markdown, HTML and JSON forms of one report carry the same. From the JSON form it is computed anew by"
NONE = "None."
NUMBER = ' class="number"'
AS_CODE = ("SHA-256", "Fingerprint", "Query")

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #ffffff; --line: #dde2e8;
  --head: #f4f6f8; --passed: #17734a; --warned: #8a5a00; --failed: #b3261e; --unexamined: #5b6675; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #a3aebb; --paper: #14181d;
  --line: #313a45; --head: #1d232a;
  --passed: #5fd39b; --warned: #f0b849; --failed: #ff8a80; --unexamined: #a3aebb; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1240px; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.made { color: var(--soft); margin: .1rem 0; } section > p { margin: .3rem 0 .6rem; }
a { color: inherit; text-decoration-color: var(--line); text-underline-offset: .2em; }
ol.contents { columns: 3 16rem; column-gap: 2rem; padding-left: 1.6rem; color: var(--soft); font-size: .9rem; }
ol.contents li { break-inside: avoid; }
.code { font: .86em/1.45 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
td.code { min-width: 9rem; }
.state { margin-left: .4rem; border: 1px solid currentColor; border-radius: 1rem; padding: .05rem .6rem;
  font-size: .8rem; font-weight: 600; white-space: nowrap; }
.passed { color: var(--passed); } .warned { color: var(--warned); }
.failed { color: var(--failed); } .unexamined { color: var(--unexamined); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top;
  font-variant-numeric: tabular-nums; }
th { background: var(--head); font-weight: 600; vertical-align: bottom; }
tr.total td { font-weight: 600; }
.number { text-align: right; } td.number { white-space: nowrap; }
@page { size: A4 landscape; margin: 14mm 12mm 16mm; @bottom-right { content: counter(page) " / " counter(pages);
  font: 8pt sans-serif; color: #5b6675; } @bottom-left { content: "SHA-256 DIGEST"; font: 7.5pt monospace;
  color: #5b6675; } }
@media print { :root { color-scheme: light; --ink: #000000; --soft: #444c57; --paper: #ffffff; --line: #cfd5dc;
  --head: #f0f2f4; --passed: #17734a; --warned: #8a5a00; --failed: #b3261e; --unexamined: #444c57; }
  body { margin: 0; padding: 0; max-width: none; font-size: 9.5pt; print-color-adjust: exact; }
  nav { break-after: page; } h2 { break-after: avoid; margin-top: 1.4rem; } section > p { break-after: avoid; }
  thead { display: table-header-group; } tr { break-inside: avoid; } .wide { overflow: visible; }
  table { font-size: 8pt; } th, td { padding: .2rem .4rem; } a { text-decoration: none; } }
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
    parts = [
        f"# {_md(report.headline)}",
        _md(_made(report)),
        f"{DIGEST} `{_digest(report)}`  \n{MATCH} `{ANEW}`.",
    ]
    if report.sample:
        parts.append(f"> {SYNTHETIC}")
    for title, sentences in _sentences(report):
        parts.append("\n".join([f"**{title}**\n", *(f"- {_md(sentence)}" for sentence in sentences)]))
    parts += [_md_section(section) for section in report.sections]
    return "\n\n".join(parts) + "\n"


def html(report: Report) -> str:
    """One page without any outside file: styles inside, light and dark, made to be printed on A4 as well."""
    style = _STYLE.replace("DIGEST", _digest(report))
    sections = "\n".join(_html_section(at, section) for at, section in enumerate(report.sections, 1))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.headline)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{_html_cover(report)}\n<main>\n{sections}\n</main>\n</body>\n</html>\n"
    )


def _html_cover(report: Report) -> str:
    """What a reader has to know first; printed, a page of its own."""
    sample = f"<p><strong>{SYNTHETIC}</strong></p>\n" if report.sample else ""
    lists = "".join(
        f"<h2>{escape(title)}</h2>\n<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>\n"
        for title, sentences in _sentences(report)
    )
    contents = "".join(
        f'<li><a href="#s{at}">{escape(section.title)}</a>{_html_state(section)}</li>\n'
        for at, section in enumerate(report.sections, 1)
    )
    return (
        f'<header>\n<h1>{escape(report.headline)}</h1>\n<p class="made">{escape(_made(report))}</p>\n'
        f'<p class="made">{DIGEST} <span class="code">{escape(_digest(report))}</span></p>\n'
        f'<p class="made">{MATCH} <span class="code">{escape(ANEW)}</span>.</p>\n{sample}{lists}</header>\n'
        f'<nav>\n<h2>Contents</h2>\n<ol class="contents">\n{contents}</ol>\n</nav>'
    )


def _made(report: Report) -> str:
    return f"Validation report of version {report.version}, run {report.run_id}, made {when(report.made_at)}."


def _digest(report: Report) -> str:
    """A report kept before reports had a digest says so; nothing else can get into the styles."""
    return report.digest if re.fullmatch("[0-9a-f]{64}", report.digest) else "none"


def _sentences(report: Report) -> Iterator[tuple[str, tuple[str, ...]]]:
    if report.why_not:
        yield "Why not", report.why_not
    yield "What the verdict rests on", report.rests_on or (NONE,)


def _md_section(section: ReportSection) -> str:
    state = f" ({STATE_WORDS[section.state]})" if section.state is not None else ""
    parts = [f"## {_md(section.title)}{state}", _md(section.lead)]
    if section.columns and section.rows:
        lines = [section.columns, ("---",) * len(section.columns), *section.rows]
        parts.append("\n".join(f"| {' | '.join(map(_md_cell, line))} |" for line in lines))
    elif section.columns:
        parts.append(NONE)
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


def _html_section(at: int, section: ReportSection) -> str:
    table = f"<p>{NONE}</p>\n" if section.columns else ""
    if section.columns and section.rows:
        table = _html_table(section)
    lead = f"\n<p>{escape(section.lead)}</p>" if section.lead else ""
    head = f"<h2>{escape(section.title)}{_html_state(section)}</h2>{lead}"
    return f'<section id="s{at}">\n{head}\n{table}</section>'


def _html_state(section: ReportSection) -> str:
    if section.state is None:
        return ""
    return f' <span class="state {escape(section.state)}">{STATE_WORDS[section.state]}</span>'


def _html_table(section: ReportSection) -> str:
    sides = [_side(name, [row[i] for row in section.rows]) for i, name in enumerate(section.columns)]
    head = "".join(
        f'<th scope="col"{side if "number" in side else ""}>{escape(name)}</th>'
        for name, side in zip(section.columns, sides, strict=True)
    )
    body = "\n".join(_html_row(row, sides) for row in section.rows)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<div class="wide">{table}</div>\n'


def _side(name: str, cells: Sequence[str]) -> str:
    """How a column is set: figures to the right, what a program wrote in its own type."""
    if name in AS_CODE:
        return ' class="code"'
    return NUMBER if is_figures(cells) else ""


def _html_row(row: Sequence[str], sides: Sequence[str]) -> str:
    cells = "".join(f"<td{side}>{escape(cell)}</td>" for cell, side in zip(row, sides, strict=True))
    return f'<tr class="total">{cells}</tr>' if ALL in row else f"<tr>{cells}</tr>"
