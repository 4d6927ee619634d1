"""What a warehouse connection can reach, and what it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import WarehouseError
from etl.warehouse.duckdb import DuckDBWarehouse
from tests.workspaces import workspace


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(workspace(tmp_path))


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('{outside}')",
        "copy (select 1) to '{outside}'",
        "attach '{outside}' as other",
        "install httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set allowed_directories = ['/']",
        "reset temp_directory",
    ],
)
def test_a_connection_reaches_nothing_outside_its_files(
    warehouse: DuckDBWarehouse, tmp_path: Path, sql: str
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    with warehouse.session() as session, pytest.raises(WarehouseError):
        session.rows(sql.format(outside=outside))
    assert outside.read_text() == "secret"


def test_a_connection_reads_and_writes_its_own_files(warehouse: DuckDBWarehouse) -> None:
    path = warehouse.bronze_files / "own.parquet"
    with warehouse.session() as session:
        session.run(f"copy (select 7 as seven) to '{path}'")
        assert session.rows(f"select seven from read_parquet('{path}')") == [(7,)]
