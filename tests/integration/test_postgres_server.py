"""The PostgreSQL that tests run on: it starts as root and as an ordinary user, and can be stopped and killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest

from etl.settings import ROOT
from tests.postgres import (
    ADMIN_PASSWORD,
    NOBODY,
    OTHER_BINARIES,
    Server,
    find_binaries,
    fresh_database,
    running_server,
)


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_each_test_has_an_empty_database_of_its_own(postgres: Server, postgres_url: str):
    other = fresh_database(postgres)
    postgres.execute("create table mine (n integer)", name_of(postgres_url))
    tables = "select count(*) from pg_tables where schemaname = 'public'"
    assert postgres.execute(tables, name_of(postgres_url)) == [(1,)]
    assert postgres.execute(tables, name_of(other)) == [(0,)]
    postgres.drop_database(name_of(other))


def test_a_database_sorts_unlike_python_where_the_binaries_know_how(postgres: Server, postgres_url: str):
    found = postgres.execute("select c from unnest(array['a', 'B']) as c order by c", name_of(postgres_url))
    assert found == ([("B",), ("a",)] if "'C'" in str(postgres._locale) else [("a",), ("B",)])


def test_a_server_comes_back_after_a_restart_and_after_a_kill_with_what_it_held():
    with running_server() as server:
        url = server.make_database("kept")
        server.execute("create table kept as select 7 as n", "kept")
        server.restart("fast")
        server.execute("insert into kept values (8)", "kept")
        server.execute("checkpoint")
        server.kill()
        assert not server.is_up()
        server.start()
        assert server.execute("select n from kept order by n", "kept") == [(7,), (8,)]
        assert url == server.url("kept")


def test_settings_of_a_server_are_given_when_it_starts():
    with running_server(settings={"max_connections": "17"}, durable=True) as server:
        assert server.execute("show max_connections") == [("17",)]
        assert server.execute("show fsync") == [("on",)]


def test_a_server_can_ask_for_a_password():
    with running_server(scram=True) as server:
        assert server.execute("show password_encryption") == [("scram-sha-256",)]
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            server.connect(password="another")
        server.connect(password=ADMIN_PASSWORD).close()


def test_nothing_is_left_behind():
    with running_server() as server:
        pid = server.pid()
    assert not server.folder.exists()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


ABANDONED = """
import os, signal
from tests.postgres import running_server
with running_server() as server:
    print(server.pid(), server.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_server_of_a_killed_test_is_ended_by_the_next():
    command = [sys.executable, "-c", ABANDONED]
    left = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    pid, folder = left.stdout.split()
    assert psutil.pid_exists(int(pid))
    with running_server() as server:
        assert server.is_up()
        assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
        assert not Path(folder).exists()


def test_without_binaries_a_test_fails_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(OTHER_BINARIES, str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="holds no initdb"):
        find_binaries()


SCRIPT = f"""
import os
from tests.postgres import running_server
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
with running_server() as server:
    print(os.geteuid() > 0, server.execute("select 6 * 7")[0][0])
"""


def test_it_starts_as_an_ordinary_user(postgres: Server):
    """Root gives up its rights once Python is loaded, which may lie where only root can read."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        OTHER_BINARIES: str(postgres.binaries),
    }
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("True 42\n", 0), done.stderr
