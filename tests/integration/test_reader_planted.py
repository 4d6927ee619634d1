"""Files of any dialect with faults planted in known lines: each row, line number, reason and raw line must be exact."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.declared import Dialect
from etl.reader import exact
from etl.reader.grammar import NOT_CLOSED
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


AS_WRITTEN: dict[
    str, tuple[str, str, Callable[[bytes], bytes]]
] = {  # name, encoding, what is done to the bytes
    "byte order mark": ("s.csv", "utf-8-sig", bytes),
    "utf-16": ("s.csv", "utf-16", bytes),
    "cp1252": ("s.csv", "cp1252", bytes),
    "gzip": ("s.csv.gz", "utf-8", gzip.compress),
    "utf-16 in gzip": ("s.csv.gz", "utf-16", gzip.compress),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(("name", "encoding", "packed"), AS_WRITTEN.values(), ids=AS_WRITTEN.keys())
def test_faults_have_the_lines_of_the_text_however_the_file_is_written(desk, name, encoding, packed, end):
    lines = ['"a",b,c', "1,2", '"Zo\u00eb', 'x",2,3', "4,5,6,7", "", '8,"9,10', "11,12,13"]
    given = contract(*COLUMNS, dialect=Dialect(encoding=encoding.removesuffix("-sig")))
    found = desk.read(packed(end.join(lines).encode(encoding)), given, name)
    assert found.rows == {3: (f"Zo\u00eb{end}x", "2", "3"), 8: ("11", "12", "13")}
    assert found.reasons == {
        2: "too few fields: 2 instead of 3",
        5: "too many fields: 4 instead of 3",
        7: NOT_CLOSED,
    }
    assert found.raw == {2: "1,2", 5: "4,5,6,7", 7: '8,"9,10'}
    assert (found.result.blank, found.result.continuation_lines, found.result.lines) == (1, 1, 8)


@pytest.mark.parametrize("size", [3_000_000, 50_000_000])
def test_lines_beside_a_field_of_many_megabytes_keep_their_numbers(desk, size):
    long = "x" * size
    found = desk.read(f'a,b,c\n1,2\n4,"{long}",6\n7,8,9,10\n11,12,13\n'.encode())
    assert found.rows[3] == ("4", long, "6")
    assert (list(found.rows), list(found.reasons)) == ([3, 5], [2, 4])
