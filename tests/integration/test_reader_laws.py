"""Laws of the reader, tried with files nobody thought of, and held against a second definition of a record."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etl.declared import Dialect
from etl.errors import FileRefused
from etl.reader import exact, shape, survey, text
from tests.reading import Desk, Outcome, contract, judge_naively
from tests.times import tries

TRIES = tries(300)

SIGNS = [*[b","] * 4, *[b'"'] * 2, *[b"\n"] * 2, b"\r\n", b"\r", b" ", b"\t", b"a", b"1", b"\\", b"#"]
PIECES = [
    b'""',
    b',"',
    b'",',
    b'\n"',
    b'"\n',
    b"x,y,z\n",
    b'"q"',
    b'"p\nq"',
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"\xc3",
]
HOSTILE = st.lists(st.sampled_from(SIGNS + PIECES), max_size=40).map(b"".join)
WORDS = ["", "1", "b c", " ", "#", "\\", "NULL", "x", "é", "\U0001f600", "\x0b", "\uffff", "\ufeff", "\u2028"]
QUOTED = ['""', '"b"', '"x,y"', '"a""b"', '""""', '"é"', '"\u2028,"', '" "']
FIELD = st.sampled_from(WORDS + QUOTED) | st.text(
    st.characters(exclude_characters='\n\r\0",', exclude_categories=["Cs"]), max_size=5
)
BESIDE = st.sampled_from([' "c"', '5" x', '"d" ', '"e"\t', '\t"f"', '\u00a0"g"', '\x0b"h"', '"\r"'])
TABLE = st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=6)
LINE_END = st.sampled_from(["\n", "\r\n"])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk(tmp_path_factory.mktemp("laws")) as desk:
        yield desk


def check_against_the_second_definition(found: Outcome, body: bytes, width: int = 3) -> None:
    want = judge_naively(body, width)
    assert found.rows == want.rows
    assert found.reasons == want.unreadable
    assert found.result.blank == len(want.blank)
    assert (
        found.explained_lines == found.result.lines == 1 + body.count(b"\n") + (body[-1:] not in (b"", b"\n"))
    )


@TRIES
@given(body=HOSTILE)
def test_a_hostile_file_gives_the_rows_and_lines_of_the_rule(desk, body):
    check_against_the_second_definition(desk.read(b"a,b,c\n" + body), body)


@TRIES
@given(body=HOSTILE, size=st.integers(1, 20))
def test_where_the_file_is_cut_into_windows_makes_no_difference(desk, body, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK_BYTES", size)
        patch.setattr(shape, "CHUNK_BYTES", size)
        found = desk.read(b"a,b,c\n" + body)
    check_against_the_second_definition(found, body)


@TRIES
@given(table=TABLE, end=LINE_END, last=st.booleans())
def test_both_passes_give_the_same_text_for_a_clean_file(desk, table, end, last):
    lines = [",".join(row) for row in table]
    content = end.join(["a,b,c", *lines]) + (end if last else "")
    fast = desk.read(content.encode())
    assert fast.result.first_line == 2
    exactly = desk.read(
        (content + ("" if last else end) + end).encode()
    )  # a blank line asks for the exact pass
    assert (exactly.result.first_line, exactly.result.blank) == (None, 1)
    assert fast.rows == exactly.rows
    check_against_the_second_definition(fast, content.encode()[len("a,b,c" + end) :])


@TRIES
@given(table=st.lists(st.lists(FIELD | BESIDE, min_size=2, max_size=4), max_size=5), end=LINE_END)
def test_a_file_with_a_few_faults_gives_the_rows_and_lines_of_the_rule(desk, table, end):
    body = "".join(",".join(row) + end for row in table).encode()
    check_against_the_second_definition(desk.read(f"a,b,c{end}".encode() + body), body)


@TRIES
@given(
    table=TABLE,
    encoding=st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "gb18030"]),
    size=st.integers(1, 9),
)
def test_an_encoding_changes_nothing_but_the_bytes(desk, table, encoding, size):
    content = "a,b,c\n" + "".join(",".join(row) + "\n" for row in table)
    plain = desk.read(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK_BYTES", size)
        other = desk.read(
            content.encode(encoding), contract("a", "b", "c", dialect=Dialect(encoding=encoding))
        )
    assert (other.rows, other.result.lines) == (plain.rows, plain.result.lines)


@TRIES
@given(content=st.binary(min_size=1, max_size=200))
def test_any_bytes_are_refused_with_a_reason_or_accounted_for(desk, content):
    try:
        found = desk.read(b"a,b,c\n" * (content[0] % 2) + content)
    except FileRefused:
        return
    assert found.explained_lines == found.result.lines == survey(desk.landing / "erp_sales.csv").lines


@TRIES
@given(content=HOSTILE)
def test_every_unreadable_line_is_kept_as_it_was(desk, content):
    assume(
        b"\0" not in content and b"\xff" not in content and b"\xc3" not in content.replace("é".encode(), b"")
    )
    found = desk.read(b"a,b,c\n" + content)
    lines = ("a,b,c\n" + content.decode()).split("\n")
    assert found.raw == {number: lines[number - 1].rstrip("\r") for number in found.raw}
