"""Files that can be taken in: clean ones, other headers, other encodings, and where the result lies."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from etl.declared import Dialect, Severity
from etl.errors import FileRefused
from etl.reader import survey, surveying
from tests.reading import SALES, Desk, contract, with_aliases


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as desk:
        yield desk


def test_a_clean_file_is_taken_in_row_by_row(desk):
    content = b'a,b,c\n1,x,"a,b"\n2,"say ""hi""",5 pipes\n'
    found = desk.read(content)
    assert found.rows == {2: ("1", "x", "a,b"), 3: ("2", 'say "hi"', "5 pipes")}
    assert found.result.first_line == 2
    assert found.columns == ("a", "b", "c")
    assert (found.result.lines, found.result.header_lines, found.result.rows) == (3, 1, 2)
    assert found.result.sha256 == hashlib.sha256(content).hexdigest()
    assert found.result.size_bytes == len(content)
    assert found.result.bytes_written == desk.target.stat().st_size


def test_an_empty_field_is_null_whether_quoted_or_not(desk):
    fast = desk.read(b'a,b,c\n,"",x\n,,\n')
    exact = desk.read(b'a,b,c\n,"",x\n,,\n\n')
    assert fast.rows == exact.rows == {2: (None, None, "x"), 3: (None, None, None)}
    assert (fast.result.first_line, exact.result.first_line) == (2, None)


@pytest.mark.parametrize(
    "word", ["NULL", "null", "NaN", "N/A", "#", "\\N", "-", "0x10", "007", " x ", "\x1a", "\ufeff"]
)
def test_text_stays_as_it_was_received(desk, word):
    fast = desk.read(f"a,b,c\n{word},x,{word}\n".encode())
    exact = desk.read(f"a,b,c\n{word},x,{word}\n\n".encode())
    assert fast.rows == exact.rows == {2: (word, "x", word)}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
def test_either_line_end_is_read_with_or_without_a_last_one(desk, end, last):
    found = desk.read(f"a,b,c{end}1,2,3{end}4,5,6{end if last else ''}".encode())
    assert found.rows == {2: ("1", "2", "3"), 3: ("4", "5", "6")}
    assert (found.result.lines, found.result.first_line) == (3, 2)


def test_a_header_alone_is_no_rows_and_no_fault(desk):
    for content in (b"a,b,c\n", b"a,b,c"):
        found = desk.read(content)
        assert (found.result.rows, found.result.lines, found.rows) == (0, 1, {})
        assert found.columns == ("a", "b", "c")


def test_a_single_column_file_knows_blank_lines_from_records(desk):
    found = desk.read(b"a\n1\n\n2\n", contract("a"))
    assert (found.rows, found.result.blank) == ({2: ("1",), 4: ("2",)}, 1)


def test_columns_are_matched_by_name_not_by_position(desk):
    found = desk.read(b"c, a ,b\n3,1,2\n")
    assert (found.columns, found.rows) == (("a", "b", "c"), {2: ("1", "2", "3")})


def test_an_alias_is_taken_and_told(desk):
    given = with_aliases(contract("a", "b", "c"), "c", "gamma", "see")
    found = desk.read(b"a,b,see\n1,2,3\n", given)
    assert found.rows == {2: ("1", "2", "3")}
    assert found.result.renamed == (("see", "c"),)


def test_a_columns_own_name_counts_before_its_aliases(desk):
    found = desk.read(b"a,b,see,c\n1,2,old,new\n", with_aliases(contract("a", "b", "c"), "c", "see"))
    assert found.rows == {2: ("1", "2", "new")}
    assert (found.result.renamed, found.result.unknown) == ((), ("see",))


@pytest.mark.parametrize("extra", [b"", b"\n"])  # the second goes through the exact pass
def test_missing_and_unknown_columns_are_told(desk, extra):
    found = desk.read(b"b,x,a,\n2,9,1,\n" + extra, contract("a", "b", "c", required=["a"]))
    assert found.rows == {2: ("1", "2", None)}
    assert (found.result.missing, found.result.unknown) == (("c",), ("x", "(column 4, no name)"))


def test_a_column_that_only_warns_when_it_is_blank_may_be_missing(desk):
    given = contract("a", "b", "c")
    with pytest.raises(FileRefused, match="has no column 'c'"):
        desk.read(b"a,b\n1,2\n", given)
    warned = replace(given.column("c"), severities=(("present", Severity.WARN),))
    found = desk.read(b"a,b\n1,2\n", replace(given, columns=(*given.columns[:2], warned)))
    assert (found.rows, found.result.missing) == ({2: ("1", "2", None)}, ("c",))


EVOLVING = replace(contract("a", "b", "c", required=["a"]), unknown_columns="evolve")


@pytest.mark.parametrize("extra", [b"", b"\n"])  # the second goes through the exact pass
def test_an_evolved_column_is_kept_under_a_plain_name(desk, extra):
    header = "Größe (cm),b,2nd price,a,,金額\n".encode()
    found = desk.read(header + b'180,2,9,1,"x,y",7\n,,,3,,\n' + extra, EVOLVING)
    assert found.columns == ("a", "b", "c", "grosse_cm", "c_2nd_price", "column_5", "u91d1_u984d")
    assert found.rows == {
        2: ("1", "2", None, "180", "9", "x,y", "7"),
        3: ("3", None, None, None, None, None, None),
    }
    assert found.result.columns == found.columns
    assert found.result.header == ("grosse_cm", "b", "c_2nd_price", "a", "column_5", "u91d1_u984d")
    assert found.result.evolved == (
        ("Größe (cm)", "grosse_cm"), ("2nd price", "c_2nd_price"), ("(column 5, no name)", "column_5"),
        ("金額", "u91d1_u984d"),
    )  # fmt: skip
    assert found.result.unknown == tuple(name for name, _ in found.result.evolved)


def test_an_evolved_column_never_takes_the_name_of_another(desk):
    found = desk.read(b"A,a,B b,b-b,file_row_number,_batch_id\n1,2,3,4,5,6\n", EVOLVING)
    assert found.columns == ("a", "b", "c", "a_2", "b_b", "b_b_2", "file_row_number_2", "batch_id")
    assert found.rows == {2: ("2", None, None, "1", "3", "4", "5", "6")}


def test_two_evolved_names_that_agree_in_fifty_characters_stay_two(desk):
    long = "x" * 60
    found = desk.read(f"a,{long}y,{long}z\n1,2,3\n".encode(), EVOLVING)
    assert found.columns[3:] == ("x" * 50, "x" * 48 + "_2")
    assert found.rows == {2: ("1", None, None, "2", "3")}


def test_an_unknown_column_that_is_not_kept_has_no_name_in_the_header_told(desk):
    given = with_aliases(contract("a", "b", "c", required=["a"]), "b", "see")
    found = desk.read(b"x,see,a\n9,2,1\n", given)
    assert (found.result.header, found.result.columns) == (("", "b", "a"), ("a", "b", "c"))
    assert found.result.evolved == ()


TITLED = replace(contract("a", "b", "c"), dialect=Dialect(lines_before_header=3))


@pytest.mark.parametrize(
    ("title", "blank"),
    [
        (b"Account 12,of\n\n2026-01\n", 0),
        (b'a "stray, quote\n"\n,,\n', 0),
        (b"\xff\x00\nx\ny\n", 0),
        (b"a,b,c\n1,2,3\n\n\n \n", 2),
    ],
)
@pytest.mark.parametrize("rest", [b"1,2,3\n4,5,6\n", b"1,2,3\n4,5,6", b'1,2,3\n\n4,5,"6"\n'])
def test_lines_before_the_header_are_header_lines(desk, title, blank, rest):
    found = desk.read(title + b"a,b,c\n" + rest, TITLED)
    first, skipped = 5 + blank, rest.count(b"\n\n")
    assert found.rows == {first: ("1", "2", "3"), first + 1 + skipped: ("4", "5", "6")}
    assert (found.result.header_lines, found.result.blank) == (4, blank + skipped)
    assert found.explained_lines == found.result.lines


def test_a_file_with_a_title_is_read_the_fast_way(desk):
    found = desk.read(b"Sales\n\nJanuary\na,b,c\n1,2,3\n", TITLED)
    assert (found.result.first_line, found.rows) == (5, {5: ("1", "2", "3")})


@pytest.mark.parametrize("content", [b"a,b,c\n1,2,3\n", b"a,b,c\n\n\n\n", b"x"])
def test_a_file_that_ends_before_its_header_is_refused(desk, content):
    with pytest.raises(FileRefused, match="no header line after the 3 lines"):
        desk.read(content, TITLED)


def test_names_that_differ_only_in_case_stay_two_columns(desk):
    found = desk.read(b"a,A,b,c\n1,9,2,3\n")
    assert (found.rows, found.result.unknown) == ({2: ("1", "2", "3")}, ("A",))


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8-sig", "utf-8"),
        ("utf-8-sig", "cp1252"),  # a byte order mark overrules the contract
        ("utf-16", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("mac_roman", "mac_roman"),
    ],
)
def test_text_in_other_encodings_is_the_same_text(desk, encoding, declared):
    text = (
        "a,b,c\n1,Zoë,naïve\n2,Müller,“q”\n" if encoding != "latin-1" else "a,b,c\n1,Zoë,naïve\n2,Müller,q\n"
    )
    found = desk.read(text.encode(encoding), contract("a", "b", "c", dialect=Dialect(encoding=declared)))
    assert found.rows[2] == ("1", "Zoë", "naïve")
    assert found.rows[3][1] == "Müller"
    assert found.result.sha256 == hashlib.sha256(text.encode(encoding)).hexdigest()
    assert found.result.lines == 3


def test_a_gzip_file_is_read_as_its_text_and_identified_by_its_bytes(desk):
    packed = gzip.compress(b"a,b,c\n1,2,3\n", mtime=0)
    found = desk.read(packed, name="erp_sales.csv.gz")
    assert (found.rows, found.result.lines, found.result.size_bytes) == ({2: ("1", "2", "3")}, 2, len(packed))


@pytest.mark.parametrize(("delimiter", "quote"), [(";", '"'), ("\t", '"'), ("|", "'"), ("¦", '"'), (",", "")])
def test_the_contracts_delimiter_and_quote_are_used(desk, delimiter, quote):
    given = contract("a", "b", "c", dialect=Dialect(delimiter, quote))
    line = delimiter.join(["1", f"{quote}x{quote}", "z"])
    content = f"{delimiter.join('abc')}\n{line}\n".encode()
    assert desk.read(content, given).rows == desk.read(content + b"\n", given).rows == {2: ("1", "x", "z")}


@pytest.mark.parametrize(
    "name", ["a[1].csv", "b*.csv", "c?.csv", "it's.csv", "k=v.csv", "d e.csv", 'q".csv', "ü.csv"]
)
def test_a_file_name_is_never_taken_for_a_pattern(desk, name):
    desk.put(b"a,b,c\nwrong,file,read\n", name.replace("[1]", "1").replace("*", "bb").replace("?", "c"))
    assert desk.read(b"a,b,c\n1,2,3\n", name=name).rows == {2: ("1", "2", "3")}


@pytest.mark.parametrize("size", [3_000_000, 50_000_000])
def test_a_field_of_many_megabytes_survives(desk, size):
    long = b"x" * size
    found = desk.read(b"a,b,c\n1," + long + b",3\n4,5,6\n")
    assert len(found.rows[2][1] or "") == size
    assert (found.rows[3], found.result.rows) == (("4", "5", "6"), 2)


def test_a_field_of_fifty_megabytes_over_many_lines_survives(desk):
    text = (b"x" * 99 + b"\n") * 500_000
    found = desk.read(b'a,b,c\n1,"' + text + b'",3\n4,5,6\n')
    assert found.rows[2] == ("1", text.decode(), "3")
    assert found.rows[500_003] == ("4", "5", "6")
    assert (found.result.continuation_lines, found.explained_lines) == (500_000, found.result.lines)


def test_order_is_kept_in_a_file_of_several_row_groups(desk):
    content = b"a,b,c\n" + b"".join(b"%d,x,y\n" % n for n in range(300_000))
    for extra, first_line in ((b"", 2), (b"\n", None)):
        found = desk.read(content + extra)
        assert found.result.first_line == first_line
        assert all(row[0] == str(line - 2) for line, row in found.rows.items())
        assert list(found.rows) == list(range(2, 300_002))


def test_nothing_but_the_finished_file_is_left_behind(desk):
    desk.read(b"a,b,c\n1,2,3\n")
    desk.read(b"a,b,c\n1,2\n")
    with pytest.raises(FileRefused):
        desk.read(b"a,b\n1,2\n")
    assert [path for path in desk.files.rglob("*") if path.is_file()] == [desk.target]
    desk.reader.close()
    assert list((desk.files / "scratch").iterdir()) == []


def test_a_refused_file_leaves_an_earlier_result_as_it_was(desk):
    before = desk.read(b"a,b,c\n1,2,3\n").result.parquet.read_bytes()
    with pytest.raises(FileRefused):
        desk.read(b"a,b\n1,2\n")
    assert desk.target.read_bytes() == before


def test_the_readers_connection_reaches_nothing_else_and_cannot_be_opened(desk, tmp_path):
    secret = tmp_path / "engine.json"
    secret.write_text("secret")
    for statement in (
        f"select * from read_text('{secret}')",
        f"copy (select 1) to '{tmp_path / 'out.csv'}'",
        f"attach '{tmp_path / 'other.duckdb'}'",
        "set enable_external_access = true",
        "set threads = 1",
        "install httpfs",
    ):
        with pytest.raises(Exception, match=r"(?i)permission|disabled|locked|cannot"):
            desk.reader._duck.execute(statement)


def test_a_landing_folder_may_itself_be_a_link(desk, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "s.csv").write_bytes(b"a,b,c\n1,2,3\n")
    with Desk(tmp_path / "other") as other:
        other.reader.close()
        reader = type(other.reader)([tmp_path / "link"], other.files)
        with reader:
            found = reader.read(tmp_path / "link" / "s.csv", contract("a", "b", "c"), other.target)
    assert found.rows == 1


def test_threads_and_memory_can_be_limited(tmp_path):
    with Desk(tmp_path, threads=1, memory_limit="300MB") as desk:
        found = desk.read(b"a,b,c\n" + b"1,2,3\n" * 100_000)
        limits = desk.reader._duck.execute(
            "select current_setting('threads'), current_setting('memory_limit')"
        )
        assert limits.fetchone() == (1, "286.1 MiB")
    assert found.result.rows == 100_000


def test_a_survey_says_what_the_bytes_are(desk):
    content = "sales_id\r\nZoë\r\nlast".encode()
    found = survey(desk.put(content))
    assert (found.lines, found.size_bytes, found.crlf, found.carriage_returns) == (3, len(content), 2, 2)
    assert (found.utf8, found.nul, found.terminated, found.line_end) == (True, False, False, "\r\n")
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert not survey(desk.put(b"\xff\n")).utf8
    assert survey(desk.put(b"\0\n")).nul
    assert survey(desk.put(b"a\r\nb\n")).line_end is None


def test_a_survey_does_not_depend_on_where_its_chunks_end(desk, monkeypatch):
    path = desk.put("a\r\nZoë\r\n€".encode())
    whole = survey(path)
    for size in range(1, 6):
        monkeypatch.setattr(surveying, "CHUNK_BYTES", size)
        assert survey(path) == whole


def test_the_shipped_columns_are_read_in_the_contracts_order(desk):
    given = replace(contract(*SALES), key=("sales_id",))
    header = ",".join(reversed(SALES))
    found = desk.read(f"{header}\n12.50,2026-01-31,3,7,101,1\n".encode(), given)
    assert (found.columns, found.rows) == (SALES, {2: ("1", "101", "7", "3", "2026-01-31", "12.50")})
