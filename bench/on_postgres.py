"""The engine on PostgreSQL beside hand-written COPY and SQL of the same steps, alternating, in one run.

The server is one of our own with its default settings, which waits for its disk; METALAYER_BENCH_POSTGRES names another
(a URL of a database from which others may be made), and its processor time is then not counted.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
import sqlalchemy as sa

from bench import postgres_script
from etl.generate import Recipe, generate
from etl.model import RunState
from etl.service import open_service
from etl.settings import ROOT, Settings

OTHER_SERVER = "METALAYER_BENCH_POSTGRES"
SETTLING_SECONDS = 1.0  # until the server has counted the time of a connection that has ended


@dataclass(frozen=True)
class OnPostgres:
    """Median seconds of both sides at one size: wall time, and processor time of server and client together."""

    size: str
    script_seconds: float
    engine_seconds: float
    script_cpu_seconds: float | None
    engine_cpu_seconds: float | None
    stages: dict[str, float]

    @property
    def ratio(self) -> float:
        """Below 1 the engine is the quicker one."""
        return self.engine_seconds / self.script_seconds

    def told(self) -> str:
        """A few lines."""
        lines = [
            f"{self.size} on PostgreSQL: script {self.script_seconds:.2f} s, engine {self.engine_seconds:.2f} s, "
            f"ratio {self.ratio:.2f}"
        ]
        if self.script_cpu_seconds and self.engine_cpu_seconds:
            lines.append(
                f"  processor time, server and client: script {self.script_cpu_seconds:.2f} s, engine "
                f"{self.engine_cpu_seconds:.2f} s, ratio {self.engine_cpu_seconds / self.script_cpu_seconds:.2f}"
            )
        parts = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in self.stages.items())
        return "\n".join([*lines, f"  where the engine's time goes: {parts}"])


def measure(folder: Path, size: str, customers: int, sales: int, repeat: int) -> OnPostgres:
    """Both sides `repeat` times, each in a database of its own, after a warm-up that is not counted."""
    landing = folder / "landing"
    generate(Recipe(customers=customers, sales=sales), landing)
    stages: dict[str, float] = {}
    with _server() as (fresh, clock):
        _engine(landing, folder / "warm-up", fresh(), stages)
        plain, engine = [], []
        for number in range(repeat):
            plain.append(_timed(clock, lambda: postgres_script.build(landing, fresh())))
            state = folder / f"engine-{number}"
            engine.append(_timed(clock, lambda s=state: _engine(landing, s, fresh(), stages)))  # type: ignore[misc]
    (script, script_cpu), (own, own_cpu) = map(_medians, (plain, engine))
    return OnPostgres(size, script, own, script_cpu, own_cpu, stages)


def _medians(found: list[tuple[float, float | None]]) -> tuple[float, float | None]:
    counted = [cpu for _, cpu in found if cpu is not None]
    return statistics.median(wall for wall, _ in found), statistics.median(counted) if counted else None


def _timed(clock: Callable[[], float | None], work: Callable[[], object]) -> tuple[float, float | None]:
    """Wall seconds as `work` gives them or as they pass, and processor seconds."""
    before, started = clock(), time.perf_counter()
    told = work()
    wall = time.perf_counter() - started
    after = clock()
    spent = after - before if before is not None and after is not None else None
    return (told if isinstance(told, float) else wall), spent


def _engine(landing: Path, state: Path, url: str, stages: dict[str, float]) -> float:
    """Seconds of a full build by a service that is already open."""
    settings = Settings(root=ROOT, project=ROOT, landing=landing, state=state, warehouse=url, ledger=url)
    with open_service(settings) as service:
        asked = service.request_run()
        started = time.perf_counter()
        ended = service.work(asked.run_id)
        seconds = time.perf_counter() - started
        if ended.state is not RunState.SUCCEEDED:
            raise SystemExit(f"The run failed: {ended.error}")
        stages.clear()
        stages |= {timing.stage: round(timing.seconds, 3) for timing in service.timings(1)}
    return seconds


@contextmanager
def _server() -> Iterator[tuple[Callable[[], str], Callable[[], float | None]]]:
    """How a fresh database is made, and how much processor time was spent so far, if that can be told."""
    named = os.environ.get(OTHER_SERVER)
    if named:
        yield _databases_of(named), lambda: None
        return
    from tests.postgres import fresh_database, running_server

    with running_server(durable=True) as server:
        family, own = psutil.Process(server.pid()), psutil.Process()

        def spent() -> float:
            time.sleep(SETTLING_SECONDS)
            theirs, ours = family.cpu_times(), own.cpu_times()
            return theirs.children_user + theirs.children_system + ours.user + ours.system

        yield lambda: fresh_database(server), spent


def _databases_of(url: str) -> Callable[[], str]:
    numbers = itertools.count()

    def fresh() -> str:
        name = f"metalayer_bench_{os.getpid()}_{next(numbers)}"
        connection = psycopg2.connect(url.replace("+psycopg2", ""))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"create database {name} template template0 encoding 'UTF8'")
        connection.close()
        return sa.make_url(url).set(database=name).render_as_string(hide_password=False)

    return fresh
