"""Law 3: publishing is atomic. A reader sees one whole version, whatever breaks off half way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from etl.errors import LedgerUnavailable, MetaLayerError
from etl.model import RunState
from etl.service import Service
from etl.settings import Settings
from tests.contents import LAYERS, PUBLISHED, contents, succeeded
from tests.damage import failing_at
from tests.templates import MEMORY
from tests.workspaces import SALES, few_files, land, opened, run, workspace

BOTH_SUMS = (
    "select (select sum(total_revenue) from gold.customer_analytics), "
    "(select sum(sale_amount) from silver.sales_clean)"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


@dataclass
class Watching:
    """What a looping reader has seen; `wrong` is what no reader may ever see."""

    look: Callable[[], tuple[Decimal | None, Decimal | None]]
    reads: int = 0
    seen: list[Decimal] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)

    def once(self) -> None:
        self.reads += 1
        try:
            gold, silver = self.look()
        except MetaLayerError as fault:
            self.wrong.append(str(fault))
            return
        if gold is None or gold != silver:
            self.wrong.append((gold, silver))
        elif not self.seen or self.seen[-1] != gold:
            self.seen.append(gold)


@contextmanager
def watching(*watches: Watching) -> Iterator[None]:
    ended = threading.Event()

    def loop(watch: Watching) -> None:
        while not ended.wait(0.002):
            watch.once()

    threads = [threading.Thread(target=loop, args=(watch,)) for watch in watches]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def in_a_snapshot(service: Service) -> tuple[Decimal | None, Decimal | None]:
    """Two statements and a while between them: only a snapshot makes them belong together."""
    with service._warehouse.snapshot() as session:
        gold = session.rows("select sum(total_revenue) from gold.customer_analytics")[0][0]
        time.sleep(0.01)
        return gold, session.rows("select sum(sale_amount) from silver.sales_clean")[0][0]


def test_a_reader_never_sees_an_empty_a_mixed_or_a_half_version() -> None:
    runs = 50
    with TemporaryDirectory(dir=MEMORY) as folder, opened(workspace(Path(folder))) as service:
        settings = service.settings
        few_files(settings)
        succeeded(service)
        totals = [Decimal("100.00")]
        at_once = Watching(lambda: service.select(BOTH_SUMS).rows[0])
        in_two = Watching(lambda: in_a_snapshot(service))
        with watching(at_once, in_two):
            for number in range(1, runs + 1):
                # The first sale gets another amount and one more sale comes in.
                lines = (
                    f"1,10,1,1,2026-01-05,{number}.00\n{number + 4},12,{number % 3 + 1},1,2026-03-01,5.00\n"
                )
                land(settings, f"erp/erp_sales_{number:03}.csv", SALES + lines)
                succeeded(service, *LAYERS)
                totals.append(Decimal(60 + number + 5 * number))
        for watch in (at_once, in_two):
            assert watch.wrong == []
            assert watch.seen == [total for total in totals if total in watch.seen], (
                "one version after the other"
            )
            assert len(watch.seen) > runs / 5, "the reader must have been there while it happened"
        assert at_once.seen[-1] == totals[-1]


@pytest.mark.parametrize("statement", ["insert into bronze._publications", "insert into bronze._accounts"])
def test_a_publication_that_fails_half_way_leaves_the_version_before(
    settings: Settings, statement: str
) -> None:
    with opened(settings) as service:
        succeeded(service)
        good = contents(service)
        land(settings, "erp/erp_sales_2.csv", SALES + "1,10,1,1,2026-01-05,7.00\n")
        succeeded(service, "bronze")
        version = service.version()
        with failing_at(service, statement):
            ended = run(service)
            assert ended.state is RunState.FAILED
            assert "torn" in ended.error
            assert service.version() == version
            assert contents(service, PUBLISHED) == {table: good[table] for table in PUBLISHED}
        succeeded(service)
        assert service.select(BOTH_SUMS).rows == ((Decimal("67.00"), Decimal("67.00")),)


def test_a_ledger_that_is_away_for_a_moment_does_not_undo_a_publication(settings: Settings) -> None:
    with opened(settings) as service:
        ledger: Any = service._ledger
        keep, failures = ledger.save_table_versions, [LedgerUnavailable("The ledger is held."), None]

        def keep_at_the_second_try(versions: Any) -> None:
            fault = failures.pop(0)
            if fault:
                raise fault
            keep(versions)

        ledger.save_table_versions = keep_at_the_second_try
        ended = succeeded(service)
        assert [len(task.attempts) for task in ended.tasks if task.name == "publish"] == [2]
        assert service.verdict().ready, service.verdict().reasons


def test_the_end_of_a_run_that_the_ledger_could_not_take_is_written_when_it_can(settings: Settings) -> None:
    with opened(settings) as service:
        succeeded(service)
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        ledger: Any = service._ledger
        finish = ledger.finish_run
        ledger.finish_run = away
        with pytest.raises(LedgerUnavailable):
            run(service)
        cut_off = service.runs().runs[0]
        assert cut_off.state is RunState.RUNNING
        ledger.finish_run = finish
        succeeded(service)
        assert service.run(cut_off.run_id).state is RunState.SUCCEEDED
        assert service.run(cut_off.run_id).version is not None


def away(*_: object) -> None:
    raise LedgerUnavailable("The ledger is held.")
