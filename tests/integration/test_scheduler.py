"""Schedules on a real ledger: every due time gets exactly one outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.errors import LedgerUnavailable, SettingsError
from etl.ledger import Ledger
from etl.model import Run, RunState, Tick, TickOutcome, Trigger
from etl.scheduler import Scheduler, ticks
from tests.clock import Clock

MASTER = "master_etl_orchestrator"
GOLD = "gold_layer_analytics_pipeline"
PATTERNS = ("crm/crm_customers*.csv", "erp/erp_sales*.csv")
MINUTE = timedelta(minutes=1)


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


def outcomes(ledger: Ledger, pipeline: str = MASTER) -> list[tuple[str, str, int | None]]:
    """(time of day, outcome, run) of every tick, first due first."""
    found = [tick for tick in ledger.ticks(5000) if tick.pipeline == pipeline]
    return [(f"{tick.due_at:%H:%M}", str(tick.outcome), tick.run_id) for tick in reversed(found)]


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


def test_a_tick_starts_a_run(ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]) -> None:
    scheduler = start()
    assert scheduler.next_due(MASTER) == clock.now + 15 * MINUTE
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1)]
    assert ledger.run(1).trigger == Trigger.SCHEDULE


def test_a_tick_joins_the_run_that_is_queued_already(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    scheduler = start()
    ledger.request(MASTER, (), by="ana")
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "joined", 1)]


def test_callbacks_that_come_twice_or_at_once_write_one_outcome_and_start_one_run(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    schedulers = [start(), start()]  # as two processes would be
    clock.forward(minutes=15)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: schedulers[n % 2]._tick(MASTER), range(16)))
    finish(ledger)
    schedulers[0]._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1)]
    assert len(ledger.runs()) == 1


def test_a_tick_that_another_engine_takes_in_the_last_moment_is_left_to_it(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start(), start()
    record = ledger.record_ticks

    def overtaken(found: Sequence[Tick]) -> int:
        monkeypatch.undo()
        second._tick(MASTER)
        finish(ledger)
        return record(found)

    clock.forward(minutes=15)
    monkeypatch.setattr(ledger, "record_ticks", overtaken)
    first._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1)]
    assert len(ledger.runs()) == 1


def test_a_late_callback_leaves_no_tick_out(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    scheduler = start()
    clock.forward(minutes=47)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "missed", None), ("12:30", "missed", None), ("12:45", "started", 1)]
    assert {tick.reason for tick in ledger.ticks() if tick.outcome == TickOutcome.MISSED} == {ticks.BUSY}


def test_a_paused_schedule_skips_its_ticks_one_by_one(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    scheduler = start()
    ledger.set_paused(MASTER, True)
    scheduler.reload()
    assert scheduler.next_due(MASTER) is None
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    ledger.set_paused(MASTER, False)
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "skipped", None), ("12:30", "started", 1)]


def test_a_new_ledger_has_missed_nothing(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    clock.forward(days=3)  # commands only, no engine
    start()
    assert outcomes(ledger) == []
    assert ledger.queued() == ()


def test_ticks_due_while_no_engine_lived_are_missed_and_one_run_makes_up_for_them(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    start().stop()
    clock.forward(minutes=50)
    start()
    assert outcomes(ledger) == [
        ("12:15", "missed", None),
        ("12:30", "missed", None),
        ("12:45", "missed", None),
    ]
    assert {tick.reason for tick in ledger.ticks()} == {"No engine was running. Run 1 makes up for it."}
    assert [(run.run_id, run.trigger) for run in ledger.queued()] == [(1, Trigger.CATCH_UP)]
    start()
    assert len(ledger.runs()) == 1


def test_nothing_is_made_up_for_while_paused(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    start().stop()
    ledger.set_paused(MASTER, True)
    clock.forward(minutes=20)
    start()
    assert outcomes(ledger) == [("12:15", "missed", None)]
    assert ledger.queued() == ()


def test_of_a_long_absence_the_newest_thousand_stand_alone_and_the_rest_in_one_row(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    began = clock.now
    start().stop()
    clock.forward(days=20, minutes=1)
    start().stop()
    *newest, older = ledger.ticks(5000)
    assert len(newest) == ticks.KEPT
    assert {tick.count for tick in newest} == {1}
    assert older.count == 20 * 24 * 4 - ticks.KEPT
    assert older.due_at == began + 15 * MINUTE
    assert older.last_due_at == newest[-1].due_at - 15 * MINUTE
    clock.forward(minutes=15)
    start()
    assert len(ledger.ticks(5000)) == ticks.KEPT + 2


def test_an_engine_that_died_between_tick_and_run_is_made_up_for(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    def die(pipeline: str, *, trigger: Trigger) -> tuple[Run, bool]:
        raise KeyboardInterrupt

    scheduler = start(request=die)
    clock.forward(minutes=15)
    with pytest.raises(KeyboardInterrupt):
        scheduler._tick(MASTER)
    scheduler.stop()
    assert ledger.claimed_tick(MASTER) == clock.now
    start()
    assert outcomes(ledger) == [("12:15", "missed", None)]
    assert [run.trigger for run in ledger.queued()] == [Trigger.CATCH_UP]
    start()
    assert "Run 1 makes up for it" in ledger.ticks()[0].reason


def test_a_tick_whose_run_cannot_be_queued_is_tried_again(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[LedgerUnavailable | None] = [LedgerUnavailable("locked"), None]
    done = threading.Event()

    def request(pipeline: str, *, trigger: Trigger) -> tuple[Run, bool]:
        answer = answers.pop(0)
        if answer:
            raise answer
        done.set()
        return ledger.request(pipeline, (), trigger=trigger)

    monkeypatch.setattr("etl.scheduler.RETRY_SECONDS", 0.1)
    scheduler = start(request=request)
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == []
    assert done.wait(5)
    scheduler.stop()
    assert outcomes(ledger) == [("12:15", "started", 1)]


def test_a_clock_that_was_ahead_and_is_set_right_gives_no_tick_a_second_outcome(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    scheduler = start()
    clock.forward(hours=1)
    scheduler._tick(MASTER)
    clock.forward(hours=-1, minutes=15)
    scheduler._tick(MASTER)  # 12:15 has its outcome
    clock.forward(hours=1)
    scheduler._tick(MASTER)
    assert [time_of_day for time_of_day, _, _ in outcomes(ledger)] == [
        "12:15",
        "12:30",
        "12:45",
        "13:00",
        "13:15",
    ]


def test_a_changed_schedule_counts_from_the_change_and_forgets_nothing_before(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    scheduler = start()
    clock.forward(minutes=20)  # 12:15 came due, its callback is late
    ledger.set_cron(MASTER, "* * * * *")
    scheduler.reload()
    assert outcomes(ledger) == [("12:15", "started", 1)]
    assert scheduler.next_due(MASTER) == clock.now + MINUTE
    clock.forward(minutes=1)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1), ("12:21", "joined", 1)]


def test_a_schedule_changed_in_the_settings_holds_from_this_start(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    start().stop()
    clock.forward(minutes=20)
    scheduler = start(cron="0 6 * * *")
    assert outcomes(ledger) == [("12:15", "missed", None)]
    assert scheduler.next_due(MASTER) == datetime(2025, 3, 2, 6, tzinfo=UTC)
    with pytest.raises(SettingsError, match="'every day'"):
        start(cron="every day")


def test_a_layer_can_have_a_schedule_of_its_own(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    ledger.set_cron(GOLD, "5 * * * *")
    scheduler = start()
    assert [schedule.pipeline for schedule in scheduler.schedules()] == [GOLD, MASTER]
    clock.forward(minutes=5)
    scheduler._tick(GOLD)
    assert outcomes(ledger, GOLD) == [("12:05", "started", 1)]
    assert ledger.run(1).pipeline == GOLD
    ledger.set_cron(GOLD, "")
    scheduler.reload()
    assert [schedule.pipeline for schedule in scheduler.schedules()] == [MASTER]


def test_the_real_clock_ticks_by_itself(ledger: Ledger, start: Callable[..., Scheduler]) -> None:
    ahead = 60.0 - time.time() % 60.0
    offset = timedelta(seconds=ahead - 1.0)
    ledger._clock = lambda: datetime.now(UTC) + offset
    scheduler = start(clock=ledger._clock, cron="* * * * *")
    assert scheduler._jobs is not None
    scheduler._jobs.modify_job(f"tick {MASTER}", next_run_time=datetime.now(UTC) + timedelta(seconds=1.1))
    assert wait_for(lambda: ledger.ticks() != (), 4)
    assert [tick.outcome for tick in ledger.ticks()] == [TickOutcome.STARTED]


def test_stopping_is_quick_final_and_can_be_repeated(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    scheduler = start(poll_seconds=0.05)
    running = scheduler.alive
    began = time.monotonic()
    scheduler.stop()
    scheduler.stop()
    assert time.monotonic() - began < 2
    assert (running, scheduler.alive) == (True, False)
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "APScheduler"]


def test_the_machine_is_sampled_while_it_runs(
    start: Callable[..., Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples: list[float] = []
    monkeypatch.setattr("etl.scheduler.RESOURCES_SECONDS", 0.05)
    start(resources=lambda: samples.append(time.monotonic()))
    assert wait_for(lambda: len(samples) > 1, 5)


LOST = LedgerUnavailable("The connection is gone.")


@pytest.mark.parametrize("written", [True, False], ids=["written", "not written"])
def test_a_claim_whose_answer_is_lost_starts_one_run_and_has_one_outcome(
    ledger: Ledger,
    clock: Clock,
    start: Callable[..., Scheduler],
    monkeypatch: pytest.MonkeyPatch,
    written: bool,
) -> None:
    claim = ledger.claim_tick

    def lose(pipeline: str, due_at: datetime) -> bool:
        if written:
            claim(pipeline, due_at)
        raise LOST

    scheduler = start()
    clock.forward(minutes=15)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "claim_tick", lose)
        scheduler._tick(MASTER)
    assert ledger.runs() == ()
    scheduler._tick(MASTER)
    finish(ledger)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1)]
    assert len(ledger.runs()) == 1


def test_a_request_whose_answer_is_lost_is_found_again_though_its_run_has_ended(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler]
) -> None:
    lost: list[int] = []

    def request(pipeline: str, *, trigger: Trigger) -> tuple[Run, bool]:
        asked = ledger.request(pipeline, (), trigger=trigger)
        if not lost:
            lost.append(asked[0].run_id)
            raise LOST
        return asked

    scheduler = start(request=request)
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    finish(ledger)
    clock.forward(seconds=5)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1)]
    assert len(ledger.runs()) == 1
    clock.forward(minutes=15)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1), ("12:30", "started", 2)]


def test_a_settling_whose_answer_is_lost_is_not_done_twice(
    ledger: Ledger, clock: Clock, start: Callable[..., Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = ledger.settle_tick

    def lose(*outcome: object) -> bool:
        settle(*outcome)  # type: ignore[arg-type]
        raise LOST

    scheduler = start()
    clock.forward(minutes=15)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "settle_tick", lose)
        scheduler._tick(MASTER)
    finish(ledger)
    scheduler._tick(MASTER)
    assert outcomes(ledger) == [("12:15", "started", 1)]
    assert len(ledger.runs()) == 1
