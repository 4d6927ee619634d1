"""The rule that says whether today's numbers can be used. Facts in, verdict out; nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from etl.checks import FRESH, SET_ASIDE, UNREADABLE
from etl.declared import Layer, Severity
from etl.facts import Accounts, CheckFacts, Retention, TableFacts, Verdict
from etl.model import CheckState
from etl.texts import STATE_WORDS, count, percent, short

TOLD_BY_SOURCE = (FRESH, SET_ASIDE, UNREADABLE)
WORST_FIRST = (CheckState.FAILED, CheckState.WARNED, CheckState.UNEXAMINED, CheckState.PASSED)
NAMED = 3  # how many files or checks one sentence lists by name


@dataclass(frozen=True)
class _Point:
    """One sentence that withholds readiness; `state` is its colour: red, amber for stale, grey for not examined."""

    state: CheckState
    sentence: str


def decide(
    *,
    tables: Sequence[TableFacts],
    checks: Sequence[CheckFacts],
    accounts: Accounts,
    problems: Sequence[str] = (),
) -> Verdict:
    """Ready only when every blocking check stands passed on something and every number has its whole way.

    `problems` are sentences about a broken catalog or warehouse. Without any published table the answer is
    "not examined", never a green one.
    """
    if not problems and not any(table.version for table in tables):
        return _nothing_yet(tables, checks)
    against = [_Point(CheckState.FAILED, problem) for problem in problems]
    against += [*_tables(tables), *_checks(tables, checks), *_accounts(tables, accounts)]
    warnings = list(_warnings(tables, checks, accounts))
    states = [standing(facts, tables) for facts in checks]
    return _verdict(against, warnings, list(_notes(tables, checks)), states)


def standing(facts: CheckFacts, tables: Sequence[TableFacts]) -> CheckState:
    """What a check's result is worth now.

    An empty examination, or one of an older version than the published one, is not examined.
    """
    result = facts.result
    if result.examined == 0:
        return CheckState.UNEXAMINED
    if result.state == CheckState.PASSED and result.failing:
        return CheckState.FAILED
    published = next((table.version for table in tables if table.name == facts.table), 0)
    if result.state == CheckState.PASSED and result.version < published:
        return CheckState.UNEXAMINED
    return CheckState(result.state)


def waits_for_files(table: TableFacts) -> bool:
    """Whether this is a feed that no other table is built from and of which nothing has landed yet."""
    return feeds_nothing(table) and not table.version


def _nothing_yet(tables: Sequence[TableFacts], checks: Sequence[CheckFacts]) -> Verdict:
    failures = tuple(
        f"{table.short} could not be built: {table.problem}" for table in tables if table.problem
    )
    headline = "Not examined: nothing has been published yet"
    detail = "Nothing has been examined yet. Put files into the landing folder, or run the pipelines."
    state = CheckState.FAILED if failures else CheckState.UNEXAMINED
    if failures:
        headline = f"Not ready: {failures[0]}{_more(len(failures) - 1)}"
    return Verdict(state, False, headline, detail, failures, unexamined=len(checks))


def feeds_nothing(table: TableFacts) -> bool:
    """Whether this is a bronze-only feed: no published number can be wrong because of it."""
    return table.layer == Layer.BRONZE and not table.feeds


def _tables(tables: Sequence[TableFacts]) -> Iterator[_Point]:
    for table in tables:
        if feeds_nothing(table):
            continue
        if table.problem:
            yield _Point(CheckState.FAILED, f"{table.short} could not be brought up to date: {table.problem}")
        elif not table.version:
            lacking = (
                "has not been filled: no file has landed"
                if table.layer == Layer.BRONZE
                else "has not been built"
            )
            yield _Point(CheckState.UNEXAMINED, f"{table.short} {lacking}")
        if table.stale:
            because = f": {table.stale_because}" if table.stale_because else ""
            yield _Point(CheckState.WARNED, f"{table.short} is stale{because}")


def _checks(tables: Sequence[TableFacts], checks: Sequence[CheckFacts]) -> Iterator[_Point]:
    waiting = {table.name for table in tables if waits_for_files(table)}
    unbuilt = {table.name for table in tables if not table.version}
    blocking = [c for c in checks if c.severity == Severity.BLOCK and c.table not in waiting]
    empty = {table.name for table in tables if table.version and not table.rows}
    for name in (name for name in dict.fromkeys(c.table for c in blocking) if name in empty - unbuilt):
        yield _Point(
            CheckState.UNEXAMINED, f"{short(name)} is empty: none of its checks has examined anything"
        )
    for facts in blocking:
        state = standing(facts, tables)
        if state == CheckState.UNEXAMINED and facts.table in unbuilt | empty:
            continue  # said once, for the table
        if state != CheckState.PASSED:
            yield _Point(
                CheckState.UNEXAMINED if state == CheckState.UNEXAMINED else CheckState.FAILED,
                f"the blocking check {facts.check} of {short(facts.table)} {_said(facts, state)}",
            )
    if not blocking:
        yield _Point(CheckState.UNEXAMINED, "no blocking check has examined anything")


def _said(facts: CheckFacts, state: CheckState) -> str:
    if state == CheckState.UNEXAMINED:
        return "has not examined anything of what is published"
    found = count(facts.result.failing, "row") if facts.result.failing else ""
    return f"failed: {facts.result.message or found or 'no reason given'}"


def _accounts(tables: Sequence[TableFacts], accounts: Accounts) -> Iterator[_Point]:
    drawn_up = {account.source for account in accounts.row_totals}
    for table in tables:
        if table.layer == Layer.BRONZE and table.version and table.source not in drawn_up:
            yield _Point(CheckState.UNEXAMINED, f"no row account has been drawn up for {table.source}")
    for row in (*accounts.row_totals, *accounts.row_batches):
        if not row.closes:
            lines, rows = row.lines_difference, row.rows_difference
            which = _account_of(row.source, row.batch_id)
            yield _Point(
                CheckState.FAILED,
                f"the row account of {which} does not close: lines {lines:+,}, rows {rows:+,}",
            )
    for money in (*accounts.money_totals, *accounts.money_batches):
        if not money.closes:
            which = _account_of(money.source, money.batch_id)
            gap = f"{money.difference:+,} {money.currency}"
            yield _Point(
                CheckState.FAILED, f"the money account of {which} ({money.column}) does not close: {gap}"
            )


def _account_of(source: str, batch_id: str) -> str:
    return f"{source}, batch {batch_id}" if batch_id else source


def _warnings(
    tables: Sequence[TableFacts], checks: Sequence[CheckFacts], accounts: Accounts
) -> Iterator[str]:
    for kept in accounts.retention:
        yield from _retention_warnings(kept)
    for account in accounts.row_totals:
        if account.unreadable:
            yield f"{count(account.unreadable, 'unreadable line')} of {account.source}"
    if accounts.refused:
        yield f"{count(len(accounts.refused), 'file')} refused: {_some([b.path for b in accounts.refused])}"
    for table in tables:
        if feeds_nothing(table) and table.problem:
            yield f"{table.short} could not be brought up to date: {table.problem}"
        late = table.freshness.state in (CheckState.WARNED, CheckState.FAILED)
        if table.layer == Layer.BRONZE and late:
            yield f"{table.source or table.short} is not as fresh as promised"
    yield from _check_warnings(tables, checks, any(kept.quarantined for kept in accounts.retention))


def _check_warnings(
    tables: Sequence[TableFacts], checks: Sequence[CheckFacts], set_aside: bool
) -> Iterator[str]:
    for facts in checks:
        # What was set aside or came late is told once for its source, by the accounts and the tables.
        told = facts.check in TOLD_BY_SOURCE or (facts.severity == Severity.QUARANTINE and set_aside)
        if (
            facts.severity != Severity.BLOCK
            and not told
            and standing(facts, tables) in (CheckState.WARNED, CheckState.FAILED)
        ):
            found = facts.result.message or count(facts.result.failing, "row")
            yield f"{facts.check} of {short(facts.table)}: {found}"


def _notes(tables: Sequence[TableFacts], checks: Sequence[CheckFacts]) -> Iterator[str]:
    """What was not examined and neither blocks nor warns."""
    waiting = [table for table in tables if waits_for_files(table)]
    if waiting:
        yield f"nothing has landed yet for {', '.join(table.short for table in waiting)}"
    told = {table.name for table in waiting}
    grey = [
        f"{facts.check} of {short(facts.table)}"
        for facts in checks
        if facts.severity != Severity.BLOCK
        and facts.table not in told
        and standing(facts, tables) == CheckState.UNEXAMINED
    ]
    if grey:
        yield f"{count(len(grey), 'other check')} examined nothing: {_some(grey)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _retention_warnings(kept: Retention) -> Iterator[str]:
    if kept.quarantined:
        share = f" ({percent(Decimal(kept.quarantined) / kept.bronze)})" if kept.bronze else ""
        yield f"{count(kept.quarantined, 'row')} of {kept.source} in quarantine{share}"
    if kept.pending and kept.silver_table:
        yield f"{count(kept.pending, 'row')} of {kept.source} not yet in {short(kept.silver_table)}"


def _verdict(
    against: list[_Point], warnings: list[str], notes: list[str], states: list[CheckState]
) -> Verdict:
    against = sorted(against, key=lambda point: WORST_FIRST.index(point.state))
    counts = {state: states.count(state) for state in CheckState}
    state, headline = _headline(against, warnings)
    detail = ", ".join(f"{counts[state]:,} {word}" for state, word in STATE_WORDS.items() if counts[state])
    return Verdict(
        state,
        not against,
        headline,
        f"Checks: {detail or 'none'}.",
        (*(point.sentence for point in against), *warnings, *notes),
        passed=counts[CheckState.PASSED],
        warned=counts[CheckState.WARNED],
        failed=counts[CheckState.FAILED],
        unexamined=counts[CheckState.UNEXAMINED],
    )


def _headline(against: list[_Point], warnings: list[str]) -> tuple[CheckState, str]:
    if against:
        return against[0].state, f"Not ready: {against[0].sentence}{_more(len(against) - 1)}"
    if warnings:
        return CheckState.WARNED, f"Ready, with {count(len(warnings), 'warning')}"
    return CheckState.PASSED, "Ready: today's numbers can be used"


def _more(number: int) -> str:
    return f", and {count(number, 'more reason')}" if number > 0 else ""
