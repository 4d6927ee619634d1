"""Silver, from the contract alone: clean → typed → every broken rule → the newest valid version per key.

Each statement is compiled by Ibis and run by the warehouse. Four tables come out of one pass: the typed rows
(temporary), the current version per key, the superseded ones, and the quarantined ones with all their reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from etl.model import Contract, Kind, Reference
from etl.remembered import HERE, Memory, fingerprint_of
from etl.warehouse import Session

TYPED, REPEATED = "_typed", "_repeated"
PLACE = ("_batch_id", "_row_number")


@dataclass(frozen=True)
class Parent:
    """Where a foreign key is looked up: the referenced silver table as it is read in this run."""

    table: str  # logical: silver.customers_clean
    column: str
    kind: Kind


@dataclass(frozen=True)
class SilverSQL:
    """The statements that make one silver table, in the warehouse's dialect, and the reasons behind the bits."""

    typed: str
    repeated: str
    current: str
    superseded: str
    quarantined: str
    reasons: tuple[str, ...]
    amounts: tuple[tuple[str, str], ...] = ()  # column → its amount as written, for the money account


def superseded_table(contract: Contract) -> str:
    """Valid versions that a newer one of the same key replaced: key, amounts, place."""
    return f"silver._superseded_{contract.silver_table}"


def quarantine_table(contract: Contract) -> str:
    """Rows that broke a rule, as received, with all reasons."""
    return f"quarantine.{contract.source}"


def beside(contract: Contract) -> tuple[str, ...]:
    """The tables that are built and published together with silver."""
    return (superseded_table(contract), quarantine_table(contract))


def parent_of(reference: Reference, contracts: Mapping[str, Contract]) -> Parent:
    """Where a foreign key is looked up. The catalog has made sure that it exists."""
    parent = contracts[reference.source]
    return Parent(f"silver.{parent.silver_table}", reference.column, parent.column(reference.column).kind)


def compiled(
    contract: Contract,
    parents: Mapping[str, Parent],
    names: Mapping[str, str],
    dialect: str,
    known: dict[str, SilverSQL],
    memory: Memory,
) -> SilverSQL:
    """The statements for a contract, compiled once per fingerprint and set of names.

    Compiling takes 0.2 s and Ibis as long to import, so the statements are kept from one process to the next.
    """
    place = repr((contract.fingerprint, sorted(names.items()), dialect))
    if place not in known:

        def compile_now() -> SilverSQL:
            from etl.layers.silver_sql import compile_silver

            return compile_silver(contract, parents, names, dialect)

        made_from = f"{place} {_code()}"
        known[place] = memory.recall(f"silver-{contract.source}", made_from, SilverSQL, compile_now)
    return known[place]


@cache
def _code() -> str:
    """What the statements depend on beside the contract."""
    own = [HERE / "expressions.py", HERE / "layers" / "silver.py", HERE / "layers" / "silver_sql.py"]
    return fingerprint_of(own, ("ibis-framework", "sqlglot"))


def build(session: Session, contract: Contract, sql: SilverSQL) -> int:
    """Build silver, its superseded rows and its quarantine aside. Returns the rows of silver."""
    session.temporary(TYPED, sql.typed)
    session.temporary(REPEATED, sql.repeated)
    session.build(quarantine_table(contract), sql.quarantined)
    session.build(superseded_table(contract), sql.superseded)
    return session.build(f"silver.{contract.silver_table}", sql.current)
