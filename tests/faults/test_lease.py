"""Several copies on one ledger: one works, and another goes on when it dies, is frozen or is cut off."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from etl.model import RunState
from etl.service import open_service
from tests.faults.copies import BEGUN, Clock, Copies
from tests.faults.processes import serving, until
from tests.faults.proxy import proxied
from tests.faults.twins import MASTER, Uninterrupted, files, lying_on, require_ended_well, require_lease
from tests.postgres import Server
from tests.templates import MEMORY
from tests.times import TIMES
from tests.workspaces import few_files, opened, run, workspace

TAKE_OVER_SECONDS = 10.0
KILLS = 3 if TIMES == 1 else 20
FREEZES, FROZEN_SECONDS = (1, 9.0) if TIMES == 1 else (5, 30.0)
TICKS, TICKS_A_SECOND = (30, 1.5) if TIMES == 1 else (500, 3.0)
MINUTE, EVERY_MINUTE = timedelta(minutes=1), "* * * * *"
RUN_SECONDS = 2.0  # about as long as a run of the next files takes


@contextmanager
def living(server: Server, count: int) -> Iterator[tuple[Copies, Uninterrupted]]:
    """So many copies on a workspace, beside its uninterrupted twin."""
    with (
        TemporaryDirectory(dir=MEMORY) as folder,
        opened(lying_on(server, workspace(Path(folder) / "uninterrupted"))) as twin,
    ):
        settings = lying_on(server, workspace(Path(folder) / "copies"))
        with Copies(settings, server, Path(folder)) as copies:
            for _ in range(count):
                copies.start()
            copies.wait_for_another()
            yield copies, Uninterrupted(twin, mends=False)


def ask(copies: Copies, uninterrupted: Uninterrupted) -> int:
    """The next files, and a run to take them in that is at work; its id."""
    files(copies.settings, len(uninterrupted.versions))
    uninterrupted.go_on()
    asked, _ = copies.ledger.request(MASTER, ())
    until(lambda: copies.ledger.run(asked.run_id).state is not RunState.QUEUED, told=lambda: copies.said)
    return asked.run_id


def wait_for_rest(copies: Copies) -> None:
    """Until nothing is queued or at work."""
    until(lambda: copies.ledger.active_run() is None, 60, lambda: copies.said)


def require_all_there(copies: Copies, uninterrupted: Uninterrupted) -> None:
    """Nothing lost, nothing doubled, once every copy is gone."""
    for pid in list(copies.pids):
        copies.kill(pid)
    with opened(copies.settings) as service:
        require_lease(service)
        assert run(service).state is RunState.SUCCEEDED
        require_ended_well(service, uninterrupted)
        for found in service.runs(limit=1000).runs:
            assert found.state in (RunState.SUCCEEDED, RunState.INTERRUPTED), found


@pytest.mark.timeout(1800)
def test_when_the_holder_is_killed_another_takes_over_soon_and_does_its_run_again(
    postgres: Server, record_property: Callable[[str, object], None]
) -> None:
    chance, took, outcomes = Random(int(time.time())), [], Counter[str]()  # noqa: S311 - any moment will do
    with living(postgres, 2) as (copies, uninterrupted):
        for number in range(KILLS):
            copies.wait_until_all_live()
            holder = copies.wait_for_another()
            at_work = ask(copies, uninterrupted) if number % 3 else 0
            time.sleep(0.1 if number % 3 == 1 else chance.uniform(0, RUN_SECONDS))
            copies.start()
            copies.kill(holder)
            took.append(seconds_to_take_over(copies, holder))
            if at_work:
                until(lambda: copies.ledger.run(at_work).state is not RunState.RUNNING)  # noqa: B023
                outcomes[copies.ledger.run(at_work).state.value] += 1
            wait_for_rest(copies)
            if at_work and copies.ledger.run(at_work).state is RunState.INTERRUPTED:
                later = [found for found in copies.ledger.runs(5) if found.run_id > at_work]
                assert RunState.SUCCEEDED in [found.state for found in later], "it was done again"
        require_all_there(copies, uninterrupted)
    record_property(
        "measured",
        f"{KILLS} kills of the lease's holder: another worked after {statistics.median(took):.1f} s (median), "
        f"{max(took):.1f} s at most; runs at work ended as {dict(outcomes)}",
    )
    assert outcomes["interrupted"]


def seconds_to_take_over(copies: Copies, holder: int) -> float:
    started = time.monotonic()
    copies.wait_for_another(holder, TAKE_OVER_SECONDS)
    return time.monotonic() - started


def writings(copies: Copies) -> list[tuple[Any, ...]]:
    """How much has been landed, published and settled so far."""
    return copies.rows(
        "select (select count(*) from bronze._batches), (select count(*) from bronze._arrivals), "
        "(select count(*) from bronze._publications), (select max(fence) from bronze._publications), "
        "(select count(*) from ledger.ticks)"
    )


@pytest.mark.timeout(1800)
def test_a_holder_that_was_frozen_and_thaws_writes_nothing_and_stands_by(
    postgres: Server, record_property: Callable[[str, object], None]
) -> None:
    chance, took = Random(int(time.time())), []  # noqa: S311 - any moment will do
    with living(postgres, 2) as (copies, uninterrupted):
        for _ in range(FREEZES):
            copies.wait_until_all_live()
            holder = copies.wait_for_another()
            ask(copies, uninterrupted)
            time.sleep(chance.uniform(0, RUN_SECONDS))
            os.kill(holder, signal.SIGSTOP)
            thaws_at = time.monotonic() + FROZEN_SECONDS
            took.append(seconds_to_take_over(copies, holder))
            other = copies.working()
            wait_for_rest(copies)
            time.sleep(max(0.0, thaws_at - time.monotonic()))
            before = writings(copies)
            os.kill(holder, signal.SIGCONT)
            time.sleep(3)
            assert writings(copies) == before
            assert copies.working() == other
            copies.kill(other)
            assert copies.wait_for_another(other, TAKE_OVER_SECONDS) == holder, "it works when its turn comes"
            ask(copies, uninterrupted)
            wait_for_rest(copies)
            copies.start()
        require_all_there(copies, uninterrupted)
    record_property(
        "measured",
        f"{FREEZES} times a holder was frozen for {FROZEN_SECONDS:g} s at work; another worked after "
        f"{max(took):.1f} s at most; thawed, it wrote nothing and stood by",
    )


def test_a_holder_that_is_cut_off_without_a_word_is_followed_by_another(
    postgres: Server, record_property: Callable[[str, object], None]
) -> None:
    with proxied(postgres.port) as proxy, living(postgres, 1) as (copies, uninterrupted):
        first = copies.working()
        cut_off = copies.start(proxy.before(copies.settings))
        copies.wait_until_all_live()
        copies.kill(first)
        assert copies.wait_for_another(first, TAKE_OVER_SECONDS) == cut_off
        other = copies.start()
        copies.wait_until_all_live()
        ask(copies, uninterrupted)
        proxy.swallow()
        took = seconds_to_take_over(copies, cut_off)
        wait_for_rest(copies)
        before = writings(copies)
        proxy.admit()
        time.sleep(3)
        assert writings(copies) == before
        copies.kill(other)
        assert copies.wait_for_another(other, TAKE_OVER_SECONDS) == cut_off
        require_all_there(copies, uninterrupted)
    record_property("measured", f"a holder that was cut off was followed by another after {took:.1f} s")


# -- ticks ----------------------------------------------------------------------------------------------------


@pytest.mark.timeout(1800)
def test_each_tick_has_one_outcome_while_holders_are_killed_and_frozen(
    postgres: Server, record_property: Callable[[str, object], None]
) -> None:
    clock = Clock(time.time(), 60 * TICKS_A_SECOND)
    chance, frozen = Random(int(time.time())), 0  # noqa: S311 - any moment will do
    with TemporaryDirectory(dir=MEMORY) as folder:
        settings = lying_on(postgres, replace(workspace(Path(folder)), schedule=EVERY_MINUTE))
        few_files(settings)
        with Copies(settings, postgres, Path(folder), clock, schedule=EVERY_MINUTE) as copies:
            for _ in range(3):
                copies.start()
            copies.wait_for_another()
            since = until(lambda: copies.ledger.pipelines()[MASTER].since) or BEGUN
            while clock() - since < (TICKS + 1) * MINUTE:
                holder = copies.wait_for_another()
                time.sleep(chance.uniform(0, 6))
                if chance.random() < 0.6:
                    copies.kill(holder)
                    copies.start()
                elif not frozen:
                    os.kill(frozen := holder, signal.SIGSTOP)
                if frozen and copies.wait_for_another(frozen):
                    time.sleep(1)
                    os.kill(frozen, signal.SIGCONT)
                    frozen = 0
            for pid in list(copies.pids):
                copies.kill(pid)
            outcomes = require_one_outcome_each(copies, since)
    record_property("measured", f"three copies, {sum(outcomes.values())} ticks: {dict(outcomes)}")


def require_one_outcome_each(copies: Copies, since: datetime) -> Counter[str]:
    """What came due while nobody lived is settled by the next one that does; then every minute has one outcome."""
    assert copies.clock is not None
    with open_service(copies.settings, clock=copies.clock) as service:
        require_lease(service)
        service.live()
    found = copies.rows("select due_at, outcome, run_id, count from ledger.ticks order by due_at")
    due = [row[0] for row in found]
    assert len(due) >= TICKS
    assert due[0] - since <= MINUTE
    assert {later - earlier for earlier, later in pairwise(due)} == {MINUTE}, "each minute, once"
    assert {row[1] for row in found} <= {"started", "joined", "missed"}
    runs = {row[0]: row[1] for row in copies.rows("select run_id, trigger from ledger.runs")}
    started = [row[2] for row in found if row[1] == "started"]
    assert len(started) == len(set(started)), "no run is the outcome of two ticks"
    assert all(row[2] in runs for row in found if row[1] in ("started", "joined"))
    return Counter(str(row[1]) for row in found)


# -- whether a copy is ready ----------------------------------------------------------------------------------


def test_a_copy_is_ready_while_it_works_or_another_does_and_not_while_nobody_does(
    postgres: Server, tmp_path: Path
) -> None:
    settings = lying_on(postgres, workspace(tmp_path))
    second = replace(settings, state=tmp_path / "second")
    with serving(settings, tmp_path / "1.log") as one:
        one.ready()
        with serving(second, tmp_path / "2.log") as two:
            two.ready()
            assert [one.get("/readyz")[0], two.get("/readyz")[0]] == [200, 200]
            blocking = postgres.connect(settings.warehouse.rpartition("/")[2])
            with blocking.cursor() as cursor:
                cursor.execute("begin")
                cursor.execute("lock table bronze._fence in access exclusive mode")
                one.kill()  # the other gets the lock, but cannot take over
                until(lambda: two.get("/readyz")[0] == 503)
                assert two.get("/readyz")[1]["parts"]["engine"] == "not running"
                assert two.get("/healthz")[0] == 200
                cursor.execute("rollback")
            blocking.close()
            until(lambda: two.get("/readyz")[0] == 200)
