"""A real server on an address that others reach: started by whatever command, it lets nobody in unasked."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.settings import ROOT
from tests.faults.processes import MINUTE, command, ended, environment, free_port, until
from tests.faults.streamlit_session import tab
from tests.workspaces import workspace
from ui.words import OPEN_TO_ANYONE

TO_SET = "METALAYER_ALLOW_ANONYMOUS=1"
ALLOWED = {"METALAYER_ALLOW_ANONYMOUS": "1"}
ALL = "0.0.0.0"  # noqa: S104 - what is tried here
UP = ["etl", "up", "--host", ALL, "--port"]
STREAMLIT = ["streamlit", "run", "app.py", "--server.address", ALL, "--server.port"]
UVICORN = ["uvicorn", "app:app", "--host", ALL, "--port"]


@contextmanager
def started(
    folder: Path, arguments: list[str], **more: str
) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """A server of one's own making, its address on this machine, and what it says."""
    port, log = free_port(), folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments, str(port)],
            cwd=ROOT, env=environment(workspace(folder), **more), stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process, f"http://127.0.0.1:{port}", log
    finally:
        process.kill()
        process.wait()


def status(url: str) -> int:
    """Of the answer; 0 while nobody answers."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


@pytest.mark.parametrize("host", [ALL, "::"])
def test_up_refuses_an_address_that_others_reach(tmp_path: Path, host: str) -> None:
    settings = workspace(tmp_path)
    refused = ended(command(settings, "up", "--host", host, "--port", str(free_port())))
    assert refused.code == 2
    assert f"{host} can be reached from other machines" in refused.err
    assert TO_SET in refused.err
    assert "Starting" not in refused.err, "said before anything is begun"
    assert not settings.state.exists()


def test_streamlits_own_command_ends_at_once(tmp_path: Path) -> None:
    with started(tmp_path, STREAMLIT) as (process, _, log):
        assert process.wait(MINUTE) == 2
        assert TO_SET in log.read_text()
        assert "Traceback" not in log.read_text()


def test_another_server_lets_nobody_in(tmp_path: Path) -> None:
    with started(tmp_path, UVICORN) as (_, url, log):
        until(lambda: status(url))
        assert {status(f"{url}{path}") for path in ("/", "/healthz", "/_stcore/health", "/runs")} == {403}
        assert TO_SET in log.read_text()


@pytest.mark.parametrize("arguments", [UP, STREAMLIT, UVICORN], ids=lambda found: found[0])
def test_where_it_is_allowed_the_page_says_that_anyone_can_see_it(
    tmp_path: Path, arguments: list[str]
) -> None:
    with started(tmp_path, arguments, **ALLOWED) as (_, url, log):
        until(lambda: status(f"{url}/readyz") == 200, told=log.read_text)
        with tab(url) as browser:
            assert OPEN_TO_ANYONE in " ".join(browser.run().texts)
