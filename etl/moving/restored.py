"""The mark of a restore that has begun: until it has ended, nobody works on what lies there."""

from __future__ import annotations

from pathlib import Path

from etl.errors import WarehouseError
from etl.settings import Settings


def mark_of(settings: Settings) -> Path:
    """There as long as a restore of an embedded installation is at work, or after it was broken off."""
    return settings.state / "restore-unfinished"


def require_restored(settings: Settings) -> None:
    """Raises WarehouseError when a restore was broken off half-way."""
    if not settings.on_postgres and mark_of(settings).exists():
        raise WarehouseError(
            f"A restore into {settings.state} was broken off: what lies there is not whole.",
            "Run ./metalayer restore FOLDER --replace once more.",
        )
