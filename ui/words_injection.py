"""The sentences of the check of the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ui import fmt, state
from ui.words import check_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.inject import Injection, Planted

TITLE = "Check the checks"
LEAD = (
    "Plants every kind of fault in copies of the newest files, runs the pipeline on them in a scratch workspace and "
    "shows what catches it. Your own data stays as it is."
)
ASK = "Plant faults"
STARTED = "Faults are being planted in copies of the newest files"
RUNNING = "Planting faults in copies of the newest files"
RUNNING_WHY = "Takes some seconds; this page can be left meanwhile."
AT_WORK = "A check of the checks is at work already"
NEVER = "The checks were not checked since this process started"
NEVER_DO = "Nothing is shown green that was not examined: ask for it here."
EVERY = "Every fault"
CAUGHT = {"yes": "caught", "no": "not caught", "untried": "not tried"}


def summary(found: Injection) -> tuple[str, str, str]:
    """State, a sentence and what it rests on."""
    tried = found.caught + found.missed
    copies = f"{fmt.count(len(found.copies), 'copied file')}, {found.seconds:.1f} s, {state.ago(found.at)}"
    untried = f"; {fmt.count(found.untried, 'fault')} could not be planted here" if found.untried else ""
    if found.missed:
        said = f"{fmt.count(found.missed, 'fault')} of {fmt.count(tried)} passed unnoticed"
        return "failed", said, f"{copies}{untried}."
    if not tried:
        return "unexamined", "No fault could be planted", f"{copies}{untried}."
    return "passed", f"All {fmt.count(tried, 'planted fault')} were caught", f"{copies}{untried}."


def missed(fault: Planted) -> tuple[str, str]:
    """A fault that nothing caught, and what became of it."""
    return f"{kind(fault.kind)} in {fault.source}, {fault.where}", fault.note


def kind(name: str) -> str:
    """A kind of fault as it begins a line: `NUL byte` stays as it is."""
    return name[:1].upper() + name[1:]


def counted(faults: Sequence[Planted]) -> tuple[str, str]:
    """State and count of one kind."""
    tried = [fault for fault in faults if fault.caught != "untried"]
    caught = sum(fault.caught == "yes" for fault in tried)
    if not tried:
        return "unexamined", "not tried"
    return ("passed" if caught == len(tried) else "failed"), f"{caught} of {len(tried)}"


def catchers(faults: Sequence[Planted]) -> str:
    """What caught the faults of one kind, each named once."""
    return ", ".join(dict.fromkeys(_catcher(fault.caught_by) for fault in faults if fault.caught_by)) or "–"


def _catcher(caught_by: str) -> str:
    """`check: Volume as usual (…)` → the check; `quarantine: quantity is below 1` → quarantine."""
    by, _, what = caught_by.partition(": ")
    if by == "check":
        return check_title(what.partition(" (")[0])
    if by == "account":
        return kind(" ".join(what.split()[1:3]))
    return kind({"refused": "file refused", "unreadable": "unreadable lines"}.get(by, by))
