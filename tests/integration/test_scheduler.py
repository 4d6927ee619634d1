"""Schedules and arrivals on a real ledger: every due time has one outcome, every settled file one run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.errors import LedgerUnavailable, SettingsError
from etl.ledger import Ledger
from etl.model import Run, RunState, TickOutcome, Trigger
from etl.scheduler import Scheduler, parse_cron, ticks
from etl.scheduler.arrivals import Watch
from etl.scheduler.cron import due_times, next_due
from tests.clock import Clock

MASTER = "master_etl_orchestrator"
GOLD = "gold_layer_analytics_pipeline"
PATTERNS = ("crm/crm_customers*.csv", "erp/erp_sales*.csv")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()  # 1 March 2025, 12:00 UTC


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", clock) as opened:
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
        settings: dict[str, object] = {"poll_seconds": 3600.0, "request": request} | changed
        scheduler = Scheduler(ledger, lambda: [landing], PATTERNS, clock=clock, **settings)  # type: ignore[arg-type]
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


# -- cron lines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("0 6 * * 1-5", "Mon Tue Wed Thu Fri"),
        ("0 6 * * mon-fri", "Mon Tue Wed Thu Fri"),
        ("0 6 * * 0", "Sun"),
        ("0 6 * * 7", "Sun"),
        ("0 6 * * 5-7", "Fri Sat Sun"),
        ("0 6 * * SAT-mon", "Mon Sat Sun"),
        ("0 6 * * 1,3", "Mon Wed"),
        ("0 6 * * */2", "Tue Thu Sat Sun"),
        ("0 6 * * *", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_weekdays_mean_what_crontab_means_by_them(line: str, days: str) -> None:
    monday = datetime(2025, 3, 3, tzinfo=UTC)
    due = list(due_times(parse_cron(line), monday, monday + timedelta(days=7)))
    assert " ".join(f"{moment:%a}" for moment in due) == days


@pytest.mark.parametrize(
    "line",
    [
        "",
        "@daily",
        "* * * *",
        "60 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "0 6 * * 8",
        "0 6 * * fry",
        "0 6 30 2 *",
    ],
)
def test_a_line_that_is_no_cron_is_named_with_what_is_valid(line: str) -> None:
    with pytest.raises(SettingsError, match=r"minute 0-59") as caught:
        parse_cron(line)
    assert repr(line) in str(caught.value)


def test_a_day_and_a_weekday_together_are_refused_as_ambiguous() -> None:
    with pytest.raises(SettingsError, match=r"'0 6 1 \* 1' limits both"):
        parse_cron("0 6 1 * 1")


def test_no_hour_is_left_out_or_doubled_when_clocks_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for day in (datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)):
            due = list(due_times(parse_cron("30 * * * *"), day, day + timedelta(days=1)))
            assert due == [day + timedelta(hours=hour, minutes=30) for hour in range(24)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_leap_day_is_waited_for() -> None:
    assert next_due(parse_cron("0 0 29 2 *"), datetime(2025, 1, 1, tzinfo=UTC)) == datetime(
        2028, 2, 29, tzinfo=UTC
    )


# -- ticks -------------------------------------------------------------------------------------------------


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
    assert outcomes(ledger) == [("12:15", "missed", None)]
    assert done.wait(5)
    scheduler.stop()
    assert outcomes(ledger) == [("12:15", "started", 1)]


def test_a_clock_that_was_ahead_and_is_set_right_goes_on_ticking(
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
    assert scheduler.alive
    began = time.monotonic()
    scheduler.stop()
    scheduler.stop()
    assert time.monotonic() - began < 2
    assert not scheduler.alive
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


# -- arrivals ----------------------------------------------------------------------------------------------


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
    start(poll_seconds=0.05, settle_seconds=0.4)
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
    return Watch(lambda: roots, PATTERNS, 2.0, known)


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
