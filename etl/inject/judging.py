"""Whether a planted fault was caught, and by what: told from what the scratch service answers, as a person would."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from etl import checks
from etl.calls import MOST_ROWS
from etl.declared import Contract
from etl.drift import Drift
from etl.facts import BatchFacts, CheckFacts
from etl.inject.files import File, Line
from etl.inject.records import Caught, FaultKind, Planted
from etl.inject.scratch import Landed, ScratchService
from etl.model import BatchState, CheckState, Run, RunState

OF_VOLUME = (FaultKind.DROP, FaultKind.DOUBLING, FaultKind.HEADER_ONLY)
BAD = (CheckState.WARNED, CheckState.FAILED)


@dataclass(frozen=True)
class Sent:
    """A file that was landed, and where."""

    contract: Contract
    file: File
    landed: Landed


@dataclass(frozen=True)
class Found:
    """What caught a fault, with its counts where it has any."""

    by: str
    examined: int | None = None
    failing: int | None = None


@dataclass(frozen=True)
class Evidence:
    """What stands in the scratch workspace after a run."""

    service: ScratchService
    run: Run
    before: Mapping[tuple[str, str], int] = field(
        default_factory=dict
    )  # (table, check) → failing, of the copies

    @cached_property
    def batches(self) -> tuple[BatchFacts, ...]:
        """Every batch, also refused ones."""
        return self.service.batches(limit=MOST_ROWS)

    @cached_property
    def checks(self) -> tuple[CheckFacts, ...]:
        """Every check as it stands."""
        return self.service.checks()

    @cached_property
    def drift(self) -> tuple[Drift, ...]:
        """Columns that are not as agreed."""
        return tuple(each for each in self.service.drift(limit=MOST_ROWS) if not each.agreed)

    def check(self, table: str, name: str) -> CheckFacts | None:
        """One check as it stands."""
        return next((each for each in self.checks if (each.table, each.check) == (table, name)), None)

    def is_new(self, facts: CheckFacts) -> bool:
        """Whether a check found more than it did in the copies."""
        return facts.result.failing > self.before.get((facts.table, facts.check), 0)

    @cached_property
    def unreadable(self) -> dict[tuple[str, int], str]:
        """(batch, line) → why it could not be read."""
        rows = self.service.unreadable(limit=MOST_ROWS)
        places = [rows.columns.index(name) for name in ("batch_id", "line_number", "reason")]
        return {(row[places[0]], row[places[1]]): row[places[2]] for row in rows.rows}

    def batch(self, sent: Sent) -> BatchFacts | None:
        """The batch of a file: told by its bytes, an empty one by its name."""
        same = (each for each in self.batches if each.source == sent.contract.source)
        landed = sent.landed
        if not landed.size_bytes:
            return next((b for b in same if not b.size_bytes and b.path == landed.path), None)
        return next((b for b in same if b.sha256 == landed.sha256), None)

    def reasons(self, contract: Contract, batch_id: str) -> dict[int, list[str]]:
        """Line → the reasons for which its row is in quarantine."""
        if contract.silver_table is None:
            return {}
        sql = f'select _row_number, _reasons from quarantine."{contract.source}" where _batch_id = ?'  # noqa: S608
        return {line: list(reasons) for line, reasons in self.service.select(sql, [batch_id], MOST_ROWS).rows}

    def in_silver(self, contract: Contract, batch_id: str) -> set[int]:
        """The lines of a batch whose rows are in silver."""
        sql = f'select _row_number from silver."{contract.silver_table}" where _batch_id = ?'  # noqa: S608
        return {line for (line,) in self.service.select(sql, [batch_id], MOST_ROWS).rows}


def judge(sent: Sent, evidence: Evidence) -> Iterator[Planted]:
    """What became of the faults of one file."""
    batch, source = evidence.batch(sent), sent.contract.source
    if sent.file.kind is not None:
        yield _of_file(sent, batch, evidence)
    reasons = evidence.reasons(sent.contract, batch.batch_id) if batch else {}
    for line in sent.file.lines:
        where = f"{line.what}, line {line.number}" if line.what else f"line {line.number}"
        found = _of_line(line, sent.contract, batch, reasons, evidence) if batch else None
        note = "" if found else _what_became(line, batch, reasons, evidence)
        yield planted(line.kind, source, where, line.expected, found, note)
    for broken in sent.file.untried:
        why = "its newest batch has too few valid rows"
        yield Planted(broken.kind, source, broken.column, broken.rule, Caught.UNTRIED, note=why)


def _of_line(
    line: Line, contract: Contract, batch: BatchFacts, reasons: dict[int, list[str]], evidence: Evidence
) -> Found | None:
    if line.kind is FaultKind.SAME_KEY:
        return _superseded(line, contract, batch, evidence) or _by_check(line, contract, evidence)
    if line.broken is None:
        return _unreadable(line, batch, evidence)
    return _set_aside(line, reasons, batch) or _by_check(line, contract, evidence)


def planted(
    kind: FaultKind, source: str, where: str, expected: str, found: Found | None, note: str
) -> Planted:
    """A fault with its verdict."""
    if found is None:
        return Planted(kind, source, where, expected, Caught.NO, note=note)
    return Planted(kind, source, where, expected, Caught.YES, found.by, found.examined, found.failing)


def _of_file(sent: Sent, batch: BatchFacts | None, evidence: Evidence) -> Planted:
    found, note = None, f"not taken in: {evidence.run.error}"
    if batch is not None and batch.state == BatchState.REFUSED:
        found = Found(f"refused: {_first_sentence(batch.reason)}", 1, 1)
    elif batch is not None:
        found, note = _by_watching(sent, batch, evidence), f"taken in with {batch.rows:,} rows"
    kind = sent.file.kind or FaultKind.EMPTY
    return planted(
        kind, sent.contract.source, sent.file.what or "whole file", sent.file.expected, found, note
    )


def _by_watching(sent: Sent, batch: BatchFacts, evidence: Evidence) -> Found | None:
    """The check of this source that looks at what this fault changes, when it is not passed and names the file."""
    name = checks.VOLUME if sent.file.kind in OF_VOLUME else checks.SCHEMA
    facts = evidence.check(f"bronze.{sent.contract.bronze_table}", name)
    if facts is None or facts.result.state not in BAD:
        return None
    if name == checks.SCHEMA:
        said = [
            "; ".join(filter(None, (drift.sentence, drift.proposal)))
            for drift in evidence.drift
            if drift.batch_id == batch.batch_id
        ]
        return _of_check(facts, said[0]) if said else None
    odd = [(row.get("path"), row.get("rows")) for row in facts.result.sample]
    return _of_check(facts) if (batch.path, batch.rows) in odd else None


def _of_check(facts: CheckFacts, said: str = "") -> Found:
    by = f"check: {facts.check}{f' ({said})' if said else ''}"
    return Found(by, facts.result.examined, facts.result.failing)


def _set_aside(line: Line, reasons: dict[int, list[str]], batch: BatchFacts) -> Found | None:
    named = [reason for reason in reasons.get(line.number, []) if _names(reason, line.what)]
    if not named:
        return None
    same = sum(named[0] in each for each in reasons.values())
    return Found(f"quarantine: {named[0]}", batch.rows, same)


def _by_check(line: Line, contract: Contract, evidence: Evidence) -> Found | None:
    """A check of the silver table over this column, for a rule that only warns or that blocks."""
    own = [facts for facts in evidence.checks if facts.table == f"silver.{contract.silver_table}"]
    bad = [facts for facts in own if facts.result.state in BAD and evidence.is_new(facts)]
    what = line.what.split(", ")[0]
    named = [facts for facts in bad if _names(f"{facts.check} {facts.description}", what)]
    return _of_check(named[0]) if named else None


def _names(text: str, column: str) -> bool:
    return re.search(rf"(?<![a-z0-9]){re.escape(column)}(?![a-z0-9])", text, re.IGNORECASE) is not None


def _unreadable(line: Line, batch: BatchFacts, evidence: Evidence) -> Found | None:
    reason = evidence.unreadable.get((batch.batch_id, line.number))
    if reason is None:
        return None
    return Found(f"unreadable: {reason}", batch.lines, batch.unreadable)


def _superseded(line: Line, contract: Contract, batch: BatchFacts, evidence: Evidence) -> Found | None:
    """The newer of two versions of a key is in silver and the older one is counted as superseded."""
    account = next(
        (each for each in evidence.service.accounts().row_batches if each.batch_id == batch.batch_id), None
    )
    both = {line.number, line.number + 1}
    current = evidence.in_silver(contract, batch.batch_id) & both
    if current == {line.number + 1} and account and account.superseded:
        return Found("superseded by the newer version of its key", batch.rows, account.superseded)
    return None


def _what_became(
    line: Line, batch: BatchFacts | None, reasons: dict[int, list[str]], evidence: Evidence
) -> str:
    if batch is None or evidence.run.state != RunState.SUCCEEDED:
        return f"the run did not take it in: {_first_sentence(evidence.run.error)}"
    if batch.state == BatchState.REFUSED:
        return f"its file was refused: {_first_sentence(batch.reason)}"
    if line.kind is FaultKind.SAME_KEY:
        return "both rows count as the current one, or none"
    if line.number in reasons:
        return f"in quarantine for something else: {'; '.join(reasons[line.number])}"
    return "its row was taken for valid" if line.broken else "its line was taken for a sound record"


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]


def resent(sent: Sent, evidence: Evidence, batches_before: int) -> Planted:
    """Bytes that are known already: seen once more, and nothing added."""
    own = [batch for batch in evidence.batches if batch.source == sent.contract.source]
    batch = evidence.batch(sent)
    expected, note = "known by its SHA-256: adds nothing", f"{len(own) - batches_before} more batches"
    found = None
    if batch and batch.arrivals > 1 and len(own) == batches_before:
        found = Found("batch known by its SHA-256: nothing added", batch.arrivals, batch.arrivals - 1)
    return planted(FaultKind.RESENT, sent.contract.source, "the newest file", expected, found, note)


def standing(kind: FaultKind, contract: Contract, where: str, check: str, evidence: Evidence) -> Planted:
    """A fault that one of the engine's own checks of a source tells, as it stands."""
    facts = evidence.check(f"bronze.{contract.bronze_table}", check)
    found = _of_check(facts) if facts and facts.result.state in BAD else None
    note = f"{check}: {facts.result.state}" if facts else f"there is no check {check!r}"
    return planted(kind, contract.source, where, f"check: {check}", found, note)
