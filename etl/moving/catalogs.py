"""The catalog of a workspace that is not opened."""

from __future__ import annotations

from etl.catalog import Catalog, remembered_catalog
from etl.settings import Settings


def catalog_of(settings: Settings) -> Catalog:
    """Contracts and gold files. Raises CatalogError with every problem."""
    return remembered_catalog(settings.project, settings.state / "remembered")
