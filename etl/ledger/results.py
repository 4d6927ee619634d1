"""What a run found: a copy of check results, accounts, table versions and timings, for screens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import sqlalchemy as sa

from etl.facts import StageTiming
from etl.ledger.records import KeptAccounts, all_columns, check_of, values_of
from etl.ledger.store import Store, distinct
from etl.ledger.tables import check_results, money_accounts, row_accounts, table_versions, timings
from etl.model import CheckResult, MoneyAccount, Published, RowAccount


class Results(Store):
    """Copies of what the warehouse knows. Saving the same version again replaces it."""

    def save_checks(self, results: Sequence[CheckResult]) -> None:
        """Keep one examination of each check. Results without a time get the present one."""
        now = self._clock()
        timed = [result if result.examined_at else replace(result, examined_at=now) for result in results]
        self._add(check_results, all_columns(timed, check_results))

    def latest_checks(self) -> tuple[CheckResult, ...]:
        """The newest result of every check, by table and name. Checks no longer declared are among them."""
        return self.kept_checks(1)[0]

    def check_history(self, limit: int = 10) -> dict[tuple[str, str], tuple[int, ...]]:
        """Failing rows per (table, check), oldest first, of the newest `limit` results that examined something."""
        return self.kept_checks(limit)[1]

    def kept_checks(
        self, limit: int = 10
    ) -> tuple[tuple[CheckResult, ...], dict[tuple[str, str], tuple[int, ...]]]:
        """Both of these at once."""
        with self._reading() as connection:
            kept = _newest_results(connection, limit)
            newest = [of_check[0].result_id for of_check in kept.values()]
            query = sa.select(check_results).where(check_results.c.result_id.in_(newest))
            by_name = query.order_by(check_results.c.table, check_results.c.check)
            results = tuple(check_of(row) for row in connection.execute(by_name))
        history = {
            check: tuple(row.failing for row in reversed(rows) if row.examined)
            for check, rows in kept.items()
        }
        return results, history

    def save_accounts(self, version: int, rows: Sequence[RowAccount], money: Sequence[MoneyAccount]) -> None:
        """Keep the accounts of a version, totals (batch_id "") and batches alike."""
        with self._writing() as connection:
            for table, records in ((row_accounts, rows), (money_accounts, money)):
                connection.execute(table.delete().where(table.c.version == version))
                if records:
                    connection.execute(table.insert(), all_columns(records, table, version=version))

    def accounts(self, version: int | None = None) -> KeptAccounts:
        """The accounts of that version, or of the newest one kept; by source and batch."""
        with self._reading() as connection:
            if version is None:
                version = connection.scalar(sa.select(sa.func.max(row_accounts.c.version))) or 0
            rows = tuple(
                RowAccount(**values_of(row, RowAccount)) for row in _of(connection, row_accounts, version)
            )
            money = tuple(
                MoneyAccount(**values_of(row, MoneyAccount))
                for row in _of(connection, money_accounts, version)
            )
            return KeptAccounts(version if rows or money else 0, rows, money)

    def save_table_versions(self, published: Sequence[Published]) -> None:
        """Keep what was published for each table."""
        rows = all_columns(published, table_versions)
        with self._writing() as connection:
            for row in rows:
                same = (table_versions.c.table == row["table"]) & (table_versions.c.version == row["version"])
                connection.execute(table_versions.delete().where(same))
            if rows:
                connection.execute(table_versions.insert(), rows)

    def table_history(self, limit: int = 14) -> dict[str, tuple[tuple[int, int], ...]]:
        """(version, rows) per qualified table, oldest first, at most `limit` of the newest."""
        found = table_versions.c
        of_table = sa.select(found.version, found.rows).order_by(found.version.desc()).limit(limit)
        with self._reading() as connection:
            return {
                table: tuple(
                    (row.version, row.rows)
                    for row in reversed(connection.execute(of_table.where(found.table == table)).all())
                )
                for table in distinct(connection, found.table)
            }

    def save_timings(self, stages: Sequence[StageTiming]) -> None:
        """Keep how long each stage of a run took."""
        self._add(timings, all_columns(stages, timings))

    def timings(self, limit: int = 20) -> tuple[StageTiming, ...]:
        """Those of the newest `limit` runs that have any: newest run first, stages as they were saved."""
        newest = sa.select(timings.c.run_id).distinct().order_by(timings.c.run_id.desc()).limit(limit)
        query = (
            sa.select(timings)
            .where(timings.c.run_id.in_(newest.scalar_subquery()))
            .order_by(timings.c.run_id.desc(), timings.c.timing_id)
        )
        with self._reading() as connection:
            return tuple(StageTiming(**values_of(row, StageTiming)) for row in connection.execute(query))

    def _add(self, table: sa.Table, rows: list[dict[str, object]]) -> None:
        if rows:
            with self._writing() as connection:
                connection.execute(table.insert(), rows)


def _newest_results(connection: sa.Connection, limit: int) -> dict[tuple[str, str], list[Any]]:
    """(result_id, failing, examined) per (table, check), newest first; in one question, whatever it costs to ask."""
    kept: dict[tuple[str, str], list[Any]] = {}
    for row in connection.execute(_newest_of_each(limit)):
        kept.setdefault((row.table, row.check), []).append(row)
    return kept


@cache
def _newest_of_each(limit: int) -> sa.Select[Any]:
    place, own = _one_result_of_each().alias("place"), check_results.alias("own")
    earlier = check_results.alias("earlier")
    same = (own.c.table == place.c.table) & (own.c.check == place.c.check)
    oldest = (
        sa.select(earlier.c.result_id)
        .where(earlier.c.table == place.c.table, earlier.c.check == place.c.check)
        .order_by(earlier.c.result_id.desc())
        .limit(1)
        .offset(limit - 1)
        .scalar_subquery()
    )
    return (
        sa.select(own.c.table, own.c.check, own.c.result_id, own.c.failing, own.c.examined)
        .join_from(place, own, same & (own.c.result_id >= sa.func.coalesce(oldest, 0)))
        .order_by(own.c.table, own.c.check, own.c.result_id.desc())
    )


def _one_result_of_each() -> sa.Subquery:
    """(table, check) of every check that has results, by jumping along their index."""
    first, after = check_results.alias("first"), check_results.alias("after")
    before, at = check_results.alias("before"), check_results.alias("at")
    lowest = sa.select(first.c.result_id).order_by(first.c.table, first.c.check).limit(1)
    found = sa.select(lowest.scalar_subquery().label("result_id")).cte("found", recursive=True)
    following = (
        sa.select(after.c.result_id)
        .where(sa.tuple_(after.c.table, after.c.check) > sa.tuple_(before.c.table, before.c.check))
        .order_by(after.c.table, after.c.check)
        .limit(1)
        .scalar_subquery()
    )
    found = found.union_all(
        sa.select(following).join_from(found, before, before.c.result_id == found.c.result_id)
    )
    return (
        sa.select(at.c.table, at.c.check).join_from(found, at, at.c.result_id == found.c.result_id).subquery()
    )


def _of(connection: sa.Connection, table: sa.Table, version: int) -> sa.CursorResult[tuple[object, ...]]:
    return connection.execute(
        sa.select(table).where(table.c.version == version).order_by(table.c.source, table.c.batch_id)
    )
