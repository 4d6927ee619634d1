"""Commands that change what stands: run, cancel, pause, resume."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from etl.cli import words
from etl.cli.output import Answer, Output
from etl.cli.progress import run_progress
from etl.cli.tables import table
from etl.model import RunState, TaskState, Trigger

if TYPE_CHECKING:
    from etl.cli.running import Context
    from etl.door import Door


def run(context: Context) -> Answer:
    """Bring the targets up to date; with --dry-run, say what that would take."""
    arguments = context.arguments
    asked = {"targets": arguments.targets, "full": arguments.full, "downstream": arguments.downstream}
    with context.door() as door:
        if arguments.dry_run:
            return _planned(door.call("plan", **asked))
        wanted = door.call(
            "request_run", **asked, from_run=arguments.from_run, trigger=Trigger.COMMAND.value, by=user()
        )
        with run_progress(context.output) as watch:
            done = door.finish(wanted["run_id"], watch)
        return _done(done, door)


def cancel(context: Context) -> Answer:
    """Ask a run to stop."""
    run_id = context.arguments.run
    with context.door() as door:
        door.call("cancel", run_id=run_id)
        plain = door.call("run", run_id=run_id)
    return Answer(
        {"run": plain}, lambda output: output.line(f"Run {run_id} is asked to stop: {plain['state']}.")
    )


def pause(context: Context) -> Answer:
    """Stop a pipeline's schedule."""
    return _paused(context, paused=True)


def resume(context: Context) -> Answer:
    """Let a paused schedule go on."""
    return _paused(context, paused=False)


def _paused(context: Context, *, paused: bool) -> Answer:
    pipeline = context.arguments.pipeline
    with context.door() as door:
        door.call("pause", pipeline=pipeline, paused=paused)
    text = (
        f"{pipeline} is paused: no schedule starts it."
        if paused
        else f"{pipeline} follows its schedule again."
    )
    return Answer({"pipeline": pipeline, "paused": paused}, lambda output: output.line(text))


def user() -> str:
    """Who asks: the user of the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a container's user without a name


def _planned(plan: dict[str, Any]) -> Answer:
    def show(output: Output) -> None:
        due = [step for step in plan["steps"] if step["mode"] != "skip"]
        output.line(f"{plan['pipeline']}: {len(due)} of {len(plan['steps'])} steps are due.")
        rows = [(s["name"], s["layer"], s["mode"], s["why"]) for s in plan["steps"]]
        table(output, ("Step", "Layer", "Mode", "Why"), rows)
        if plan["left_stale"]:
            output.line(f"Left stale: {', '.join(plan['left_stale'])}.")

    return Answer({"plan": plan}, show)


def _done(done: dict[str, Any], door: Door) -> Answer:
    """The outcome of a run, with what now stands."""
    document = _outcome(done, door)
    published = done["state"] == RunState.SUCCEEDED
    return Answer(document, lambda o: _show(o, document), 0 if published and not document["refused"] else 1)


def _outcome(done: dict[str, Any], door: Door) -> dict[str, Any]:
    accounts, tables, layers = door.call("accounts"), door.call("tables"), door.call("layers")
    totals = [*accounts["row_totals"], *accounts["money_totals"]]
    return {
        "run": done,
        "version": door.call("version"),
        "tables": {facts["name"]: facts["rows"] for facts in tables},
        "layers": {facts["layer"]: facts["rows"] for facts in layers},
        "accounts": {
            "closes": bool(totals) and all(total["closes"] for total in totals),
            "rows": accounts["row_totals"],
            "money": accounts["money_totals"],
        },
        "quarantined": {total["source"]: total["quarantined"] for total in accounts["row_totals"]},
        "refused": [batch for batch in accounts["refused"] if batch["run_id"] == done["run_id"]],
        "verdict": door.call("verdict"),
    }


def _show(output: Output, document: dict[str, Any]) -> None:
    done = document["run"]
    worked = f" in {words.duration(done)}" if done["seconds"] is not None else ""
    output.line(f"Run {done['run_id']} of {done['pipeline']}: {done['state']}{worked}.")
    if done["error"]:
        output.line(words.sentence(done["error"]))
    show_tasks(output, done["tasks"])
    published = [name for name, rows in document["tables"].items() if rows is not None]
    version = f"version {document['version']}" if document["version"] else "nothing yet"
    output.line(f"Published: {version}, {len(published)} of {len(document['tables'])} tables.")
    for source, rows in document["quarantined"].items():
        if rows:
            output.line(f"Quarantined: {rows:,} rows of {source}.")
    for batch in document["refused"]:
        output.line(f"Refused: {batch['path']}: {words.sentence(batch['reason'])}")
    show_verdict(output, document["verdict"])


def show_tasks(output: Output, tasks: list[dict[str, Any]]) -> None:
    """The tasks of a run in order, children under their parent, and the errors of those that failed."""
    if not tasks:
        output.line("Nothing was due.")
        return
    rows = [
        (f"{'  ' if t['parent'] else ''}{t['name']}", t["state"], words.duration(t),
         "" if t["rows"] is None else t["rows"], t["message"] or t["reason"])
        for t in tasks
    ]  # fmt: skip
    table(output, ("Task", "State", "Time", "Rows", "What"), rows)
    for task in tasks:
        if task["state"] == TaskState.FAILED and task["attempts"]:
            output.line(f"{task['name']} failed: {words.sentence(task['attempts'][-1]['error'])}")


def show_verdict(output: Output, verdict: dict[str, Any]) -> None:
    """The headline and everything it rests on."""
    output.line(words.sentence(f"Verdict: {verdict['headline']}"))
    for reason in verdict["reasons"]:
        output.line(f"  - {reason}")
