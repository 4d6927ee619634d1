"""The end of a process, and of the database under it: SIGTERM at work, commands at once, a ledger that is away."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from etl.settings import Settings
from tests.faults.processes import Server, command, ended, serving, until
from tests.faults.proxy import proxied
from tests.faults.streamlit_session import tab
from tests.faults.twins import lying_on, require_lease, require_once, require_swept
from tests.postgres import Server as Database
from tests.postgres import running_server
from tests.templates import MEMORY
from tests.times import TIMES
from tests.warehouses import DUCKDB, KINDS, POSTGRES
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

NEVER = "0 0 29 2 *"
CLEAN_STOP_SECONDS = 10.0
AWAY_SECONDS = 7.0 if TIMES == 1 else 20.0
MANY = 150_000
LANDING, BUILDING = "bronze.erp_sales_raw", "silver.sales_clean"
EACH = [(kind, task) for kind in KINDS for task in (LANDING, BUILDING)]
ENDED_AT = [(DUCKDB, BUILDING), (POSTGRES, LANDING)] if TIMES == 1 else EACH


def a_big_file(settings: Settings, rows: int = MANY) -> None:
    """Sales that take some seconds to be taken in, and some more to be cleaned."""
    lines = (f"{10 + n},{n % 88},{1 + n % 3},1,2026-03-{1 + n % 28:02},1.01\n" for n in range(rows))
    land(settings, "erp/erp_sales_many.csv", SALES + "".join(lines))


def state_of(server: Server, name: str, run_id: int) -> str:
    """Of a task; "" while it is not planned."""
    tasks = server.ask("run", run_id=run_id)["tasks"]
    return next((str(task["state"]) for task in tasks if task["name"] == name), "")


@pytest.mark.parametrize(("kind", "task"), ENDED_AT)
def test_sigterm_in_the_middle_of_a_long_task_ends_the_process_soon_and_leaves_nothing_half(
    kind: str,
    task: str,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        settings = workspace(Path(folder))
        if kind == POSTGRES:
            settings = lying_on(request.getfixturevalue("postgres"), settings)
        few_files(settings)
        with serving(settings, Path(folder) / "log", METALAYER_SCHEDULE=NEVER) as server:
            until(lambda: server.ready().ask("verdict")["ready"])
            a_big_file(settings)
            asked = server.ask("request_run")["run_id"]
            with tab(server.url) as browser:
                browser.run()
                until(lambda: state_of(server, task, asked) == "running", told=lambda: server.said)
                time.sleep(0.3)
                started = time.monotonic()
                code = server.stop(signal.SIGTERM)
                took = time.monotonic() - started
            assert took <= CLEAN_STOP_SECONDS, server.said
            assert code in (0, -signal.SIGTERM)
            assert "Traceback" not in server.said, server.said
        with opened(settings) as service:
            found = service.run(asked)
            told = f"{kind}: SIGTERM during {task}: gone after {took:.1f} s, the run {found.state.value}"
            record_property("measured", told)
            assert found.state.value in ("interrupted", "succeeded"), found
            tables = service.select("select count(*) from silver.sales_clean").rows[0][0]
            assert tables in (4, 4 + MANY)
            require_once(service)
            assert run(service).state.value == "succeeded"
            assert service.select("select count(*) from silver.sales_clean").rows == ((4 + MANY,),)
            assert all(account.closes for account in service.accounts().row_batches)
            require_once(service)
            require_swept(service)


def test_sigterm_while_the_database_says_nothing_ends_the_process_soon(
    postgres: Database, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with proxied(postgres.port) as proxy:
        settings = lying_on(postgres, workspace(tmp_path))
        few_files(settings)
        with serving(proxy.before(settings), tmp_path / "log", METALAYER_SCHEDULE=NEVER) as server:
            until(lambda: server.ready().ask("verdict")["ready"])
            a_big_file(settings)
            asked = server.ask("request_run")["run_id"]
            until(lambda: state_of(server, BUILDING, asked) == "running", told=lambda: server.said)
            proxy.swallow()
            time.sleep(1)
            started = time.monotonic()
            server.stop(signal.SIGTERM)
            took = time.monotonic() - started
            assert took <= CLEAN_STOP_SECONDS, server.said
            proxy.admit()
        record_property("measured", f"SIGTERM while the database is silent: gone after {took:.1f} s")
        with opened(settings) as service:
            require_lease(service)
            assert run(service).state.value == "succeeded"
            assert service.select("select count(*) from silver.sales_clean").rows == ((4 + MANY,),)
            require_once(service)


def test_commands_at_once_take_everything_in_once(postgres: Database, tmp_path: Path) -> None:
    settings = lying_on(postgres, workspace(tmp_path))
    few_files(settings)
    land(settings, "crm/crm_customers_2.csv", CUSTOMERS + "4,Di,di@example.com,EAST\n")
    done = [ended(started) for started in [command(settings, "run", "--json") for _ in range(3)]]
    for one in done:
        assert (one.code, one.document["verdict"]["ready"]) == (0, True), one
    with opened(settings) as service:
        assert {found.state.value for found in service.runs().runs} == {"succeeded"}
        assert len(service.batches()) == 3
        require_once(service)


def test_a_server_outlives_a_database_that_is_away_and_goes_on_by_itself(tmp_path: Path) -> None:
    with running_server() as database:
        settings = lying_on(database, workspace(tmp_path))
        few_files(settings)
        with serving(settings, tmp_path / "log", METALAYER_SCHEDULE=NEVER) as server:
            until(lambda: server.ready().ask("verdict")["ready"])
            database.stop("fast")
            until(lambda: server.get("/readyz")[0] == 503)
            land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
            back_at = time.monotonic() + AWAY_SECONDS
            while time.monotonic() < back_at:
                assert server.get("/healthz")[0] == 200
                assert server.get("/readyz")[0] == 503
                time.sleep(1)
            database.start()
            started = time.monotonic()
            until(lambda: server.get("/readyz")[0] == 200, 20, lambda: server.said)
            assert time.monotonic() - started < 10
            until(lambda: any(found["path"] == "erp/erp_sales_2.csv" for found in server.ask("batches")))
            until(lambda: server.ask("verdict")["ready"])
            server.stop()
        with opened(settings) as service:
            require_once(service)
            assert service.select("select count(*) from silver.sales_clean").rows == ((5,),)
