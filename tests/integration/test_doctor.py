"""`doctor` finds what is wrong where an engine does not even start, and mends what can be mended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl import diagnosis
from etl.database import is_transient, require_fit
from etl.errors import LedgerError, WarehouseError, WarehouseUnavailable
from etl.lease import LOCK
from etl.ledger import Ledger
from etl.moving.restored import mark_of
from etl.service import open_service
from etl.settings import Database, Settings
from tests import tls
from tests.commands import Ended, command
from tests.postgres import ADMIN_PASSWORD, Server, free_port, running_server
from tests.workspaces import QUICK, few_files, opened, run, workspace

SECRET = "never to be seen"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An embedded installation with few rows."""
    made = workspace(tmp_path)
    few_files(made)
    with opened(made) as service:
        run(service)
    return made


@pytest.fixture
def served(tmp_path: Path, postgres_url: str) -> Settings:
    """One in PostgreSQL."""
    made = replace(workspace(tmp_path), warehouse=postgres_url, ledger=postgres_url)
    few_files(made)
    with opened(made) as service:
        run(service)
    return made


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that asks for a password."""
    with running_server(scram=True) as server:
        yield server


def at(settings: Settings, url: str) -> Settings:
    return replace(settings, warehouse=url, ledger=url)


def findings(ended: Ended) -> dict[str, tuple[str, str, str]]:
    """By what was looked at: state, detail, hint. What was seen from outside comes before what the engine says."""
    found: dict[str, tuple[str, str, str]] = {}
    for finding in ended.document["findings"]:
        found.setdefault(finding["what"], (finding["state"], finding["detail"], finding["hint"]))
    return found


def doctor(settings: Settings, *more: str) -> dict[str, tuple[str, str, str]]:
    return findings(command(settings, "doctor", "--json", *more))


def failing(monkeypatch: pytest.MonkeyPatch, settings: Settings, **environment: str) -> tuple[str, str]:
    """What doctor says of a database that does not let us in; the secret is in none of it."""
    real = command.__globals__["environment"]
    monkeypatch.setitem(command.__globals__, "environment", lambda s: real(s) | environment)
    text, ended = command(settings, "doctor"), command(settings, "doctor", "--json")
    started = command(settings, "status")
    monkeypatch.setitem(command.__globals__, "environment", real)
    assert (text.code, ended.code) == (1, 1)
    assert started.code == 1
    for said in (text, ended, started):
        assert SECRET not in said.out + said.err
        assert "Traceback" not in said.err
    state, detail, hint = findings(ended)["Database"]
    assert state == "failed"
    return detail, hint


# -- the way to the database -----------------------------------------------------------------------------------


def test_a_database_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    there = at(settings, f"postgresql+psycopg2://me@127.0.0.1:{free_port()}/none")
    detail, hint = failing(monkeypatch, there, METALAYER_DATABASE_PASSWORD=SECRET)
    assert "cannot be reached" in detail
    assert "see that it runs" in hint


def test_a_wrong_password_and_one_that_is_missing_are_told_as_such(
    settings: Settings, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = at(settings, guarded.url())
    detail, hint = failing(monkeypatch, there, METALAYER_DATABASE_PASSWORD=SECRET)
    assert "password authentication failed" in detail
    assert "METALAYER_DATABASE_PASSWORD" in hint
    detail, hint = failing(monkeypatch, there, PGPASSFILE="/dev/null")
    assert "no password supplied" in detail
    assert "METALAYER_DATABASE_PASSWORD_FILE" in hint


def test_a_sign_in_that_was_refused_is_not_tried_again(settings: Settings, guarded: Server) -> None:
    wrong = replace(at(settings, guarded.url()), database=Database(password=SECRET))
    with pytest.raises(WarehouseError, match="refuses the connection") as refused, open_service(wrong):
        pass
    assert not isinstance(refused.value, WarehouseUnavailable)
    assert refused.value.__cause__ is not None
    assert not is_transient(refused.value.__cause__)
    with pytest.raises(LedgerError, match="refuses the connection") as told:
        Ledger(wrong.ledger, lambda: datetime.now(UTC), wrong.database).open()
    assert not told.value.transient
    right = replace(wrong, database=Database(password=ADMIN_PASSWORD))
    with open_service(right, retry=QUICK) as service:
        run(service)


def test_a_user_or_a_database_that_does_not_exist(
    settings: Settings, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    detail, hint = failing(monkeypatch, at(settings, postgres.url(user="nobody_known")))
    assert 'role "nobody_known" does not exist' in detail
    detail, hint = failing(monkeypatch, at(settings, postgres.url("no_such_database")))
    assert 'database "no_such_database" does not exist' in detail
    assert "administrator" in hint


def test_a_server_that_lets_this_user_in_from_nowhere(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server() as server:
        server.execute("create role outsider login")
        (server.data / "pg_hba.conf").write_text("host all postgres 127.0.0.1/32 trust\n")
        server.execute("select pg_reload_conf()")
        detail, hint = failing(monkeypatch, at(settings, server.url(user="outsider")))
    assert "no pg_hba.conf entry" in detail
    assert "pg_hba.conf" in hint


def test_tls_is_asked_for_checked_and_its_lack_is_told(
    settings: Settings, postgres: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, key = tls.certificate(tmp_path, "localhost")
    other, _ = tls.certificate(tmp_path, "elsewhere")
    detail, hint = failing(monkeypatch, at(settings, postgres_url), METALAYER_DATABASE_TLS="require")
    assert "does not support SSL" in detail
    assert "METALAYER_DATABASE_TLS" in hint
    with tls.before(postgres.port, ours, key) as port:
        behind = postgres_url.replace(f":{postgres.port}/", f":{port}/")
        named = at(settings, behind.replace("127.0.0.1", "localhost"))
        checked = replace(named, database=Database(tls="verify-full", ca=ours))
        with open_service(checked, retry=QUICK) as service:
            assert run(service).error == ""
        full = {"METALAYER_DATABASE_TLS": "verify-full"}
        detail, hint = failing(monkeypatch, named, **full, METALAYER_DATABASE_CA=str(other))
        assert "certificate verify failed" in detail
        assert "METALAYER_DATABASE_CA" in hint
        detail, hint = failing(monkeypatch, named, **full, METALAYER_DATABASE_CA=str(tmp_path / "none.crt"))
        assert "METALAYER_DATABASE_CA" in hint
        detail, hint = failing(monkeypatch, at(settings, behind), **full, METALAYER_DATABASE_CA=str(ours))
        assert "does not match host name" in detail


def test_a_user_without_the_rights_is_told_which_and_by_which_statement(
    settings: Settings, postgres: Server, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.execute("drop role if exists lowly")
    postgres.execute("create role lowly login")
    there = at(settings, postgres_url.replace("postgres@", "lowly@"))
    try:
        state, detail, hint = doctor(there)["Rights"]
        assert (state, f"lowly may not: create schemas in {name}" in detail) == ("failed", True)
        statement = hint.partition("run: ")[2].partition(";")[0]
        postgres.execute(statement)
        assert "Rights" not in doctor(there)
        with opened(there) as service:
            run(service)
        postgres.execute("create table gold.foreign_one (n integer)", name)
        state, detail, hint = doctor(there)["Rights"]
        assert (state, "own gold.foreign_one" in detail) == ("failed", True)
    finally:
        postgres.execute("drop owned by lowly cascade", name)
        postgres.execute("drop role lowly")


def test_a_database_that_cannot_hold_every_text_is_refused_at_the_start_too(
    settings: Settings, postgres: Server
) -> None:
    postgres.execute("create database latin template template0 encoding 'LATIN1' locale 'C'")
    there = at(settings, postgres.url("latin"))
    try:
        state, detail, hint = doctor(there)["Database"]
        assert (state, "LATIN1" in detail, "encoding 'UTF8'" in hint) == ("failed", True, True)
        with pytest.raises(WarehouseError, match="LATIN1"), open_service(there):
            pass
        left = "select count(*) from pg_namespace where nspname in ('bronze', 'ledger')"
        assert postgres.execute(left, "latin") == [(0,)]
    finally:
        postgres.drop_database("latin")


def test_a_server_that_is_too_old() -> None:
    with pytest.raises(WarehouseError, match="is a PostgreSQL 14; 15 is the oldest"):
        require_fit("UTF8", 140_011, "me@there/db")
    require_fit("UTF8", 150_000, "me@there/db")


def test_few_connections_are_told(settings: Settings) -> None:
    with running_server(settings={"max_connections": "14"}) as server:
        state, detail, _ = doctor(at(settings, server.make_database("few")))["Connections"]
    assert (state, "of 11 are in use" in detail) == ("warned", True)


def test_clocks_that_are_apart(served: Settings) -> None:
    def behind() -> datetime:
        return datetime.now(UTC) - timedelta(seconds=90)

    found = {one.finding.what: one.finding for one in diagnosis.look(served, lambda: False, behind)}
    assert "90 s apart" in found["Clock"].detail
    assert "Clock" not in {one.finding.what for one in diagnosis.look(served, lambda: False)}


# -- what is mended --------------------------------------------------------------------------------------------


def test_everything_that_can_be_mended_is_mended_and_told(served: Settings, postgres: Server) -> None:
    name = served.warehouse.rpartition("/")[2]
    for harm in (
        "drop index silver.sales_clean_sales_id_idx",
        "drop index bronze.erp_sales_raw__batch_id_idx",
        "revoke select on gold.customer_analytics from metalayer_reader",
        "create table silver._new_1_x (n integer)",
        "select setval('ledger.tasks_task_id_seq', 1)",
        "update ledger.runs set state = 'running' where run_id = 1",
    ):
        postgres.execute(harm, name)
    left = served.files / "copy" / "half.csv"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("half")
    announced_by(served, dead_pid())

    harmed = command(served, "doctor", "--json", "--mend")
    found = findings(harmed)
    assert harmed.code == 0
    for what in (
        "engine.json", "Sequences", "Indexes", "Grants", "Builds aside", "Leftover files", "Runs",
    ):  # fmt: skip
        assert found[what][0] == "mended", what
    assert (
        "2 are missing: bronze.erp_sales_raw (_batch_id), silver.sales_clean (sales_id)"
        in found["Indexes"][1]
    )
    assert not left.exists()
    assert not served.engine_file.exists()
    again = doctor(served)
    assert not {
        "engine.json",
        "Sequences",
        "Indexes",
        "Grants",
        "Builds aside",
        "Leftover files",
        "Runs",
    } & set(again)
    ended = command(served, "run", "gold", "--full")
    assert ended.code == 0, ended.err


def test_what_a_start_mends_is_told_as_mended_without_asking(served: Settings, postgres: Server) -> None:
    name = served.warehouse.rpartition("/")[2]
    postgres.execute("drop index silver.sales_clean_sales_id_idx", name)
    postgres.execute("update ledger.runs set state = 'running' where run_id = 1", name)
    found = doctor(served)
    assert found["Runs"][0] == "mended"
    assert (found["Indexes"][0], "--mend" in found["Indexes"][2]) == ("warned", True)


def test_nothing_is_swept_while_an_engine_works(served: Settings) -> None:
    left = served.files / "copy" / "at-work.csv"
    with opened(served):
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("at work")
        found = doctor(served, "--mend")
        assert left.exists()
    assert not {"Leftover files", "Builds aside", "Runs"} & set(found)


def test_the_reading_role_is_told_with_how_well_it_keeps(served: Settings) -> None:
    state, _, hint = doctor(served)["Reading role"]
    assert (state, "METALAYER_READER_PASSWORD" in hint) == ("warned", True)
    secret = replace(served, database=Database(reader_password=SECRET))
    with opened(secret):
        pass
    found = {one.finding.what: one.finding for one in diagnosis.look(secret, lambda: False)}
    assert found["Reading role"].detail == "queries log in as metalayer_reader."


# -- leases and processes --------------------------------------------------------------------------------------


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def announced_by(settings: Settings, pid: int) -> None:
    said = {
        "pid": pid,
        "url": "http://127.0.0.1:9",
        "secret": SECRET,
        "started_at": "2026-11-23T00:00:00+00:00",
    }
    settings.engine_file.write_text(json.dumps(said))


@contextmanager
def frozen(script: str, *arguments: str) -> Iterator[int]:
    """A Python process that has done something and is stopped."""
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        try:
            yield process.pid
        finally:
            os.kill(process.pid, signal.SIGKILL)


HOLD = """
import fcntl, os, sys, time
file = open(sys.argv[1], "a+")
fcntl.flock(file, fcntl.LOCK_EX)
file.truncate(0)
file.write(str(os.getpid()))
file.flush()
print(1, flush=True)
time.sleep(600)
"""


def test_an_app_that_is_frozen_is_named_with_what_to_do(settings: Settings) -> None:
    lease = settings.state / "ledger.sqlite.lease"
    with frozen(HOLD, str(lease)) as pid:
        announced_by(settings, pid)
        ended = command(settings, "doctor", "--json", "--mend")
    found = findings(ended)
    assert ended.code == 1
    assert found["App"][:2] == (
        "failed",
        f"Process {pid} (http://127.0.0.1:9) lives but does not answer: it is stopped.",
    )
    assert f"kill -9 {pid}" in found["App"][2]
    assert (found["Engine lease"][0], str(pid) in found["Engine lease"][1]) == ("failed", True)
    assert settings.engine_file.exists(), "what another process may still need is not removed"
    assert SECRET not in ended.out + ended.err


def test_a_holder_of_the_lease_in_a_database_that_says_nothing_any_more(
    served: Settings, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "IDLE_SECONDS", 0.05)
    name = served.ledger.rpartition("/")[2]
    holder = postgres.connect(name, application_name="metalayer lease there:5")
    try:
        with holder.cursor() as cursor:
            cursor.execute(f"select pg_advisory_lock({LOCK}), pg_sleep(0.1)")
        time.sleep(0.1)
        found = diagnosis.look(served, lambda: False)
        told = [one.finding.detail for one in found if one.finding.what == "Engine lease"]
        assert told
        assert told[0].startswith("there:5 has it, but nothing was heard of it")
    finally:
        holder.close()


def test_a_run_without_an_engine_is_ended_and_told(settings: Settings) -> None:
    with opened(settings) as service:
        asked = service.request_run(("gold",), full=True)
        assert service._ledger.claim_next() is not None
    found = doctor(settings)
    assert found["Runs"] == ("mended", f"Run {asked.run_id} is noted as running, and no engine is there.", "")
    with opened(settings) as service:
        assert service.run(asked.run_id).state == "interrupted"


# -- folders and ledgers ---------------------------------------------------------------------------------------


def test_a_state_folder_that_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = command(replace(settings, state=tmp_path / "file" / "state"), "doctor", "--json")
    state, detail, hint = findings(ended)["State folder"]
    assert (ended.code, state, "cannot be written" in detail, "METALAYER_STATE" in hint) == (
        1,
        "failed",
        True,
        True,
    )


@pytest.mark.parametrize(("name", "state"), [("LITTLE_SPACE", "warned"), ("VERY_LITTLE", "failed")])
def test_a_disk_that_is_nearly_full(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, state: str
) -> None:
    monkeypatch.setattr(diagnosis, name, 10**18)
    found = doctor(settings)["Disk"]
    assert (found[0], "Free some space" in found[2]) == (state, True)


def test_a_ledger_of_a_newer_version_is_told_once(served: Settings, postgres: Server) -> None:
    name = served.warehouse.rpartition("/")[2]
    postgres.execute("update ledger.alembic_version set version_num = '9999'", name)
    ended = command(served, "doctor", "--json", "--mend")
    told = [f for f in ended.document["findings"] if "9999" in f["detail"]]
    assert [(f["what"], f["state"]) for f in told] == [("Ledger", "failed")]
    assert "Update MetaLayer" in told[0]["hint"]
    assert ended.code == 1


def test_a_restore_that_was_broken_off_is_told(settings: Settings) -> None:
    mark_of(settings).touch()
    found = doctor(settings)
    assert (found["Restore"][0], "--replace" in found["Restore"][2]) == ("failed", True)
