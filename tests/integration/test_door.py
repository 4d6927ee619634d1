"""Commands and a running app: one holds the warehouse, the others go through it, and nobody else gets in."""

from __future__ import annotations

import inspect
import json
import os
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request

from etl.announcement import Announcement, announce, read_announcement, withdraw
from etl.api import MOST_BYTES, _from_here, routes
from etl.calls import ALLOWED_CALLS, error_to_plain
from etl.door import LocalDoor, RemoteDoor, error_from_plain, living, open_door
from etl.errors import CatalogError, MetaLayerError, Problem, UsageError, WarehouseUnavailable
from etl.service import Service, start_service
from etl.settings import Settings
from tests.commands import command
from tests.workspaces import few_files, workspace


@dataclass(frozen=True)
class App:
    """A server with the routes, its engine at work, and how it is reached."""

    settings: Settings
    process: Any  # the synthetic module of etl.process
    announcement: Announcement

    def ask(self, path: str, body: bytes | None = None, secret: str | None = None) -> tuple[int, Any]:
        """Status and JSON of one request; POST when there is a body."""
        headers = {"Authorization": f"Bearer {secret}"} if secret is not None else {}
        request = urllib.request.Request(f"{self.announcement.url}{path}", body, headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
                return response.status, json.load(response)
        except urllib.error.HTTPError as refused:
            text = refused.read()
            return refused.code, json.loads(text) if text.startswith(b"{") else text

    def call(self, body: Any) -> tuple[int, Any]:
        """A call that knows the secret."""
        return self.ask("/engine/call", json.dumps(body).encode(), self.announcement.secret)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    settings = workspace(tmp_path_factory.mktemp("door"))
    few_files(settings)
    process: Any = ModuleType("process")
    process.__dict__.update(service=start_service(settings), problem=None, secret="")
    config = uvicorn.Config(Starlette(routes=routes(process)), port=0, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        process.service.live()
        url = f"http://127.0.0.1:{port_of(server)}"
        process.secret = announce(settings.engine_file, url, datetime.now(UTC)).secret
        announcement = read_announcement(settings.engine_file)
        assert announcement is not None
        yield App(settings, process, announcement)
    finally:
        server.should_exit = True
        thread.join(20)
        process.service.close()


def port_of(server: uvicorn.Server) -> int:
    give_up_at = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


def unheard(text: str) -> None:
    raise AssertionError(text)


def test_a_command_goes_through_the_running_app(app: App) -> None:
    with open_door(app.settings, unheard) as door:
        assert isinstance(door, RemoteDoor)
        asked = door.call("request_run", targets=[], trigger="command", by="ann")
        seen: list[str] = []
        run = door.finish(asked["run_id"], lambda plain: seen.append(plain["state"]))
        assert (run["state"], run["requested_by"], run["trigger"]) == ("succeeded", "ann", "command")
        assert seen[-1] == "succeeded"
        rows = door.call(
            "select", sql="select sum(sale_amount) from silver.sales_clean where sales_id < ?", params=[4]
        )
        assert rows["rows"] == [["90.00"]]


def test_a_proxy_from_the_environment_never_sees_the_secret(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert living(app.settings) is not None


def test_a_backup_is_taken_by_the_running_app_which_holds_off_a_restore_and_a_move(
    app: App, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    taken = command(app.settings, "backup", "--out", str(backup), "--json")
    assert taken.code == 0, taken.err
    assert (backup / "manifest.json").exists()
    assert taken.document["version"] == app.process.service.version()
    for words in (f"restore {backup} --replace", "migrate --to postgresql+psycopg2://me@127.0.0.1:9/none"):
        ended = command(app.settings, *words.split())
        assert (ended.code, f"pid {os.getpid()}" in ended.err) == (2, True), ended.err


def test_an_error_crosses_with_its_class_message_and_hint(app: App) -> None:
    with open_door(app.settings, unheard) as door, pytest.raises(UsageError) as refused:
        door.call("run", run_id=999)
    assert "999" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("method", ["close", "live", "work", "_standing", "settings", "__init__", "engine"])
def test_what_is_not_on_the_list_cannot_be_called(app: App, method: str) -> None:
    status, answer = app.call({"method": method, "kwargs": {}})
    assert (status, answer["error"]["kind"]) == (400, "UsageError")


@pytest.mark.parametrize(
    ("method", "kwargs"),
    [
        ("runs", {"limit": "many"}),
        ("runs", {"limit": True}),
        ("runs", {"limit": -1}),
        ("runs", {"nosuch": 1}),
        ("run", {}),
        ("request_run", {"targets": "gold"}),
        ("request_run", {"trigger": "magic"}),
        ("request_run", {"full": "yes"}),
        ("pause", {"pipeline": 5, "paused": True}),
        ("rows", {"table": "silver.sales_clean", "where": [1]}),
        ("select", {"sql": "select 1", "params": [{"a": 1}]}),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused(app: App, method: str, kwargs: dict[str, Any]) -> None:
    status, answer = app.call({"method": method, "kwargs": kwargs})
    assert (status, answer["error"]["kind"]) == (400, "UsageError")


@pytest.mark.parametrize("secret", [None, "", "wrong", "ü"])
def test_without_the_secret_nothing_is_answered(app: App, secret: str | None) -> None:
    if secret == "ü":
        secret = secret.encode().decode("latin-1")
    status, answer = app.ask("/engine/call", b'{"method": "version"}', secret)
    assert status == 401
    assert "ok" not in answer


@pytest.mark.parametrize("unset", ["", None])
def test_before_there_is_a_secret_nobody_knows_it(app: App, unset: str | None) -> None:
    known, app.process.secret = app.process.secret, unset
    try:
        assert app.ask("/engine/call", b'{"method": "version"}', "")[0] == 401
        assert app.ask("/engine/call", b'{"method": "version"}', "None")[0] == 401
    finally:
        app.process.secret = known


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"method": 1}', b'{"method": "version", "kwargs": []}', b"\xff"]
)
def test_what_is_no_call_is_refused(app: App, body: bytes) -> None:
    assert app.ask("/engine/call", body, app.announcement.secret)[0] == 400


def test_a_call_may_not_be_larger_than_a_megabyte(app: App) -> None:
    status, _ = app.call({"method": "select", "kwargs": {"sql": "x" * MOST_BYTES}})
    assert status == 413


def test_the_way_in_is_for_posts_alone(app: App) -> None:
    assert app.ask("/engine/call")[0] == 405


@pytest.mark.parametrize(
    ("client", "server", "here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.9", "192.0.2.7", False),
        ("::ffff:192.0.2.9", "::", False),
        ("testclient", "testclient", False),
    ],
)
def test_only_callers_on_this_machine_are_heard(client: str, server: str, here: bool) -> None:
    assert (
        _from_here(Request({"type": "http", "headers": [], "client": (client, 5), "server": (server, 8501)}))
        is here
    )


def test_the_process_says_that_it_lives_and_that_it_is_ready(app: App) -> None:
    assert app.ask("/healthz") == (200, {"status": "ok"})
    ready = {"engine": "ok", "ledger": "ok", "warehouse": "ok"}
    assert app.ask("/readyz") == (200, {"status": "ready", "parts": ready})


def test_an_engine_that_is_not_there_is_not_ready(app: App) -> None:
    service = app.process.service
    app.process.service = None
    try:
        assert app.ask("/healthz")[0] == 200
        status, answer = app.ask("/readyz")
        assert (status, answer["parts"]["engine"]) == (503, "starting")
        assert app.call({"method": "version"})[1]["error"]["kind"] == "UsageError"
        app.process.problem = WarehouseUnavailable("The warehouse /secret/place is held by process 5.")
        status, answer = app.ask("/readyz")
        assert (status, answer["parts"]["warehouse"]) == (503, "failed to start")
        assert "secret" not in json.dumps(answer)
    finally:
        app.process.service, app.process.problem = service, None


def test_every_call_on_the_list_is_one_of_the_service() -> None:
    for method, arguments in ALLOWED_CALLS.items():
        parameters = inspect.signature(getattr(Service, method)).parameters
        assert set(arguments) <= set(parameters), method


def test_the_announcement_is_for_its_owner_alone(app: App) -> None:
    mode = stat.S_IMODE(app.settings.engine_file.stat().st_mode)
    assert mode == 0o600
    assert len(app.announcement.secret) >= 32


def test_each_start_has_a_secret_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "state" / "engine.json"
    first = announce(file, "http://127.0.0.1:1", datetime.now(UTC))
    second = announce(file, "http://127.0.0.1:1", datetime.now(UTC))
    assert first.secret != second.secret
    withdraw(file, first)
    assert read_announcement(file) == second
    withdraw(file, second)
    assert read_announcement(file) is None


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize(
    "stale", ["dead pid", "nobody answers", "somebody else answers", "no announcement", "empty"]
)
def test_a_stale_announcement_is_ignored(app: App, tmp_path: Path, stale: str) -> None:
    settings = workspace(tmp_path)
    settings.state.mkdir(parents=True)
    said = {
        "pid": os.getpid(),
        "url": "http://127.0.0.1:9",
        "secret": "s",
        "started_at": "2026-11-23T00:00:00+00:00",
    }
    if stale == "dead pid":
        said |= {"pid": dead_pid(), "url": app.announcement.url, "secret": app.announcement.secret}
    if stale == "somebody else answers":
        said["url"] = app.announcement.url
    text = {"no announcement": "[]", "empty": ""}.get(stale, json.dumps(said))
    settings.engine_file.write_text(text, encoding="utf-8")
    with open_door(settings, unheard) as door:
        assert isinstance(door, LocalDoor)
        assert door.call("version") == 0


def test_a_warehouse_that_is_not_let_go_is_told_with_its_holder(tmp_path: Path) -> None:
    settings = workspace(tmp_path)
    settings.state.mkdir(parents=True)
    warehouse = str(settings.state / "warehouse.duckdb")
    hold = f"import duckdb, sys; c = duckdb.connect({warehouse!r}); print(1, flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    heard: list[str] = []
    with subprocess.Popen([sys.executable, "-c", hold], stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(WarehouseUnavailable, match=str(holder.pid)),
            open_door(settings, heard.append, 0.5),
        ):
            pass
        holder.communicate()
    assert len(heard) == 1
    assert "Waiting" in heard[0]


@pytest.mark.parametrize(
    "error",
    [
        UsageError("a", "b"),
        WarehouseUnavailable("a", "b"),
        CatalogError([Problem("x.yaml", 3, "wrong", "mend")]),
    ],
)
def test_an_error_comes_back_as_it_was(error: MetaLayerError) -> None:
    back = error_from_plain(json.loads(json.dumps(error_to_plain(error))))
    assert (type(back), back.message, back.hint, back.exit_code) == (
        type(error), error.message, error.hint, error.exit_code,
    )  # fmt: skip


def test_an_unknown_error_keeps_its_exit_code() -> None:
    back = error_from_plain({"kind": "MemoryError", "message": "m", "exit_code": 2})
    assert (type(back), back.message, back.exit_code) == (MetaLayerError, "m", 2)


def test_an_app_that_went_away_is_told_and_not_waited_for(app: App) -> None:
    gone = RemoteDoor(replace(app.announcement, url="http://127.0.0.1:9"))
    with pytest.raises(WarehouseUnavailable, match="does not answer"):
        gone.call("version")
