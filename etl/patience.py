"""A database that is away for a moment, such as for a restart, is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from etl.errors import LedgerUnavailable, WarehouseUnavailable

T = TypeVar("T")
PATIENCE_SECONDS = 15.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 1.0


def patiently(
    call: Callable[[], T],
    *,
    stopping: Callable[[], bool] = lambda: False,
    seconds: float = PATIENCE_SECONDS,
) -> T:
    """What `call` gives, tried again while the database is out of reach. For what may be done twice.

    Raises what it raised last when that takes too long, or when `stopping`.
    """
    give_up_at, wait = time.monotonic() + seconds, FIRST_WAIT_SECONDS
    while True:
        try:
            return call()
        except (LedgerUnavailable, WarehouseUnavailable):
            if stopping() or time.monotonic() >= give_up_at:
                raise
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
