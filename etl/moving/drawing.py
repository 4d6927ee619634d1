"""The accounts of what is published, drawn up anew from the data and compared with those that were kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from etl.building import Building
from etl.catalog import Catalog
from etl.errors import AccountOpen
from etl.ledger import Ledger
from etl.model import MoneyAccount, RowAccount
from etl.reader import Reader
from etl.remembered import Memory
from etl.settings import Settings
from etl.tools import Tools
from etl.warehouse import Warehouse


@dataclass(frozen=True)
class Drawn:
    """The accounts of every batch, by source and batch, and what does not hold."""

    rows: tuple[RowAccount, ...]
    money: tuple[MoneyAccount, ...]
    faults: tuple[str, ...]


def draw(
    settings: Settings, catalog: Catalog, warehouse: Warehouse, ledger: Ledger, clock: Callable[[], datetime]
) -> Drawn:
    """Draw up the accounts of what stands in `warehouse`."""
    building = Building(_tools(settings, catalog, warehouse, ledger, clock))
    batches = warehouse.batches()
    rows: list[RowAccount] = []
    money: list[MoneyAccount] = []
    faults = []
    for contract in catalog.contracts.values():
        try:
            own_rows, own_money = building.accounts_of(contract, batches)
        except AccountOpen as open_account:
            faults.append(open_account.message)
        else:
            rows += own_rows
            money += own_money
    faults += _unlike_kept(warehouse, rows, money)
    return Drawn(tuple(sorted(rows, key=_row_place)), tuple(sorted(money, key=_money_place)), tuple(faults))


def _unlike_kept(warehouse: Warehouse, rows: list[RowAccount], money: list[MoneyAccount]) -> list[str]:
    """What differs from the accounts kept with the last publication. Where rows wait for the next one it may."""
    kept_rows, kept_money = warehouse.accounts()
    drawn_rows = {_row_place(account): account for account in rows if not account.pending}
    drawn_money = {_money_place(account): account for account in money if not account.pending}
    waiting = {account.batch_id for account in rows if account.pending}
    faults = [
        f"The row account kept of batch {account.batch_id} of {account.source} is not that of its rows."
        for account in kept_rows
        if _row_place(account) in drawn_rows and drawn_rows[_row_place(account)] != account
    ]
    faults += [
        f"The account kept of {account.column} in batch {account.batch_id} of {account.source} is not that of its rows."
        for account in kept_money
        if account.batch_id not in waiting
        and _money_place(account) in drawn_money
        and drawn_money[_money_place(account)] != account
    ]
    return faults


def _row_place(account: RowAccount) -> tuple[str, str]:
    return account.source, account.batch_id


def _money_place(account: MoneyAccount) -> tuple[str, str, str]:
    return account.source, account.batch_id, account.column


def _tools(
    settings: Settings, catalog: Catalog, warehouse: Warehouse, ledger: Ledger, clock: Callable[[], datetime]
) -> Tools:
    def no_file(*_: object) -> Path:
        raise NotImplementedError("Accounts are drawn up of what has landed; nothing lands meanwhile.")

    return Tools(
        catalog=catalog,
        warehouse=warehouse,
        ledger=ledger,
        clock=clock,
        roots=lambda: (),
        reader=lambda roots: Reader(roots, settings.files, settings.threads, settings.memory_limit),
        bronze_file=no_file,
        migrate=lambda: "",
        memory=Memory(settings.state / "remembered"),
    )
