"""Every sentence of Quality → Checks: kinds of checks, volume, incidents, columns that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ui import fmt

if TYPE_CHECKING:
    from etl.drift import Drift
    from etl.volume import Expected, Incident, SourceVolume

EVERY_KIND = "Every kind"
OTHER = "Rules"
_BY_NAME = {
    "Row count as in the source": "Row count against source",
    "Row account closes": "Reconciliation",
    "No row set aside": "Set aside",
    "No line unreadable": "Set aside",
    "Fresh enough": "Freshness",
    "No older file came back": "Freshness",
    "Volume as usual": "Volume",
    "Schema as agreed": "Schema drift",
}
_BY_ENDING = {
    "_present": "Not null",
    "_unique": "Unique",
    "_accepted": "Accepted values",
    "_known": "References",
    "_in_range": "Ranges",
    "_length": "Ranges",
    "_form": "Form of texts",
}
_UNITS = {
    "Row count as in the source": "lines",
    "Row account closes": "lines",
    "No line unreadable": "lines",
    "Fresh enough": "newest file",
    "No older file came back": "arrivals",
    "Volume as usual": "newest files",
    "Schema as agreed": "columns of the newest files",
}
KINDS = (*dict.fromkeys((*_BY_ENDING.values(), *_BY_NAME.values())), OTHER)

NONE_SHOWN = "No check of this kind stands like that."
HISTORY = "Failing at each of the last examinations, newest at the right"
NO_HISTORY = "Not examined before"
QUERY = "The query that finds the failing rows"

VOLUME_LEAD = "Rows of each file beside what the files before it lead to expect; the shaded range is usual."
VOLUME_EMPTY = "No file of this source has landed yet."
INCIDENTS_LEAD = (
    "A day on which files are known to be out of the ordinary is left out of what is usual. "
    "Nothing of it is changed or withdrawn."
)
NO_INCIDENTS = "No day is marked."
MARK = "Mark a day"
MARK_IT = "Mark as incident"
TAKE_BACK = "Take back"
DAY, SOURCE, WHY = "Day (UTC)", "Source", "What happened"
WHY_MISSING = "Say in a few words what happened that day."
WHY_HINT = "The export broke off at noon"

DRIFT_LEAD = "Columns that are not as the contract says, or whose values look another way than before."
NO_DRIFT = "Every file had the columns that its contract names, and each looked as before."
DRIFT_KINDS = {
    "missing": ("Missing", "warned"),
    "new": ("New", "warned"),
    "retyped": ("Retyped", "warned"),
    "renamed": ("Renamed", "unexamined"),
}
AGREED = "agreed"
DRIFT_SHOWN = 25


def kind(check: str) -> str:
    """Which kind of check this is, by its name: the engine gives all but the rules' names."""
    if check in _BY_NAME:
        return _BY_NAME[check]
    if check.startswith("Money account closes") or " equals " in check:
        return "Reconciliation"
    endings = (said for ending, said in _BY_ENDING.items() if check.endswith(ending))
    return next(endings, OTHER)


def unit(check: str) -> str:
    """What a check counts."""
    return _UNITS.get(check, "rows")


def history(failing: int) -> str:
    """One examination of the past."""
    return f"{fmt.count(failing)} failing"


def expected(found: Expected) -> str:
    """What is expected of the next file."""
    if found.quiet:
        return f"Nothing is said of the next file: {found.quiet}."
    return (
        f"Next file: {fmt.count(found.low)} to {fmt.count(found.high)} rows are usual "
        f"(median {found.median:,g} of {fmt.count(found.batches, 'file')})."
    )


def volume_alt(found: SourceVolume) -> str:
    """The chart in words."""
    odd = sum(one.odd for one in found.batches)
    left_out = sum(one.load.left_out for one in found.batches)
    return (
        f"Rows of the last {fmt.count(len(found.batches), 'file')} of {found.source}: "
        f"{odd} out of range, {left_out} left out"
    )


def incident(found: Incident) -> str:
    """`crm_customers · 2026-03-01`."""
    return f"{found.source} · {found.day.isoformat()}"


def marked(found: Incident, ago: str) -> str:
    """Who marked it, when."""
    return f"marked {ago} by {found.by}" if found.by else f"marked {ago}"


def is_marked(source: str, day: str) -> str:
    """What the toast says."""
    return f"{day} is marked as an incident of {source}"


def taken_back(source: str, day: str) -> str:
    """What the toast says."""
    return f"{day} counts again for {source}"


def drift_detail(found: Drift) -> str:
    """What a column was and is."""
    match str(found.kind):
        case "missing":
            return f"perhaps {found.found} now" if found.found else "left blank"
        case "new":
            return found.found or "no values"
        case "renamed":
            return f"found as {found.found}"
    like = f", like {found.example}" if found.example else ""
    return f"{found.was} → {found.found}{like}"


def shown(count: int, total: int) -> str:
    """How much of a list is shown."""
    return f"The newest {fmt.count(count)} of {fmt.count(total)}"
