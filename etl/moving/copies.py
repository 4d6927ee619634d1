"""One state of a file that others may be writing into."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from etl.errors import LedgerUnavailable


def copy_sqlite(path: Path, copy: Path) -> None:
    """The ledger's file as it is at one moment. Raises LedgerUnavailable."""
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as before,
            closing(sqlite3.connect(copy)) as after,
        ):
            before.backup(after)
            after.execute("pragma journal_mode = delete")
    except sqlite3.Error as fault:
        raise LedgerUnavailable(f"The ledger {path} cannot be copied: {fault}.", "Try again.") from fault
