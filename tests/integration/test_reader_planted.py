"""Files of any dialect with faults planted in known lines: each row, line number, reason and raw line must be exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.reader import exact
from tests.planting import COLUMNS, SOUND, Planted, planted
from tests.reading import Desk, contract
from tests.times import tries


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk(tmp_path_factory.mktemp("planted")) as desk:
        yield desk


def require_as_planted(desk: Desk, file: Planted) -> None:
    found = desk.read(file.content, contract(*COLUMNS, dialect=file.dialect), file.name)
    assert found.reasons == file.reasons
    assert found.rows == file.rows
    assert found.raw == file.raw
    assert found.result.blank == file.blank
    assert found.explained_lines == found.result.lines == file.lines


@tries(600)
@given(file=planted())
def test_every_planted_fault_is_told_by_its_line_and_reason_and_every_other_line_is_a_row(desk, file):
    require_as_planted(desk, file)


@tries(200)
@given(file=planted(), size=st.integers(1, 60))
def test_the_windows_of_the_exact_pass_change_nothing_of_that(desk, file, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK_BYTES", size)
        require_as_planted(desk, file)


@tries(200)
@given(file=planted(SOUND))
def test_a_file_without_faults_has_no_unreadable_line_whatever_its_dialect(desk, file):
    require_as_planted(desk, file)
    assert not file.reasons
