"""Silver, from the contract alone: clean → typed → every broken rule → the newest valid version per key.

Each statement is compiled by Ibis and run by the warehouse. From the typed rows (temporary) come the current
version per key, the superseded ones, and the quarantined ones with all their reasons; beside them stand the rows
that a person set aside, which are not judged at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from etl.declared import Contract, ForeignKey
from etl.remembered import HERE, Memory, fingerprint_of
from etl.warehouse import Session

LIVE, TYPED, REPEATED, VERSIONS = "_live", "_typed", "_repeated", "_versions"
PLACE = ("_batch_id", "_row_number", "_correction")


@dataclass(frozen=True)
class Parent:
    """Where a foreign key is looked up: the referenced silver table as it is read in this run."""

    table: str  # logical: silver.customers_clean
    columns: tuple[str, ...]


@dataclass(frozen=True)
class SilverSQL:
    """The statements that make one silver table, in the warehouse's dialect, and the reasons behind the bits."""

    typed: str
    repeated: str
    current: str
    superseded: str
    newest: str  # of the versions that are looked at again
    older: str
    quarantined: str
    reasons: tuple[str, ...]
    amounts: tuple[tuple[str, str], ...] = ()  # column → its amount as written, for the money account
    valid: str = ""  # the condition that a typed row breaks no rule
    orphan_reasons: tuple[str, ...] = ()  # by reference: the reason of a row whose parent is not there

    def reading(self, names: Mapping[str, str]) -> SilverSQL:
        """The same with parents read under other names: logical table → how SQL reads it in this run."""
        typed = self.typed
        for logical, read_as in names.items():
            schema, table = logical.split(".", 1)
            typed = typed.replace(f'"{schema}"."{table}"', read_as)
        return replace(self, typed=typed)


def superseded_table(contract: Contract) -> str:
    """Valid versions that a newer one of the same key replaced: key, amounts, place."""
    return f"silver._superseded_{contract.silver_table}"


def quarantine_table(contract: Contract) -> str:
    """Rows that broke a rule, as received, with all reasons."""
    return f"quarantine.{contract.source}"


def aside_table(contract: Contract) -> str:
    """Rows that are not judged, whole: withdrawn, discarded, or superseded by a correction (`_state`)."""
    return f"quarantine._aside_{contract.source}"


def beside(contract: Contract) -> tuple[str, ...]:
    """The tables that are built and published together with silver."""
    return (superseded_table(contract), quarantine_table(contract), aside_table(contract))


def parent_of(reference: ForeignKey, contracts: Mapping[str, Contract]) -> Parent:
    """Where a foreign key is looked up. The catalog has made sure that it exists."""
    return Parent(f"silver.{contracts[reference.source].silver_table}", reference.to)


def compiled(
    contract: Contract,
    parents: Sequence[Parent],
    dialect: str,
    known: dict[str, SilverSQL],
    memory: Memory,
) -> SilverSQL:
    """The statements for a contract, compiled once per fingerprint.

    Compiling takes 0.2 s and Ibis as long to import, so the statements are kept from one process to the next.
    """
    place = repr((contract.fingerprint, dialect))
    if place not in known:

        def compile_now() -> SilverSQL:
            return _compiled(contract, tuple(parents), dialect)

        made_from = f"{place} {_code()}"
        known[place] = memory.recall(f"silver-{contract.source}", made_from, SilverSQL, compile_now)
    return known[place]


@lru_cache(maxsize=64)
def _compiled(contract: Contract, parents: tuple[Parent, ...], dialect: str) -> SilverSQL:
    from etl.layers.silver_sql import compile_silver

    return compile_silver(contract, parents, dialect)


@cache
def _code() -> str:
    """What the statements depend on beside the contract."""
    modules = ("expressions", "amounts", "days", "formats", "dialects", "postgres_words")
    phrases = [HERE / f"{name}.py" for name in modules]
    own = [*phrases, HERE / "layers" / "silver.py", HERE / "layers" / "silver_sql.py"]
    return fingerprint_of(own, ("ibis-framework", "sqlglot"))


def build(session: Session, contract: Contract, sql: SilverSQL, records: str) -> int:
    """Build silver and the tables beside it. `records` selects every row with its place and its `_state`, which is
    null for one that is to be judged. Returns the rows of silver.
    """
    session.view(LIVE, f"{judged(contract, records)} where _state is null")
    session.temporary(TYPED, sql.typed)
    session.temporary(REPEATED, sql.repeated)
    session.build(quarantine_table(contract), sql.quarantined)
    session.build(superseded_table(contract), sql.superseded)
    session.build(aside_table(contract), f"select * from ({records}) as records where _state is not null")  # noqa: S608
    return session.build(f"silver.{contract.silver_table}", sql.current)


def judged(contract: Contract, records: str) -> str:
    """Rows without their `_state`."""
    names = ", ".join(f'"{name}"' for name in (*(column.name for column in contract.columns), *PLACE))
    return f"select {names} from ({records}) as records"  # noqa: S608


def placed(received: str, corrections: str) -> str:
    """Rows as received and their corrections, each with its `_state`: withdrawn, corrected, discarded, or null.

    A correction supersedes the row it mends and every earlier correction of it. A mark holds until it is lifted.
    """
    standing = "from bronze._marks where lifted_at is null and kind ="
    return f"""
        select records.*,
            cast(case
                when withdrawn.batch_id is not null then 'withdrawn'
                when mended.correction > records._correction then 'corrected'
                when discarded.batch_id is not null then 'discarded'
            end as varchar) as _state
        from (
            select *, cast(0 as integer) as _correction from ({received}) as received
            union all
            select * from ({corrections}) as corrections
        ) as records
        left join (select distinct batch_id {standing} 'withdraw') as withdrawn
            on withdrawn.batch_id = records._batch_id
        left join (
            select batch_id, row_number, max(correction) as correction from bronze._corrections group by 1, 2
        ) as mended on mended.batch_id = records._batch_id and mended.row_number = records._row_number
        left join (select distinct batch_id, row_number, correction {standing} 'discard') as discarded
            on discarded.batch_id = records._batch_id and discarded.row_number = records._row_number
            and discarded.correction = records._correction
    """  # noqa: S608


def untouched(received: str) -> str:
    """As `placed`, for a source of which nobody has mended anything."""
    return f"""
        select *, cast(0 as integer) as _correction, cast(null as varchar) as _state from ({received}) as received
    """  # noqa: S608


def columns_of(session: Session, table: str) -> frozenset[str]:
    """The columns of a table as it stands, which may be of an older contract."""
    schema, name = table.split(".", 1)
    found = session.rows(
        "select column_name from information_schema.columns where table_schema = ? and table_name = ?",
        [schema, name],
    )
    return frozenset(str(column) for (column,) in found)


def is_mended(session: Session, contract: Contract) -> bool:
    """Whether a source has a correction, or a mark that holds."""
    found = session.rows(
        "select 1 from bronze._corrections where source = ? union all "
        "select 1 from bronze._marks where source = ? and lifted_at is null limit 1",
        [contract.source, contract.source],
    )
    return bool(found)
