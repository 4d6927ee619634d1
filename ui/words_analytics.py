"""The sentences of regions, products, runs and system; the words are those of docs/glossary.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ui import fmt, state
from ui import words as common
from ui.period import Period

if TYPE_CHECKING:
    from etl.facts import Finding, PipelineFacts, Resources, ServiceFacts, TableFacts
    from etl.model import Attempt, Run, Task, Tick

NO_REGIONS = "No revenue by region yet"
NO_PRODUCTS = "No products yet"
RUN_FIRST = "Run everything from Overview; this page fills with the first published version."
RUN_SOMETHING = "Run everything from Overview, or put a file into the landing folder."
NOT_DECLARED = "None of the tables this page reads is published. It needs {}."
NO_SALES = "No sales in these months"
PICK_REGION = "A click on a bar chooses a region."
CHOOSE_REGION = "Choose a region to see its customers"
PICK_PRODUCT = "A click on a bar or a point chooses a product."
PICK_POINT = "One point a product."
PICK_CUSTOMER = "Select a row to see the sales lines of a customer."
PICK_LINE = "Select a row to see the way of a line from its file."
NO_RUNS = "No runs yet"
NO_TIMINGS = "No run has been timed yet"
RUNS_LEAD = "What was asked for, what became of it, and what runs by itself"
TIMED = "Wall time of the last runs, stage by stage."
HEALTH = {"passed": "Healthy", "warned": "Needs a look", "failed": "Down"}
DOCTOR_LEAD = "What this installation looks at in itself."
NO_FINDINGS = "The doctor has nothing to say"
PICK_RUN = "Select a row to see that run."
FROM_FAILURE = "Goes on where this run stopped; what it had already built stays."
RERUN = "Asks for the same once more. What is up to date is skipped."
SWITCH = "Off pauses the schedule. Buttons and commands still run the pipeline."
NO_TICKS = "No scheduled time has come yet"


def month(day: date) -> str:
    """`Nov 2026`."""
    return f"{day:%b %Y}"


def span(period: Period) -> str:
    """`All months`, `Nov 2026`, `Sep – Nov 2026`, `Nov 2025 – Oct 2026`."""
    if period.first is None or period.last is None:
        return "All months"
    if period.first == period.last:
        return month(period.first)
    start = f"{period.first:%b}" if period.first.year == period.last.year else month(period.first)
    return f"{start} – {month(period.last)}"


def provenance(table: str, facts: TableFacts | None, what: str = "") -> str:
    """`Sep – Nov 2026 · gold.monthly_revenue · version 42 · 3 min ago`; the table alone before it is published."""
    parts = [what, table] if what and facts else [table]
    if facts is not None:
        parts += [f"version {facts.version}", state.ago(facts.published_at)]
    return " · ".join(parts)


def course_of(region: str | None, period: Period, newest: date | None) -> str:
    """Whose months are shown; says where the last one may still grow."""
    months = "all months" if period.whole else span(period)
    said = f"{region or 'All regions'}, {months}"
    return f"{said}; sales up to {newest.day} {newest:%B}" if newest else said


def change(now: Any, before: Any) -> str:
    """How much more or less than before: `4.2 %`, `-0.6 %`; an arrow says the direction."""
    return f"{100 * (float(now) / float(before) - 1):.1f} %"


def earlier(value: str) -> str:
    """What a figure was before: `from $49.1k`."""
    return f"from {value}"


def compared(period: Period, before: Period | None) -> str:
    """`Aug – Oct 2026 against May – Jul 2026`; the period alone where nothing is compared."""
    return f"{span(period)} against {span(before)}" if before else span(period)


def leaders(shares: Sequence[float]) -> str:
    """How much the three largest make, where there are more."""
    if len(shares) <= 3:  # noqa: PLR2004
        return ""
    return f"The three largest of {len(shares)} make {fmt.share(sum(sorted(shares)[-3:]))} of the revenue."


def regions_note(buying: bool) -> str:
    """Who the customers of the table of regions are."""
    if buying:
        return "Customers are those who bought in these months, counted in silver.sales_clean."
    return "Customers are all in silver.customers_clean, with or without a sale."


def customers_of(region: str | None) -> str:
    """The title of the drill's first step."""
    return f"Customers of {region}" if region else "Customers"


def sales_of_customer(customer_id: int) -> str:
    """The title of the drill's second step."""
    return f"Sales of customer {customer_id}"


def sales_of_product(product_id: int) -> str:
    """The title of a product's drill."""
    return f"Sales of product {product_id}"


def way_of_sale(sales_id: int) -> str:
    """The title of the drill's last step."""
    return f"Where sale {sales_id} came from"


def at_most(shown: int, most: int, noun: str, order: str) -> str:
    """`12 lines, newest first`; says when there may be more than are shown."""
    return (
        f"The first {fmt.count(most, noun)}, {order}"
        if shown >= most
        else f"{fmt.count(shown, noun)}, {order}"
    )


def product(product_id: int) -> str:
    """What a product is called; the files name products by number only."""
    return f"Product {product_id}"


def product_facts(rank: int, count: int, amount: str, orders: int) -> str:
    """`Rank 3 of 88 · $53.0k · 249 orders`."""
    return f"Rank {rank} of {count} · {amount} · {fmt.count(orders, 'order')}"


def pareto_note(count: int) -> str:
    """What the curve of running shares shows."""
    return f"Share of revenue that the best of {fmt.count(count, 'product')} make together."


def asked_by(run: Run) -> str:
    """`Schedule`, `Button`, `Button, ana`."""
    by = common.TRIGGERS.get(run.trigger, "button").capitalize()
    return f"{by}, {run.requested_by}" if run.requested_by else by


def run_facts(run: Run) -> str:
    """`Schedule · 23 Nov 2026, 04:41 · took 2.3 s · published version 42`."""
    parts = [asked_by(run), state.local(run.requested_at)]
    if run.seconds is not None:
        parts.append(f"took {took(run.seconds)}")
    if run.started_at is not None and (waited := (run.started_at - run.requested_at).total_seconds()) >= 1:
        parts.append(f"waited {fmt.seconds(waited)}")
    if run.from_run:
        parts.append(f"continues run {run.from_run}")
    if run.full:
        parts.append("full rebuild")
    nothing = "nothing new to publish" if run.state == "succeeded" else "published nothing"
    parts.append(f"published version {run.version}" if run.version else nothing)
    return " · ".join(parts if run.finished_at else parts[:-1])


def progress(done: int, count: int) -> str:
    """`6 of 13 tasks done`."""
    return f"{done} of {fmt.count(count, 'task')} done"


def due(facts: PipelineFacts) -> str:
    """When a pipeline runs next by itself, or why it does not."""
    if facts.paused:
        return "Paused"
    if facts.next_due is None:
        return "No schedule"
    return state.until(facts.next_due)


def tick_times(tick: Tick) -> str:
    """When a tick was due; the first and last time where one row stands for many."""
    first = state.local(tick.due_at)
    if tick.count == 1 or tick.last_due_at is None:
        return first
    return f"{first} to {state.local(tick.last_due_at)}, {fmt.count(tick.count, 'time')}"


def run_title(run: Run) -> str:
    """`Run 26 · Everything`."""
    return f"Run {run.run_id} · {common.run_title(run)}"


def stopped(run: Run) -> str:
    """Where a run stopped: the tasks that failed, else the state it ended in."""
    failed = [common.short(task.name) for task in run.tasks if task.state == "failed"]
    return f"{', '.join(failed)} failed" if failed else f"The run {common.ENDS.get(run.state, run.state)}"


def no_tasks(run: Run) -> str:
    """Why a run has no tasks to show."""
    return "It waits for its turn" if run.state == "queued" else "It ended before it had a task"


def pipeline(name: str) -> str:
    """What a pipeline is called on a button: `Everything`, `Gold`."""
    return common.PIPELINES.get(name, name)


def pipeline_facts(facts: PipelineFacts) -> str:
    """`every 15 min · next in 7 min · last run 26, 14 min ago, took 2.3 s`."""
    parts = [cron(facts.cron)] if facts.cron else ["No schedule"]
    if facts.paused:
        parts.append("paused")
    elif facts.next_due is not None:
        parts.append(f"next {state.until(facts.next_due)}")
    last = facts.last_run
    if last is None:
        return " · ".join([*parts, "never run"])
    took = f", took {fmt.seconds(last.seconds)}" if last.seconds is not None else ""
    return " · ".join([*parts, f"last run {last.run_id}, {state.ago(last.requested_at)}{took}"])


def cron(expression: str) -> str:
    """A cron expression in words where it is one of the plain ones, else as it stands. Times are UTC."""
    if found := re.fullmatch(r"\*/(\d+) \* \* \* \*", expression):
        return f"Every {found[1]} min"
    if found := re.fullmatch(r"(\d+) \* \* \* \*", expression):
        return f"Every hour at :{int(found[1]):02d}"
    if found := re.fullmatch(r"(\d+) (\d+) \* \* \*", expression):
        return f"Every day at {int(found[2]):02d}:{int(found[1]):02d} UTC"
    return f"Cron {expression} (UTC)"


def switch(facts: PipelineFacts) -> str:
    """What stands beside a pipeline's switch."""
    return "Paused" if facts.paused else "Active"


def fault(task: Task, attempt: Attempt) -> str:
    """`sales_clean failed`, `ingest_erp_data failed at attempt 1 of 2`."""
    tries = f" at attempt {attempt.number} of {len(task.attempts)}" if len(task.attempts) > 1 else ""
    return f"{common.short(task.name)} failed{tries}"


def fault_when(attempt: Attempt) -> str:
    """When an attempt ended, and after how long."""
    if attempt.finished_at is None:
        return state.local(attempt.started_at)
    took = (attempt.finished_at - attempt.started_at).total_seconds()
    return f"{state.local(attempt.finished_at)}, after {fmt.seconds(took)}"


def started(at: datetime | None) -> str:
    """Since when this process serves."""
    return f"This process has served since {state.local(at)}" if at else "This process"


def system_verdict(
    services: Sequence[ServiceFacts], findings: Sequence[Finding], pipelines: Sequence[PipelineFacts]
) -> tuple[str, str, str]:
    """The worst state of services, findings and last runs, a sentence that names it, and what was looked at."""
    ran = [each for each in pipelines if each.last_run and each.last_run.state in _RUN_HEALTH]
    seen = [(each.name, str(each.state)) for each in services] + [
        (each.what, str(each.state)) for each in findings
    ]
    seen += [(f"last run of {pipeline(each.name)}", _RUN_HEALTH[each.last_run.state]) for each in ran if each.last_run]
    states = [health for _, health in seen]
    bad = [name for name in _WORST if name in states]
    looked = (
        f"{fmt.count(len(services), 'service')}, {fmt.count(len(findings), 'finding')} of the doctor "
        f"and the last {fmt.count(len(ran), 'run')} of pipelines."
    )
    if not states:
        return "unexamined", "Nothing was examined", ""
    counts = ", ".join(
        f"{states.count(name)} {_SAID[name]}" for name in (*_WORST, "passed") if name in states
    )
    if not bad:
        return "passed", "Everything that was examined is healthy", f"{looked} {counts}."
    worst = bad[0]
    named = dict.fromkeys(name for name, health in seen if health == worst)
    return worst, f"{_SAYS[worst]}: {', '.join(named)}", f"{looked} {counts[:1].upper()}{counts[1:]}."


def took(seconds: float | None) -> str:
    """A duration that may be very short: `4 ms`, `0.31 s`, `1.2 s`; a dash where nothing was timed."""
    if seconds is None:
        return fmt.MISSING
    if seconds < 0.1:  # noqa: PLR2004
        return "under 1 ms" if seconds < 0.001 else f"{seconds * 1000:.0f} ms"  # noqa: PLR2004
    return fmt.seconds(seconds)


def beyond(services: Sequence[ServiceFacts], findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that the list of services does not say already: other things, and what is not well."""
    named = {each.name for each in services}
    return tuple(each for each in findings if each.what not in named or each.state != "passed")


def in_window(history: Sequence[Resources]) -> str:
    """How far back the samples reach: `last 10 min`."""
    if len(history) < 2:  # noqa: PLR2004
        return "first sample"
    reach = (history[-1].at - history[0].at).total_seconds()
    return f"last {max(round(reach / 60), 1)} min"


_WORST = ("failed", "warned", "unexamined")
_SAID = {"failed": "failed", "warned": "warned", "unexamined": "not examined", "passed": "healthy"}
_RUN_HEALTH = {"succeeded": "passed", "failed": "failed", "interrupted": "warned", "cancelled": "warned"}
_SAYS = {
    "failed": "Something does not work",
    "warned": "Something needs a look",
    "unexamined": "Not everything was examined",
}
