"""Laws 1, 2, 4 and 7 over the whole engine: dirty files in any order against an oracle that knows no SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl import checks
from etl.model import CheckState
from etl.service import Service
from tests.against import require_as_the_oracle_says
from tests.contents import LAYERS, contents, succeeded
from tests.dirty import FOLDER, exports
from tests.oracle import File, read
from tests.templates import Template
from tests.times import SECONDS_BEFORE_IT_HANGS, tries
from tests.warehouses import DUCKDB
from tests.workspaces import land, opened

STEPS = st.lists(st.lists(exports() | st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=3)

PATIENT = (checks.VOLUME, checks.SCHEMA)  # too little history is grey by itself, and told by the verdict


@pytest.fixture(scope="module")
def template(kind: str) -> Iterator[Template]:
    with Template() as template:
        yield template


class Landing:
    """A landing folder that files of any name come into, some of them for the second time."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.files: dict[str, File] = {}  # in the order in which they landed
        self._names = 0

    def take(self, step: Sequence[tuple[str, str] | int]) -> None:
        """Land what a step brings; a number is a resend of an earlier file under another name."""
        landed = []
        for brought in step:
            if isinstance(brought, int):
                earlier = list(self.files.values())
                if earlier:
                    self.put(earlier[brought % len(earlier)])
                continue
            landed.append(self.put(read(*brought)))
        for file in landed:
            self.files.setdefault(file.sha, file)

    def put(self, file: File) -> File:
        self._names += 1
        land(self.settings, f"{FOLDER[file.source]}/{file.source}_{self._names:03}.csv", file.text)
        return file


@pytest.mark.timeout(SECONDS_BEFORE_IT_HANGS)
def test_every_row_and_cent_of_dirty_files_is_where_the_oracle_says_and_resends_change_nothing(
    template: Template, kind: str
) -> None:
    @tries(100 if kind == DUCKDB else 15)
    @given(steps=STEPS)
    def holds(steps: list[list[tuple[str, str] | int]]) -> None:
        require_it(template, steps)

    holds()


def require_it(template: Template, steps: list[list[tuple[str, str] | int]]) -> None:
    with TemporaryDirectory(dir=template.memory) as folder:
        settings = template.workspace(Path(folder))
        landing = Landing(settings)
        with opened(settings) as service:
            for step in steps:
                landing.take(step)
                succeeded(service, *LAYERS)
            files = list(landing.files.values())
            require_as_the_oracle_says(service, files)
            require_no_empty_green(service)
            version, before = service.version(), contents(service)
            for file in files:
                landing.put(file)
            succeeded(service, *LAYERS)
            assert (service.version(), contents(service)) == (version, before)
        template.forget(settings)


def require_no_empty_green(service: Service) -> None:
    """Nothing is green, of checks, tables, layers and the verdict, that does not rest on something examined."""
    results = [facts.result for facts in service.checks()]
    assert all(found.state is CheckState.UNEXAMINED for found in results if not found.examined)
    for table in service.tables():
        own = {found.state for found in results if found.table == table.name and found.check not in PATIENT}
        assert table.state is not CheckState.PASSED or own == {CheckState.PASSED}, table
    verdict = service.verdict()
    built = {table.name: table.rows for table in service.tables() if table.layer != "bronze"}
    assert not verdict.ready or all(built.values()), (
        "every table of silver and gold has rows that were examined"
    )
    assert verdict.state is not CheckState.PASSED or (verdict.passed and not verdict.failed)
