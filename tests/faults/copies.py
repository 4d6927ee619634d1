"""Copies of the engine as real processes on one ledger: forks of one process that has imported everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from etl.errors import MetaLayerError
from etl.lease import LOCK
from etl.ledger import SCHEDULED, Ledger
from etl.service import Service, start_service, utc_now
from etl.settings import ROOT, Settings, read_settings
from tests.faults.processes import environment, until
from tests.postgres import Server

STEM = """
import json, os, signal, sys, time
import duckdb, ibis, sqlglot, tenacity, psycopg2
import etl.layers.silver_sql, etl.warehouse.postgres
from tests.faults.copies import live

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ.update(asked["environment"])
        live(asked["begun"], asked["speed"])
    print(child, flush=True)
"""
LIVES, DAY = "lives", 86_400.0
BEGUN = datetime.fromisoformat("2026-03-01T00:00:30+00:00")


@dataclass(frozen=True)
class Clock:
    """Tells the same time in every process; it may be a fast one."""

    begun: float  # of the real clock
    speed: float = 1.0

    def __call__(self) -> datetime:
        """Now."""
        return BEGUN + timedelta(seconds=(time.time() - self.begun) * self.speed)


def _started(clock: Callable[[], datetime]) -> Service | None:
    """None where something stands in the way, as `up` does it."""
    service = None
    try:
        service = start_service(read_settings(), wait_seconds=0, clock=clock)
        service.live()
    except MetaLayerError as fault:
        print(fault, file=sys.stderr, flush=True)
        if service is not None:
            service.close()
        return None
    return service


def live(begun: float, speed: float) -> None:
    """The life of a copy: that of `up` without its pages. Where the clock is fast, its ticks are asked for often."""
    clock = Clock(begun, speed) if speed else utc_now
    service = until(lambda: _started(clock), DAY)
    assert service is not None
    (service.settings.state / LIVES).touch()
    while True:
        scheduler = service.scheduler
        if speed and scheduler is not None:
            scheduler._tick(SCHEDULED)
        time.sleep(0.05)


@dataclass
class Copies:
    """Those that live on one workspace. Each may have another way to the database."""

    settings: Settings
    server: Server
    folder: Path
    clock: Clock | None = None
    schedule: str = "0 0 29 2 *"
    pids: list[int] = field(default_factory=list)

    def __enter__(self) -> Copies:
        self._stem = subprocess.Popen(
            [sys.executable, "-c", STEM], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._database = self.settings.warehouse.rpartition("/")[2]
        self.ledger = Ledger(
            self.settings.ledger, self.clock or (lambda: datetime.now(UTC)), self.settings.database
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ledger.close()
        for pid in list(self.pids):
            self.kill(pid)
        self._stem.communicate()

    def start(self, settings: Settings | None = None) -> int:
        """One more; its process id. `settings` may lead it another way."""
        told = environment(settings or self.settings, METALAYER_SCHEDULE=self.schedule)
        told["METALAYER_STATE"] = str(self.folder / f"state{len(list(self.folder.glob('state*')))}")
        Path(told["METALAYER_STATE"]).mkdir()
        clock = self.clock or Clock(0.0, 0.0)
        asked = {
            "environment": told, "out": str(self.folder / "copies.log"), "begun": clock.begun, "speed": clock.speed,
        }  # fmt: skip
        assert self._stem.stdin is not None
        assert self._stem.stdout is not None
        self._stem.stdin.write(json.dumps(asked) + "\n")
        self._stem.stdin.flush()
        self.pids.append(int(self._stem.stdout.readline()))
        return self.pids[-1]

    def wait_until_all_live(self) -> None:
        """Until each has begun to work or to stand by."""
        states = list(self.folder.glob("state*"))
        until(lambda: all((state / LIVES).exists() for state in states), told=lambda: self.said)

    def kill(self, pid: int) -> None:
        """Kill -9."""
        self.pids.remove(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(10)

    def holder(self) -> int:
        """The process that has the lock of the lease, as the database knows it; 0 while nobody has."""
        found = self.server.execute(
            "select application_name from pg_locks join pg_stat_activity using (pid) where locktype = 'advisory' "
            f"and granted and datname = '{self._database}' and classid = {LOCK >> 32} and objid = {LOCK % 2**32}"
        )
        return int(found[0][0].rpartition(":")[2]) if found else 0

    def working(self) -> int:
        """The process that has the lease and has put right what it found; 0 while there is none."""
        self.ledger.open()
        noted, holder = self.ledger.lease(), self.holder()
        if noted is None or noted.released_at or noted.holder.rpartition(":")[2] != str(holder):
            return 0
        return holder

    def wait_for_another(self, than: int = 0, seconds: float = 60.0) -> int:
        """The process that works after that one."""
        return until(
            # The database may not have noticed yet that one was killed.
            lambda: (found := self.working()) in self.pids and found != than and found,
            seconds,
            lambda: self.said,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Of the database that they share, by a connection of one's own."""
        return self.server.execute(sql, self._database)

    @property
    def said(self) -> str:
        """What they printed and logged."""
        files = [self.folder / "copies.log", *self.folder.glob("state*/logs/engine.log")]
        lives = {pid: psutil.Process(pid).status() for pid in self.pids if psutil.pid_exists(pid)}
        return f"{self.pids}, {lives}\n" + "\n".join(
            f"{path}:\n{path.read_text()[-3000:]}" for path in files if path.exists()
        )
