"""A workspace that is worked on step by step; after each, it must agree with an oracle and with a full rebuild."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from etl.mends import MendState, Requested, RowPlace
from etl.service import Service, start_service
from tests import against, oracle
from tests.contents import IN_SILVER, LAYERS, contents, succeeded
from tests.dirty import FOLDER
from tests.mended import DISCARDED, Mended
from tests.oracle import ERP, Place
from tests.templates import Template, contracts
from tests.workspaces import QUICK, land, opened


class Workshop(RuleBasedStateMachine):
    """One workspace and what must have come of it."""

    template: Template

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(dir=self.template.memory)
        self.settings = self.template.workspace(Path(self._folder.name) / "work")
        self.service = start_service(self.settings, retry=QUICK)
        self.speed_up(self.service)
        self.model = Mended()
        self.expected = self.model.expected()
        self.waiting: list[Requested] = []  # asked for, and left to a later run
        self.touched: set[tuple[str, int]] = set()  # by what waits: batch and line, or 0 for the whole batch
        self._names = self._copies = 0

    def speed_up(self, service: Service) -> None:
        """No report after each run, and every statement compiled once for all services."""
        service.engine.tools = replace(service.engine.tools, compiled=self.template.compiled)
        service.engine._after_run = lambda run: None

    def teardown(self) -> None:
        self.service.close()
        self.template.forget(self.settings)
        self._folder.cleanup()

    # -- what must hold --------------------------------------------------------------------------------------

    def bring_up_to_date(self) -> None:
        succeeded(self.service, *LAYERS)
        if self.waiting:
            found = {mend.mend_id: mend for mend in self.service.mends()}
            told = [found[asked.mend_id] for asked in self.waiting]
            assert {mend.state for mend in told} == {MendState.APPLIED}, [mend.message for mend in told]
        self.waiting, self.touched = [], set()
        self.require_what_is_expected()

    def asked(self, asked: Requested, touched: Sequence[tuple[str, int]], files: Any) -> None:
        """Let it be taken up together with new files, or leave it to a later run."""
        self.waiting.append(asked)
        self.touched |= set(touched)
        if files is not None:
            self.land(files)
            self.bring_up_to_date()

    def take_up_what_waits(self) -> None:
        if self.waiting:
            self.bring_up_to_date()

    def require_closed(self) -> None:
        rows, money = self.service._warehouse.accounts()
        assert all(account.closes for account in rows)
        assert all(account.closes for account in money)

    def require_what_is_expected(self) -> None:
        self.expected = expected = self.model.expected()
        files = [taken.file for taken in self.model.taken.values()]
        against.require_tables(self.service, files, expected.outcomes, expected.fields)
        against.require_aside(self.service, expected.aside)
        self.require_accounts()
        built = self.shown(self.service)
        if self._copies % 3 == 0:
            self.require_nothing_more_to_do(built)
        assert self.rebuilt_in_full() == built

    def require_accounts(self) -> None:
        shas, (row_accounts, money_accounts) = (
            against.batch_shas(self.service),
            self.service._warehouse.accounts(),
        )
        rows = {shas[account.batch_id]: account for account in row_accounts}
        money = {shas[account.batch_id]: account for account in money_accounts}
        assert set(rows) == set(self.model.taken)
        for sha, taken in self.model.taken.items():
            self.model.require_row_account(rows[sha], sha, self.expected)
            if taken.file.source == ERP:
                self.model.require_money_account(money[sha], sha, self.expected)

    def require_nothing_more_to_do(self, built: dict[str, Any]) -> None:
        version = self.service.version()
        succeeded(self.service, *LAYERS)
        assert (self.service.version(), self.shown(self.service)) == (version, built)

    def rebuilt_in_full(self) -> dict[str, Any]:
        self._copies += 1
        let_go(self.service)
        copy = self.template.copy(self.settings, Path(self._folder.name) / f"copy-{self._copies}")
        with opened(copy) as service:
            self.speed_up(service)
            succeeded(service, *LAYERS, full=True)
            found = self.shown(service)
        self.template.forget(copy)
        return found

    def shown(self, service: Service) -> dict[str, Any]:
        """Every table, and the accounts."""
        rows, money = service._warehouse.accounts()
        return {
            **contents(
                service, [*IN_SILVER, *(name for name in service.catalog.tables if name[:4] == "gold")]
            ),
            "rows": sorted(rows, key=lambda account: account.batch_id),
            "money": sorted(money, key=lambda account: account.batch_id),
        }

    # -- doing it --------------------------------------------------------------------------------------------

    def land(self, files: Sequence[tuple[str, str]]) -> None:
        """Put files into the landing folder; a customer file and a sales file rise each in its own order."""
        for source, text in files:
            self._names += 1
            land(self.settings, f"{FOLDER[source]}/{source}_{self._names:03}.csv", text)
            self.model.take(oracle.read(source, text, self.model.terms))

    def write_contracts(self, *, blocked: bool = False) -> None:
        for name, text in contracts(self.model.terms, blocked=blocked).items():
            (self.settings.project / "contracts" / name).write_text(text)

    def quarantined(self) -> list[tuple[str, Place]]:
        """What can be mended; not what something that waits has to do with."""
        found = [(s, p) for s, outcome in self.expected.outcomes.items() for p in sorted(outcome.quarantined)]
        return [(s, p) for s, p in found if not self.model.state(p) and not self.waits(p)]

    def discards(self) -> list[tuple[str, Place]]:
        found = [(s, p) for s, places in self.expected.aside.items() for p in sorted(places)]
        return [
            (s, p)
            for s, p in found
            if self.expected.aside[s][p] == self.model.state(p) == DISCARDED and not self.waits(p)
        ]

    def lines(self, *, discarded: bool = False) -> list[tuple[str, int]]:
        return [at for at in self.model.lines(discarded=discarded) if not self.waits(at)]

    def batches(self) -> list[str]:
        return [sha for sha in self.model.taken if (sha, 0) not in self.touched]

    def waits(self, place: Sequence[Any]) -> bool:
        return not self.touched.isdisjoint({(place[0], place[1]), (place[0], 0)})

    def batch_id(self, sha: str) -> str:
        (found,) = [batch for batch, known in against.batch_shas(self.service).items() if known == sha]
        return found

    def place(self, place: Place) -> RowPlace:
        return RowPlace(self.batch_id(place[0]), *place[1:])


def let_go(service: Service) -> None:
    """Close the connections that wait to be used again: a database with any cannot be copied."""
    engine = getattr(service._warehouse, "_engine", None)
    if engine is not None:
        engine.dispose()
