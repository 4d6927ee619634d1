"""Files with faults: which lines become rows, which are kept as unreadable, under what number and for what reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.declared import Dialect
from etl.reader import exact, grammar
from tests.reading import Desk, contract

TOO_FEW = "too few fields: 2 instead of 3"
TOO_MANY = "too many fields: 4 instead of 3"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as desk:
        yield desk


def test_too_few_and_too_many_fields_are_set_aside_by_line(desk):
    found = desk.read(b"a,b,c\n1,2,3\n4,5\n6,7,8\n9,10,11,12\n13,14,15\n")
    assert found.rows == {2: ("1", "2", "3"), 4: ("6", "7", "8"), 6: ("13", "14", "15")}
    assert found.reasons == {3: TOO_FEW, 5: TOO_MANY}
    assert found.raw == {3: "4,5", 5: "9,10,11,12"}
    assert found.result.first_line is None


def test_an_empty_field_too_many_is_not_dropped_in_silence(desk):
    """DuckDB's own reader takes the first two lines for good ones."""
    found = desk.read(b'a,b,c\n1,2,3,\n"1","2","3",\n1,2,\n')
    assert found.reasons == {2: TOO_MANY, 3: TOO_MANY}
    assert found.rows == {4: ("1", "2", None)}


def test_blanks_beside_a_quote_are_not_stripped_in_silence(desk):
    """DuckDB's own reader would take all of these for x."""
    found = desk.read(b'a,b,c\n1, "x",3\n1,"x" ,3\n1,2,"x"\t\n "x",2,3\n')
    assert found.rows == {2: ("1", ' "x"', "3"), 5: (' "x"', "2", "3")}
    assert found.reasons == {3: grammar.AFTER_QUOTE, 4: grammar.AFTER_QUOTE}


def test_text_after_a_closing_quote_makes_the_line_unreadable(desk):
    found = desk.read(b'a,b,c\n1,"x"y,3\n1,""y,3\n1,"x""y",3\n')
    assert found.reasons == {2: grammar.AFTER_QUOTE, 3: grammar.AFTER_QUOTE}
    assert found.rows == {4: ("1", 'x"y', "3")}


def test_a_quote_inside_an_unquoted_field_is_text(desk):
    content = b'a,b,c\n1,5" pipe,3\n1,say "hi",3\n1,x",3\n'
    want = {2: ("1", '5" pipe', "3"), 3: ("1", 'say "hi"', "3"), 4: ("1", 'x"', "3")}
    assert desk.read(content).rows == want
    assert desk.read(content + b"\n").rows == want


def test_a_record_over_several_lines_is_numbered_by_its_first(desk):
    found = desk.read(b'a,b,c\n1,"two\n""lines""",3\n4,5,6\n7,"three\r\n\r\nlines",9\n10,11,12\n')
    assert found.rows == {
        2: ("1", 'two\n"lines"', "3"),
        4: ("4", "5", "6"),
        5: ("7", "three\r\n\r\nlines", "9"),
        8: ("10", "11", "12"),
    }
    assert (found.result.continuation_lines, found.result.blank, found.result.lines) == (3, 0, 8)


def test_a_quote_that_is_never_closed_costs_its_own_line_only(desk):
    found = desk.read(b'a,b,c\n1,2,3\n4,"5,6\n7,8,9\n10,11,12')
    assert found.rows == {2: ("1", "2", "3"), 4: ("7", "8", "9"), 5: ("10", "11", "12")}
    assert found.reasons == {3: grammar.NOT_CLOSED}


def test_a_quote_that_another_stray_one_closes_badly_costs_its_own_line_only(desk):
    found = desk.read(b'a,b,c\n4,"5,6\n7,8,9\n10,"11,12\n13,14,15\n')
    assert found.rows == {3: ("7", "8", "9"), 5: ("13", "14", "15")}
    assert found.reasons == {2: grammar.NOT_CLOSED, 4: grammar.NOT_CLOSED}


def test_a_record_over_lines_with_a_wrong_number_of_fields_is_taken_back_to_its_first_line(desk):
    found = desk.read(b'a,b,c\n1,"x\n4,5,6\ny",2,3,9\n7,8,9\n')
    assert found.reasons == {2: grammar.SPANS_WRONG, 4: TOO_MANY}
    assert found.rows == {3: ("4", "5", "6"), 5: ("7", "8", "9")}
    assert found.explained_lines == found.result.lines == 5


def test_a_record_over_lines_with_too_few_fields_is_taken_back_as_well(desk):
    found = desk.read(b'a,b,c\n1,"x\ny"\n7,8,9\n')
    assert found.reasons == {2: grammar.SPANS_WRONG, 3: "too few fields: 1 instead of 3"}
    assert found.rows == {4: ("7", "8", "9")}


def test_the_line_where_a_taken_back_record_ended_is_read_afresh(desk):
    """`"4` closes the quote badly, yet read by itself its line is sound."""
    found = desk.read(b'a,b,c\n1,"x,3\n"4",5,6\n')
    assert found.reasons == {2: grammar.NOT_CLOSED}
    assert found.rows == {3: ("4", "5", "6")}


def test_invalid_bytes_and_nul_make_a_line_unreadable_and_are_shown(desk):
    found = desk.read(b"a,b,c\n1,\xff\xe9,3\n1,\0,3\n1,\xc3\xa9,3\n")
    assert found.reasons == {2: "not valid utf-8", 3: grammar.NUL}
    assert found.raw == {2: r"1,\xff\xe9,3", 3: r"1,\x00,3"}
    assert found.rows == {4: ("1", "é", "3")}
    assert desk.read(b"a,b,c\n1,\0,3\n").reasons == {2: grammar.NUL}


def test_invalid_bytes_in_a_column_nobody_asked_for_count_as_well(desk):
    found = desk.read(b"a,x,b,c\n1,\xff,2,3\n4,y,5,6\n")
    assert (found.reasons, found.rows) == ({2: "not valid utf-8"}, {3: ("4", "5", "6")})


def test_a_quoted_field_does_not_run_into_an_unreadable_line(desk):
    found = desk.read(b'a,b,c\n1,"x\n\0\ny",3\n4,5,6\n')
    assert found.reasons == {2: grammar.SPANS_UNSOUND, 3: grammar.NUL, 4: TOO_FEW}
    assert found.rows == {5: ("4", "5", "6")}


def test_bytes_that_another_encoding_cannot_decode_are_shown_as_they_were(desk):
    given = contract("a", "b", "c", dialect=Dialect(encoding="cp1252"))
    found = desk.read(b"a,b,c\n1,\x81,3\n1,\x80,3\n", given)
    assert (found.reasons, found.raw) == ({2: "not valid cp1252"}, {2: r"1,\x81,3"})
    assert found.rows == {3: ("1", "€", "3")}


def test_half_a_character_at_the_end_of_a_utf16_file_is_one_unreadable_line(desk):
    found = desk.read("a,b,c\n1,2,3\n4,5,6".encode("utf-16") + b"\x41")
    assert (found.reasons, found.raw) == ({3: "not valid utf-16"}, {3: r"4,5,6\x41"})
    assert found.rows == {2: ("1", "2", "3")}


def test_mixed_line_ends_are_read_as_lines(desk):
    found = desk.read(b"a,b,c\n1,2,3\r\n4,5,6\n7,8,9\r\r\n10,11,12\r")
    assert found.rows == {2: ("1", "2", "3"), 3: ("4", "5", "6"), 4: ("7", "8", "9"), 5: ("10", "11", "12")}
    assert found.result.unreadable == ()


def test_a_carriage_return_inside_a_line_is_a_fault_unless_quoted(desk):
    found = desk.read(b'a,b,c\n1,x\ry,3\n1,"x\ry",3\n')
    assert (found.reasons, found.rows) == ({2: grammar.STRAY_RETURN}, {3: ("1", "x\ry", "3")})


def test_blank_lines_are_counted_wherever_they_are(desk):
    found = desk.read(b"\n  \na,b,c\n\n1,2,3\n\t\r\n4,5,6\n\n")
    assert found.rows == {5: ("1", "2", "3"), 7: ("4", "5", "6")}
    assert (found.result.blank, found.result.header_lines, found.result.unreadable) == (5, 1, ())
    first = desk.read(b"\na,b,c\n1,2,3\n")
    assert (first.rows, first.result.blank) == ({3: ("1", "2", "3")}, 1)


def test_a_line_of_delimiters_is_a_record_of_blanks(desk):
    found = desk.read(b"a,b,c\n,,\n\n")
    assert (found.rows, found.result.blank) == ({2: (None, None, None)}, 1)


def test_a_line_of_tabs_is_a_record_where_tabs_are_the_delimiter(desk):
    found = desk.read(b"a\tb\tc\n\t\t\n \n\t\n", contract("a", "b", "c", dialect=Dialect("\t")))
    assert (found.rows, found.result.blank) == ({2: (None, None, None)}, 1)
    assert found.reasons == {4: TOO_FEW}


def test_a_header_over_two_lines_counts_both(desk):
    found = desk.read(b'a,b,c,"a\nnote"\n1,2,3,x\n')
    assert (found.result.header_lines, found.result.unknown) == (2, ("a\nnote",))
    assert found.rows == {3: ("1", "2", "3")}


def test_830_orders_with_176_unquoted_commas_give_654_rows_and_176_reasons(desk):
    bad = {line for line in range(2, 832) if line * 176 // 830 != (line - 1) * 176 // 830}
    lines = [b"%d,Doe%s,x\n" % (line, b", John" if line in bad else b"") for line in range(2, 832)]
    found = desk.read(b"a,b,c\n" + b"".join(lines))
    assert (len(found.rows), set(found.reasons), set(found.reasons.values())) == (654, bad, {TOO_MANY})


def test_planted_faults_are_found_line_by_line_in_a_big_file(desk):
    kinds = (b"%d,x\n", b"%d,x,y,z\n", b'%d,"x,y\n', b'%d,"x"y,z\n', b"%d,\xff,y\n", b"%d,\0,y\n")
    planted = {line: kinds[line % len(kinds)] for line in range(50, 60_000, 53)}
    lines = [planted.get(line, b'%d,"x ""1""",y\n') % line for line in range(2, 60_002)]
    found = desk.read(b"a,b,c\n" + b"".join(lines))
    assert set(found.reasons) == set(planted)
    assert all(row == (str(line), 'x "1"', "y") for line, row in found.rows.items())
    assert found.explained_lines == found.result.lines == 60_001


@pytest.mark.timeout(60)
def test_a_stray_quote_on_every_line_does_not_cost_the_square(desk):
    """With `""` between them no look-ahead would end before the file does, were it not bounded."""
    found = desk.read(b"a,b,c\n" + b'1,"",3\n1,"",x"\n' * 100_000 + b'"1,"",3\n' * 100_000)
    assert found.result.rows + len(found.result.unreadable) + found.result.continuation_lines == 300_000
    assert found.rows[200_001] == ("1", None, 'x"')


@pytest.mark.timeout(60)
def test_a_chain_of_quotes_through_the_whole_file_does_not_cost_the_square(desk):
    found = desk.read(b"a,b,c\n" + b'x","y\n' * 100_000)
    assert (found.result.rows, set(found.reasons.values())) == (0, {grammar.SPANS_WRONG, grammar.NOT_CLOSED})


def test_windows_of_any_size_give_the_same_rows(desk, monkeypatch):
    content = (
        b'a,b,c\n1,"x\ny\nz",3\r\n4,"5,6\n7,\xc3\xa9,9\n\n1,\xff,2\n"a","b\n","c"\n' * 3 + b'1,"open\n2,3,4'
    )
    want = desk.read(content)
    for size in (1, 7, 16, 40):
        monkeypatch.setattr(exact, "BLOCK_BYTES", size)
        found = desk.read(content)
        assert (found.rows, found.reasons, found.result.blank) == (want.rows, want.reasons, want.result.blank)


def test_a_record_longer_than_memory_should_hold_is_taken_back(desk, monkeypatch):
    monkeypatch.setattr(exact, "BLOCK_BYTES", 64)
    monkeypatch.setattr(exact, "MOST_BYTES", 256)
    found = desk.read(b'a,b,c\n1,"x\n' + b"4,5,6\n" * 500 + b'y",3\n')
    assert found.reasons == {2: grammar.NOT_CLOSED_SOON, 503: "too few fields: 2 instead of 3"}
    assert len(found.rows) == 500
