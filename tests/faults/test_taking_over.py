"""A take-over that fails half-way, or that another process overtakes while this one is frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.errors import LeaseLost, LedgerUnavailable
from etl.lease import Keeper, lease_of
from etl.model import RunState
from etl.service import Service, open_service
from etl.settings import Settings
from tests.faults.twins import MASTER, lying_on, require_lease
from tests.postgres import Server
from tests.workspaces import SALES, few_files, land, opened, run, workspace


@pytest.fixture
def settings(postgres: Server, tmp_path: Path) -> Settings:
    made = lying_on(postgres, workspace(tmp_path))
    few_files(made)
    return made


def end_lease(settings: Settings, server: Server) -> None:
    """As the server does with a process it has not heard of for too long."""
    server.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'metalayer lease %' "
        f"and datname = '{settings.warehouse.rpartition('/')[2]}'"
    )


def at_work(service: Service) -> int:
    """A run that this engine has claimed."""
    asked = service._ledger.request(MASTER, ())[0].run_id
    claimed = service._ledger.claim_next(service.engine._fence)
    assert claimed is not None
    assert claimed.run_id == asked
    return asked


def test_a_copy_that_failed_to_take_over_shows_what_another_publishes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings) as holder, open_service(settings) as copy:
        assert run(holder).state is RunState.SUCCEEDED
        holder.close()

        def fail(*_: object) -> None:
            raise LedgerUnavailable("The ledger is away.")

        with monkeypatch.context() as patch:
            patch.setattr(copy._ledger, "note_lease", fail)
            assert copy.keeper is not None
            with pytest.raises(LedgerUnavailable):
                copy.keeper.take()
        before = copy.version()
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        with opened(settings) as other:
            require_lease(other)
            assert run(other).state is RunState.SUCCEEDED
            assert copy.version() == other.version() > before


@pytest.mark.parametrize("moment", ["before the note", "after the note"])
def test_a_process_that_was_frozen_while_it_took_over_leaves_the_new_holder_its_run(
    settings: Settings, postgres: Server, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings) as holder, open_service(settings) as frozen:
        holder.close()
        part, name = {
            "before the note": (frozen._warehouse, "take_fence"),
            "after the note": (frozen._ledger, "note_lease"),
        }[moment]
        reach, others, runs = getattr(part, name), [], []

        def freeze_after(*given: Any) -> Any:
            answer = reach(*given)
            end_lease(settings, postgres)
            others.append(opened(settings))
            other = others[0].__enter__()
            require_lease(other)
            runs.append((at_work(other), other.engine._fence))
            return answer

        with monkeypatch.context() as patch:
            patch.setattr(part, name, freeze_after)
            assert frozen.keeper is not None
            assert not frozen.keeper.take()
        ((asked, fence),) = runs
        noted = frozen._ledger.lease()
        assert frozen.run(asked).state is RunState.RUNNING
        assert noted is not None
        assert noted.fence == fence
        others[0].__exit__(None, None, None)


def test_a_lease_that_is_lost_while_it_is_taken_up_is_not_held(settings: Settings, postgres: Server) -> None:
    lost: list[str] = []
    told: list[str] = []
    keeper = Keeper(
        lease_of(settings),
        gained=lambda: end_lease(settings, postgres),
        lost=lambda: lost.append("ended"),
        still_ours=lambda: True,
        tell=told.append,
    )
    assert not keeper.take()
    assert not keeper.holds
    assert lost == ["ended"], "what was begun is ended"
    assert "lost while it was taken up" in told[0]
    keeper.stop()


def test_an_engine_in_doubt_about_its_claim_does_not_take_up_the_run_of_another(
    settings: Settings, postgres: Server
) -> None:
    with opened(settings) as frozen:
        assert frozen.keeper is not None
        frozen.keeper._stopping.set()
        frozen.engine._may_work = lambda: True  # it has just been told so
        frozen.engine._claim_in_doubt = True
        end_lease(settings, postgres)
        with opened(settings) as other:
            require_lease(other)
            asked = at_work(other)
            with pytest.raises(LeaseLost):
                frozen.engine.work_one()
            found = other.run(asked)
            assert (found.state, found.tasks) == (RunState.RUNNING, ())
