"""Commands that look at what stands and what ran: status, runs, report, sources, batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl import texts
from etl.cli import words
from etl.cli.output import Answer, Output, write_file
from etl.cli.tables import table
from etl.cli.working import show_tasks, show_verdict
from etl.errors import MetaLayerError

if TYPE_CHECKING:
    from etl.cli.running import Context

Plain = dict[str, Any]


def status(context: Context) -> Answer:
    """The verdict, layers, tables, pipelines and what is at work."""
    asked = ("workspace", "verdict", "layers", "tables", "pipelines", "active_run", "attention")
    with context.door() as door:
        document = {method: door.call(method) for method in asked}
    return Answer(document, lambda output: _show_status(output, document))


def runs(context: Context) -> Answer:
    """Recent runs, or one with its tasks."""
    with context.door() as door:
        if context.arguments.run is not None:
            run = door.call("run", run_id=context.arguments.run)
            return Answer({"run": run}, lambda output: _show_run(output, run))
        listed = door.call("runs", limit=context.arguments.limit)
    return Answer(listed, lambda output: _show_runs(output, listed["runs"]))


def report(context: Context) -> Answer:
    """The report kept with the last full run, in the form asked for."""
    from etl.facts import Report
    from etl.report import render
    from etl.wire import from_plain

    with context.door() as door:
        plain = door.call("report")
    if plain is None:
        raise MetaLayerError(
            "There is no report yet: one is kept with each run of master_etl_orchestrator.",
            "Make one: ./metalayer run",
        )
    text = render(from_plain(Report, plain), context.arguments.format)
    out = context.arguments.out
    if out is None:
        return Answer(plain, lambda output: output.write(text))
    write_file(out, text)
    return Answer(
        {"written": out, "headline": plain["headline"], "ready": plain["ready"]},
        lambda output: output.line(f"Written to {out}. {words.sentence(plain['headline'])}"),
    )


def sources(context: Context) -> Answer:
    """The feeds, their contracts and what has come in."""
    with context.door() as door:
        listed = door.call("sources")
    return Answer(listed, lambda output: _show_sources(output, listed))


def batches(context: Context) -> Answer:
    """The files taken in and refused, newest first."""
    with context.door() as door:
        listed = door.call("batches", source=context.arguments.source, limit=context.arguments.limit)
    return Answer(listed, lambda output: _show_batches(output, listed))


def _show_status(output: Output, status: Plain) -> None:
    workspace = status["workspace"]
    if workspace["sample"]:
        output.line("Sample workspace: the data is synthetic.")
    show_verdict(output, status["verdict"])
    version = workspace["version"]
    published = f"{version}, published {words.at(workspace['published_at'])}" if version else "none yet"
    output.line(f"Version: {published}. Landing folder: {workspace['landing']}")
    for problem in workspace["problems"]:
        output.line(f"Problem: {problem}")
    output.line()
    table(
        output, ("Table", "Rows", "Size", "Version", "Published", "State"), [*map(_table, status["tables"])]
    )
    output.line()
    rows = [*map(_pipeline, status["pipelines"])]
    table(output, ("Pipeline", "Last run", "State", "Next due"), rows)
    active = status["active_run"]
    if active:
        output.line(f"At work: run {active['run_id']} of {active['pipeline']}, {active['state']}.")


def _table(facts: Plain) -> tuple[Any, ...]:
    state = "stale" if facts["stale"] else facts["state_note"]
    version = facts["version"] or "–"
    size = texts.size(facts["size_bytes"]) if facts["version"] else ""
    return (facts["name"], words.rows(facts["rows"]), size, version, words.at(facts["published_at"]), state)


def _pipeline(facts: Plain) -> tuple[Any, ...]:
    last = facts["last_run"]
    due = "paused" if facts["paused"] else words.at(facts["next_due"])
    return (facts["name"], last["run_id"] if last else "–", last["state"] if last else "never run", due)


def _show_run(output: Output, run: Plain) -> None:
    output.line(f"Run {run['run_id']} of {run['pipeline']}: {run['state']}.")
    by = f" by {run['requested_by']}" if run["requested_by"] else ""
    output.line(f"Asked for {words.at(run['requested_at'])} ({run['trigger']}{by}).")
    if run["started_at"]:
        output.line(f"Started {words.at(run['started_at'])}, took {words.duration(run) or '…'}.")
    if run["error"]:
        output.line(words.sentence(run["error"]))
    show_tasks(output, run["tasks"])


def _show_runs(output: Output, listed: list[Plain]) -> None:
    if not listed:
        output.line("Nothing has run yet. Start with ./metalayer run")
        return
    rows = [
        (r["run_id"], r["pipeline"], r["state"], r["trigger"], words.at(r["started_at"]), words.duration(r),
         r["version"] or "–", r["error"])
        for r in listed
    ]  # fmt: skip
    columns = ("Run", "Pipeline", "State", "Trigger", "Started", "Time", "Version", "Error")
    table(output, columns, rows)


def _show_sources(output: Output, listed: list[Plain]) -> None:
    rows = [
        (s["source"], s["pattern"], s["contract_version"], s["batches"], s["refused"], s["rows"],
         words.at(s["freshness"]["newest_arrival"]), words.state(s["freshness"]["state"]))
        for s in listed
    ]  # fmt: skip
    columns = ("Source", "Files", "Contract", "Batches", "Refused", "Rows", "Newest arrival", "Fresh")
    table(output, columns, rows)


def _show_batches(output: Output, listed: list[Plain]) -> None:
    if not listed:
        output.line("No file has been taken in yet.")
        return
    rows = [
        (b["batch_id"], b["source"], b["path"], b["state"], b["lines"], b["rows"], b["unreadable"],
         words.at(b["arrived_at"]), b["arrivals"], b["reason"])
        for b in listed
    ]  # fmt: skip
    columns = (
        "Batch", "Source", "File", "State", "Lines", "Rows", "Unreadable", "Arrived", "Arrivals", "Reason",
    )  # fmt: skip
    table(output, columns, rows)
