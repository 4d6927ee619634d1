"""The database goes away in the middle of runs: restarted, cut off. Nothing half, nothing twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from etl.errors import MetaLayerError
from etl.model import RunState
from etl.service import Service, open_service
from tests.faults.proxy import Proxy, Trap, proxied
from tests.faults.twins import (
    WITHOUT_MENDS,
    Uninterrupted,
    files,
    lying_on,
    mend,
    require_ended_well,
    require_lease,
    require_once,
    require_whole,
)
from tests.postgres import Server, running_server
from tests.templates import MEMORY
from tests.times import TIMES
from tests.workspaces import opened, run, workspace

RESTARTS = 3 if TIMES == 1 else 20
CUTS = 8 if TIMES == 1 else 20
AWAY_SECONDS = 2.0
PATIENCE_SECONDS = 90.0


@dataclass
class Victim:
    """A workspace whose database is tampered with, beside its uninterrupted twin."""

    service: Service
    uninterrupted: Uninterrupted
    whole_seconds: float = 1.0

    def begin(self) -> None:
        """Some runs of before."""
        for number in range(WITHOUT_MENDS):
            files(self.service.settings, number)
            self.uninterrupted.go_on()
            started = time.monotonic()
            assert run(self.service).state is RunState.SUCCEEDED
            self.whole_seconds = time.monotonic() - started

    def suffer(self, fault: Callable[[], None], after_seconds: float = 0.0) -> str:
        """A run during which that happens; how it ended, told in a word."""
        number = len(self.uninterrupted.versions)
        self.uninterrupted.go_on()
        mend(self.service, number)
        files(self.service.settings, number)
        asked = self.service.request_run().run_id
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(self.service.work, asked)
            time.sleep(after_seconds)
            fault()
            try:
                outcome = work.result(PATIENCE_SECONDS)
                word = outcome.state.value
            except MetaLayerError as told:  # as a command would tell it
                word = f"given up: {type(told).__name__}"
        require_lease(self.service)
        self.require_told(asked)
        require_whole(self.service, self.uninterrupted)
        require_once(self.service)
        return word

    def require_told(self, run_id: int) -> None:
        """A run that did not succeed says why."""
        found = self.service.run(run_id)
        if found.state in (RunState.FAILED, RunState.INTERRUPTED):
            assert found.error
            assert "Unexpected" not in found.error, found.error
        for task in found.tasks:
            assert task.finished_at or found.state is RunState.RUNNING or not task.started_at

    def recover(self) -> None:
        """The next run brings everything up to date."""
        ended = run(self.service)
        assert ended.state is RunState.SUCCEEDED, ended.error
        require_ended_well(self.service, self.uninterrupted)


@contextmanager
def victim(server: Server, quiet: Server, proxy: Proxy | None = None) -> Iterator[Victim]:
    """Its database lies on `server`, seen through `proxy`, that of its twin on `quiet`."""
    with (
        TemporaryDirectory(dir=MEMORY) as folder,
        opened(lying_on(quiet, workspace(Path(folder) / "uninterrupted"))) as twin,
    ):
        settings = lying_on(server, workspace(Path(folder) / "victim"))
        with open_service(proxy.before(settings) if proxy else settings) as service:
            made = Victim(service, Uninterrupted(twin))
            made.begin()
            yield made


def chance_of(record_property: Callable[[str, object], None]) -> Random:
    seed = int(time.time())
    record_property("seed", seed)
    return Random(seed)  # noqa: S311 - told, so that a failure can be looked into


# -- restarts -------------------------------------------------------------------------------------------------


def restarted(server: Server, how: str, away_seconds: float) -> Callable[[], None]:
    def fault() -> None:
        server.kill() if how == "kill" else server.stop(how)
        time.sleep(away_seconds)
        server.start()

    return fault


@pytest.mark.timeout(900)
def test_a_database_that_is_restarted_in_the_middle_of_a_run_costs_nothing(
    postgres: Server, record_property: Callable[[str, object], None]
) -> None:
    chance, outcomes = chance_of(record_property), Counter[str]()
    with running_server() as server, victim(server, postgres) as suffering:
        for number in range(RESTARTS):
            how = ("fast", "immediate", "kill")[number % 3]
            fault = restarted(server, how, chance.uniform(0, AWAY_SECONDS))
            word = suffering.suffer(fault, suffering.whole_seconds * chance.random())
            outcomes[f"{how}: {word}"] += 1
            suffering.recover()
    told = {name: outcomes[name] for name in sorted(outcomes)}
    record_property(
        "measured", f"{RESTARTS} restarts of PostgreSQL in the middle of runs, which ended as {told}"
    )
    assert sum(count for name, count in outcomes.items() if "succeeded" in name) >= RESTARTS / 2, (
        "a short absence is waited for"
    )


# -- cuts -----------------------------------------------------------------------------------------------------


TRAPS: dict[str, Callable[[], Trap]] = {
    "in the middle of COPY": lambda: Trap(b"from stdin (format csv)", more=9_000),
    "before COMMIT": lambda: Trap(b"commit\0"),
    "after COMMIT, its answer lost": lambda: Trap(b"commit\0", answered=True),
    "before COMMIT of the ledger": lambda: Trap(b"COMMIT\0"),
    "after COMMIT of the ledger, its answer lost": lambda: Trap(b"COMMIT\0", answered=True),
}


@pytest.mark.timeout(900)
def test_a_connection_that_is_cut_in_the_middle_of_a_run_costs_nothing(
    postgres: Server, record_property: Callable[[str, object], None]
) -> None:
    chance, outcomes = chance_of(record_property), Counter[str]()
    with proxied(postgres.port) as proxy, victim(postgres, postgres, proxy) as suffering:
        for number in range(CUTS):
            name, word = cut_once(proxy, suffering, number, chance)
            outcomes[f"{name}: {word}"] += 1
            suffering.recover()
    told = {name: outcomes[name] for name in sorted(outcomes)}
    record_property("measured", f"{CUTS} cuts in the middle of runs, which ended as {told}")
    assert not [name for name in outcomes if name.startswith(tuple(TRAPS)) and "succeeded" not in name], (
        "one cut is mended by the next try"
    )
    assert sum(count for name, count in outcomes.items() if "succeeded" in name) >= CUTS / 2


def cut_once(proxy: Proxy, suffering: Victim, number: int, chance: Random) -> tuple[str, str]:
    names = [*TRAPS, "anywhere", "refused for a while", "swallowed for a while"]
    name = names[number % len(names)]
    moment = suffering.whole_seconds * chance.random()
    if name in TRAPS:
        trap = TRAPS[name]()
        word = suffering.suffer(lambda: spring(proxy, trap), moment if "COPY" not in name else 0)
        return name if trap.sprung.is_set() else "none: it had ended", word
    fault = {
        "anywhere": proxy.cut,
        "refused for a while": lambda: for_a_while(proxy, proxy.refuse),
        "swallowed for a while": lambda: for_a_while(proxy, proxy.swallow),
    }[name]
    return name, suffering.suffer(fault, moment)


def spring(proxy: Proxy, trap: Trap) -> None:
    proxy.set_trap(trap)
    if not trap.sprung.wait(5):
        proxy.take_trap_away()


def for_a_while(proxy: Proxy, fault: Callable[[], None]) -> None:
    fault()
    threading.Event().wait(AWAY_SECONDS)
    proxy.admit()
