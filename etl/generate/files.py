"""Writes a recipe's two files, each under another name until it is whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from etl.errors import SettingsError
from etl.generate.clean import customer_blocks, sale_blocks
from etl.generate.kinds import customer_fields, customer_kinds, sale_fields, sale_kinds
from etl.generate.recipe import CRM, ERP, Recipe
from etl.generate.soil import Planted, Soiler, plan

CRM_HEADER = "customer_id,customer_name,email,region\n"
ERP_HEADER = "sales_id,product_id,customer_id,quantity,sale_date,sale_amount\n"
MOST_PLANTED_LISTED = 100_000

OnProgress = Callable[[str, int, int], None]  # source, rows written, rows in all


@dataclass(frozen=True)
class Generated:
    """What was written; every mapping is keyed by source.

    `rows` counts good rows, each of which becomes one silver row; `lines` counts physical lines, the header
    included. `planted` lists at most the first MOST_PLANTED_LISTED of each file, in line order;
    `planted_by_kind` counts all.
    """

    files: dict[str, Path]
    rows: dict[str, int]
    lines: dict[str, int]
    size_bytes: dict[str, int]
    planted: tuple[Planted, ...]
    planted_by_kind: dict[str, Counter[str]]


@dataclass(frozen=True)
class _File:
    path: Path
    header: str
    rows: int
    blocks: Iterator[list[str]]
    soiler: Soiler


def generate(
    recipe: Recipe, out: Path, on_progress: OnProgress | None = None, *, suffix: str = ""
) -> Generated:
    """Write `<out>/crm/crm_customers<suffix>.csv`, then `<out>/erp/erp_sales<suffix>.csv`, over older ones.

    UTF-8, one line feed after every line. The same recipe gives the same bytes, on any machine.

    Raises: SettingsError for a suffix that is no part of a file name; OSError if a file cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]*", suffix):
        raise SettingsError(
            f"suffix is {suffix!r}, which does not fit in a file name.", "Use letters, digits, _ and -."
        )
    files = {CRM: _customers(recipe, out, suffix), ERP: _sales(recipe, out, suffix)}
    planted: list[Planted] = []
    counts: dict[str, Counter[str]] = {source: Counter() for source in files}
    for source, file in files.items():
        listed: list[Planted] = []
        for found in _write(source, file, on_progress):
            counts[source].update(each.kind for each in found)
            listed += found[: MOST_PLANTED_LISTED - len(listed)]
        planted += listed
    return Generated(
        files={source: file.path for source, file in files.items()},
        rows={source: file.rows for source, file in files.items()},
        lines={source: file.soiler.lines for source, file in files.items()},
        size_bytes={source: file.path.stat().st_size for source, file in files.items()},
        planted=tuple(planted),
        planted_by_kind=counts,
    )


def _customers(recipe: Recipe, out: Path, suffix: str) -> _File:
    plants = plan(recipe.customers, recipe.dirt, recipe.seed, customer_kinds(recipe))
    soiler = Soiler(CRM, plants, customer_fields, recipe.first_customer_id + recipe.customers)
    path = out / "crm" / f"{CRM}{suffix}.csv"
    return _File(path, CRM_HEADER, recipe.customers, customer_blocks(recipe), soiler)


def _sales(recipe: Recipe, out: Path, suffix: str) -> _File:
    plants = plan(recipe.sales, recipe.dirt, recipe.seed, sale_kinds(recipe))
    soiler = Soiler(ERP, plants, sale_fields, recipe.first_sales_id + recipe.sales)
    path = out / "erp" / f"{ERP}{suffix}.csv"
    return _File(path, ERP_HEADER, recipe.sales, sale_blocks(recipe), soiler)


def _write(source: str, file: _File, on_progress: OnProgress | None) -> Iterator[list[Planted]]:
    """Write one file; yields what was planted in each block."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.path.with_name(f".{file.path.name}.part")  # no contract's pattern matches this name
    try:
        with unfinished.open("wb") as stream:
            stream.write(file.header.encode())
            for block in file.blocks:
                text, planted = file.soiler.soil(block)
                stream.write("".join(text).encode("utf-8", "surrogateescape"))
                yield planted
                if on_progress:
                    on_progress(source, file.soiler.rows, file.rows)
        unfinished.replace(file.path)
    finally:
        unfinished.unlink(missing_ok=True)
