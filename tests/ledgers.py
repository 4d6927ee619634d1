"""The ledger where it may lie: what it promises holds for a file and for a PostgreSQL alike."""

from __future__ import annotations

from pathlib import Path

import pytest

KINDS = ("sqlite", "postgres")


@pytest.fixture(params=KINDS)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger goes; a test that asks for it runs once for each kind."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}"
