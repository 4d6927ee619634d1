"""What must come of files that people mend: corrections, discards and withdrawals on top of the oracle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from etl.model import MoneyAccount, RowAccount
from tests import oracle
from tests.oracle import CRM, ERP, Fields, File, Outcome, Place, Terms, Version

WITHDRAWN, CORRECTED, DISCARDED = "withdrawn", "corrected", "discarded"


@dataclass
class Taken:
    """A batch as it was last read."""

    file: File
    sequence: int
    withdrawn: bool = False


@dataclass(frozen=True)
class Expected:
    """Where every row and correction of both sources is."""

    outcomes: dict[str, Outcome]
    aside: dict[str, dict[Place, str]]
    fields: dict[Place, Fields]


@dataclass
class Mended:
    """Both sources with all that was done to them."""

    terms: Terms = field(default_factory=Terms)
    taken: dict[str, Taken] = field(default_factory=dict)  # by SHA-256
    corrections: dict[tuple[str, int], list[Fields]] = field(default_factory=dict)  # what each has changed
    discarded: set[Place] = field(default_factory=set)
    discarded_lines: set[tuple[str, int]] = field(default_factory=set)

    def take(self, file: File) -> None:
        """The same bytes add nothing."""
        self.taken.setdefault(file.sha, Taken(file, len(self.taken)))

    def correct(self, place: Place, changed: Fields) -> None:
        """What it changes beside what the corrections before it changed; the rest stays as the file reads."""
        sha, line, number = place
        before = self.corrections.setdefault((sha, line), [])
        assert number == len(before), "only what stands last can be mended"
        before.append({**(before[-1] if before else {}), **changed})

    def reread(self, sha: str) -> None:
        """A batch's file under today's names of columns."""
        taken = self.taken[sha]
        taken.file = oracle.read(taken.file.source, taken.file.text, self.terms)

    def lines(self, *, discarded: bool = False) -> list[tuple[str, int]]:
        """Unreadable lines without a correction, of batches in force."""
        return [
            (sha, line)
            for sha, taken in self.taken.items()
            for line in taken.file.unreadable
            if not taken.withdrawn and (sha, line) not in self.corrections
            if discarded or (sha, line) not in self.discarded_lines
        ]

    def fields(self, source: str) -> dict[Place, Fields]:
        """Every row and every correction of a source."""
        found: dict[Place, Fields] = {}
        for sha, taken in self.taken.items():
            if taken.file.source == source:
                found |= {(sha, line, 0): fields for line, fields in taken.file.rows.items()}
        for (sha, line), corrections in self.corrections.items():
            if self.taken[sha].file.source == source:
                row = self.taken[sha].file.rows.get(line, {})
                found |= {
                    (sha, line, n): {**row, **changed} for n, changed in enumerate(corrections, start=1)
                }
        return found

    def state(self, place: Place) -> str:
        """Why a row is not judged; "" when it is."""
        sha, line, number = place
        if self.taken[sha].withdrawn:
            return WITHDRAWN
        if len(self.corrections.get((sha, line), ())) > number:
            return CORRECTED
        return DISCARDED if place in self.discarded else ""

    def expected(self) -> Expected:
        """Where everything must be."""
        fields = {source: self.fields(source) for source in (CRM, ERP)}
        live = {
            source: [Version(p, self.taken[p[0]].sequence, f) for p, f in rows.items() if not self.state(p)]
            for source, rows in fields.items()
        }
        aside = {source: {p: self.state(p) for p in rows if self.state(p)} for source, rows in fields.items()}
        outcomes = oracle.settle_both(live[CRM], live[ERP], self.terms)
        return Expected(outcomes, aside, fields[CRM] | fields[ERP])

    # -- accounts --------------------------------------------------------------------------------------------

    def require_row_account(self, account: RowAccount, sha: str, expected: Expected) -> None:
        """Every term counted anew."""
        file, terms = self.taken[sha].file, self._places(sha, expected)
        assert account.closes
        assert (account.lines, account.header_lines, account.blank) == (file.lines, 1, file.blank)
        assert (account.continuation_lines, account.unreadable) == (file.continuation, len(file.unreadable))
        assert (account.bronze, account.pending) == (len(file.rows), 0)
        assert account.corrections == sum(len(made) for at, made in self.corrections.items() if at[0] == sha)
        counted = {name: getattr(account, name) for name in terms}
        assert counted == {name: len(places) for name, places in terms.items()}

    def require_money_account(self, account: MoneyAccount, sha: str, expected: Expected) -> None:
        """Every term added up anew, from the text alone."""

        def total(places: Iterable[Place]) -> Decimal:
            return sum((oracle.written_amount(expected.fields[place]) for place in places), Decimal(0))

        terms = self._places(sha, expected)
        own = [place for place in expected.fields if place[0] == sha]
        assert account.closes
        assert account.bronze == total(place for place in own if place[2] == 0)
        assert account.corrections == total(place for place in own if place[2])
        assert account.pending == 0
        counted = {name: getattr(account, name) for name in terms}
        assert counted == {name: total(places) for name, places in terms.items()}

    def _places(self, sha: str, expected: Expected) -> dict[str, list[Place]]:
        """The places of a batch by the term of the account that counts them."""
        source = self.taken[sha].file.source
        outcome, aside = expected.outcomes[source], expected.aside[source]

        def own(places: Iterable[Place]) -> list[Place]:
            return [place for place in places if place[0] == sha]

        def of(state: str) -> list[Place]:
            return own(place for place, found in aside.items() if found == state)

        return {
            "silver": own(outcome.silver),
            "superseded": own(outcome.superseded) + of(CORRECTED),
            "quarantined": own(outcome.quarantined),
            "discarded": of(DISCARDED),
            "withdrawn": of(WITHDRAWN),
        }
