"""Law 5: whatever comes in and whatever people do, the incremental result is what a full rebuild gives, row for row.

A machine of batches, resends, corrections, discards, withdrawals, batches read again, contract changes and runs of a
part. After each step an incremental run is held against an oracle that knows no SQL, and against a full rebuild of a
copy of the workspace, so that nothing the incremental way remembers is swept away in passing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from etl.mends import Edit
from etl.service import start_service
from tests.contents import LAYERS, succeeded
from tests.damage import failing_at
from tests.dirty import CUSTOMER, SALE, SOUND_CUSTOMER, SOUND_SALE, exports
from tests.oracle import COLUMNS, CRM, ERP, Fields, Terms
from tests.templates import Template
from tests.times import SECONDS_BEFORE_IT_HANGS, tries
from tests.warehouses import DUCKDB
from tests.workshop import Workshop
from tests.workspaces import QUICK, run

TURNS: tuple[Callable[[Terms], Terms], ...] = (
    lambda terms: replace(terms, least_quantity=2),
    lambda terms: replace(terms, least_quantity=0),
    lambda terms: replace(terms, newest_by="" if terms.newest_by else "sale_date"),
    lambda terms: replace(terms, mail_is_email=not terms.mail_is_email),
    lambda terms: replace(terms, dear_is_wrong=not terms.dear_is_wrong),
)
PICK = st.integers(0, 99)
FILES = st.lists(exports(), max_size=2)
LATER = FILES | st.none()  # files that come with a mend; none: it waits for what is asked next
TORN = ("insert into bronze._publications", "insert into bronze._accounts")


class Mending(Workshop):
    """What may happen to a workspace."""

    @initialize(first=exports((CRM,)), second=exports((ERP,)))
    def begin(self, first: tuple[str, str], second: tuple[str, str]) -> None:
        self.land([first, second])
        self.bring_up_to_date()

    @rule(files=st.lists(exports(), min_size=1, max_size=3))
    def new_files(self, files: Sequence[tuple[str, str]]) -> None:
        self.land(files)
        self.bring_up_to_date()

    @rule(pick=PICK)
    def a_resend(self, pick: int) -> None:
        self.take_up_what_waits()
        file = picked(list(self.model.taken.values()), pick).file
        self.land([(file.source, file.text)])
        version = self.service.version()
        self.bring_up_to_date()
        assert self.service.version() == version, "the same bytes add nothing"

    @precondition(lambda self: self.quarantined())
    @rule(
        pick=PICK,
        sale=SOUND_SALE | SALE,
        customer=SOUND_CUSTOMER | CUSTOMER,
        columns=st.sets(PICK),
        files=LATER,
    )
    def a_correction(self, pick: int, sale: Any, customer: Any, columns: set[int], files: Any) -> None:
        source, place = picked(self.quarantined(), pick)
        new = dict(zip(COLUMNS[source], sale if source == ERP else customer, strict=True))
        some = {COLUMNS[source][at % len(COLUMNS[source])] for at in columns}
        changed: Fields = {name: new[name] or None for name in COLUMNS[source] if name in some or not some}
        asked = self.service.replay_edits(source, [Edit(self.place(place), tuple(changed.items()))], by="ann")
        self.model.correct(place, changed)
        self.asked(asked, [place[:2]], files)

    @precondition(lambda self: self.lines())
    @rule(pick=PICK, sale=SOUND_SALE | SALE, customer=SOUND_CUSTOMER, raw=st.booleans(), files=LATER)
    def a_correction_of_an_unreadable_line(
        self, pick: int, sale: Any, customer: Any, raw: bool, files: Any
    ) -> None:
        sha, line = picked(self.lines(), pick)
        file, place = self.model.taken[sha].file, self.place((sha, line, 0))
        source, row = file.source, sale if file.source == ERP else customer
        if raw:  # under the names that the file's header had when it was read
            given = {name: text or None for name, text in zip(file.header, row, strict=True)}
            changed: Fields = {name: given.get(name) for name in COLUMNS[source]}
            edit = Edit(place, raw=",".join(row))
        else:
            changed = {name: text or None for name, text in zip(COLUMNS[source], row, strict=True)}
            edit = Edit(place, tuple(changed.items()))
        asked = self.service.replay_edits(source, [edit], by="ann")
        self.model.correct((sha, line, 0), changed)
        self.asked(asked, [(sha, line)], files)

    @precondition(lambda self: self.quarantined())
    @rule(pick=PICK, count=st.integers(1, 3), files=LATER)
    def a_discard(self, pick: int, count: int, files: Any) -> None:
        source, first = picked(self.quarantined(), pick)
        places = [place for of, place in self.quarantined() if of == source and place >= first][:count]
        asked = self.service.discard(source, [self.place(place) for place in places], "a test row")
        self.model.discarded |= set(places)
        self.asked(asked, [place[:2] for place in places], files)

    @precondition(lambda self: self.discards())
    @rule(pick=PICK, files=LATER)
    def a_restore(self, pick: int, files: Any) -> None:
        source, place = picked(self.discards(), pick)
        asked = self.service.restore(source, [self.place(place)])
        self.model.discarded.discard(place)
        self.asked(asked, [place[:2]], files)

    @precondition(lambda self: self.lines(discarded=True))
    @rule(pick=PICK, files=LATER)
    def a_discard_or_restore_of_an_unreadable_line(self, pick: int, files: Any) -> None:
        sha, line = picked(self.lines(discarded=True), pick)
        source, place = self.model.taken[sha].file.source, self.place((sha, line, 0))
        if (sha, line) in self.model.discarded_lines:
            asked = self.service.restore(source, [place], unreadable=True)
        else:
            asked = self.service.discard(source, [place], "a test line", unreadable=True)
        self.model.discarded_lines ^= {(sha, line)}
        self.asked(asked, [(sha, line)], files)

    @precondition(lambda self: self.batches())
    @rule(pick=PICK, files=LATER)
    def a_withdrawal_or_reinstatement(self, pick: int, files: Any) -> None:
        sha = picked(self.batches(), pick)
        taken = self.model.taken[sha]
        if taken.withdrawn:
            asked = self.service.reinstate_batch(self.batch_id(sha))
        else:
            asked = self.service.withdraw_batch(self.batch_id(sha), "the wrong file")
        taken.withdrawn = not taken.withdrawn
        self.asked(asked, [(sha, 0)], files)

    @precondition(lambda self: self.batches())
    @rule(pick=PICK, files=LATER)
    def a_batch_read_again(self, pick: int, files: Any) -> None:
        sha = picked(self.batches(), pick)
        asked = self.service.replay_batch(self.batch_id(sha))
        self.model.reread(sha)
        self.asked(asked, [(sha, 0)], files)

    @rule(turn=st.sampled_from(TURNS), files=FILES)
    def a_contract_changed(self, turn: Callable[[Terms], Terms], files: Sequence[tuple[str, str]]) -> None:
        self.take_up_what_waits()  # under the contract it was asked under
        self.model.terms = turn(self.model.terms)
        self.write_contracts()
        self.land(files)
        self.bring_up_to_date()

    @rule(files=FILES, part=st.sampled_from(["bronze", "silver", "gold", "customers_clean", "sales_clean"]))
    def a_run_of_a_part(self, files: Sequence[tuple[str, str]], part: str) -> None:
        self.land(files)
        succeeded(self.service, part)
        self.require_closed()
        self.bring_up_to_date()

    @rule(files=FILES, statement=st.sampled_from(TORN))
    def a_publication_torn_half_way(self, files: Sequence[tuple[str, str]], statement: str) -> None:
        self.land(files)
        with failing_at(self.service, statement):
            run(self.service, *LAYERS)
        self.bring_up_to_date()

    @rule(files=FILES)
    def a_blocked_run(self, files: Sequence[tuple[str, str]]) -> None:
        self.land(files)
        self.write_contracts(blocked=True)
        run(self.service, *LAYERS)
        self.require_closed()
        self.write_contracts()
        self.bring_up_to_date()

    @rule()
    def a_restart(self) -> None:
        self.service.close()
        self.service = start_service(self.settings, retry=QUICK)
        self.speed_up(self.service)


def picked(among: Sequence[Any], pick: int) -> Any:
    return among[pick % len(among)]


@pytest.fixture(scope="module")
def machine(kind: str) -> Any:
    with Template(
        only=("crm_customers.odcs.yaml", "erp_sales.odcs.yaml", "customer_analytics.sql")
    ) as template:
        yield type("MendingInATemplate", (Mending,), {"template": template})


@pytest.mark.timeout(SECONDS_BEFORE_IT_HANGS)
def test_after_any_step_the_incremental_result_is_that_of_a_full_rebuild(machine: Any, kind: str) -> None:
    hard = tries(30, steps=15, shrink=False) if kind == DUCKDB else tries(5, steps=12, shrink=False)
    run_state_machine_as_test(machine, settings=hard)
