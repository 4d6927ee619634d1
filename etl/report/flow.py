"""The report's sections on what there is and whether it adds up: tables, retention, gold against silver, freshness."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from etl.checks import worst
from etl.declared import Layer
from etl.facts import CheckFacts, ReportSection, Retention, TableFacts
from etl.model import CheckState
from etl.report.figures import revenue_total
from etl.report.given import ReportInput
from etl.texts import STATE_WORDS, count, money, percent, size, span, when
from etl.verdict import standing

LAYER_TITLES = {
    Layer.BRONZE: "Bronze: as received",
    Layer.SILVER: "Silver: typed and valid",
    Layer.GOLD: "Gold: analyses",
}
NEVER = "never built"
RECONCILIATION = re.compile(r"\S+ equals silver\.\S+")


def summary(given: ReportInput) -> ReportSection:
    """The executive summary: the verdict and the figures it is about."""
    sample = "The data is synthetic: this is the sample workspace." if given.workspace.sample else ""
    rows = [
        ("Verdict", given.verdict.headline),
        ("Version", _version(given)),
        ("Checks", given.verdict.detail),
    ]
    rows += [(f"{layer.layer.value.capitalize()} rows", _number(layer.rows)) for layer in given.layers]
    rows += [
        (f"Retention of {kept.source}", _share(kept))
        for kept in given.accounts.retention
        if kept.silver_table
    ]
    rows += [
        (f"Amounts of {a.source}, {a.column}", money(a.silver, a.currency))
        for a in given.accounts.money_totals
    ]
    lead = " ".join(part for part in (f"{given.verdict.headline}.", sample) if part)
    return ReportSection("Executive summary", lead, ("Figure", "Value"), tuple(rows), given.verdict.state)


def schemas(given: ReportInput) -> ReportSection:
    """Schemas and counts: one row per layer."""
    rows = tuple(
        (layer.layer.value, str(layer.tables), _number(layer.rows), size(layer.size_bytes), layer.state_note)
        for layer in given.layers
    )
    built = sum(1 for table in given.tables if table.version)
    lead = f"{built} of {count(len(given.tables), 'declared table')} published."
    return ReportSection("Schemas and counts", lead, ("Schema", "Tables", "Rows", "Size", "Checks"), rows)


def layer_tables(given: ReportInput) -> Iterator[ReportSection]:
    """Each layer's tables with rows and sizes."""
    for layer, title in LAYER_TITLES.items():
        tables = [table for table in given.tables if table.layer == layer]
        built = [table for table in tables if table.version]
        lead = f"{count(sum(t.rows or 0 for t in built), 'row')} in {count(len(built), 'published table')}."
        if not tables:
            lead = "No table of this layer is declared."
        columns = ("Table", "Grain", "Rows", "Size", "Version", "Published", "State")
        yield ReportSection(title, lead, columns, tuple(map(_table, tables)))


def _table(table: TableFacts) -> tuple[str, ...]:
    if not table.version:
        return (table.name, table.grain, "–", "–", "–", "", NEVER)
    state = f"stale: {table.stale_because}" if table.stale else table.state_note
    published = (str(table.version), when(table.published_at))
    return (table.name, table.grain, _number(table.rows), size(table.size_bytes), *published, state)


def retention(given: ReportInput) -> ReportSection:
    """Silver rows of bronze rows, beside what explains the rest."""
    kept = [item for item in given.accounts.retention if item.silver_table]
    rows = tuple(
        (k.source, *map(_number, (k.bronze, k.silver)), _share(k),
         *map(_number, (k.superseded, k.quarantined, k.discarded, k.withdrawn, k.pending)))
        for k in kept
    )  # fmt: skip
    lead = (
        "Silver rows ÷ bronze rows, and where the other rows went."
        if rows
        else "Nothing has been examined yet."
    )
    columns = (
        "Source",
        "Bronze",
        "Silver",
        "Retention",
        "Superseded",
        "Quarantined",
        "Discarded",
        "Withdrawn",
        "Pending",
    )
    return ReportSection("Flow consistency: retention", lead, columns, rows)


def gold_against_silver(given: ReportInput) -> ReportSection:
    """Every declared reconciliation, and the gold totals of this report against silver's amounts."""
    rows = [_reconciled(facts, standing(facts, given.tables)) for facts in given.checks if _reconciles(facts)]
    states = [standing(facts, given.tables) for facts in given.checks if _reconciles(facts)]
    for table, total, currency in revenue_total(given):
        for account in given.accounts.money_totals:
            if account.currency == currency:
                same = total == account.silver
                states.append(CheckState.PASSED if same else CheckState.FAILED)
                sums = f"{money(total, currency)} in gold, {money(account.silver, currency)} in silver"
                rows.append(
                    (table, f"revenue = {account.source}.{account.column}", sums, STATE_WORDS[states[-1]])
                )
    lead = (
        "Every gold total equals the silver it was built from." if rows else "Nothing has been examined yet."
    )
    bad = sum(state != CheckState.PASSED for state in states)
    if bad:
        lead = f"{bad} of {count(len(states), 'comparison')} did not pass."
    columns = ("Gold table", "Comparison", "Found", "State")
    return ReportSection("Flow consistency: gold = silver", lead, columns, tuple(rows), worst(states))


def _reconciles(facts: CheckFacts) -> bool:
    return RECONCILIATION.fullmatch(facts.check) is not None


def _reconciled(facts: CheckFacts, state: CheckState) -> tuple[str, ...]:
    found = facts.result.message or ("equal to the cent" if state == CheckState.PASSED else "")
    return (facts.table, facts.description or facts.check, found, STATE_WORDS[state])


def freshness(given: ReportInput) -> ReportSection:
    """Age of the newest arrival of each source against its promise."""
    rows = []
    for source in given.sources:
        fresh = source.freshness
        promise = f"within {span(fresh.fresh_within)}" if fresh.fresh_within else "none"
        age = span(given.now - fresh.newest_arrival) if fresh.newest_arrival else "nothing has arrived"
        rows.append(
            (source.source, when(fresh.newest_arrival), age, promise, STATE_WORDS[CheckState(fresh.state)])
        )
    late = [s.source for s in given.sources if s.freshness.state in (CheckState.WARNED, CheckState.FAILED)]
    examined = [s for s in given.sources if s.freshness.state != CheckState.UNEXAMINED]
    others = (
        f", {len(given.sources) - len(examined)} not examined" if len(examined) < len(given.sources) else ""
    )
    lead = (
        f"Late: {', '.join(late)}."
        if late
        else f"{count(len(examined), 'source')} as fresh as promised{others}."
    )
    if not examined:
        lead = "Not examined: no source has both a promise and an arrival."
    columns = ("Source", "Newest arrival", "Age", "Promise", "State")
    states = [CheckState(s.freshness.state) for s in examined]
    return ReportSection("Freshness", lead, columns, tuple(rows), worst(states))


def _version(given: ReportInput) -> str:
    version = given.workspace.version
    return (
        f"{version}, published {when(given.workspace.published_at)}" if version else "nothing published yet"
    )


def _share(kept: Retention) -> str:
    return "not examined" if kept.share is None else percent(Decimal(kept.share))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
