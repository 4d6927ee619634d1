"""Real processes on a workspace: commands, and the server that `up` becomes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from etl.settings import ROOT, Settings

MINUTE = 60.0
T = TypeVar("T")


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """What a process needs to find this workspace and no other."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("METALAYER_")}
    places = {
        "METALAYER_PROJECT": str(settings.project),
        "METALAYER_LANDING": str(settings.landing),
        "METALAYER_STATE": str(settings.state),
        "PYTHONPATH": str(settings.root),
    }
    if settings.on_postgres:
        places |= {"METALAYER_WAREHOUSE": settings.warehouse, "METALAYER_LEDGER": settings.ledger}
    return ours | places | more


def command(settings: Settings, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """A started command."""
    return subprocess.Popen(
        [sys.executable, "-m", "etl", *arguments],
        cwd=settings.root, env=environment(settings, **more),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document. Raises ValueError when stdout holds anything else."""
        return json.loads(self.out)


def ended(started: subprocess.Popen[str], seconds: float = 2 * MINUTE) -> Ended:
    """Wait for a command's end."""
    out, err = started.communicate(timeout=seconds)
    return Ended(started.returncode, out, err)


def until(ask: Callable[[], T], seconds: float = MINUTE, told: Callable[[], str] = lambda: "") -> T:
    """The first answer that is true. Fails with what `told` says when none came in time."""
    give_up_at = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > give_up_at:
            raise AssertionError(f"Not within {seconds:g} s. {told()}")
        time.sleep(0.05)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running `up`."""

    def __init__(self, settings: Settings, log: Path, *, root: Path = ROOT, **more: str) -> None:
        self.settings = settings
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._out = log.open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "etl", "up", "--port", str(self.port)],
            cwd=root, env=environment(settings, **(more | {"PYTHONPATH": _joined(root, more)})),
            stdout=self._out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self.log.read_text(encoding="utf-8")

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON document of an address; (0, None) while nobody answers."""
        return self._answer(urllib.request.Request(f"{self.url}{path}"))  # noqa: S310 - our own address

    def call(self, method: str, secret: str | None = None, **kwargs: Any) -> tuple[int, Any]:
        """What commands do: a call of the engine, with the secret of engine.json or another one."""
        known = self.announced["secret"] if secret is None else secret
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}/engine/call",
            json.dumps({"method": method, "kwargs": kwargs}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {known}"},
            method="POST",
        )
        return self._answer(request)

    def ask(self, method: str, **kwargs: Any) -> Any:
        """The answer to a call that must succeed."""
        status, document = self.call(method, **kwargs)
        assert status == 200, document
        return document["ok"]

    @property
    def announced(self) -> Any:
        """What engine.json says."""
        return json.loads(self.settings.engine_file.read_text(encoding="utf-8"))

    def _answer(self, request: urllib.request.Request) -> tuple[int, Any]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())
        except OSError:
            return 0, None

    def ready(self) -> Server:
        """Wait until engine, ledger and warehouse answer."""
        until(lambda: self.get("/readyz")[0] == 200 or self._ended(), told=lambda: self.said)
        return self

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.said
        return False

    def stop(self, sign: int = signal.SIGTERM, seconds: float = 60.0) -> int:
        """Send a signal and wait for the end. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            return self.process.wait(seconds)
        finally:
            self._out.close()

    def kill(self) -> None:
        """As the kernel does it: at once, with nothing put away."""
        self.stop(signal.SIGKILL)


def _joined(root: Path, more: Mapping[str, str]) -> str:
    return os.pathsep.join(filter(None, (str(root), more.get("PYTHONPATH", ""))))


@contextmanager
def serving(settings: Settings, log: Path, *, root: Path = ROOT, **more: str) -> Iterator[Server]:
    """A server that is gone afterwards, whatever happens."""
    server = Server(settings, log, root=root, **more)
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            server.kill()
