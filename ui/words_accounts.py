"""The sentences of the accounts and of the rows behind their numbers; the words are those of docs/glossary.md."""

from __future__ import annotations

from ui import fmt, row_links

LINKED = "Each number leads to its rows."
GOLD_LEAD = "What gold adds up to, against the silver it was built from, summed anew from both."
NO_GOLD = "No published gold table declares what it reconciles with."
STALE = "Stale: silver is newer. It is compared again when gold is rebuilt."
MEND_THEM = "Mend or discard them"
BACK = "All accounts"
NO_ROWS = "There are no such rows now"
PICK_WAY = "The last column leads to the way of a row from its file."

_TITLES = {
    row_links.LINES: "Files, line by line",
    row_links.ALSO: "Headers, blanks and continuations",
    "bronze": "Bronze rows",
    "corrections": "Corrections",
    "silver": "Silver rows",
    "superseded": "Superseded rows",
    "quarantined": "Quarantined rows",
    "discarded": "Discarded rows",
    "withdrawn": "Withdrawn rows",
    "pending": "Pending rows",
    "unreadable": "Unreadable lines",
    row_links.WITHOUT_AMOUNT: "Rows without a readable amount",
}
_MEANINGS = {
    row_links.LINES: "Every physical line is a header, a bronze row or its continuation, unreadable or blank.",
    row_links.ALSO: "Lines that carry no row of their own. They are counted; there is nothing of them to keep.",
    "bronze": "As received, as text.",
    "corrections": "Mended copies of quarantined rows and unreadable lines, each a row of its own.",
    "silver": "Typed, valid, one row per key.",
    "superseded": "Valid rows replaced by a newer version of their key, and rows replaced by their correction.",
    "quarantined": "Rows that broke a rule, kept whole, each with all of its reasons.",
    "discarded": "Rows that a person set aside, with a reason. They can be restored.",
    "withdrawn": "Rows of batches that a person took back. They can be reinstated.",
    "pending": "Landed, not yet in a published silver.",
    "unreadable": "Lines that could not be taken apart, kept as received.",
    row_links.WITHOUT_AMOUNT: "They add nothing to the sums. Each stands where the row account says.",
}


def knows(term: str) -> bool:
    """Whether an account has such a term."""
    return term in _TITLES


def title(term: str) -> str:
    """What the rows behind a term are called."""
    return _TITLES[term]


def meaning(term: str) -> str:
    """What such rows are."""
    return _MEANINGS[term]


def of_source(source: str, path: str) -> str:
    """Whose rows are shown."""
    return f"{source} · {path}" if path else source


def listed(shown: int, count: int) -> str:
    """`341 rows`, or how many of them are listed."""
    return (
        fmt.count(count, "row")
        if shown == count
        else f"The first {fmt.count(shown)} of {fmt.count(count, 'row')}"
    )


def as_counted(count: int) -> str:
    """What the pill says when as many rows are found as the account counts."""
    return f"{fmt.count(count)}, as the account says"


def not_as_counted(found: int, count: int) -> str:
    """What it says when not: a version was published between the two readings, or something is wrong."""
    return f"{fmt.count(found)} found, {fmt.count(count)} in the account"


def gold_feed(analyses: int) -> str:
    """What the last bar of the flow stands for."""
    return f"read by {fmt.count(analyses, 'gold table')}"
