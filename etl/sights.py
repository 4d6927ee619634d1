"""What needs a person: each a sentence, why, and where to look."""

from __future__ import annotations

from etl import checks
from etl.facts import CheckFacts, Sight
from etl.model import CheckState
from etl.standing import Standing
from etl.texts import count


def attention(standing: Standing) -> tuple[Sight, ...]:
    """What needs a person, worst first."""
    sights = [
        Sight(CheckState.FAILED, "Something is wrong with the set-up", text, "System", "system")
        for text in standing.problems
    ]
    sights += [
        Sight(
            CheckState.FAILED,
            f"{t.short} could not be brought up to date",
            t.problem,
            "See the run",
            "runs",
        )
        for t in standing.tables
        if t.problem
    ]
    sights += [
        Sight(CheckState.WARNED, f"{b.path} was refused", b.reason, "See the file", "quality")
        for b in standing.refused
    ]
    sights += [
        Sight(CheckState.WARNED, f"{t.short} is stale", t.stale_because, "Run it", "")
        for t in standing.tables
        if t.stale
    ]
    sights += [_check_sight(standing, facts) for facts in standing.checks if _wants_a_look(facts)]
    sights += [
        Sight(
            CheckState.UNEXAMINED,
            f"{t.short} was never built",
            "Nothing in it was examined.",
            "Run it",
            "",
        )
        for t in standing.tables
        if not t.version and not t.problem and standing.version
    ]
    order = [CheckState.FAILED, CheckState.WARNED, CheckState.UNEXAMINED, CheckState.PASSED]
    return tuple(sorted(sights, key=lambda sight: order.index(sight.state)))


def _check_sight(standing: Standing, facts: CheckFacts) -> Sight:
    short = facts.table.split(".", 1)[1]
    contract = next(
        (c for c in standing.catalog.contracts.values() if short in (c.silver_table, c.bronze_table)), None
    )
    source = contract.source if contract else short
    headlines = {
        checks.SET_ASIDE: f"{count(facts.result.failing, 'row')} of {source} in quarantine",
        checks.UNREADABLE: f"{count(facts.result.failing, 'line')} of {source} unreadable",
        checks.FRESH: f"{source} is overdue",
        checks.IN_ORDER: f"An older file of {source} came back",
        checks.VOLUME: f"{source} is of unusual size",
        checks.SCHEMA: f"The columns of {source} are not as agreed",
    }
    headline = headlines.get(facts.check, f"{short}: {facts.check}")
    detail = facts.result.message or f"{facts.result.failing:,} of {facts.result.examined:,} rows"
    aside = facts.check in (checks.SET_ASIDE, checks.UNREADABLE)
    return Sight(
        facts.result.state, headline, detail, "Review", f"quality?tab={'Quarantine' if aside else 'Checks'}"
    )


def _wants_a_look(facts: CheckFacts) -> bool:
    return facts.result.state in (CheckState.WARNED, CheckState.FAILED)
