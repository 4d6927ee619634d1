"""Commands about the whole installation: migrate, backup, restore."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.cli.output import Answer, Output
from etl.cli.tables import table
from etl.errors import SettingsError, UsageError
from etl.texts import count
from etl.wire import to_plain

if TYPE_CHECKING:
    from etl.cli.running import Context
    from etl.settings import Settings


def migrate(context: Context) -> Answer:
    """Carry everything over into a PostgreSQL and compare both sides."""
    from etl.moving import migrating

    source = context.settings
    target = _target(context)
    _require_stopped(source)
    found = migrating.migrate(source, target, _catalog(source), _now(), _told(context))
    document = to_plain(found) | {"well": found.well}
    return Answer(
        document, lambda output: _show_migration(output, document, source, target), int(not found.well)
    )


def _target(context: Context) -> Settings:
    """The settings as they will be, from what `--to` and `--ledger-to` say."""
    from etl.settings import read_settings

    to, ledger_to = context.arguments.to, context.arguments.ledger_to
    environment = {**os.environ, "METALAYER_WAREHOUSE": to, "METALAYER_LEDGER": ledger_to or to}
    try:
        target = read_settings(environment, sample=True if context.arguments.sample else None)
    except SettingsError as fault:
        told = fault.message.replace("environment variable METALAYER_WAREHOUSE", "--to")
        raise SettingsError(
            told.replace("environment variable METALAYER_LEDGER", "--ledger-to" if ledger_to else "--to"),
            fault.hint,
        ) from fault
    # Of one database both have the one password.
    own = target.database.ledger_password if ledger_to else target.database.password
    return replace(target, database=replace(target.database, ledger_password=own))


def _require_stopped(settings: Settings) -> None:
    from etl.announcement import read_announcement
    from etl.door import living

    announcement = read_announcement(settings.engine_file)
    if announcement is not None and living(settings) is not None:
        raise UsageError(
            f"MetaLayer runs on this workspace: {announcement.url} (pid {announcement.pid}).",
            "Stop it first (Ctrl-C, or SIGTERM).",
        )


def _show_migration(output: Output, found: dict[str, Any], source: Settings, target: Settings) -> None:
    rows = [
        (c["table"], c["rows_before"], c["rows_after"], "yes" if c["equal"] else "NO")
        for c in (*found["tables"], *found["ledger"])
    ]
    table(output, ("Table", "Rows here", "Rows there", "Equal"), rows)
    for fault in found["faults"]:
        output.line(f"NOT EQUAL: {fault}")
    if not found["well"]:
        output.line("Nothing was changed on either side.")
        return
    output.line(
        f"{count(len(rows), 'table')} and {count(found['accounts'], 'account')} are the same on both sides "
        f"({found['seconds']:.1f} s)."
    )
    output.line("From now on set:")
    output.line(f"  METALAYER_WAREHOUSE={target.warehouse}")
    if target.ledger != target.warehouse:
        output.line(f"  METALAYER_LEDGER={target.ledger}")
    if target.database.password is not None:
        output.line("  METALAYER_DATABASE_PASSWORD or METALAYER_DATABASE_PASSWORD_FILE, as for this command")
    output.line(f"What lies in {source.state} is as it was. Keep it until you have seen the new one work.")


def backup(context: Context) -> Answer:
    """Write everything that was made into a folder; through the running app where there is one."""
    folder = Path(context.arguments.out).expanduser().resolve()
    with context.door() as door:
        found = door.call("backup", folder=str(folder))

    def show(output: Output) -> None:
        output.line(
            f"{count(found['files'], 'file')} ({found['size_bytes'] / 1e6:,.1f} MB), version {found['version']}, "
            f"{count(found['rows'], 'row')}: {folder}"
        )

    return Answer(found, show)


def restore(context: Context) -> Answer:
    """Put what a backup holds where the settings say. Exit 1 when the accounts do not hold afterwards."""
    from etl.moving import restoring

    settings = context.settings
    _require_stopped(settings)
    folder = Path(context.arguments.folder).expanduser().resolve()
    found = restoring.restore(
        folder, settings, _catalog(settings), _now(), _told(context), replace=context.arguments.replace
    )
    document = to_plain(found) | {"well": found.well}

    def show(output: Output) -> None:
        for fault in found.faults:
            output.line(f"NOT AS IT WAS: {fault}")
        output.line(
            f"Restored version {found.version}: {count(found.rows, 'row')}, {count(found.accounts, 'account')} "
            f"{'hold' if found.well else 'looked at'}."
        )
        if found.moved_to:
            output.line(f"What was there before lies in {found.moved_to}.")

    return Answer(document, show, int(not found.well))


def _catalog(settings: Settings) -> Any:
    from etl.moving.catalogs import catalog_of

    return catalog_of(settings)


def _now() -> Any:
    from etl.service import utc_now

    return utc_now


def _told(context: Context) -> Any:
    return (lambda _: None) if context.output.as_json else context.output.say
