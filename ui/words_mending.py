"""Every sentence of the workbench: rows set aside, mends and what became of them, batches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ui import fmt

if TYPE_CHECKING:
    from etl.mends import Mend

_MARKUP = re.compile(r"[^\w\s,]|_")
VISITOR = "dashboard"
"""Who a request of a page is noted under while nobody signs in."""

QUARANTINED, DISCARDED, UNREADABLE = "quarantined", "discarded", "unreadable"
STATES = {QUARANTINED: "Quarantined", UNREADABLE: "Unreadable", DISCARDED: "Discarded"}
EVERY_FILE, EVERY_REASON = "Every file", "Every reason"
EMPTY = {
    QUARANTINED: "No quarantined row is like that",
    UNREADABLE: "No unreadable line is like that",
    DISCARDED: "Nothing discarded is like that",
}
EMPTY_DO = "Choose another file or reason above."
NOTHING_ASIDE = "No row broke a rule, every line could be read, and nothing was discarded."
LEADS = {
    QUARANTINED: "Write into the cells, see below what would become of each row, then replay. "
    "Tick rows to discard them.",
    UNREADABLE: "Mend the line as it stands in the file, see below what would become of it, then replay.",
    DISCARDED: "Set aside by a person, never deleted. Tick what is to come back.",
}
GRID = "Rows that were set aside; the columns of the contract can be edited"
PREVIEW_LEAD = "Nothing is changed until you replay. A row that still breaks a rule goes back to quarantine."
LOOKING = "Looking what would become of it"
CANNOT = "Undo or mend again what cannot be mended before you replay."
CHOOSE_ROW = "Choose a row"
LINE = "Line as received"
TICKED = "Ticked"
KEEP = "See what would become of it"
NOTE = "Why, for the history (optional)"
WHY = "Why"
WHY_MISSING = "Say why: whoever looks at this later needs to know."
REVERSIBLE = "Nothing is deleted; it can be taken back at any time."
NOTHING_OPEN = "Nothing of this waits: it was corrected or discarded already."
UPLOAD = "Load an edited CSV"
UPLOAD_LEAD = (
    "Take the CSV above away, change cells in a spreadsheet, keep the columns that start with _, "
    "save it as CSV UTF-8 and load it here. Only rows that differ are replayed."
)
UPLOAD_SAME = "No row of this file differs from what was set aside."
HISTORY = "History"
HISTORY_LEAD = "What was asked for, newest first, and what became of it."
NO_HISTORY = "Nothing was mended yet"
BATCHES_LEAD = (
    "What a wrong file brought can be withdrawn as a whole, and a file read again under today's contract."
)
PICK_A_BATCH = "Choose a file to withdraw it, bring it back or read it again"
READ_AGAIN_HELP = "Reads the file again under today's contract, where its bytes are still the same."
WITHDRAW_TITLE = "Withdraw this file?"
NO_BATCHES = "No file has come in yet"

OUTCOMES = {
    "current": ("passed", "Goes to silver"),
    "superseded": ("warned", "Superseded"),
    "quarantined": ("warned", "Still quarantined"),
    "refused": ("failed", "Cannot be mended"),
}
"""State and words for what would become of an edited row."""

SUPERSEDED_WHY = "It is valid, but a newer version of its key stands in silver."
MEND_STATES = {
    "waiting": ("queued", "Waiting"),
    "applied": ("succeeded", "Applied"),
    "refused": ("refused", "Refused"),
}
MEND_STANDINGS = {
    "waiting": ("queued", "waiting", "The next run takes it up."),
    "publishing": ("running", "being published", "It is seen in silver when the run has ended."),
    "applied": ("succeeded", "applied", ""),
    "hindered": (
        "warned",
        "applied, but its run failed",
        "What that run could not publish stays as it was, until one gets through.",
    ),
}
"""How a visit's own request stands: state, word, and what that means."""
PAST = {
    "correct": "Corrected",
    "discard": "Discarded",
    "restore": "Restored",
    "withdraw": "Withdrew",
    "reinstate": "Reinstated",
    "replay": "Read again",
}
BATCH_STATES = {"landed": "passed", "refused": "failed", "withdrawn": "unexamined"}


def counted(count: int, unreadable: bool = False) -> str:
    """`2 rows`, `1 line`."""
    return fmt.count(count, "line" if unreadable else "row")


def choose_of(count: int) -> str:
    """What stands in the choice of a row before one is chosen."""
    return f"Choose one of {fmt.count(count)} to mend or tick it"


def whose(source: str, unreadable: bool) -> str:
    """Whose rows or lines carry a reason."""
    return f"{source}, unreadable lines" if unreadable else source


def more_reasons(count: int) -> str:
    """What unfolds the rarer reasons."""
    return f"{fmt.count(count)} more"


def choice(label: str, count: int | None) -> str:
    """One choice of a filter, with how many rows it would leave."""
    return label if count is None else f"{label} · {fmt.count(count)}"


def matching(total: int, unreadable: bool, edited: int, picked: int) -> str:
    """`57 rows · 2 edited · 1 ticked`."""
    parts = [counted(total, unreadable)]
    parts += [f"{fmt.count(edited)} edited"] if edited else []
    parts += [f"{fmt.count(picked)} ticked"] if picked else []
    return " · ".join(parts)


def shown_cut(characters: int) -> str:
    """Why a cell cannot be edited here."""
    return (
        f"Cells of more than {fmt.count(characters)} characters are cut here and cannot be edited in the "
        "table; mend them in the CSV."
    )


def would_become(rows: int, unreadable: bool) -> str:
    """The heading of a preview."""
    return f"What would become of {counted(rows, unreadable)}"


def outcome_counts(counts: Mapping[str, int]) -> str:
    """`2 go to silver · 1 still quarantined`."""
    return " · ".join(f"{fmt.count(count)} × {OUTCOMES[name][1].lower()}" for name, count in counts.items())


def change(name: str, before: str | None, after: str | None, known: bool = True) -> str:
    """`quantity: 0 → 2`; where it is not known what stood there, `quantity: 2`."""
    was = f"{before or fmt.MISSING} → " if known else ""
    return f"{name}: {was}{after or fmt.MISSING}"


def place(path: str, row_number: int, correction: int) -> str:
    """Where a row stands, as a person would look for it."""
    corrected = f", correction {correction}" if correction else ""
    return f"{path}, line {row_number:,}{corrected}"


def queued(run_id: int, what: str) -> str:
    """What the toast says after a request."""
    return f"Run {run_id} takes it up: {plain(what)}"


def plain(text: str) -> str:
    """Text that may hold a file's name, for a place that would read it as Markdown."""
    return _MARKUP.sub(r"\\\g<0>", text)


def asked(kind: str, rows: int, unreadable: bool, target: str) -> str:
    """What was asked for: `Discarded 2 rows of erp_sales`."""
    if not rows:
        return f"{PAST.get(kind, kind.capitalize())} {target}"
    return f"{PAST.get(kind, kind.capitalize())} {counted(rows, unreadable)} of {target}"


def mend(found: Mend, path: str = "") -> str:
    """A mend in words; `path` is the file of a batch mend."""
    target = (path or found.batch_id) if found.batch_id else found.source
    return asked(str(found.kind), found.rows, found.unreadable, target)


def discard_title(rows: int, unreadable: bool) -> str:
    """The question before a discard."""
    return f"Discard {counted(rows, unreadable)}?"


def restore_title(rows: int, lines: int) -> str:
    """The question before discards are taken back."""
    parts = [counted(rows)] * bool(rows) + [counted(lines, unreadable=True)] * bool(lines)
    return f"Restore {' and '.join(parts)}?"


def filter_said(source: str, path: str, reason: str) -> str:
    """Which rows a bulk request means."""
    said = [source, path, f"“{reason}”" if reason else ""]
    return f"All that the filter leaves: {', '.join(filter(None, said))}."


def picked_said(source: str) -> str:
    """Which rows a request about ticked rows means."""
    return f"Those you ticked, of {source}."


def not_text(name: str, byte: int) -> str:
    """Why an uploaded file cannot be read as text."""
    return f"{name} is not UTF-8 (byte {byte:,})."


NOT_TEXT_DO = "Save it as CSV UTF-8 and load it again."


def listed(shown: int, total: int) -> str:
    """How much of a list is shown."""
    return f"{fmt.count(shown)} of {fmt.count(total)} are listed; all of them are replayed."


def batch_facts(rows: int, unreadable: int, arrivals: int, ago: str) -> str:
    """`1,204 rows · 2 unreadable lines · arrived 3 min ago, 2 times`."""
    parts = [fmt.count(rows, "row")]
    parts += [fmt.count(unreadable, "unreadable line")] if unreadable else []
    parts.append(f"arrived {ago}" + (f", {arrivals} times" if arrivals > 1 else ""))
    return " · ".join(parts)


def joined(reasons: Sequence[str]) -> str:
    """Several reasons as one sentence."""
    return "; ".join(reasons)


def withdraw_lead(path: str, rows: int) -> str:
    """What withdrawing a batch does."""
    return (
        f"{path}: {fmt.count(rows, 'row')} and their corrections leave silver and gold. "
        "They stay in bronze, marked."
    )


def withdrawn(author: str, ago: str, reason: str) -> str:
    """Who withdrew a batch, when and why."""
    by = f" by {author}" if author else ""
    return f"Withdrawn {ago}{by}: {reason}"


def line_state(discarded: bool, corrected: bool) -> str | None:
    """What was done about an unreadable line, if anything."""
    if corrected:
        return "Corrected"
    return "Discarded" if discarded else None
