"""The tables every warehouse keeps about itself, as SQL that each of them understands."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from etl.model import Batch, BatchState, MoneyAccount, Published, RowAccount, written_short
from etl.warehouse import Arrival

SCHEMAS = ("bronze", "silver", "gold", "quarantine")

TABLES = {
    # One row per batch: the content of one file, with the counts of its physical lines.
    "bronze._batches": """
        batch_id varchar not null unique, batch_seq bigint not null unique, source varchar not null,
        path varchar not null, sha256 varchar not null, size_bytes bigint not null, state varchar not null,
        reason varchar not null, lines bigint not null, header_lines bigint not null, rows bigint not null,
        continuation_lines bigint not null, unreadable bigint not null, blank bigint not null,
        arrived_at timestamp not null, run_id bigint not null, version bigint not null,
        first_line bigint, columns varchar not null, revision bigint default 0, header varchar default '[]',
        unique (source, sha256)""",
    # One row per sighting of a file, also of bytes already known.
    "bronze._arrivals": """
        source varchar not null, path varchar not null, size_bytes bigint not null, mtime_ns bigint not null,
        sha256 varchar not null, batch_id varchar not null, arrived_at timestamp not null,
        run_id bigint not null, contract_fingerprint varchar not null""",
    # One row per table and version: what was published, made from what.
    "bronze._publications": """
        version bigint not null, run_id bigint not null, table_name varchar not null,
        fingerprint varchar not null, inputs varchar not null, rows bigint not null,
        fence bigint not null, published_at timestamp not null, unique (version, table_name)""",
    # One row per batch and version in which its account was drawn up.
    "bronze._accounts": """
        version bigint not null, source varchar not null, batch_id varchar not null, lines bigint not null,
        header_lines bigint not null, bronze bigint not null, continuation_lines bigint not null,
        unreadable bigint not null, blank bigint not null, bronze_only boolean not null,
        corrections bigint not null, silver bigint not null, superseded bigint not null,
        quarantined bigint not null, discarded bigint not null, withdrawn bigint not null,
        pending bigint not null""",
    # One row per batch, amount column and version in which its account was drawn up.
    "bronze._money_accounts": """
        version bigint not null, source varchar not null, batch_id varchar not null,
        column_name varchar not null, currency varchar not null, bronze decimal(38,10) not null,
        silver decimal(38,10) not null, superseded decimal(38,10) not null,
        quarantined decimal(38,10) not null, pending decimal(38,10) not null,
        rows_without_amount bigint not null, corrections decimal(38,10) not null,
        discarded decimal(38,10) not null, withdrawn decimal(38,10) not null""",
    # One row per line the reader could not take apart.
    "quarantine.unreadable_lines": """
        source varchar not null, batch_id varchar not null, line_number bigint not null,
        raw varchar not null, reason varchar not null""",
    # One row per correction: a mended copy of a record or of an unreadable line, a row of its own.
    "bronze._corrections": """
        source varchar not null, batch_id varchar not null, row_number bigint not null,
        correction bigint not null, of_unreadable boolean not null, texts varchar not null,
        author varchar not null, note varchar not null, made_at timestamp not null,
        mend_id varchar not null, version bigint not null, unique (batch_id, row_number, correction)""",
    # One row per mark a person set: `discard` and `discard_line` name a row or an unreadable line, `withdraw` a batch.
    "bronze._marks": """
        source varchar not null, kind varchar not null, batch_id varchar not null, row_number bigint not null,
        correction bigint not null, reason varchar not null, author varchar not null,
        made_at timestamp not null, mend_id varchar not null, version bigint not null,
        lifted_at timestamp, lifted_by varchar, lifted_version bigint""",
    # One row per mend that took effect: the same request twice mends once.
    "bronze._mends": "mend_id varchar not null unique, version bigint not null, message varchar not null",
    # One row per batch and column that bronze holds of it: how many of the texts looked at are filled, their form.
    "bronze._columns": """
        source varchar not null, batch_id varchar not null, column_name varchar not null, form varchar not null,
        filled bigint not null, example varchar not null""",
    # One row per batch and column that is not as agreed, or not as before.
    "bronze._drift": """
        source varchar not null, batch_id varchar not null, path varchar not null, seen_at timestamp not null,
        column_name varchar not null, kind varchar not null, was varchar not null, found varchar not null,
        example varchar not null, proposal varchar not null, agreed boolean not null""",
    # The fencing number of the engine that may commit: one row.
    "bronze._fence": "fence bigint not null",
}

# Columns that tables of an earlier version lack.
ADDED = {"bronze._batches": {"revision": "bigint default 0", "header": "varchar default '[]'"}}

BATCH_COLUMNS = (
    "batch_id, batch_seq, source, path, sha256, size_bytes, state, reason, lines, header_lines, rows, "
    "continuation_lines, unreadable, blank, arrived_at, run_id, version, revision"
)
ARRIVAL_COLUMNS = (
    "source, path, size_bytes, mtime_ns, sha256, batch_id, arrived_at, run_id, contract_fingerprint"
)
ROW_COLUMNS = (
    "source, batch_id, lines, header_lines, bronze, continuation_lines, unreadable, blank, bronze_only, "
    "corrections, silver, superseded, quarantined, discarded, withdrawn, pending"
)
MONEY_COLUMNS = (
    "source, batch_id, column_name, currency, bronze, silver, superseded, quarantined, pending, "
    "rows_without_amount, corrections, discarded, withdrawn"
)

# What stands: the newest publication of each table.
PUBLISHED = """
    select p.table_name, p.version, p.run_id, p.fingerprint, p.inputs, p.rows, p.published_at
    from bronze._publications as p
    join (
        select table_name, max(version) as version from bronze._publications group by table_name
    ) as newest on newest.table_name = p.table_name and newest.version = p.version
"""


def naive(moment: datetime) -> datetime:
    """An aware time as the warehouse keeps it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime) -> datetime:
    """A time of the warehouse as the engine uses it."""
    return moment.replace(tzinfo=UTC)


def batch_values(batch: Batch) -> list[Any]:
    """A batch in the order of BATCH_COLUMNS."""
    return [
        batch.batch_id, batch.batch_seq, batch.source, batch.path, batch.sha256, batch.size_bytes,
        batch.state.value, batch.reason, batch.lines, batch.header_lines, batch.rows,
        batch.continuation_lines, batch.unreadable, batch.blank, naive(batch.arrived_at), batch.run_id,
        batch.version, batch.revision,
    ]  # fmt: skip


def to_batch(row: tuple[Any, ...]) -> Batch:
    """A row of BATCH_COLUMNS."""
    values = _named(BATCH_COLUMNS, row)
    values |= {"state": BatchState(values["state"]), "arrived_at": aware(values["arrived_at"])}
    return Batch(**values)


def arrival_values(arrival: Arrival) -> list[Any]:
    """An arrival in the order of ARRIVAL_COLUMNS."""
    return [
        arrival.source, arrival.path, arrival.size_bytes, arrival.mtime_ns, arrival.sha256, arrival.batch_id,
        naive(arrival.arrived_at), arrival.run_id, arrival.contract_fingerprint,
    ]  # fmt: skip


def to_arrival(row: tuple[Any, ...]) -> Arrival:
    """A row of ARRIVAL_COLUMNS."""
    values = _named(ARRIVAL_COLUMNS, row)
    return Arrival(**values | {"arrived_at": aware(values["arrived_at"])})


def account_values(account: RowAccount) -> list[Any]:
    """A row account in the order of ROW_COLUMNS."""
    return [getattr(account, name.strip()) for name in ROW_COLUMNS.split(",")]


def money_values(account: MoneyAccount) -> list[Any]:
    """A money account in the order of MONEY_COLUMNS."""
    names = [name.strip() for name in MONEY_COLUMNS.replace("column_name", "column").split(",")]
    return [getattr(account, name) for name in names]


def to_account(row: tuple[Any, ...]) -> RowAccount:
    """A row of ROW_COLUMNS."""
    return RowAccount(**_named(ROW_COLUMNS, row))


def to_money(row: tuple[Any, ...]) -> MoneyAccount:
    """A row of MONEY_COLUMNS; amounts without the zeros that the wide column adds."""
    values = _named(MONEY_COLUMNS.replace("column_name", "column"), row)
    amounts = {name: written_short(value) for name, value in values.items() if isinstance(value, Decimal)}
    return MoneyAccount(**values | amounts)


def to_published(row: tuple[Any, ...], inputs: list[list[Any]]) -> Published:
    """A row of PUBLISHED, its `inputs` already read from JSON."""
    table, version, run_id, fingerprint, _, rows, published_at = row
    pairs = tuple((str(name), int(number)) for name, number in inputs)
    return Published(table, version, run_id, fingerprint, pairs, rows, 0, aware(published_at))


def _named(columns: str, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((name.strip() for name in columns.split(",")), row, strict=True))
