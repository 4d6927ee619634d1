"""The report's sections on how the house runs: pipelines, tasks, services, resources and issues."""

from __future__ import annotations

from collections.abc import Iterator

from etl.facts import PipelineFacts, ReportSection
from etl.model import CheckState, Run, RunState, Task, TaskState
from etl.report.given import ReportInput
from etl.texts import STATE_WORDS, count, seconds, short, size, when

RECENT_RUNS = 5
BROKEN_OFF = (RunState.FAILED, RunState.INTERRUPTED)


def pipelines(given: ReportInput) -> ReportSection:
    """The state of each pipeline and its last run."""
    rows = tuple(map(_pipeline, given.pipelines))
    failed = [p.name for p in given.pipelines if p.last_run and p.last_run.state in BROKEN_OFF]
    lead = f"Last run failed: {', '.join(failed)}." if failed else "No pipeline's last run failed."
    if not any(p.last_run for p in given.pipelines):
        lead = "No pipeline has run yet."
    columns = ("Pipeline", "Last run", "State", "Finished", "Duration", "Runs", "Next due")
    return ReportSection("Pipeline states", lead, columns, rows)


def _pipeline(facts: PipelineFacts) -> tuple[str, ...]:
    due = "paused" if facts.paused else when(facts.next_due)
    last = facts.last_run
    if last is None:
        return (facts.name, "", "never run", "", "", f"{facts.runs:,}", due)
    ended = (when(last.finished_at), seconds(last.seconds))
    return (facts.name, str(last.run_id), RunState(last.state).value, *ended, f"{facts.runs:,}", due)


def tasks(given: ReportInput) -> ReportSection:
    """The tasks of the newest runs that have any, with their wall time."""
    recent = [run for run in given.runs if run.tasks][:RECENT_RUNS]
    rows = tuple(_task(run, task) for run in recent for task in run.tasks)
    lead = (
        f"The {count(len(rows), 'task')} of the last {count(len(recent), 'run')}."
        if rows
        else "No task has run yet."
    )
    columns = ("Run", "Task", "State", "Started", "Duration", "Rows", "Attempts")
    return ReportSection("Recent task timings", lead, columns, rows)


def _task(run: Run, task: Task) -> tuple[str, ...]:
    moved = "" if task.rows is None else f"{task.rows:,}"
    timed = (when(task.started_at), seconds(task.seconds))
    return (str(run.run_id), task.name, TaskState(task.state).value, *timed, moved, str(len(task.attempts)))


def services(given: ReportInput) -> ReportSection:
    """Every service with its address and health."""
    rows = tuple(
        (s.name, s.address, STATE_WORDS[CheckState(s.state)], s.detail) for s in given.system.services
    )
    down = [s.name for s in given.system.services if s.state == CheckState.FAILED]
    lead = f"Not well: {', '.join(down)}." if down else f"{count(len(rows), 'service')}, none of them down."
    return ReportSection(
        "Services",
        lead if rows else "No service was asked.",
        ("Service", "Address", "Health", "Detail"),
        rows,
    )


def stage_timings(given: ReportInput) -> ReportSection:
    """Wall time, rows and peak memory of each stage of recent runs."""
    rows = tuple(
        (
            str(t.run_id), t.stage, seconds(t.seconds), "" if t.rows is None else f"{t.rows:,}",
            f"{t.rows / t.seconds:,.0f}" if t.rows and t.seconds else "",
            size(t.peak_memory_bytes) if t.peak_memory_bytes else "", seconds(t.cpu_seconds),
        )
        for t in given.timings
    )  # fmt: skip
    columns = ("Run", "Stage", "Duration", "Rows", "Rows per second", "Peak memory", "CPU time")
    lead = "Newest run first." if rows else "No stage has been timed yet."
    return ReportSection("Stage timings", lead, columns, rows)


def resources(given: ReportInput) -> ReportSection:
    """What the process and the machine use, and what the files take."""
    now = given.system.now
    rows = [
        ("CPU of the machine", f"{now.cpu_percent:.0f} %"),
        ("CPU of this process", f"{now.process_cpu_percent:.0f} %"),
        ("Memory of the machine", f"{size(now.memory_used_bytes)} of {size(now.memory_total_bytes)}"),
        ("Memory of this process", size(now.process_memory_bytes)),
        ("Disk", f"{size(now.disk_used_bytes)} of {size(now.disk_total_bytes)}"),
        ("Network sent / received", f"{size(now.network_sent_bytes)} / {size(now.network_received_bytes)}"),
        ("Threads", str(now.threads)),
    ]
    rows += [(f"Size of {what}", size(taken)) for what, taken in given.system.sizes]
    return ReportSection("Resources", f"Measured at {when(now.at)}.", ("What", "Value"), tuple(rows))


def issues_found(given: ReportInput) -> ReportSection:
    """What is open now, worst first."""
    rows = tuple((STATE_WORDS[CheckState(s.state)], s.headline, s.detail, s.action) for s in given.attention)
    if not rows and not given.verdict.ready:
        state = STATE_WORDS[CheckState(given.verdict.state)]
        rows = tuple((state, reason, "", "") for reason in given.verdict.reasons)
    lead = f"{count(len(rows), 'open issue')}." if rows else "No open issue."
    return ReportSection("Issues found", lead, ("State", "Issue", "Detail", "What to do"), rows)


def issues_resolved(given: ReportInput) -> ReportSection:
    """What went wrong in the runs at hand and was put right since."""
    rows = (*_mended_tasks(given), *_mended_runs(given), *_mended_checks(given))
    lead = f"{count(len(rows), 'issue')} resolved." if rows else "None in the runs at hand."
    return ReportSection("Issues resolved", lead, ("Issue", "Resolved by"), rows)


def _mended_tasks(given: ReportInput) -> Iterator[tuple[str, ...]]:
    for run in given.runs:
        for task in run.tasks:
            if task.state == TaskState.SUCCEEDED and len(task.attempts) > 1:
                error = next((attempt.error for attempt in task.attempts if attempt.error), "no reason given")
                yield f"{task.name} of run {run.run_id}: {error}", f"attempt {len(task.attempts)} succeeded"


def _mended_runs(given: ReportInput) -> Iterator[tuple[str, ...]]:
    newest_success: dict[str, int] = {}
    for run in given.runs:  # newest first
        if run.state == RunState.SUCCEEDED:
            newest_success.setdefault(run.pipeline, run.run_id)
        elif run.state in BROKEN_OFF and run.pipeline in newest_success:
            state = RunState(run.state).value
            why = f": {run.error}" if run.error else ""
            yield (
                f"run {run.run_id} of {run.pipeline} {state}{why}",
                f"run {newest_success[run.pipeline]} succeeded",
            )


def _mended_checks(given: ReportInput) -> Iterator[tuple[str, ...]]:
    for facts in given.checks:
        passed = facts.result.state == CheckState.PASSED and facts.result.examined
        worst = max(facts.history[:-1], default=0)
        if passed and worst:
            found = f"{facts.check} of {short(facts.table)} had {count(worst, 'failing row')}"
            yield found, f"none in version {facts.result.version}"


def verdict(given: ReportInput) -> ReportSection:
    """The readiness verdict and all it rests on."""
    reasons = tuple((reason,) for reason in given.verdict.reasons)
    columns = ("Why not, or with what reservation",) if reasons else ()
    lead = f"{given.verdict.headline}. {given.verdict.detail}"
    return ReportSection("Readiness verdict", lead, columns, reasons, given.verdict.state)


def next_validation(given: ReportInput) -> ReportSection:
    """When the next report is due."""
    title = "Next validation"
    if given.next_due is None:
        by_hand = "None is due by itself while ./metalayer up does not run."
        return ReportSection(title, f"{by_hand} Each run of master_etl_orchestrator makes a report.")
    return ReportSection(title, f"Due at {when(given.next_due)}, or earlier when a file arrives.")
