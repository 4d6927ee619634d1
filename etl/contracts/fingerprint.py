"""What a contract means, as a hash: comments, blanks, descriptions and the order of keys do not count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from etl.declared import Column, Contract

RULES_VERSION = 2
"""Raise it when the engine makes other tables from the same contract: every table is then built anew."""

_NOT_MEANT = ("line", "description")
_HOW_READ = ("aliases",)


def digest(meaning: Any) -> str:
    """SHA-256 of anything JSON can say; decimals as written."""
    text = json.dumps([RULES_VERSION, meaning], sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def contract_fingerprint(contract: Contract) -> Contract:
    """The contract with its fingerprint: how its files are read and what is made of them."""
    return replace(contract, fingerprint=digest([bronze_meaning(contract), silver_meaning(contract)]))


def bronze_meaning(contract: Contract) -> Mapping[str, Any]:
    """How a file is read. It holds for files landed from then on, so silver's fingerprint leaves it out."""
    return {
        "source": contract.source,
        "table": contract.bronze_table,
        "dialect": asdict(contract.dialect),
        "columns": [(column.name, column.aliases) for column in contract.columns],
        "unknown_columns": contract.unknown_columns,
    }


def silver_meaning(contract: Contract) -> Mapping[str, Any]:
    """What is made of the rows that were read."""
    return {
        "source": contract.source,
        "table": contract.silver_table,
        "columns": [_column_meaning(column) for column in contract.columns],
        "key": contract.key,
        "newest_by": contract.newest_by,
        "rules": [(rule.name, rule.broken_when, rule.severity) for rule in contract.rules],
        "distinct": [(one.columns, one.severity) for one in contract.distinct],
        "references": [
            (key.columns, key.source, key.to, key.severity) for key in contract.composite_references
        ],
    }


def _column_meaning(column: Column) -> Mapping[str, Any]:
    return {name: value for name, value in asdict(column).items() if name not in (*_NOT_MEANT, *_HOW_READ)}
