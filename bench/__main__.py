"""The engine's work beside a plain script of the same steps, broken files beside sound ones, and 1 % more rows beside
a full build, builds on PostgreSQL beside hand-written COPY and SQL; each in one run, as ratios.

    ./metalayer bench [--only builds,defects,increment,postgres] [--sizes small,large] [--repeat N] [--json]

Absolute figures depend on the machine and on what else it does; the ratio is what is claimed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import defects, increment, on_postgres, script
from etl.generate import Recipe, generate
from etl.model import RunState
from etl.service import open_service
from etl.settings import ROOT, Settings

SIZES = {"small": (10_000, 10_000), "large": (100_000, 1_000_000)}


@dataclass(frozen=True)
class Measure:
    """Median seconds of both sides at one size; `ratio` is engine ÷ script."""

    size: str
    way: str  # "in process" or "whole command"
    script_seconds: float
    engine_seconds: float
    stages: dict[str, float]

    @property
    def ratio(self) -> float:
        """Below 1 the engine is the quicker one."""
        return self.engine_seconds / self.script_seconds


def main(argv: list[str]) -> int:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(prog="metalayer bench", description=__doc__)
    parser.add_argument("--only", default="builds,defects,increment", help="some of them")
    parser.add_argument("--sizes", default="small,large", help="of the builds: small, large or both")
    parser.add_argument(
        "--repeat", type=int, default=3, help="times each side is measured; the median counts"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args(argv)
    if unknown := set(given.only.split(",")) - set(MEASURES):
        parser.error(f"there is no measure {min(unknown)}; there are {', '.join(MEASURES)}")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="metalayer-bench-") as folder:
        for name in given.only.split(","):
            found[name] = MEASURES[name](Path(folder) / name, given)
    print(
        json.dumps(found, indent=2, default=_document)
        if given.json
        else "\n\n".join(map(_told, found.values()))
    )
    return 0


def _builds(folder: Path, given: argparse.Namespace) -> list[Measure]:
    return [m for size in given.sizes.split(",") for m in _measure(size, folder / size, given.repeat)]


def _defects(folder: Path, given: argparse.Namespace) -> defects.Defects:
    _say("defects: a sound file and a broken one of 1,000,000 lines")
    return defects.measure(folder, 1_000_000, given.repeat)


def _increment(folder: Path, given: argparse.Namespace) -> increment.Increment:
    _say("increment: 1 % more of 1,000,000 sales")
    return increment.measure(folder, *SIZES["large"], given.repeat)


def _on_postgres(folder: Path, given: argparse.Namespace) -> list[on_postgres.OnPostgres]:
    found = []
    for size in given.sizes.split(","):
        _say(f"postgres: {size}")
        found.append(on_postgres.measure(folder / size, size, *SIZES[size], given.repeat))
    return found


MEASURES: dict[str, Callable[[Path, argparse.Namespace], Any]] = {
    "builds": _builds,
    "defects": _defects,
    "increment": _increment,
    "postgres": _on_postgres,
}


def _document(measured: Any) -> dict[str, Any]:
    return asdict(measured) | {"ratio": measured.ratio}


def _measure(size: str, folder: Path, repeat: int) -> list[Measure]:
    customers, sales = SIZES[size]
    landing = folder / "landing"
    _say(f"{size}: generating {customers:,} customers and {sales:,} sales")
    generate(Recipe(customers=customers, sales=sales), landing)
    _say(f"{size}: in process")
    stages: dict[str, float] = {}
    _engine(landing, folder / "warm-up", stages)  # imports and compiled statements are not the work
    sides: list[tuple[float, float]] = []
    for number in range(repeat):  # alternating, so that both sides see the same weather
        plain = _timed(lambda n=number: script.build(landing, folder / f"script-{n}"))  # type: ignore[misc]
        sides.append((plain, _engine(landing, folder / f"engine-{number}", stages)))
    within = _measured(size, "in process", sides, stages)
    _say(f"{size}: whole commands")
    commands: list[tuple[float, float]] = []
    for number in range(repeat):
        plain = _timed(lambda n=number: _script_command(landing, folder / f"script-command-{n}"))  # type: ignore[misc]
        state = folder / f"engine-command-{number}"
        _engine_command(
            _empty(folder), state
        )  # a state folder that has been used: its catalog is checked already
        whole = _timed(lambda s=state: _engine_command(landing, s))  # type: ignore[misc]
        commands.append((plain, whole))
    outside = _measured(size, "whole command", commands, {})
    shutil.rmtree(folder)
    return [within, outside]


def _measured(size: str, way: str, sides: list[tuple[float, float]], stages: dict[str, float]) -> Measure:
    plain, engine = (statistics.median(seconds) for seconds in zip(*sides, strict=True))
    return Measure(size, way, plain, engine, stages)


def _settings(landing: Path, state: Path) -> Settings:
    return Settings(
        root=ROOT, project=ROOT, landing=landing, state=state,
        warehouse=f"duckdb:///{state / 'warehouse.duckdb'}", ledger=f"sqlite:///{state / 'ledger.sqlite'}",
    )  # fmt: skip


def _engine(landing: Path, state: Path, stages: dict[str, float]) -> float:
    """Seconds of a full build by a service that is already open, written to disk at the end as the script's is."""
    with open_service(_settings(landing, state)) as service:
        asked = service.request_run()
        started = time.perf_counter()
        ended = service.work(asked.run_id)
        seconds = time.perf_counter() - started
        if ended.state is not RunState.SUCCEEDED:
            raise SystemExit(f"The run failed: {ended.error}")
        stages.clear()
        stages |= {timing.stage: round(timing.seconds, 3) for timing in service.timings(1)}
        closing = time.perf_counter()
    return seconds + time.perf_counter() - closing


def _empty(folder: Path) -> Path:
    """A landing folder without files."""
    landing = folder / "empty-landing"
    landing.mkdir(exist_ok=True)
    return landing


def _script_command(landing: Path, state: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "bench.script", str(landing), str(state)],
        cwd=ROOT, env=_environment(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _engine_command(landing: Path, state: Path) -> None:
    environment = _environment() | {"METALAYER_LANDING": str(landing), "METALAYER_STATE": str(state)}
    subprocess.run(
        [str(ROOT / "metalayer"), "run", "--json"],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _environment() -> dict[str, str]:
    """Without the switch that makes every start compile everything again."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _told(measured: Any) -> str:
    if isinstance(measured, list) and isinstance(measured[0], on_postgres.OnPostgres):
        return "\n".join(one.told() for one in measured)
    return _table(measured) if isinstance(measured, list) else str(measured.told())


def _table(measures: list[Measure]) -> str:
    lines = [f"{'size':<8}{'':<16}{'plain script':>14}{'engine':>10}{'ratio':>8}"]
    lines += [
        f"{m.size:<8}{m.way:<16}{m.script_seconds:>12.2f} s{m.engine_seconds:>8.2f} s{m.ratio:>8.2f}"
        for m in measures
    ]
    for m in measures:
        if m.stages:
            parts = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in m.stages.items())
            lines.append(f"{m.size}: where the engine's time goes: {parts}")
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
