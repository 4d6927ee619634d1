"""What a warehouse in PostgreSQL makes when it starts: what is missing or of another version, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.settings import Settings
from tests.contents import succeeded
from tests.postgres import Server
from tests.warehouses import on_postgres
from tests.workspaces import few_files, opened, workspace

FUNCTIONS = "select oid, xmin::text from pg_proc where pronamespace = 'bronze'::regnamespace order by oid"


@pytest.fixture
def settings(tmp_path: Path, postgres: Server) -> Iterator[Settings]:
    with on_postgres(postgres):
        made = workspace(tmp_path)
        few_files(made)
        with opened(made) as service:
            succeeded(service)
        yield made


@pytest.fixture
def database(settings: Settings) -> str:
    return settings.warehouse.rpartition("/")[2]


def test_a_start_makes_nothing_that_stands(settings: Settings, postgres: Server, database: str) -> None:
    before = postgres.execute(FUNCTIONS, database)
    assert before
    with opened(settings):
        assert postgres.execute(FUNCTIONS, database) == before


def test_what_another_version_made_is_made_anew(settings: Settings, postgres: Server, database: str) -> None:
    postgres.execute("comment on schema bronze is 'MetaLayer: made as something else'", database)
    postgres.execute(
        "create or replace function bronze._lower(given text) returns text language sql immutable return 'old'",
        database,
    )
    with opened(settings):
        assert postgres.execute("select bronze._lower('Ä')", database) == [("ä",)]


def test_a_table_that_somebody_dropped_is_made_again(
    settings: Settings, postgres: Server, database: str
) -> None:
    postgres.execute("drop table bronze._drift", database)
    with opened(settings) as service:
        assert service.select("select count(*) from bronze._drift").rows == ((0,),)
