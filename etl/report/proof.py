"""The report's evidence: what was examined and what was not, what was set aside, which files, made by what."""

from __future__ import annotations

from collections.abc import Iterator

from etl.declared import Layer
from etl.drift import Drift
from etl.facts import BatchFacts, ReportSection
from etl.mends import Mend, MendState
from etl.model import CheckState, Published
from etl.report.figures import checked
from etl.report.given import ReportInput
from etl.texts import count, when
from etl.verdict import standing

WITHDRAWN = "withdrawn"


def every_check(given: ReportInput) -> ReportSection:
    """All checks, numbered as their queries are."""
    rows = tuple(
        (str(number), *checked(facts, standing(facts, given.tables)))
        for number, facts in enumerate(given.checks, 1)
    )
    examined = sum(facts.result.examined > 0 for facts in given.checks)
    lead = f"{examined} of {count(len(rows), 'check')} examined something." if rows else ""
    columns = ("No.", "Check", "Table", "Severity", "State", "Examined", "Failing", "Found")
    return ReportSection("Every check", lead, columns, rows)


def queries(given: ReportInput) -> ReportSection:
    """What each check asks the warehouse. A check without a query is counted by the engine as it publishes."""
    rows = tuple(
        (str(number), facts.check, facts.result.query)
        for number, facts in enumerate(given.checks, 1)
        if facts.result.query
    )
    others = len(given.checks) - len(rows)
    lead = f"Each selects the rows that break its rule; {count(others, 'check')} without a query "
    lead += "is counted by the engine itself." if others == 1 else "are counted by the engine itself."
    return ReportSection("Queries of the checks", lead if others else "", ("No.", "Check", "Query"), rows)


def unexamined(given: ReportInput) -> ReportSection:
    """What this report says nothing about, and why."""
    rows = (*_unexamined_tables(given), *_unexamined_checks(given))
    lead = (
        f"{count(len(rows), 'thing')} about which nothing is proven."
        if rows
        else "Everything declared was examined."
    )
    state = CheckState.UNEXAMINED if rows else None
    return ReportSection("Not examined", lead, ("What", "Why"), rows, state)


def _unexamined_tables(given: ReportInput) -> Iterator[tuple[str, str]]:
    drawn_up = {account.source for account in given.accounts.row_totals}
    for table in given.tables:
        if not table.version:
            bronze = table.layer == Layer.BRONZE
            yield table.name, "No file has landed." if bronze else table.problem or "Never built."
        elif table.layer == Layer.BRONZE and table.source not in drawn_up:
            yield f"Accounts of {table.source}", "None has been drawn up since its files landed."
    for source in given.sources:
        if source.silver_table is None and source.rows:
            yield (
                f"Values in {source.bronze_table}",
                "A bronze-only feed: its lines are counted, its values not.",
            )


def _unexamined_checks(given: ReportInput) -> Iterator[tuple[str, str]]:
    for facts in given.checks:
        if standing(facts, given.tables) == CheckState.UNEXAMINED:
            why = facts.result.message if not facts.result.examined else "Its result is of an older version."
            yield f"{facts.check} ({facts.table})", why or "There was nothing to examine."


def quarantine(given: ReportInput) -> ReportSection:
    """Why rows were set aside."""
    rows = tuple((r.source, r.reason, f"{r.rows:,}") for r in given.reasons if not r.unreadable)
    lead = "A row with several reasons counts under each." if rows else "No row is in quarantine."
    if not given.workspace.version:
        lead = "Nothing has been examined yet."
    return ReportSection("Quarantine by reason", lead, ("Source", "Reason", "Rows"), rows)


def unreadable(given: ReportInput) -> ReportSection:
    """Why lines could not be taken apart, and how many of them were mended or set aside."""
    rows = tuple(
        (u.source, u.reason, f"{u.lines:,}", f"{u.corrected:,}", f"{u.discarded:,}") for u in given.unreadable
    )
    lead = "Each is kept as received, with its place in the file." if rows else "Every line could be read."
    if not given.batches:
        lead = "Nothing has been examined yet."
    columns = ("Source", "Reason", "Lines", "Corrected", "Discarded")
    return ReportSection("Unreadable lines by reason", lead, columns, rows)


def files(given: ReportInput) -> ReportSection:
    """Every file by its bytes, newest first."""
    rows = tuple(_file(given, batch) for batch in given.batches)
    landed = sum(batch.state == "landed" for batch in given.batches)
    lead = f"{landed} of {count(len(rows), 'file')} landed." if rows else "No file has arrived yet."
    columns = ("File", "SHA-256", "Bytes", "Lines", "Batch", "Arrived", "State")
    return ReportSection("Files", lead, columns, rows)


def _file(given: ReportInput, batch: BatchFacts) -> tuple[str, ...]:
    refused = f"{batch.state}: {batch.reason}" if batch.reason else batch.state
    state = WITHDRAWN if batch.batch_id in given.withdrawn else refused
    counts = (f"{batch.size_bytes:,}", f"{batch.lines:,}")
    return (batch.path, batch.sha256, *counts, batch.batch_id, when(batch.arrived_at), state)


def definitions(given: ReportInput) -> ReportSection:
    """The contracts, and what is made by them and by the gold files, as they stand in the project now."""
    rows = tuple((d.name, d.file, d.version or "–", d.fingerprint) for d in given.definitions)
    lead = "What the tables are made by, each with the hash of what it means."
    return ReportSection(
        "Contracts and gold files", lead if rows else "", ("Name", "File", "Version", "Fingerprint"), rows
    )


def published(given: ReportInput) -> ReportSection:
    """What stands, and what each table was made by."""
    rows = tuple(
        (p.table, str(p.version), f"{p.rows:,}", str(p.run_id), when(p.published_at), p.fingerprint,
         _definition(given, p))
        for p in given.published
    )  # fmt: skip
    lead = f"{count(len(rows), 'table')} published." if rows else "Nothing is published yet."
    columns = ("Table", "Version", "Rows", "Run", "Published", "Fingerprint", "Definition")
    return ReportSection("Published tables", lead, columns, rows)


def _definition(given: ReportInput, stands: Published) -> str:
    """Bronze is never rebuilt: a contract that changes holds for files landed from then on."""
    today = {definition.name: definition.fingerprint for definition in given.definitions}
    if stands.table not in today:
        return "–"
    return "as today" if stands.fingerprint == today[stands.table] else "an older one"


def stale(given: ReportInput) -> ReportSection:
    """Published tables that are older than what they are built from."""
    rows = tuple((t.name, str(t.version), t.stale_because) for t in given.tables if t.stale)
    lead = f"{count(len(rows), 'table')} older than its inputs." if rows else "No published table is stale."
    return ReportSection(
        "Stale tables", lead, ("Table", "Version", "Because"), rows, CheckState.WARNED if rows else None
    )


def mends(given: ReportInput) -> ReportSection:
    """What people asked to be mended: who, when, what and why, newest first."""
    rows = tuple(map(_mend, given.mends))
    waiting = sum(mend.state == MendState.WAITING for mend in given.mends)
    lead = (
        f"{count(len(rows), 'request')}, newest first; {waiting} waiting."
        if rows
        else "Nobody has mended anything."
    )
    columns = ("When", "Who", "What", "Source", "Rows", "Why", "State")
    return ReportSection("Mends", lead, columns, rows)


def _mend(mend: Mend) -> tuple[str, ...]:
    named = f"batch {mend.batch_id}" if mend.batch_id else "lines" if mend.unreadable else "rows"
    what = f"{mend.kind} {named}"
    state = f"{mend.state}: {mend.message}" if mend.message else str(mend.state)
    return (
        when(mend.requested_at), mend.author or "–", what, mend.source, f"{mend.rows:,}", mend.reason or "–", state
    )  # fmt: skip


def drift(given: ReportInput) -> ReportSection:
    """Columns that were not as agreed, or not as before; without the values that gave it away."""
    rows = tuple(
        (when(d.at), d.source, f"{d.path} ({d.batch_id})", d.column, _drifted(d), d.proposal or "–",
         "yes" if d.agreed else "NO")
        for d in given.drift
    )  # fmt: skip
    open_ones = sum(not d.agreed for d in given.drift)
    lead = f"{count(len(rows), 'column')} not as before, {open_ones} of them not agreed."
    if not rows:
        lead = "Every column came as agreed." if given.batches else "Nothing has been examined yet."
    columns = ("Arrived", "Source", "Batch", "Column", "What", "Proposed", "Agreed")
    return ReportSection("Schema drift", lead, columns, rows, CheckState.WARNED if open_ones else None)


def _drifted(drift: Drift) -> str:
    change = " to ".join(part for part in (drift.was, drift.found) if part)
    return f"{drift.kind}: {change}" if change else str(drift.kind)


def incidents(given: ReportInput) -> ReportSection:
    """Days that people marked: their files are left out of what is usual for a source."""
    rows = tuple((i.day.isoformat(), i.source, i.reason, i.by or "–", when(i.at)) for i in given.incidents)
    lead = f"{count(len(rows), 'day')} left out of what is usual." if rows else "No day was marked."
    return ReportSection("Incidents", lead, ("Day", "Source", "Reason", "Marked by", "Marked at"), rows)


def software(given: ReportInput) -> ReportSection:
    """What made it."""
    rows = (("Engine rules", str(given.rules_version)), ("Python", given.python), *given.system.versions)
    return ReportSection("Software", "What read the files and built the tables.", ("What", "Version"), rows)
