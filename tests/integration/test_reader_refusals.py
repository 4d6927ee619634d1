"""Files that cannot be taken in: each gives one message that says what, where, which value, and what to do."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from etl.declared import Dialect
from etl.errors import DiskFull, FileRefused, FileUnsettled, WarehouseError
from etl.reader import survey
from etl.reader.read import _named
from tests.reading import SALES, Desk, contract, with_aliases
from tests.requirements_met import not_run

CLEAN = b"a,b,c\n1,2,3\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as desk:
        yield desk


def refusal(desk, content, given=None, name="erp_sales_0712.csv"):
    with pytest.raises(FileRefused) as caught:
        desk.read(content, given, name)
    assert not desk.target.exists()
    assert caught.value.hint
    return caught.value


def test_an_empty_file_is_refused(desk):
    assert refusal(desk, b"").message == "erp_sales_0712.csv is empty (0 bytes)."
    packed = refusal(desk, gzip.compress(b"", mtime=0), name="s.csv.gz")
    assert packed.message == "s.csv.gz is empty (0 bytes when unpacked)."


@pytest.mark.parametrize("content", [b"\n", b"\n \r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_of_blank_lines_has_no_header(desk, content):
    assert refusal(desk, content).message.startswith("erp_sales_0712.csv has no header line")


def test_a_missing_required_column_is_named_with_what_was_found_and_what_to_do(desk):
    header = ",".join(SALES).replace("sale_amount", "amount").encode()
    error = refusal(desk, header + b"\n1,2,3,4,5,6\n", contract(*SALES))
    assert str(error) == (
        "erp_sales_0712.csv has no column 'sale_amount' (found 'amount'). "
        "Add 'amount' to its aliases in contracts/erp_sales.odcs.yaml, or fix the export."
    )


def test_a_missing_key_column_is_refused_even_where_it_is_not_required(desk):
    given = replace(contract("a", "b", required=[]), key=("a",))
    assert (
        refusal(desk, b"b\n2\n", given).message
        == "erp_sales_0712.csv has no column 'a' (found no other column)."
    )


def test_a_name_in_another_case_is_no_match_but_a_hint(desk):
    error = refusal(desk, b"a,b,C\n1,2,3\n")
    assert "has no column 'c' (found 'C')" in error.message
    assert "Add 'C' to its aliases" in error.hint


def test_several_missing_columns_are_named_at_once(desk):
    error = refusal(
        desk, b"sales_id,Sale Amount,x\n1,2,3\n", contract("sales_id", "product_id", "sale_amount")
    )
    assert "has no columns 'product_id', 'sale_amount' (found 'Sale Amount', 'x')" in error.message
    assert "Add 'Sale Amount' to the sale_amount aliases" in error.hint


def test_a_file_without_a_header_line_is_asked_for_one(desk):
    error = refusal(desk, b"1,101,7,3,2026-01-31,12.50\n", contract(*SALES))
    assert "has no columns 'sales_id', 'product_id'" in error.message
    assert "Is its header line missing?" in error.hint


@pytest.mark.parametrize(("delimiter", "words"), [(";", "';'"), ("\t", "a tab"), ("|", "'|'")])
def test_a_wrong_delimiter_is_named(desk, delimiter, words):
    error = refusal(desk, f"a{delimiter}b{delimiter}c\n1{delimiter}2{delimiter}3\n".encode())
    assert f"is separated by {words}, but its contract says ','" in error.message
    assert "Set the delimiter in contracts/erp_sales.odcs.yaml" in error.hint


def test_duplicate_header_names_are_refused(desk):
    assert (
        refusal(desk, b"a,b,c, b\n1,2,3,4\n").message
        == "erp_sales_0712.csv has the column 'b' more than once."
    )


def test_two_aliases_of_one_column_are_refused(desk):
    given = with_aliases(contract("a", "b"), "b", "beta", "bee")
    assert (
        "has several columns for 'b': 'beta', 'bee'" in refusal(desk, b"a,beta,bee\n1,2,3\n", given).message
    )


def test_unknown_columns_are_refused_where_the_contract_blocks_them(desk):
    given = replace(contract("a", "b", "c"), unknown_columns="block")
    assert (
        "has 'x', 'y', which the contract does not know"
        in refusal(desk, b"a,x,b,y,c\n1,2,3,4,5\n", given).message
    )
    assert desk.read(CLEAN, given).result.rows == 1


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04" + bytes(100), "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "an old Excel workbook"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"PAR1" + bytes(100), "a Parquet file"),
        (bytes(range(256)) * 100, "binary"),
        (b"a,b,c\0\n1,2,3\n", "binary"),
        ("a,b,c\n1,2,3\n".encode("utf-16-le"), "binary"),
        (b"a,b,c,caf\xe9\n1,2,3,4\n", "not utf-8 text"),
        (gzip.compress(CLEAN, mtime=0), "a gzip file"),
    ],
)
def test_content_that_is_no_text_is_refused_by_its_kind(desk, content, kind):
    assert kind in refusal(desk, content).message


@pytest.mark.parametrize(
    "content", [CLEAN, gzip.compress(CLEAN, mtime=0)[:-12], gzip.compress(CLEAN, mtime=0)[:12] + bytes(40)]
)
def test_a_broken_gzip_file_is_refused(desk, content):
    assert "s.csv.gz" in refusal(desk, content, name="s.csv.gz").message


def test_an_unknown_encoding_is_refused(desk):
    error = refusal(desk, CLEAN, contract("a", "b", "c", dialect=Dialect(encoding="utf-9")))
    assert "the encoding 'utf-9', which is unknown" in error.message


def test_a_quote_that_is_no_ascii_character_is_refused(desk):
    error = refusal(desk, CLEAN, contract("a", "b", "c", dialect=Dialect(quote="“")))
    assert "quotes with '“'" in error.message


@pytest.mark.parametrize("header", [b'a,b,"c\n1,2,3\n', b'a,"b"x,c\n', b"a,b,c\r1,2,3\r4,5,6"])
def test_a_header_that_cannot_be_taken_apart_is_refused(desk, header):
    assert "has a header line that cannot be taken apart" in refusal(desk, header).message


def test_a_first_line_without_an_end_is_refused(desk):
    assert "has a first line of more than 1 MB" in refusal(desk, b"x" * 2_000_000).message


def test_a_folder_and_a_pipe_are_refused(desk):
    (desk.landing / "folder.csv").mkdir()
    os.mkfifo(desk.landing / "pipe.csv")
    for name, kind in (("folder.csv", "a folder"), ("pipe.csv", "not a regular file")):
        with pytest.raises(FileRefused, match=f"{name} is {kind}"):
            survey(desk.landing / name)


def test_a_file_without_read_permission_is_refused_with_the_command_that_helps(desk):
    path = desk.put(CLEAN)
    path.chmod(0o200)
    for folder in (desk.landing, *desk.landing.parents):  # pytest's own folders let nobody else in
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o005:
            folder.chmod(folder.stat().st_mode | 0o055)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root reads everything
    try:
        with pytest.raises(FileRefused, match=r"permission denied") as caught:
            survey(path)
    finally:
        if root:
            os.seteuid(0)
    assert caught.value.hint == f"Give read permission: chmod a+r {path}"


def test_a_link_that_leads_out_of_the_landing_folder_is_refused(desk, tmp_path):
    (tmp_path / "secret.csv").write_bytes(CLEAN)
    (desk.landing / "s.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(FileRefused, match=r"s\.csv leads to .*secret\.csv, outside the landing folder"):
        desk.reader.read(desk.landing / "s.csv", contract("a", "b", "c"), desk.target)


def test_a_link_inside_the_landing_folder_is_followed(desk):
    desk.put(CLEAN, "real.csv")
    (desk.landing / "s.csv").symlink_to("real.csv")
    assert desk.reader.read(desk.landing / "s.csv", contract("a", "b", "c"), desk.target).rows == 1


def test_a_file_that_is_not_there_any_more_is_unsettled(desk):
    with pytest.raises(FileUnsettled, match=r"gone\.csv vanished"):
        survey(desk.landing / "gone.csv")
    surveyed = survey(desk.put(CLEAN))
    (desk.landing / "erp_sales.csv").unlink()
    with pytest.raises(FileUnsettled, match=r"erp_sales\.csv vanished"):
        desk.reader.read(desk.landing / "erp_sales.csv", contract("a", "b", "c"), desk.target, surveyed)


@pytest.mark.parametrize("now", [CLEAN + b"4,5,6\n", b"a,b,c\n", b"a,b,c\n9,9,9\n", b""])
def test_a_file_that_changed_since_it_was_surveyed_is_unsettled(desk, now):
    path = desk.put(CLEAN)
    surveyed = survey(path)
    path.write_bytes(now)
    os.utime(path, ns=(surveyed.stamp[3] + 1, surveyed.stamp[3] + 1))  # clocks tick too coarsely for a test
    with pytest.raises(FileUnsettled, match=r"changed while it was read"):
        desk.reader.read(path, contract("a", "b", "c"), desk.target, surveyed)
    assert list(desk.target.parent.iterdir()) == []


@pytest.mark.parametrize("grows", [True, False])
def test_a_file_that_grows_or_shrinks_while_it_is_read_is_unsettled(desk, grows):
    path = desk.put(b"a,b,c\n" + b"1,2,3\n4,5\n" * 100_000)
    surveyed, stop = survey(path), threading.Event()

    def change() -> None:
        while not stop.wait(0.001):
            with path.open("r+b") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.write(b"7,8,9\n") if grows else stream.truncate(max(7, size - 1000))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        with pytest.raises(FileUnsettled, match="changed while it was read"):
            desk.reader.read(path, contract("a", "b", "c"), desk.target, surveyed)
    finally:
        stop.set()
        thread.join()
    assert list(desk.target.parent.iterdir()) == []


def test_no_space_left_is_told_as_such_whoever_met_it():
    with (
        pytest.raises(OSError, match="No space") as python_met,
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    with pytest.raises(duckdb.IOException) as duckdb_met, duckdb.connect() as connection:
        connection.execute("copy (select range from range(100000)) to '/dev/full' (format parquet)")
    for met in (python_met, duckdb_met):
        assert isinstance(_named(met.value, "s.csv"), DiskFull)
    assert isinstance(_named(OSError(errno.EDQUOT, "Disk quota exceeded"), "s.csv"), DiskFull)
    assert isinstance(_named(OSError(errno.EIO, "Input/output error"), "s.csv"), WarehouseError)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        not_run("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize(
    "end", [b"", b"\n"]
)  # the fast pass fills it with Parquet, the exact one with scratch
def test_a_full_disk_takes_nothing_in_and_leaves_nothing_behind(small_disk, end):
    content = b"a,b,c\n" + b"".join(b"%d,%b,x\n" % (n, os.urandom(32).hex().encode()) for n in range(50_000))
    with Desk(small_disk.parent / "desk") as place:
        path = place.put(content + end)
        reader = type(place.reader)([place.landing], small_disk)
        with reader, pytest.raises(DiskFull, match=r"No space is left to take in erp_sales\.csv"):
            reader.read(path, contract("a", "b", "c"), small_disk / "batch.parquet")
    assert [left for left in small_disk.rglob("*") if left.is_file()] == []
