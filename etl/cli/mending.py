"""Commands that mend rows and whole batches. Each waits for its run and says what became of the request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.calls import MOST_ROWS
from etl.cli import words
from etl.cli.output import Answer, Output
from etl.cli.progress import run_progress
from etl.cli.tables import table
from etl.cli.working import user
from etl.errors import UsageError
from etl.mends import Aside, MendState
from etl.model import RunState

if TYPE_CHECKING:
    from argparse import Namespace

    from etl.cli.running import Context
    from etl.door import Door

Plain = dict[str, Any]
RECENT_MENDS = 1000  # far more than could be asked for between a request and the end of its run


def replay(context: Context) -> Answer:
    """Mend rows, from an edited export or one by one; with --dry-run, only say what would become of them."""
    asked = context.arguments
    with context.door() as door:
        edits = _edits(door, asked)
        if not edits:
            text = f"No row of {asked.file} differs from what was set aside: nothing to replay."
            return Answer({"previews": [], "mend": None, "run": None}, lambda output: output.line(text))
        previews = door.call("preview", source=asked.source, edits=edits)
        refused = any(preview["outcome"] == "refused" for preview in previews)
        if refused or asked.dry_run:
            document = {"previews": previews, "mend": None, "run": None}
            return Answer(
                document, lambda output: _show_previews(output, previews, nothing_done=True), int(refused)
            )
        if not context.output.as_json:
            _show_previews(context.output, previews)
        wanted = door.call("replay_edits", source=asked.source, edits=edits, note=asked.note, by=user())
        return _followed(context, door, wanted, previews=previews)


def discard(context: Context) -> Answer:
    """Set rows or unreadable lines aside, with a reason."""
    asked = context.arguments
    with context.door() as door:
        places = _places(door, asked, Aside.UNREADABLE if asked.unreadable else Aside.QUARANTINED)
        wanted = door.call(
            "discard", source=asked.source, places=places, reason=asked.reason,
            unreadable=asked.unreadable, by=user(),
        )  # fmt: skip
        return _followed(context, door, wanted)


def restore(context: Context) -> Answer:
    """Take discards back."""
    asked = context.arguments
    with context.door() as door:
        places = _places(door, asked, Aside.DISCARDED)
        wanted = door.call(
            "restore", source=asked.source, places=places, unreadable=asked.unreadable, by=user()
        )
        return _followed(context, door, wanted)


def withdraw(context: Context) -> Answer:
    """Take a whole batch out of silver."""
    with context.door() as door:
        wanted = door.call(
            "withdraw_batch", batch_id=context.arguments.batch, reason=context.arguments.reason, by=user()
        )
        return _followed(context, door, wanted)


def reinstate(context: Context) -> Answer:
    """Take a withdrawal back."""
    with context.door() as door:
        wanted = door.call("reinstate_batch", batch_id=context.arguments.batch, by=user())
        return _followed(context, door, wanted)


def replay_batch(context: Context) -> Answer:
    """Read a batch's file again under today's contract."""
    with context.door() as door:
        wanted = door.call("replay_batch", batch_id=context.arguments.batch, by=user())
        return _followed(context, door, wanted)


def whole_batch_id(door: Door, batch: str, source: str) -> str:
    """The id of the one batch of a source that starts so. Raises UsageError for none or several."""
    if not batch:
        return ""
    listed = door.call("batches", source=source, limit=MOST_ROWS)
    found = [each["batch_id"] for each in listed if each["batch_id"].startswith(batch)]
    if batch in found or len(found) == 1:
        return batch if batch in found else str(found[0])
    several = f"names {len(found)} batches" if found else "is no batch"
    raise UsageError(f"{batch} {several} of {source}.", f"See them: ./metalayer batches list {source}")


def _edits(door: Door, asked: Namespace) -> list[Plain]:
    if asked.file is not None:
        edits: list[Plain] = door.call("read_edits", source=asked.source, text=_text_of(asked.file))
        return edits
    values = dict(asked.set)
    return [
        {
            "place": _place(door, asked.row, asked.source),
            "values": [*map(list, values.items())],
            "raw": asked.raw,
        }
    ]


def _text_of(file: str) -> str:
    try:
        return Path(file).read_bytes().decode("utf-8-sig")
    except OSError as fault:
        raise UsageError(
            f"{file} cannot be read: {fault.strerror or fault}.", "Name an edited export."
        ) from fault
    except UnicodeDecodeError as fault:
        raise UsageError(
            f"{file} is not UTF-8 (byte {fault.start + 1:,}).", "Save it as CSV UTF-8 and try again."
        ) from fault


def _place(door: Door, row: tuple[str, int, int], source: str) -> Plain:
    batch, line, correction = row
    return {"batch_id": whole_batch_id(door, batch, source), "row_number": line, "correction": correction}


def _places(door: Door, asked: Namespace, state: Aside) -> list[Plain]:
    """The rows that are named, or all in `state` that the filter leaves. Raises UsageError when that is none."""
    if asked.row:
        return [_place(door, row, asked.source) for row in asked.row]
    # Lines are listed together, whether or not somebody set them aside.
    listed = Aside.UNREADABLE if asked.unreadable else state
    found = door.call(
        "aside",
        source=asked.source,
        state=listed.value,
        batch_id=whole_batch_id(door, asked.batch, asked.source),
        reason=asked.reason_is,
        limit=MOST_ROWS,
    )
    places = [row["place"] for row in found["rows"] if row["state"] == state and not row["corrected"]]
    if not places:
        what = "line" if asked.unreadable else "row"
        raise UsageError(
            f"No {state} {what} of {asked.source} is like that.",
            f"See them: ./metalayer quarantine list {asked.source} --state {listed}",
        )
    return places


def _followed(context: Context, door: Door, wanted: Plain, *, previews: list[Plain] | None = None) -> Answer:
    """Wait for the run that takes a request up, and say what became of it. Refused, or not published: exit 1."""
    with run_progress(context.output) as watch:
        run = door.finish(wanted["run_id"], watch)
    listed = door.call("mends", limit=RECENT_MENDS)
    mend = next(each for each in listed if each["mend_id"] == wanted["mend_id"])
    document = {"mend": mend, "run": run, "version": door.call("version")}
    if previews is not None:
        document["previews"] = previews
    done = mend["state"] == MendState.APPLIED and run["state"] == RunState.SUCCEEDED
    return Answer(document, lambda output: _show_mend(output, document), 0 if done else 1)


def _show_mend(output: Output, document: Plain) -> None:
    mend, run = document["mend"], document["run"]
    if mend["state"] != MendState.APPLIED:
        output.line(f"Not done: the request to {mend['kind']} is {mend['state']}.")
    if mend["message"]:
        output.line(words.sentence(mend["message"]))
    version = f"version {document['version']}" if document["version"] else "nothing yet"
    output.line(f"Run {run['run_id']}: {run['state']}. Published: {version}.")
    if run["error"]:
        output.line(words.sentence(run["error"]))


def _show_previews(output: Output, previews: list[Plain], *, nothing_done: bool = False) -> None:
    rows = [
        (row_name(each["place"]), each["outcome"], "; ".join(each["broken"]) or each["fault"])
        for each in previews
    ]
    table(output, ("Row", "Would be", "Why"), rows)
    if nothing_done:
        refused = sum(each["outcome"] == "refused" for each in previews)
        output.line(f"{refused:,} cannot be mended like this. " * bool(refused) + "Nothing was changed.")


def row_name(place: Plain) -> str:
    """A row as `--row` takes it."""
    correction = f":{place['correction']}" if place["correction"] else ""
    return f"{place['batch_id']}:{place['row_number']}{correction}"
