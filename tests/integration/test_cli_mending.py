"""Mending from the command line: looked at, edited, replayed, discarded, withdrawn, and all of it taken back."""

from __future__ import annotations

import csv
import getpass
import io
from pathlib import Path
from typing import Any

import pytest

from etl.settings import Settings
from tests.commands import command
from tests.workspaces import SALES, few_files, land, workspace

BAD = "9,10,1,0,2026-02-01,5.00\n10,10,999,1,2026-02-02,6.00\n11,10,2,1,2026-02-30,7.00\n"
NO_LINE = "12,10,1\n"


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """Three customers and four sales, then a file with three bad sales (lines 2 to 4) and a line of three fields."""
    settings = workspace(tmp_path)
    few_files(settings)
    land(settings, "erp/erp_sales_bad.csv", SALES + BAD + NO_LINE)
    assert command(settings, "run").code == 0
    return settings


def batch(settings: Settings, file: str = "erp/erp_sales_bad.csv") -> str:
    listed = command(settings, "batches", "list", "--json").document
    return next(str(each["batch_id"]) for each in listed if each["path"] == file)


def aside(settings: Settings, *more: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = command(
        settings, "quarantine", "list", "erp_sales", *more, "--json"
    ).document["rows"]
    return rows


def sales(settings: Settings) -> set[int]:
    rows = command(settings, "query", "select sales_id from silver.sales_clean", "--json").document
    return {row["sales_id"] for row in rows}


def test_a_list_names_each_row_as_the_other_commands_take_it(own: Settings) -> None:
    listed = command(own, "quarantine", "list", "erp_sales")
    assert (listed.code, listed.err) == (0, "")
    assert f"{batch(own)}:2" in listed.out
    assert "quantity is below 1" in listed.out
    assert "(3 rows quarantined)" in listed.out


def test_a_list_can_be_narrowed_to_a_batch_a_reason_and_a_state(own: Settings) -> None:
    good = batch(own, "erp/erp_sales.csv")
    assert aside(own, "--batch", good) == []
    (row,) = aside(own, "--batch", batch(own)[:8], "--reason", "quantity is below 1")
    assert (row["_row_number"], row["sales_id"]) == (2, "9")
    (line,) = aside(own, "--state", "unreadable")
    assert (line["_row_number"], line["_raw"]) == (5, "12,10,1")


def test_a_batch_that_is_none_is_a_usage_error_with_the_way_to_the_list(own: Settings) -> None:
    ended = command(own, "quarantine", "list", "erp_sales", "--batch", "nosuch")
    assert ended.code == 2
    assert "nosuch is no batch of erp_sales" in ended.err
    assert "batches list erp_sales" in ended.err


def test_an_edited_export_is_previewed_and_replayed(own: Settings, tmp_path: Path) -> None:
    export = tmp_path / "rows.csv"
    assert command(own, "quarantine", "export", "erp_sales", "--out", str(export)).code == 0
    rows = list(csv.DictReader(io.StringIO(export.read_text(encoding="utf-8"))))
    rows[0]["quantity"] = "3"
    rows[1]["customer_id"] = "998"
    with export.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    tried = command(own, "quarantine", "replay", "erp_sales", str(export), "--dry-run", "--json")
    assert tried.code == 0
    assert [(p["outcome"], p["broken"]) for p in tried.document["previews"]] == [
        ("current", []),
        ("quarantined", ["customer_id is not a known crm_customers"]),
    ]
    assert 9 not in sales(own)
    done = command(
        own, "quarantine", "replay", "erp_sales", str(export), "--note", "asked the shop", "--json"
    )
    assert (done.code, done.err) == (0, "")
    mend = done.document["mend"]
    assert (mend["state"], mend["rows"], mend["author"]) == ("applied", 2, getpass.getuser())
    assert done.document["run"]["state"] == "succeeded"
    assert 9 in sales(own)
    assert {(row["_row_number"], row["_correction"]) for row in aside(own)} == {(3, 1), (4, 0)}


def test_an_export_without_changes_replays_nothing(own: Settings, tmp_path: Path) -> None:
    export = tmp_path / "rows.csv"
    command(own, "quarantine", "export", "erp_sales", "--out", str(export))
    before = command(own, "status", "--json").document["workspace"]["version"]
    ended = command(own, "quarantine", "replay", "erp_sales", str(export))
    assert ended.code == 0
    assert "nothing to replay" in ended.out
    assert command(own, "status", "--json").document["workspace"]["version"] == before


def test_one_row_is_mended_on_the_command_line(own: Settings) -> None:
    row = f"{batch(own)[:6]}:4"
    ended = command(own, "quarantine", "replay", "erp_sales", "--row", row, "--set", "sale_date=2026-02-28")
    assert ended.code == 0, ended
    assert "current" in ended.out
    assert "1 row corrected." in ended.out
    assert 11 in sales(own)


def test_an_unreadable_line_is_mended_as_it_should_have_been(own: Settings) -> None:
    line = "12,10,1,2,2026-02-03,8.00"
    row = f"{batch(own)}:5"
    assert command(own, "quarantine", "replay", "erp_sales", "--row", row, "--raw", line).code == 0
    assert 12 in sales(own)
    accounts = command(own, "run", "--json").document["accounts"]
    assert accounts["closes"] is True


def test_what_cannot_be_mended_like_this_is_refused_and_changes_nothing(own: Settings) -> None:
    row = f"{batch(own)}:2"
    ended = command(own, "quarantine", "replay", "erp_sales", "--row", row, "--set", "nosuch=1", "--json")
    assert ended.code in (1, 2)
    assert "nosuch" in ended.out
    assert [r["_correction"] for r in aside(own)] == [0, 0, 0]


def test_rows_are_discarded_with_a_reason_and_restored(own: Settings) -> None:
    name = batch(own)
    done = command(
        own, "quarantine", "discard", "erp_sales", "--row", f"{name}:2", "--row", f"{name}:3", "--reason", "test data"
    )  # fmt: skip
    assert done.code == 0, done
    assert [row["_row_number"] for row in aside(own)] == [4]
    gone = aside(own, "--state", "discarded")
    assert [(row["_row_number"], row["_note"]) for row in gone] == [(2, "test data"), (3, "test data")]
    assert command(own, "quarantine", "restore", "erp_sales", "--all").code == 0
    assert [row["_row_number"] for row in aside(own)] == [2, 3, 4]


def test_all_rows_with_a_reason_are_discarded_at_once(own: Settings) -> None:
    ended = command(
        own, "quarantine", "discard", "erp_sales", "--reason-is", "quantity is below 1", "--reason", "free samples",
        "--json",
    )  # fmt: skip
    assert (ended.code, ended.document["mend"]["rows"]) == (0, 1)
    assert [row["_row_number"] for row in aside(own)] == [3, 4]


def test_unreadable_lines_are_discarded_and_restored(own: Settings) -> None:
    chosen = ("erp_sales", "--all", "--unreadable")
    assert command(own, "quarantine", "discard", *chosen, "--reason", "cut off").code == 0
    again = command(own, "quarantine", "discard", *chosen, "--reason", "cut off")
    assert again.code == 2
    assert "No unreadable line of erp_sales is like that" in again.err
    assert command(own, "quarantine", "restore", *chosen).code == 0
    assert len(aside(own)) == 3


def test_a_batch_is_withdrawn_reinstated_and_read_again(own: Settings) -> None:
    first = batch(own, "erp/erp_sales.csv")
    gone = command(own, "batches", "withdraw", first[:7], "--reason", "wrong month", "--json")
    assert (gone.code, gone.document["mend"]["state"]) == (0, "applied")
    assert sales(own) == set()
    assert command(own, "batches", "reinstate", first).code == 0
    assert sales(own) == {1, 2, 3, 4}
    assert command(own, "batches", "replay", first).code == 0
    assert sales(own) == {1, 2, 3, 4}


def test_a_batch_whose_file_is_gone_is_not_read_again_and_that_is_exit_1(own: Settings) -> None:
    first = batch(own, "erp/erp_sales.csv")
    (own.landing / "erp" / "erp_sales.csv").unlink()
    ended = command(own, "batches", "replay", first, "--json")
    assert ended.code == 1
    assert ended.document["mend"]["state"] == "refused"
    assert ended.document["mend"]["message"]
    assert sales(own) == {1, 2, 3, 4}


def test_a_shortened_batch_that_names_none_is_a_usage_error(own: Settings) -> None:
    ended = command(own, "batches", "withdraw", "nosuch", "--reason", "wrong")
    assert (ended.code, ended.out) == (2, "")
    assert "nosuch" in ended.err


def test_a_file_that_is_no_text_or_not_there_is_named(own: Settings, tmp_path: Path) -> None:
    missing = command(own, "quarantine", "replay", "erp_sales", str(tmp_path / "none.csv"))
    assert missing.code == 2
    assert "none.csv cannot be read" in missing.err
    strange = tmp_path / "strange.csv"
    strange.write_bytes("_batch_id,größe\n".encode("cp1252"))
    ended = command(own, "quarantine", "replay", "erp_sales", str(strange))
    assert ended.code == 2
    assert "not UTF-8" in ended.err
