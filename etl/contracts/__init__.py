"""ODCS YAML → `Contract`. Every problem is told with file, line and what to do; nothing raises half-way."""

from __future__ import annotations

from etl.contracts.fingerprint import RULES_VERSION, digest
from etl.contracts.reading import ENDING, load_contracts, located_contracts, read_contract

__all__ = ["ENDING", "RULES_VERSION", "digest", "load_contracts", "located_contracts", "read_contract"]
