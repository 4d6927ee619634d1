"""Silver, brought up to date by what has changed: a new batch costs what it brings, not what is there.

A row is judged again when its batch is new, read again, withdrawn or reinstated, when it was corrected, discarded or
restored, or when its parent came or went. Of every key such a row has or had, all valid versions are ranked anew.
"""
# ruff: noqa: S608  # names are letters, digits and _, numbers are whole, texts are quoted by _literal

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.declared import Contract
from etl.layers.silver import (
    LIVE,
    PLACE,
    TYPED,
    VERSIONS,
    SilverSQL,
    aside_table,
    judged,
    placed,
    quarantine_table,
    superseded_table,
)
from etl.warehouse import Session, Warehouse

TOUCHED, WHOLE, KEYS, ORPHANS = "_touched", "_touched_batches", "_keys", "_orphans"


@dataclass(frozen=True)
class ParentNow:
    """A parent whose table is another than when silver was built."""

    table: str  # as SQL reads it in this run
    columns: tuple[str, ...]
    own: tuple[str, ...]  # the columns that refer to it
    reason: str
    may_lack: bool  # whether keys may have gone


@dataclass(frozen=True)
class Merge:
    """Brings one silver table up to date. `since` is the version of bronze that it was built from."""

    session: Session
    warehouse: Warehouse
    contract: Contract
    sql: SilverSQL
    since: int
    parents: Sequence[ParentNow]

    def build(self) -> tuple[int, int, bool]:
        """Keep aside what changes; returns the rows judged, the rows silver will have, and whether keys are lost."""
        self._find_touched()
        judged_rows = self._gather()
        self.session.temporary(TYPED, self.sql.typed)
        self._gather_versions()
        return judged_rows, *self._merge()

    @property
    def _silver(self) -> str:
        return self.warehouse.physical(f"silver.{self.contract.silver_table}", built=False)

    @property
    def _superseded(self) -> str:
        return self.warehouse.physical(superseded_table(self.contract), built=False)

    @property
    def _quarantine(self) -> str:
        return self.warehouse.physical(quarantine_table(self.contract), built=False)

    @property
    def _aside(self) -> str:
        return self.warehouse.physical(aside_table(self.contract), built=False)

    # -- which rows ------------------------------------------------------------------------------------------

    def _find_touched(self) -> None:
        """Batches to take anew (`_is_new` if no row of them is in silver), and single rows by their line."""
        changed = f"(version > {self.since:d} or coalesce(lifted_version, 0) > {self.since:d})"
        own = "source = '" + self.contract.source + "'"
        self.session.temporary(
            WHOLE,
            f"""
            select batch_id as _batch_id, revision = 0 and min(since) > {self.since:d} as _is_new from (
                select batch_id, revision, version as since from bronze._batches
                where {own} and state = 'landed' and version > {self.since:d}
                union all
                select b.batch_id, b.revision, b.version as since
                from bronze._marks as m join bronze._batches as b on b.batch_id = m.batch_id
                where m.{own} and m.kind = 'withdraw' and {changed.replace("(version", "(m.version")}
            ) as found group by batch_id, revision
            """,
        )
        lost = "".join(f" union {self._lost(table)}" for table in (self._silver, self._superseded))
        self.session.temporary(
            TOUCHED,
            f"""
            select _batch_id, _row_number from (
                select batch_id as _batch_id, row_number as _row_number from bronze._corrections
                where {own} and version > {self.since:d}
                union
                select batch_id, row_number from bronze._marks where {own} and kind = 'discard' and {changed}
                {lost}
            ) as found where _batch_id not in (select _batch_id from {WHOLE})
            """,
        )
        reasons = [f"{_literal(parent.reason)} = any(_reasons)" for parent in self.parents]
        # Where a parent may have gone, a row that is in quarantine anyway may have one more reason.
        gone = any(parent.may_lack for parent in self.parents)
        came = "true" if gone else " or ".join(reasons) or "false"
        self.session.temporary(
            ORPHANS,
            f"""
            select * from {self._quarantine} as q where ({came}) and not {_touched("q")}
            """,
        )

    def _lost(self, table: str) -> str:
        """Valid rows whose parent has gone."""
        gone = []
        for parent in self.parents:
            if parent.may_lack:
                pairs = zip(parent.own, parent.columns, strict=True)
                same = " and ".join(f'p."{to}" = s."{own}"' for own, to in pairs)
                given = " and ".join(f's."{own}" is not null' for own in parent.own)
                gone.append(f"({given} and not exists (select 1 from {parent.table} as p where {same}))")
        return f"select _batch_id, _row_number from {table} as s where {' or '.join(gone) or 'false'}"

    def _gather(self) -> int:
        """The rows to judge, under the name that the statements of silver know them by."""
        batches = self._listed(WHOLE) | self._listed(TOUCHED)
        received = self.warehouse.received(self.contract, batches)
        records = placed(received, self.warehouse.corrections(self.contract))
        self.session.temporary("_records", f"select * from ({records}) as r where {_touched('r')}")
        names = self._names()
        self.session.temporary(
            LIVE,
            f"{judged(self.contract, 'select * from _records')} where _state is null "
            f"union all select {names} from {ORPHANS}",
        )
        return int(self.session.rows(f"select count(*) from {LIVE}")[0][0])

    def _listed(self, table: str) -> set[str]:
        return {str(row[0]) for row in self.session.rows(f"select distinct _batch_id from {table}")}

    # -- which versions --------------------------------------------------------------------------------------

    def _gather_versions(self) -> None:
        """Every valid version of the keys that a judged row has, or that a touched one had."""
        keys = ", ".join(f'"{name}"' for name in self.contract.key)
        before = " union ".join(
            f"select {keys} from {table} as s where {_touched('s', only_old=True)}"
            for table in (self._silver, self._superseded)
        )
        had = f" union {before}" if self._any_old() else ""
        self.session.temporary(KEYS, f"select {keys} from {TYPED} where {self.sql.valid}{had}")
        self._make_distinct(keys)
        names = self._names()
        stand = " union all ".join(
            f"select {_of('s', names)}, b.batch_seq as _batch_seq from {table} as s "
            f"join bronze._batches as b on b.batch_id = s._batch_id "
            f"where {self._has_key('s')} and not {_touched('s', orphans=True)}"
            for table in (self._silver, self._superseded)
        )
        self.session.temporary(
            VERSIONS, f"select {names}, _batch_seq from {TYPED} where {self.sql.valid} union all {stand}"
        )

    def _make_distinct(self, keys: str) -> None:
        self.session.temporary("_distinct_keys", f"select distinct {keys} from {KEYS}")

    def _any_old(self) -> bool:
        """Whether a row that silver was built from is judged again."""
        found = self.session.rows(
            f"select 1 from {TOUCHED} union all select 1 from {WHOLE} where not _is_new limit 1"
        )
        return bool(found)

    def _has_key(self, alias: str) -> str:
        same = " and ".join(f'k."{name}" = {alias}."{name}"' for name in self.contract.key)
        return f"exists (select 1 from _distinct_keys as k where {same})"

    def _names(self) -> str:
        return ", ".join(f'"{name}"' for name in (*(column.name for column in self.contract.columns), *PLACE))

    # -- what changes ----------------------------------------------------------------------------------------

    def _merge(self) -> tuple[int, bool]:
        contract, session = self.contract, self.session
        keys = ", ".join(f'"{name}"' for name in contract.key)
        name = f"silver.{contract.silver_table}"
        gone, come = session.merge(
            name, f"select {keys} from {self._silver} as s where {self._has_key('s')}", self.sql.newest
        )
        session.merge(
            superseded_table(contract),
            f"select distinct {keys} from {self._superseded} as s where {self._has_key('s')}",
            self.sql.older,
        )
        places = "select distinct _batch_id, _row_number from {} as q where {}"
        session.merge(
            quarantine_table(contract),
            places.format(self._quarantine, _touched("q", orphans=True)),
            self.sql.quarantined,
        )
        session.merge(
            aside_table(contract),
            places.format(self._aside, _touched("q")),
            "select * from _records where _state is not null",
        )
        before = int(session.rows(f"select count(*) from {self._silver}")[0][0])
        return before - gone + come, self._loses_keys(name, keys) if gone else False

    def _loses_keys(self, name: str, keys: str) -> bool:
        coming, leaving = self.warehouse.coming(name), self.warehouse.leaving(name)
        lost = f"select {keys} from {leaving} except select {keys} from {coming}"
        return bool(self.session.rows(f"select 1 from ({lost}) as lost limit 1"))


def _touched(alias: str, *, orphans: bool = False, only_old: bool = False) -> str:
    """The condition that a row is one of those judged again."""
    old = " where not _is_new" if only_old else ""
    same = f"t._batch_id = {alias}._batch_id and t._row_number = {alias}._row_number"
    found = [
        f"{alias}._batch_id in (select _batch_id from {WHOLE}{old})",
        f"exists (select 1 from {TOUCHED} as t where {same})",
    ]
    found += [f"exists (select 1 from {ORPHANS} as t where {same})"] if orphans else []
    return f"({' or '.join(found)})"


def _of(alias: str, names: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in names.split(", "))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
