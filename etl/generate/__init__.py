"""The synthetic CRM and ERP exports: from a recipe to two CSV files, byte for byte the same each time."""

from __future__ import annotations

from etl.generate.files import Generated, generate
from etl.generate.kinds import CUSTOMER_KINDS, SALE_KINDS, Kind
from etl.generate.recipe import CRM, ERP, Recipe
from etl.generate.shipped import write_shipped_samples
from etl.generate.soil import Planted

__all__ = [
    "CRM",
    "CUSTOMER_KINDS",
    "ERP",
    "SALE_KINDS",
    "Generated",
    "Kind",
    "Planted",
    "Recipe",
    "generate",
    "write_shipped_samples",
]
