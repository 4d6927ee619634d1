"""Keeping the installation: backups while it works, and putting right what is not as it should be."""

from __future__ import annotations

from pathlib import Path

from etl.moving.backing_up import BackedUp, back_up
from etl.service.base import Base


class Keeping(Base):
    """What looks after the whole of it."""

    def backup(self, folder: str) -> BackedUp:
        """Everything of one version, written into a new folder of this machine. Raises UsageError, DiskFull."""
        return back_up(self.settings, self._warehouse, self._ledger, Path(folder), self._clock)
