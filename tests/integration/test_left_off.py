"""What was at work when a process ended is done again, however it ended and whoever comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.model import Run, RunState, Trigger
from etl.service import Service
from etl.service.leading import RERUNS
from etl.settings import Settings
from tests.faults.processes import until
from tests.workspaces import few_files, opened, run, workspace

GOLD = "gold_layer_analytics_pipeline"
WISH: dict[str, Any] = {"pipeline": GOLD, "targets": ("gold.monthly_revenue",), "full": True}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    with opened(made) as service:
        run(service)
    return made


def begun(service: Service) -> int:
    """A run that was claimed, and then its process ends without a word."""
    asked, _ = service._ledger.request(**WISH)
    assert service._ledger.claim_next(service.engine._fence)
    return asked.run_id


def asked_again(service: Service, after: int) -> list[Run]:
    return [found for found in service._ledger.runs() if found.requested_by == f"take-over after run {after}"]


def require_done_again(service: Service, after: int) -> None:
    """Once, in the same words, to a good end."""
    until(lambda: asked_again(service, after) and service._ledger.active_run() is None, 30)
    (again,) = asked_again(service, after)
    assert (again.targets, again.full, again.trigger) == (WISH["targets"], True, Trigger.CATCH_UP)
    assert again.state is RunState.SUCCEEDED, again.error


def test_a_run_that_a_clean_stop_cut_off_is_done_again_by_the_next_start(settings: Settings) -> None:
    with opened(settings) as service:
        asked = service._ledger.request(**WISH)[0].run_id
        plan = service.engine._before_run

        def stop_comes() -> None:
            plan()
            service.engine._stopping.set()

        service.engine._before_run = stop_comes
        assert service.engine.work_one() is not None
        assert service.run(asked).state is RunState.INTERRUPTED
        assert "It is due again." in service.run(asked).error
    with opened(settings) as service:
        service.live()
        require_done_again(service, asked)


def test_a_run_that_a_command_found_cut_off_is_done_again_by_the_next_start(settings: Settings) -> None:
    with opened(settings) as service:
        asked = begun(service)
    with opened(settings) as command:
        assert command.run(asked).state is RunState.INTERRUPTED
        assert asked_again(command, asked) == [], "a command does what it was asked for"
    with opened(settings) as service:
        service.live()
        require_done_again(service, asked)


def test_what_has_been_asked_for_since_is_not_asked_for_again(settings: Settings) -> None:
    with opened(settings) as service:
        asked = begun(service)
    with opened(settings) as command:
        command.work(command._ledger.request(**WISH)[0].run_id)
    with opened(settings) as service:
        service.live()
        assert asked_again(service, asked) == []


def test_a_run_that_is_cut_off_each_time_is_left_to_the_schedule(settings: Settings) -> None:
    asked = 0
    for _ in range(RERUNS):
        with opened(settings) as service:
            asked = begun(service)
    with opened(settings) as service:
        service.live()
        assert asked_again(service, asked) == []
