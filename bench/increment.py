"""1 % of new sales beside a full build of all, in one process."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from etl.generate import Recipe, generate
from etl.model import RunState
from etl.service import Service, open_service
from etl.settings import ROOT, Settings

WORTH_TELLING = 0.005  # seconds
HEADER = "sales_id,product_id,customer_id,quantity,sale_date,sale_amount\n"


@dataclass(frozen=True)
class Increment:
    """Median seconds of a run that takes up 1 % more sales, half of them new keys and half newer versions, and of a
    full build of all. `steps` are the seconds of the median increment by task.
    """

    sales: int
    full_seconds: float
    added: int
    added_seconds: float
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The aim is 0.05."""
        return self.added_seconds / self.full_seconds

    def told(self) -> str:
        """Two lines for the report."""
        parts = ", ".join(
            f"{name} {seconds:.2f} s" for name, seconds in self.steps.items() if seconds >= WORTH_TELLING
        )
        return (
            f"{self.sales:,} sales: full build {self.full_seconds:.2f} s, {self.added:,} more "
            f"{self.added_seconds:.2f} s ({self.ratio:.1%} of it)\n  where the increment's time goes: {parts}"
        )


def measure(folder: Path, customers: int, sales: int, repeat: int) -> Increment:
    """Build all, then add and build in full by turns."""
    landing, state = folder / "landing", folder / "state"
    generate(Recipe(customers=customers, sales=sales), landing)
    settings = Settings(
        root=ROOT, project=ROOT, landing=landing, state=state,
        warehouse=f"duckdb:///{state / 'warehouse.duckdb'}", ledger=f"sqlite:///{state / 'ledger.sqlite'}",
    )  # fmt: skip
    fulls: list[float] = []
    increments: list[tuple[float, dict[str, float]]] = []
    added = sales // 100
    with open_service(settings) as service:
        _run(service)
        _add(landing, 0, customers, sales, added)
        _run(service)  # statements are compiled and pages of the file are warm: that is not the work
        for number in range(1, repeat + 1):
            fulls.append(_run(service, full=True)[0])
            _add(landing, number, customers, sales, added)
            increments.append(_run(service))
    seconds = statistics.median_low([taken for taken, _ in increments])
    steps = next(steps for taken, steps in increments if taken == seconds)
    return Increment(sales, statistics.median(fulls), added, seconds, steps)


def _add(landing: Path, number: int, customers: int, sales: int, added: int) -> None:
    """Every second sale is a newer version of one that is there, spread over all of them; the others are new."""
    first_new = sales + 1 + number * added
    lines = []
    for place in range(added):
        key = first_new + place if place % 2 else 1 + (place * 97 + number) % sales
        lines.append(
            f"{key},{place % 88 + 1},{place % customers + 1},1,2026-03-{place % 28 + 1:02},{number + 1}.05\n"
        )
    (landing / "erp" / f"erp_sales_more_{number}.csv").write_text(HEADER + "".join(lines))


def _run(service: Service, *, full: bool = False) -> tuple[float, dict[str, float]]:
    """Seconds of a run, and of each of its tasks."""
    asked = service.request_run(full=full)
    started = time.perf_counter()
    ended = service.work(asked.run_id)
    seconds = time.perf_counter() - started
    if ended.state is not RunState.SUCCEEDED:
        raise SystemExit(f"The run failed: {ended.error}")
    return seconds, {task.name: task.seconds or 0.0 for task in ended.tasks}
