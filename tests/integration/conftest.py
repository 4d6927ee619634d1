"""The whole way is tried over each warehouse: a test that makes a workspace runs once on each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warehouses import DUCKDB, KINDS, POSTGRES, on_postgres

# Modules whose tests make no workspace, or are about the files of the embedded one.
ON_ONE = {
    "test_arrivals", "test_dialects", "test_docs", "test_door", "test_expressions", "test_ledger",
    "test_ledger_copying", "test_ledger_postgres", "test_ledger_records", "test_ledger_runs",
    "test_lockdown", "test_reader", "test_reader_laws", "test_reader_lines", "test_reader_nets",
    "test_reader_planted", "test_reader_refusals", "test_scheduler", "test_same_answer",
    "test_outside_readers", "test_queries_gate", "test_postgres_prepared", "test_silver_alike",
    "test_postgres_server", "test_postgres_answers", "test_migrating", "test_doctor",
    "test_backing_up_postgres",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`embedded` marks what is about the embedded warehouse alone."""
    own = metafunc.definition.get_closest_marker("embedded")
    if metafunc.module.__name__.rpartition(".")[2] not in ON_ONE and own is None:
        metafunc.parametrize("kind", KINDS, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of warehouse that this test's workspaces have."""
    asked = getattr(request, "param", DUCKDB)
    if asked == DUCKDB:
        yield asked
        return
    with on_postgres(request.getfixturevalue("postgres")):
        yield POSTGRES
