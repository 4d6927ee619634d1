"""A file that has arrived and stopped growing asks for one run, once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from etl.errors import LedgerUnavailable
from etl.ledger import Ledger
from etl.model import Run, RunState, Trigger
from etl.scheduler import Scheduler
from etl.scheduler.arrivals import Watch
from tests.clock import Clock

MASTER = "master_etl_orchestrator"
PATTERNS = ("crm/crm_customers*.csv", "erp/erp_sales*.csv")


@pytest.fixture
def clock() -> Clock:
    return Clock()  # 1 March 2025, 12:00 UTC


@pytest.fixture
def ledger(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(ledger_url, clock) as opened:
        yield opened


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    for system in ("crm", "erp"):
        (tmp_path / "landing" / system).mkdir(parents=True)
    return tmp_path / "landing"


@pytest.fixture
def start(ledger: Ledger, landing: Path, clock: Clock) -> Iterator[Callable[..., Scheduler]]:
    """Starts an engine's scheduler on this ledger; all are stopped at the end."""
    started: list[Scheduler] = []

    def request(pipeline: str, *, trigger: Trigger) -> tuple[Run, bool]:
        return ledger.request(pipeline, (), trigger=trigger)

    def begin(**changed: object) -> Scheduler:
        settings: dict[str, object] = {"clock": clock, "poll_seconds": 3600.0, "request": request} | changed
        scheduler = Scheduler(ledger, lambda: [landing], PATTERNS, **settings)  # type: ignore[arg-type]
        scheduler.start()
        started.append(scheduler)
        return scheduler

    yield begin
    for scheduler in started:
        scheduler.stop()


def finish(ledger: Ledger) -> None:
    """An engine takes the queued run and ends it."""
    run = ledger.claim_next()
    assert run is not None
    ledger.finish_run(run.run_id, RunState.SUCCEEDED)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_a_file_that_has_arrived_queues_the_orchestrator_within_five_seconds(
    ledger: Ledger, landing: Path, start: Callable[..., Scheduler]
) -> None:
    start(poll_seconds=1.0, settle_seconds=2.0)
    (landing / "erp" / "erp_sales_0712.csv").write_text("sales_id\n1\n")
    assert wait_for(lambda: ledger.queued() != (), 5)
    (run,) = ledger.queued()
    assert (run.pipeline, run.trigger) == (MASTER, Trigger.ARRIVAL)


def test_a_growing_file_waits_until_it_has_stopped(
    ledger: Ledger, landing: Path, start: Callable[..., Scheduler]
) -> None:
    start(poll_seconds=0.05, settle_seconds=0.7)
    file = landing / "erp" / "erp_sales.csv"
    for size in range(1, 9):
        file.write_text("x" * size)
        time.sleep(0.1)
    assert ledger.queued() == ()
    assert wait_for(lambda: ledger.queued() != (), 3)


def test_files_that_arrive_during_a_run_queue_exactly_one_more(
    ledger: Ledger, landing: Path, start: Callable[..., Scheduler]
) -> None:
    ledger.request(MASTER, ())
    ledger.claim_next()
    start(poll_seconds=0.05, settle_seconds=0.1)
    for number in range(5):
        (landing / "crm" / f"crm_customers_{number}.csv").write_text("customer_id\n1\n")
        time.sleep(0.15)
    assert wait_for(lambda: ledger.queued() != (), 3)
    assert [run.run_id for run in ledger.queued()] == [2]


def test_what_is_told_once_is_not_told_again(
    ledger: Ledger, landing: Path, start: Callable[..., Scheduler]
) -> None:
    file = landing / "crm" / "crm_customers.csv"
    file.write_text("customer_id\n1\n")
    start(poll_seconds=0.05, settle_seconds=0.1)
    assert wait_for(lambda: ledger.queued() != (), 3)
    finish(ledger)
    time.sleep(0.5)
    assert ledger.queued() == ()
    file.write_text("customer_id\n1\n2\n")
    assert wait_for(lambda: ledger.queued() != (), 3)


def test_an_arrival_whose_run_cannot_be_queued_is_told_again(
    ledger: Ledger, landing: Path, start: Callable[..., Scheduler]
) -> None:
    (landing / "crm" / "crm_customers.csv").write_text("customer_id\n1\n")
    refusals = [LedgerUnavailable("locked"), LedgerUnavailable("locked")]

    def request(pipeline: str, *, trigger: Trigger) -> tuple[Run, bool]:
        if refusals:
            raise refusals.pop()
        return ledger.request(pipeline, (), trigger=trigger)

    start(poll_seconds=0.05, settle_seconds=0.1, request=request)
    assert wait_for(lambda: ledger.queued() != (), 3)


def settled(watch: Watch, now: float = 100.0) -> list[str]:
    """The names of the news after two looks, long enough apart."""
    watch.look(now)
    return sorted(path.name for path in watch.look(now + 10))


def a_watch(roots: Sequence[Path], known: Callable[[Path], bool] | None = None) -> Watch:
    return Watch(lambda: roots, lambda: PATTERNS, 2.0, known)


def test_only_names_that_a_contract_takes_are_news(landing: Path) -> None:
    for name in (
        "crm/crm_customers.csv", "erp/erp_sales_1.csv", "crm/other.csv", "crm/.crm_customers.csv",
        "erp/erp_sales.csv.part", "crm_customers.csv", "erp/deep/erp_sales.csv", "crm/CRM_CUSTOMERS.csv",
    ):  # fmt: skip
        (landing / name).parent.mkdir(exist_ok=True)
        (landing / name).write_text("x")
    (landing / "crm" / "crm_customers_folder.csv").mkdir()
    (landing / "crm" / "crm_customers_gone.csv").symlink_to(landing / "nowhere")
    assert settled(a_watch([landing])) == ["crm_customers.csv", "erp_sales_1.csv"]


def test_files_known_at_the_start_are_no_news_until_they_change(landing: Path) -> None:
    old, new = landing / "crm" / "crm_customers_old.csv", landing / "crm" / "crm_customers_new.csv"
    for file in (old, new):
        file.write_text("x")
    watch = a_watch([landing], known=lambda path: path == old)
    assert settled(watch) == ["crm_customers_new.csv"]
    watch.announce([new])
    old.write_text("xx")
    assert settled(watch, 200.0) == ["crm_customers_old.csv"]


def test_a_file_that_vanishes_while_it_settles_is_no_news(landing: Path) -> None:
    file = landing / "crm" / "crm_customers.csv"
    file.write_text("x")
    watch = a_watch([landing])
    watch.look(100.0)
    file.unlink()
    assert watch.look(110.0) == []


def test_a_landing_folder_that_is_away_is_logged_once_and_brings_no_old_news_when_back(
    landing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (landing / "crm" / "crm_customers.csv").write_text("x")
    watch = a_watch([landing])
    watch.announce([landing / "crm" / name for name in settled(watch)])
    landing.rename(landing.with_name("away"))
    with caplog.at_level(logging.WARNING):
        for second in range(5):
            assert watch.look(200.0 + second) == []
    assert [record.message for record in caplog.records] == [
        f"The landing folder {landing} cannot be read: No such file or directory."
    ]
    landing.with_name("away").rename(landing)
    assert settled(watch, 300.0) == []
