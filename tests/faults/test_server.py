"""A real `up`: what it does with nobody watching, how it begins and ends, and what may happen to it meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from etl.settings import ROOT, Settings
from tests.faults.processes import MINUTE, Server, command, ended, serving, until
from tests.faults.streamlit_session import tab
from tests.workspaces import SALES, few_files, land, workspace

NEVER = "0 0 29 2 *"
EVERY_MINUTE = "* * * * *"


@pytest.fixture(scope="module")
def unwatched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a tick every minute that no browser ever opens."""
    folder = tmp_path_factory.mktemp("unwatched")
    with serving(workspace(folder), folder / "log", METALAYER_SCHEDULE=EVERY_MINUTE) as server:
        yield server.ready()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs nothing by the clock."""
    folder = tmp_path_factory.mktemp("quiet")
    settings = workspace(folder)
    few_files(settings)
    with serving(settings, folder / "log", METALAYER_SCHEDULE=NEVER) as server:
        server.ready()
        until(lambda: server.ask("verdict")["ready"])
        yield server


def test_the_server_says_that_it_lives_and_that_every_part_is_ready(unwatched: Server) -> None:
    assert unwatched.get("/healthz") == (200, {"status": "ok"})
    parts = {"engine": "ok", "ledger": "ok", "warehouse": "ok"}
    assert unwatched.get("/readyz") == (200, {"status": "ready", "parts": parts})
    assert f"MetaLayer is up at {unwatched.url}" in unwatched.said


# -- the way in for commands ----------------------------------------------------------------------------------


def test_a_command_goes_through_the_server_that_holds_the_warehouse(quiet: Server) -> None:
    before = len(quiet.ask("runs")["runs"])
    done = ended(command(quiet.settings, "run", "gold", "--json"))
    assert done.code == 0, done
    assert done.document["run"]["state"] == "succeeded"
    runs = quiet.ask("runs")["runs"]
    assert len(runs) == before + 1
    assert runs[0]["run_id"] == done.document["run"]["run_id"], "the server itself did it"
    assert str(quiet.process.pid) in quiet.ask("system")["services"][1]["address"]


def test_engine_json_is_for_its_owner_alone_and_says_who_is_there(quiet: Server) -> None:
    path = quiet.settings.engine_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (quiet.announced["pid"], quiet.announced["url"]) == (quiet.process.pid, quiet.url)
    assert not list(path.parent.glob("engine.json.*"))


@pytest.mark.parametrize("secret", ["", "wrong", "wrong\u00e9"])
def test_without_the_secret_nothing_is_done(quiet: Server, secret: str) -> None:
    before = quiet.ask("runs")["runs"][0]["run_id"]
    status, answer = quiet.call("request_run", secret, targets=["gold"])
    assert status == 401
    assert quiet.announced["secret"] not in json.dumps(answer)
    assert quiet.ask("runs")["runs"][0]["run_id"] == before


def test_the_server_is_reached_on_loopback_alone(quiet: Server) -> None:
    listening = {
        found.laddr.ip
        for found in psutil.Process(quiet.process.pid).net_connections()
        if found.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}


def test_a_second_server_on_the_same_workspace_is_refused(quiet: Server, tmp_path: Path) -> None:
    with serving(quiet.settings, tmp_path / "log") as second:
        assert second.process.wait(MINUTE) == 2
        assert f"already runs on this workspace: {quiet.url} (pid {quiet.process.pid})" in second.said
    assert quiet.get("/readyz")[0] == 200


# -- by itself ------------------------------------------------------------------------------------------------


def test_a_file_is_taken_when_it_has_stopped_growing_with_no_browser_open(quiet: Server) -> None:
    path = quiet.settings.landing / "erp" / "erp_sales_slow.csv"
    count = 12
    with path.open("w") as file:
        file.write(SALES)
        for number in range(count):
            file.write(f"{100 + number},12,2,1,2026-03-01,1.00\n")
            file.flush()
            time.sleep(0.4)
    stopped = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    until(lambda: [batch for batch in quiet.ask("batches") if batch["path"] == "erp/erp_sales_slow.csv"])
    (batch,) = [batch for batch in quiet.ask("batches") if batch["path"] == "erp/erp_sales_slow.csv"]
    assert batch["rows"] == count, "not before it was whole"
    asked_at = datetime.fromisoformat(quiet.ask("run", run_id=batch["run_id"])["requested_at"])
    assert stopped < asked_at <= stopped + timedelta(seconds=5)
    until(lambda: quiet.ask("run", run_id=batch["run_id"])["state"] == "succeeded")
    assert quiet.ask("run", run_id=batch["run_id"])["trigger"] == "arrival"


# -- beginning and ending -------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from etl.service import open_service
from etl.settings import read_settings
with open_service(read_settings()) as service:
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_server_waits_for_a_command_says_so_and_starts_then(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    settings.state.mkdir()
    stale = {
        "pid": dead_pid(),
        "url": "http://127.0.0.1:9",
        "secret": "old",
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    settings.engine_file.write_text(json.dumps(stale))
    holder = command_that_holds(settings)
    with serving(settings, tmp_path / "log", METALAYER_SCHEDULE=NEVER) as server:
        until(lambda: "cannot start yet" in server.said, told=lambda: server.said)
        assert f"held by process {holder.pid}" in server.said
        assert server.get("/healthz")[0] == 200
        assert server.get("/readyz")[0] == 503
        with tab(server.url) as waiting:
            assert str(holder.pid) in " ".join(waiting.run().texts), (
                "the page says why there is nothing to see"
            )
        holder.communicate("")
        server.ready()
        assert server.said.count("cannot start yet") == 1
        assert server.announced["pid"] == server.process.pid
        until(lambda: server.ask("verdict")["ready"])


def test_a_server_with_a_broken_contract_says_where_and_starts_when_it_is_mended(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    contract = settings.project / "contracts" / "erp_sales.odcs.yaml"
    shipped = contract.read_text()
    contract.write_text(shipped.replace("required: true", "requird: true", 1))
    with serving(settings, tmp_path / "log", METALAYER_SCHEDULE=NEVER) as server:
        until(lambda: "cannot start yet" in server.said, told=lambda: server.said)
        assert "contracts/erp_sales.odcs.yaml:" in server.said
        assert "requird" in server.said
        with tab(server.url) as waiting:
            assert "requird" in " ".join(waiting.run().texts)
        contract.write_text(shipped)
        until(lambda: server.ready().ask("verdict")["ready"])


def command_that_holds(settings: Settings) -> subprocess.Popen[str]:
    from tests.faults.processes import environment

    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], env=environment(settings), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def dead_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    return gone.pid


def test_a_stale_engine_json_is_no_hindrance_to_a_command(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    settings.state.mkdir()
    for pid in (dead_pid(), os.getpid()):  # nobody, and somebody else who has the number now
        stale = {
            "pid": pid,
            "url": "http://127.0.0.1:9",
            "secret": "old",
            "started_at": "2026-01-01T00:00:00+00:00",
        }
        settings.engine_file.write_text(json.dumps(stale))
        done = ended(command(settings, "run", "--json"))
        assert (done.code, done.document["verdict"]["ready"]) == (0, True), done


@pytest.mark.parametrize("at_work", [False, True], ids=["idle", "at work"])
def test_sigterm_ends_a_server_cleanly_and_soon(tmp_path: Path, at_work: bool) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    with serving(settings, tmp_path / "log", METALAYER_SCHEDULE=NEVER) as server:
        server.ready()
        until(lambda: server.ask("verdict")["ready"])
        if at_work:
            lines = "".join(f"{10 + n},12,2,1,2026-03-01,1.00\n" for n in range(60_000))
            land(settings, "erp/erp_sales_2.csv", SALES + lines)
            asked = server.ask("request_run")["run_id"]
            until(lambda: server.ask("run", run_id=asked)["state"] == "running")
        children = psutil.Process(server.process.pid).children(recursive=True)
        started = time.monotonic()
        code = server.stop(signal.SIGTERM)
        assert time.monotonic() - started < 20
        assert code in (0, -signal.SIGTERM)
        assert not settings.engine_file.exists()
        assert not [child for child in children if child.is_running()]
        assert "Traceback" not in server.said
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port)):
            pass
    done = ended(command(settings, "run", "--json"))
    assert (done.code, done.document["verdict"]["ready"]) == (0, True), done
    states = {run["state"] for run in ended(command(settings, "runs", "--json")).document["runs"]}
    assert states <= {"succeeded", "interrupted"}


# -- reloads --------------------------------------------------------------------------------------------------

SPY = """
import json, os, sys, threading, time

def look():
    while True:
        living = sys.modules.get("_metalayer_process")
        seen = {
            "threads": [(thread.name, thread.ident) for thread in threading.enumerate()],
            "service": id(getattr(living, "service", None)),
            "host": id(getattr(living, "host", None)),
            "modules": {name: id(sys.modules.get(name)) for name in ("etl.process", "ui.data", "etl.service")},
        }
        with open(os.environ["SPY"] + ".new", "w") as file:
            json.dump(seen, file)
        os.replace(os.environ["SPY"] + ".new", os.environ["SPY"])
        time.sleep(0.1)

if "SPY" in os.environ:
    threading.Thread(target=look, daemon=True).start()
"""  # Python runs a sitecustomize.py that lies on its path at every start.


def test_hot_reloads_and_emptied_caches_leave_one_engine_and_one_scheduler(tmp_path: Path) -> None:
    copy = copied_tree(tmp_path / "tree")
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY)
    settings = workspace(tmp_path / "work")
    few_files(settings)
    more = {
        "PYTHONPATH": str(spy), "SPY": str(spy / "seen.json"), "METALAYER_SCHEDULE": NEVER,
        "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "auto",
    }  # fmt: skip
    with serving(settings, tmp_path / "log", root=copy, **more) as server:
        server.ready()
        until(lambda: server.ask("verdict")["ready"])
        with tab(server.url) as browser:
            browser.run()
            first = seen(spy)
            assert engines_and_schedulers(first) == ["APScheduler", "metalayer-engine", "metalayer-lease"]
            for number in range(3):
                edit(copy, number)
                until(lambda number=number: f"edit {number}" in " ".join(browser.run().texts))  # type: ignore[misc]
                browser.clear_cache()
                browser.run("quality")
        time.sleep(0.3)
        last = seen(spy)
        assert last["modules"]["etl.process"] != first["modules"]["etl.process"], "it was reloaded"
        assert (last["service"], last["host"]) == (first["service"], first["host"])
        assert engines_and_schedulers(last) == ["APScheduler", "metalayer-engine", "metalayer-lease"]
        assert idents(last) == idents(first), "the very same ones"
        land(settings, "erp/erp_sales_2.csv", SALES + "5,12,2,1,2026-03-01,5.00\n")
        until(lambda: any(batch["path"] == "erp/erp_sales_2.csv" for batch in server.ask("batches")))
        assert server.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
        assert not settings.engine_file.exists()


def copied_tree(target: Path) -> Path:
    for name in ("etl", "ui", "pages", ".streamlit", "contracts", "gold"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", target / "app.py")
    return target


def edit(tree: Path, number: int) -> None:
    """Save the script and modules that hold the engine, as an editor does."""
    for name in ("etl/process.py", "etl/host.py", "etl/service/__init__.py", "ui/data.py"):
        path = tree / name
        path.write_text(f"{path.read_text()}\n# edit {number}\n")
    main = tree / "ui" / "main.py"
    main.write_text(f'{main.read_text()}\nst.caption("edit {number}")\n')


def seen(spy: Path) -> Any:
    return json.loads(until((spy / "seen.json").read_text))


def engines_and_schedulers(found: Any) -> list[str]:
    return sorted(name for name, _ in found["threads"] if name.startswith(("APScheduler", "metalayer")))


def idents(found: Any) -> dict[str, int]:
    return {name: ident for name, ident in found["threads"] if name in ("APScheduler", "metalayer-engine")}


# -- strangers ------------------------------------------------------------------------------------------------

PAGES = sorted(path.stem.replace("_", "-") for path in (ROOT / "pages").glob("*.py"))


@pytest.mark.parametrize("page", PAGES)
def test_the_first_request_of_a_stranger_to_any_page_goes_through_the_apps_own_script(
    tmp_path: Path, page: str
) -> None:
    settings = workspace(tmp_path)
    with serving(settings, tmp_path / "log", METALAYER_SCHEDULE=NEVER) as server:
        until(lambda: accepts(server), told=lambda: server.said)
        with tab(server.url) as stranger:
            shown = stranger.run(page)
        assert shown.title == "MetaLayer"
        assert {address or "overview" for address in shown.pages} == set(PAGES)
        at_home = page if page in shown.pages else ""
        assert shown.page_hash == shown.pages[at_home], "and it is the page that was asked for"
        assert shown.elements


def accepts(server: Server) -> bool:
    """Whether anybody listens; nothing is asked for."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
        return True
    return False


# -- by the clock, last: it has waited for its minute all the while --------------------------------------------


def test_the_clock_ticks_with_no_browser_open_and_each_tick_has_one_outcome(unwatched: Server) -> None:
    until(lambda: unwatched.ask("ticks"), seconds=75)
    ticks = unwatched.ask("ticks")
    due = [tick["due_at"] for tick in ticks]
    assert len(due) == len(set(due))
    first = ticks[-1]
    assert first["outcome"] in ("started", "joined")
    tick_run = unwatched.ask("run", run_id=first["run_id"])
    assert tick_run["trigger"] == "schedule"
    late = datetime.fromisoformat(tick_run["requested_at"]) - datetime.fromisoformat(first["due_at"])
    assert timedelta(0) <= late < timedelta(seconds=5)
    until(lambda: unwatched.ask("run", run_id=first["run_id"])["state"] == "succeeded")
