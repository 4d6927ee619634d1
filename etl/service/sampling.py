"""Invented rows and a user's own never mix: a warehouse that was set by hand is looked into first."""

from __future__ import annotations

import hashlib

from etl.errors import SettingsError
from etl.settings import Settings
from etl.warehouse import Warehouse


def require_sample(settings: Settings, warehouse: Warehouse) -> None:
    """Raises SettingsError where the sample is asked for in a warehouse that holds other files than the sample's."""
    if not settings.sample or settings.on_its_own:
        return
    batches = warehouse.batches()
    if not batches:
        return
    known = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (settings.landing, settings.dirty_sample)
        for path in folder.rglob("*.csv")
    }
    strange = [batch.path for batch in batches if batch.sha256 not in known]
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise SettingsError(
            f"The warehouse {warehouse.address} holds files that are not of the sample: {strange[0]}{more}.",
            "Leave --sample out to work with them, or name an empty database in METALAYER_WAREHOUSE for the sample.",
        )
