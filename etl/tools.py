"""What an execution works with, and how patiently it tries again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from etl.catalog import Catalog
from etl.declared import Contract
from etl.layers import silver
from etl.ledger import Ledger
from etl.patience import PATIENCE_SECONDS
from etl.reader import Reader
from etl.remembered import Memory
from etl.warehouse import Warehouse


@dataclass(frozen=True)
class Retry:
    """How often and how patiently a transient fault is tried again."""

    attempts: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 10.0
    patience_seconds: float = PATIENCE_SECONDS  # with a ledger that is out of reach


@dataclass(frozen=True)
class Tools:
    """What an execution works with."""

    catalog: Catalog
    warehouse: Warehouse
    ledger: Ledger
    clock: Callable[[], datetime]
    roots: Callable[[], Sequence[Path]]
    reader: Callable[[Sequence[Path]], Reader]
    bronze_file: Callable[[Contract, str, int], Path]  # (contract, batch_id, revision) → its Parquet file
    migrate: Callable[[], str]
    retry: Retry = field(default_factory=Retry)
    compiled: dict[str, silver.SilverSQL] = field(default_factory=dict)
    memory: Memory = field(default_factory=lambda: Memory(None))
