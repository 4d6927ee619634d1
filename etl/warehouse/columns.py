"""What is kept about the columns of each batch: the form of their texts, and what differs. SQL over a session."""
# ruff: noqa: S608  # names are quoted, values bound

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from etl.declared import Contract
from etl.drift import (
    EARLIER_BATCHES,
    FLAGS,
    MOMENTS,
    ColumnSeen,
    Comparison,
    Drift,
    DriftKind,
    Form,
    HeaderSeen,
    mostly,
)
from etl.drift import usual_form as usual_of
from etl.model import Batch
from etl.warehouse import Session
from etl.warehouse.bookkeeping import aware, naive

WINDOWS, WINDOW_ROWS = 5, 2_000
"""So many stretches of so many records, spread over a batch, tell the form of its columns. Stretches, not every nth
record: the others need not even be read.
"""

EXAMPLE_LENGTH = 60
_WORST_FIRST = (
    "case kind when 'missing' then 0 when 'retyped' then 1 when 'new' then 2 else 3 end, column_name"
)
_DRIFT = "source, batch_id, path, seen_at, column_name, kind, was, found, example, proposal, agreed"


def form_sql(text: str) -> str:
    """The form of a text in SQL, by what is left of it without its digits. Same answers as etl.drift.form_of."""
    rest = f"translate({text}, '0123456789', '')"
    unsigned = f"(case when left({text}, 1) in ('+', '-') then substr({rest}, 2) else {rest} end)"
    flags = ", ".join(f"'{word}'" for word in FLAGS)
    moments = ", ".join(f"'{rest}'" for rest in MOMENTS)
    return f"""case
        when {rest} = {text} then case when lower({text}) in ({flags}) then 'flag' else 'text' end
        when {rest} = '' then 'whole'
        when {rest} in ('+', '-') then case when left({text}, 1) = {rest} then 'whole' else 'text' end
        when {unsigned} = '.' then 'point'
        when {unsigned} = ',' then 'comma'
        when {unsigned} in (',.', '.,') then 'grouped'
        when {rest} in ({moments}) then 'moment'
        when {rest} = '--' then case when strpos({text}, '-') = 5 then 'day_ymd' else 'day_dashes' end
        when {rest} = '..' then 'day_dots'
        when {rest} = '//' then 'day_slashes'
        else 'text' end"""


def note_columns(
    session: Session,
    batch: Batch,
    records: str,
    columns: Sequence[str],
    header: HeaderSeen,
    contract: Contract,
    looking: Session | None = None,
) -> None:
    """Keep how a batch's columns are, and how they differ, in the transaction that lands it. Again: replaces it.

    `records` is a FROM clause over its rows alone with a `file_row_number`, for a session with DuckDB: `looking`, where
    the warehouse itself is another; `columns` are those it holds.
    """
    forget(session, batch.batch_id)
    seen = _seen(looking or session, records, columns, batch.rows)
    usual = {name: usual_of(earlier) for name, earlier in _earlier(session, batch).items()}
    for column in seen:
        session.run(
            "insert into bronze._columns values (?, ?, ?, ?, ?, ?)",
            [batch.source, batch.batch_id, column.name, column.form or "", column.filled, column.example],
        )
    found = Comparison(contract, batch.source, batch.batch_id, batch.path, batch.arrived_at, usual)
    _insert(session, found.drift(header, seen))


def note_header(session: Session, batch: Batch, header: HeaderSeen, contract: Contract) -> None:
    """Keep how the header of a refused file differs, in the transaction that records it."""
    forget(session, batch.batch_id)
    usual = {name: usual_of(earlier) for name, earlier in _earlier(session, batch).items()}
    found = Comparison(contract, batch.source, batch.batch_id, batch.path, batch.arrived_at, usual)
    _insert(session, found.drift(header, ()))


def forget(session: Session, batch_id: str) -> None:
    """Remove what is kept of a batch that is read anew."""
    session.run("delete from bronze._columns where batch_id = ?", [batch_id])
    session.run("delete from bronze._drift where batch_id = ?", [batch_id])


def _seen(session: Session, records: str, columns: Sequence[str], rows: int) -> list[ColumnSeen]:
    """The columns by how their texts look; one pass over some of the records."""
    if not columns:
        return []
    quoted = [f'"{name}"' for name in columns]
    found = session.rows(
        f"select column_name, {form_sql('text')} as form, count(*), left(min(text), {EXAMPLE_LENGTH}) from ("
        f"select column_name, trim(text) as text from (select {', '.join(quoted)} from {records} "
        f"where {_looked_at(rows)}) unpivot (text for column_name in ({', '.join(quoted)}))"
        f") where text <> '' group by 1, 2 order by 1, 2"
    )
    counts: dict[str, dict[Form, int]] = defaultdict(dict)
    examples: dict[tuple[str, Form], str] = {}
    for name, form, count, example in found:
        counts[name][Form(form)] = count
        examples[name, Form(form)] = example
    seen = []
    for name in columns:
        form = mostly(counts[name])
        example = examples.get((name, form), "") if form else ""
        seen.append(ColumnSeen(name, form, sum(counts[name].values()), example))
    return seen


def _looked_at(rows: int) -> str:
    if rows <= WINDOWS * WINDOW_ROWS:
        return "true"
    starts = [at * (rows - WINDOW_ROWS) // (WINDOWS - 1) for at in range(WINDOWS)]
    return " or ".join(f"file_row_number between {start} and {start + WINDOW_ROWS - 1}" for start in starts)


def _earlier(session: Session, batch: Batch) -> dict[str, list[ColumnSeen]]:
    """By column, those of the batches before this one, newest first."""
    found = session.rows(
        "select c.column_name, c.form, c.filled from bronze._columns as c join ("
        "select batch_id, batch_seq from bronze._batches where source = ? and state = 'landed' and batch_seq < ? "
        "order by batch_seq desc limit ?) as b on b.batch_id = c.batch_id order by b.batch_seq desc",
        [batch.source, batch.batch_seq, 2 * EARLIER_BATCHES],  # some have too few values
    )
    earlier: dict[str, list[ColumnSeen]] = defaultdict(list)
    for name, form, filled in found:
        earlier[name].append(ColumnSeen(name, Form(form) if form else None, filled))
    return earlier


def _insert(session: Session, found: Sequence[Drift]) -> None:
    for one in found:
        session.run(
            "insert into bronze._drift values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                one.source, one.batch_id, one.path, naive(one.at), one.column, one.kind.value, one.was,
                one.found, one.example, one.proposal, one.agreed,
            ],
        )  # fmt: skip


def drift(session: Session, source: str = "", limit: int = 200) -> tuple[Drift, ...]:
    """What differed, of the newest batches first."""
    found = session.rows(
        f"select {_DRIFT} from bronze._drift where ? in ('', source) "
        f"order by seen_at desc, batch_id, {_WORST_FIRST} limit ?",
        [source, limit],
    )
    return tuple(_to_drift(row) for row in found)


def drift_of(session: Session, batch_ids: Sequence[str]) -> tuple[Drift, ...]:
    """What differed in some batches."""
    if not batch_ids:
        return ()
    marks = ", ".join("?" * len(batch_ids))
    found = session.rows(
        f"select {_DRIFT} from bronze._drift where batch_id in ({marks}) "
        f"order by seen_at, batch_id, {_WORST_FIRST}",
        list(batch_ids),
    )
    return tuple(_to_drift(row) for row in found)


def columns_looked_at(session: Session, batch_ids: Sequence[str]) -> dict[str, int]:
    """How many columns were looked at when each of these batches landed; none of one from an earlier MetaLayer."""
    if not batch_ids:
        return {}
    marks = ", ".join("?" * len(batch_ids))
    return dict(
        session.rows(
            f"select batch_id, count(*) from bronze._columns where batch_id in ({marks}) group by batch_id",
            list(batch_ids),
        )
    )


def _to_drift(row: tuple[object, ...]) -> Drift:
    source, batch_id, path, at, column, kind, was, found, example, proposal, agreed = row
    return Drift(
        str(source), str(batch_id), str(path), aware(at), str(column), DriftKind(str(kind)), str(was),  # type: ignore[arg-type]
        str(found), str(example), str(proposal), bool(agreed),
    )  # fmt: skip
