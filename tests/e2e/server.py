"""A real server for the browser: started as a user starts it, on a free port, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.door import living
from etl.settings import ROOT, Database, Settings, with_state
from tests.workspaces import workspace

START_SECONDS = RUN_SECONDS = 120.0  # a busy machine; a quiet one needs 3
STOP_SECONDS = 30.0
POLL_SECONDS = 0.1
UNFINISHED = ("queued", "running")
# A proxy in the environment has no business between the test and its own server.
_web = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Server:
    """One `./metalayer up` on a workspace of its own."""

    url: str
    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    def call(self, method: str, **kwargs: Any) -> Any:
        """What the service answers, asked the way commands ask it."""
        door = living(self.settings)
        assert door is not None, f"nobody answers for {self.settings.state}: {self.said()}"
        return door.call(method, **kwargs)

    def said(self) -> str:
        """What it printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def at_rest(self) -> bool:
        """Whether nothing is queued or running."""
        return all(run["state"] not in UNFINISHED for run in self.call("runs", limit=5)["runs"])

    def wait_until_ready(self) -> None:
        """Raises AssertionError when it does not come up."""
        until(lambda: ready(self), f"the server of {self.settings.state}, see {self.log}", START_SECONDS)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, by force if need be; its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(STOP_SECONDS)


def in_folder(folder: Path, *, sample: bool) -> Settings:
    """A workspace in `folder`. The sample lies in the subfolder of the state folder that `--sample` uses."""
    own = workspace(folder, sample=sample)
    return with_state(own, own.state / "sample") if sample else own


def in_database(settings: Settings, url: str, password: str | None) -> Settings:
    """The same workspace with warehouse and ledger in one database."""
    return replace(settings, warehouse=url, ledger=url, database=Database(password=password))


def built_sample(folder: Path, like: Settings) -> Settings:
    """A sample workspace that is published already: the closed one, copied."""
    settings = in_folder(folder, sample=True)
    shutil.copytree(like.state, settings.state)
    return settings


@contextmanager
def up(settings: Settings, *, wait: bool = True) -> Iterator[Server]:
    """Start a server and stop it at the end; with `wait`, not before it is ready and at rest."""
    server = start(settings)
    try:
        if wait:
            server.wait_until_ready()
            until(server.at_rest, "the first runs to end", RUN_SECONDS)
        yield server
    finally:
        server.stop()


def start(settings: Settings) -> Server:
    """The process alone; it may not answer yet."""
    port = free_port()
    log = settings.state.parent / f"up-{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    asked = ["up", "--port", str(port), *(["--sample"] if settings.sample else [])]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "etl", *asked],
            env=environment(settings), stdout=out, stderr=subprocess.STDOUT, cwd=settings.project,
        )  # fmt: skip
    return Server(f"http://127.0.0.1:{port}", replace(settings), process, log)


def environment(settings: Settings) -> dict[str, str]:
    """The caller's environment with this workspace's settings, and no others."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("METALAYER_")}
    state = settings.state.parent if settings.sample else settings.state
    if settings.on_postgres:
        rest |= {
            "METALAYER_WAREHOUSE": settings.warehouse,
            "METALAYER_LEDGER": settings.ledger,
            "METALAYER_DATABASE_PASSWORD": settings.database.password or "",
        }
    return rest | {
        "METALAYER_PROJECT": str(settings.project),
        "METALAYER_LANDING": str(settings.landing),
        "METALAYER_STATE": str(state),
        "PYTHONPATH": str(ROOT),
    }


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def ready(server: Server) -> bool:
    """Whether engine, ledger and warehouse answer. Raises AssertionError when the process is gone."""
    assert server.process.poll() is None, f"the server ended: {server.said()}"
    try:
        with _web.open(f"{server.url}/readyz", timeout=10) as answer:
            return bool(json.load(answer)["status"] == "ready")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for a condition. Raises AssertionError that says for what."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(POLL_SECONDS)
