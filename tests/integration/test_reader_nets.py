"""The reader's own nets: what one of its passes loses, the count of the file's physical lines brings to light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from etl.errors import FileRefused
from etl.reader import duck, exact, read
from tests.reading import Desk

CLEAN = b"a,b,c\n" + b"".join(b"%d,x,y\n" % number for number in range(2, 12))
ROWS = {number: (str(number), "x", "y") for number in range(2, 12)}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as desk:
        yield desk


def rewritten(part: Path, rows: str) -> None:
    """The written file with other rows; `rows` is what follows FROM."""
    hurt, source = part.with_suffix(".hurt"), f"read_parquet('{part}')"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select {rows.format(file=source)}) to '{hurt}' (format parquet)")
    hurt.replace(part)


def damage(monkeypatch: pytest.MonkeyPatch, rows: str, numbered: bool) -> None:
    """Every Parquet file of one of the passes comes out damaged; the exact one's rows carry their line."""
    sound = duck.to_parquet

    def hurt(connection, source, columns, target):
        sound(connection, source, columns, target)
        if source.numbered is numbered:
            rewritten(target, rows)

    monkeypatch.setattr(duck, "to_parquet", hurt)


LOST = "* from {file} where a <> '5'"
TWICE = "* from {file} union all select * from {file} where a = '5'"
EXCHANGED = "* replace (case a when '5' then 6 else _row_number end as _row_number) from {file}"


@pytest.mark.parametrize("rows", [LOST, TWICE], ids=["lost", "twice"])
def test_a_line_that_the_fast_pass_loses_or_doubles_starts_the_exact_one_which_finds_it(
    desk, monkeypatch, rows
):
    assert desk.read(CLEAN).result.first_line == 2
    damage(monkeypatch, rows, numbered=False)
    found = desk.read(CLEAN)
    assert found.result.first_line is None, "read line by line"
    assert found.rows == ROWS
    assert found.explained_lines == found.result.lines == 11


@pytest.mark.parametrize("rows", [LOST, TWICE, EXCHANGED], ids=["lost", "twice", "numbered wrongly"])
def test_what_the_exact_pass_does_not_write_as_it_read_it_refuses_the_file(desk, monkeypatch, rows):
    damage(monkeypatch, rows, numbered=True)
    with pytest.raises(FileRefused, match="do not add up"):
        desk.read(CLEAN + b"\n")
    assert not desk.target.exists()


@pytest.mark.parametrize("lost", ["rows", "blank", "continuation_lines", "unreadable"])
def test_a_line_that_the_exact_pass_forgets_refuses_the_file_with_both_numbers(desk, monkeypatch, lost):
    content = b'a,b,c\n1,"two\nlines",3\n\n4,5\n' + b"7,8,9\n" * 7
    assert desk.read(content).explained_lines == 12

    def forgetful(*given):
        tally = exact.exact_pass(*given)
        count = getattr(tally, lost)
        return replace(tally, **{lost: count[1:] if lost == "unreadable" else count - 1})

    monkeypatch.setattr(read, "exact_pass", forgetful)
    with pytest.raises(FileRefused, match="has 12 lines, but 11 were accounted for"):
        desk.read(content)
