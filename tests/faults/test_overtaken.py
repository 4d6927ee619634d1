"""Moments that chance hardly finds, made to happen: between two statements of an engine that loses its lease."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from etl.errors import LeaseLost, LedgerUnavailable, WarehouseUnavailable
from etl.model import RunState
from etl.service import Service, open_service
from etl.warehouse import Publication
from tests.contents import PUBLISHED, contents
from tests.faults.processes import until
from tests.faults.proxy import Trap, proxied
from tests.faults.twins import lying_on, require_lease
from tests.postgres import Server, running_server
from tests.workspaces import few_files, opened, run, workspace


def freeze(service: Service, server: Server) -> None:
    """It does not look at its lease any more, and has just been told that it may work."""
    assert service.keeper is not None
    service.keeper._stopping.set()
    service.engine._may_work = lambda: True
    server.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'metalayer lease %' "
        f"and datname = '{service.settings.warehouse.rpartition('/')[2]}'"
    )


def test_an_engine_that_was_overtaken_claims_no_run(postgres: Server, tmp_path: Path) -> None:
    settings = lying_on(postgres, workspace(tmp_path))
    few_files(settings)
    with opened(settings) as frozen:
        freeze(frozen, postgres)
        with opened(settings) as other:
            require_lease(other)
            asked = other.request_run().run_id
            with pytest.raises(LeaseLost):
                frozen.engine.work_one()
            assert other.run(asked).state is RunState.QUEUED
            assert other.work(asked).state is RunState.SUCCEEDED


def test_a_run_whose_claim_was_made_and_its_answer_lost_is_not_left_at_work(
    postgres: Server, tmp_path: Path
) -> None:
    settings = lying_on(postgres, workspace(tmp_path))
    few_files(settings)
    with proxied(postgres.port) as proxy, opened(proxy.before(settings)) as service:
        assert run(service).state is RunState.SUCCEEDED
        asked = service.request_run().run_id
        trap = proxy.set_trap(Trap(b"COMMIT\0", answered=True))
        with pytest.raises(LedgerUnavailable):
            service.engine.work_one()
        assert trap.sprung.is_set()
        until(lambda: service.run(asked).state is RunState.RUNNING, 5)
        assert service.work(asked).state is RunState.SUCCEEDED
        assert run(service).state is RunState.SUCCEEDED


def test_a_copy_that_cannot_take_over_is_not_ready_though_one_before_it_was(
    postgres: Server, tmp_path: Path
) -> None:
    settings = lying_on(postgres, workspace(tmp_path))
    with opened(settings) as holder, open_service(settings) as other:
        assert other.keeper is not None
        other.keeper.want()
        assert other.readiness()["engine"] == "ok", "it stands by"

        def fail(_note: object) -> int:
            raise WarehouseUnavailable("The fencing number is held.")

        other.engine.take_over = fail  # type: ignore[assignment]
        freeze(holder, postgres)
        until(lambda: other.readiness()["engine"] == "not running", 15)
        for _ in range(30):
            assert other.readiness()["engine"] == "not running"
            assert other.lease() is None or other.may_work()
            time.sleep(0.1)


def test_what_a_crash_of_the_database_emptied_is_not_published(tmp_path: Path) -> None:
    with running_server() as server:
        settings = lying_on(server, workspace(tmp_path))
        few_files(settings)
        with opened(settings) as service:
            assert run(service).state is RunState.SUCCEEDED
            before = contents(service, PUBLISHED)
            publish = service._warehouse.publish

            def crash_before(publication: Publication) -> int:
                server.restart("immediate")
                return publish(publication)

            service._warehouse.publish = crash_before  # type: ignore[method-assign]
            ended = run(service, "gold", full=True)
            del service._warehouse.publish
            assert ended.state is not RunState.SUCCEEDED
            assert contents(service, PUBLISHED) == before, "the last good version stays"
            require_lease(service)
            assert run(service, full=True).state is RunState.SUCCEEDED
            assert contents(service, PUBLISHED) == before
