"""The quarantine workbench, over the real engine: what is written, asked and confirmed there reaches the service."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from etl.mends import Aside, Edit, MendState
from etl.service import Service
from tests.pages.screens import HOSTILE, Page, Screen, Serve
from tests.warehouses import NOW
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace
from ui import reads_mending

UNREADABLE = {"aside": "unreadable", "aside-source": "erp_sales"}
LONG = "x" * (reads_mending.MOST_CELL + 1)


@pytest.fixture(scope="module")
def built(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed workspace to copy: three sales in quarantine (two of one file), one unreadable line, one customer
    without a region."""
    folder = tmp_path_factory.mktemp("bench")
    settings = workspace(folder)
    few_files(settings)
    land(settings, "crm/crm_customers_2.csv", f"{CUSTOMERS}4,{HOSTILE},d@example.com,\n")
    land(
        settings,
        "erp/erp_sales_2.csv",
        f'{SALES}5,12,2,0,2026-03-01,5.00\n6,12,2,1,2026-03-32,6.00\n7,12,"2,1,2026-03-03,7.00\n',
    )
    land(settings, "erp/erp_sales_3.csv", f"{SALES}8,12,2,0,2026-03-04,{LONG}\n")
    with opened(settings) as service:
        run(service)
    return folder


@pytest.fixture
def bench(built: Path, tmp_path: Path, serve: Serve) -> Iterator[Service]:
    """That workspace, to be mended."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    if NOW.server is not None:
        NOW.made(tmp_path / "state", like=NOW.urls(built / "state")[0])
    with opened(workspace(tmp_path)) as service:
        serve(service)
        yield service


def grid(screen: Screen) -> pd.DataFrame:
    """The rows as the table was drawn with them."""
    frame: pd.DataFrame = screen.app.data_editor[0].value
    return frame


def sales(screen: Screen) -> list[str]:
    """The sales that the table shows; batches stand in no order of theirs."""
    return sorted(grid(screen)["sales_id"])


def edited(screen: Screen) -> int:
    """How many rows are said to be edited."""
    found = re.search(r"(\d+) edited", screen.text)
    return int(found[1]) if found else 0


def quantity(screen: Screen, sale: int) -> str:
    """What the table shows as the quantity of a sale."""
    return str(grid(screen).set_index("sales_id").loc[str(sale), "quantity"])


def write(screen: Screen, sale: int, **cells: Any) -> Screen:
    """Write into the cells of the row of a sale."""
    return write_at(screen, grid(screen)["sales_id"].tolist().index(str(sale)), **cells)


def write_at(screen: Screen, row: int, **cells: Any) -> Screen:
    """Write into the cells of a row as the browser would, and draw again."""
    key = str(screen.app.data_editor[0].key)
    before = screen.app.session_state[key]["edited_rows"] if key in screen.app.session_state else {}
    edited = {**before, row: {**before.get(row, {}), **cells}}
    screen.app.session_state[key] = {"edited_rows": edited, "added_rows": [], "deleted_rows": []}
    screen.app.run()
    return screen


def tick(screen: Screen, *sold: int) -> Screen:
    for sale in sold:
        write(screen, sale, _tick=True)
    return screen


def answer(screen: Screen, reason: str) -> Screen:
    """Give a reason in the open question and say yes."""
    screen.app.text_area(key="question-reason").set_value(reason)
    return screen.click("question-yes")


def work(service: Service, screen: Screen) -> Screen:
    """Let the engine do what was asked for last, and draw again."""
    mend = service.mends()[0]
    assert mend.state == MendState.WAITING
    for queued in service.runs().queued:
        service.work(queued.run_id)
    screen.app.run()
    return screen


def closes(service: Service) -> bool:
    totals = service.accounts()
    return all(row.closes for row in totals.row_totals) and all(each.closes for each in totals.money_totals)


def sold(service: Service) -> list[int]:
    return [row[0] for row in service.select("select sales_id from silver.sales_clean order by 1").rows]


def test_a_sample_without_faults_has_nothing_to_mend(page: Page, healthy: Service) -> None:
    screen = page("quality")
    assert "Nothing is set aside" in screen.text
    assert not screen.app.data_editor
    assert "Nothing was mended yet" in screen.text


def test_the_source_with_most_to_do_comes_first(page: Page, bench: Service) -> None:
    screen = page("quality")
    assert screen.app.selectbox(key="aside-source").value == "erp_sales"
    assert screen.app.button_group(key="aside").options[:2] == ["Quarantined · 3", "Unreadable · 1"]
    assert sales(screen) == ["5", "6", "8"]
    assert sorted(grid(screen)["_line"]) == [2, 2, 3]


def test_rows_are_filtered_by_file_and_reason(page: Page, bench: Service) -> None:
    screen = page("quality")
    screen.app.selectbox(key="aside-reason").set_value("quantity is below 1").run()
    assert sales(screen) == ["5", "8"]
    file = next(batch for batch in bench.batches() if batch.path == "erp/erp_sales_3.csv")
    screen.app.selectbox(key="aside-batch").set_value(file.batch_id).run()
    assert sales(screen) == ["8"]
    assert screen.app.query_params["aside-batch"] == file.batch_id


def test_an_address_leads_to_the_rows_it_names(page: Page, bench: Service) -> None:
    screen = page("quality", **{"aside-source": "crm_customers", "aside-reason": "region is missing"})
    assert grid(screen)["customer_name"].tolist() == [HOSTILE]


def test_an_address_with_words_of_somebody_else_shows_everything(page: Page, bench: Service) -> None:
    screen = page("quality", **{"aside": "lost", "aside-source": "nobody", "aside-batch": "none"})
    assert len(grid(screen)) == 3


def test_only_the_columns_of_the_contract_can_be_written(page: Page, bench: Service) -> None:
    screen = page("quality")
    write(screen, 5, _file="elsewhere.csv", _line=7, _reasons=[])
    assert edited(screen) == 0
    assert "preview-quarantined-replay" not in screen.keys("button")


def test_a_preview_says_what_would_become_of_each_edited_row(page: Page, bench: Service) -> None:
    screen = write(page("quality"), 5, quantity="2")
    write(screen, 6, sale_date="2026-02-30")
    text = screen.text
    assert "3 rows · 2 edited" in text
    assert "erp/erp_sales_2.csv, line 2 quantity: 0 → 2 check_circle Goes to silver" in text
    assert "sale_date: 2026-03-32 → 2026-02-30 warning Still quarantined sale_date is not a day" in text
    assert bench.mends() == ()
    assert sold(bench) == [1, 2, 3, 4]


def test_a_replayed_row_is_in_silver_and_the_account_stays_closed(page: Page, bench: Service) -> None:
    screen = write(page("quality"), 5, quantity="2")
    screen.app.text_input(key="preview-quarantined-note").set_value("typed wrong")
    screen.click("preview-quarantined-replay")
    mend = bench.mends()[0]
    assert (str(mend.kind), mend.reason, mend.author) == ("correct", "typed wrong", "dashboard")
    assert mend.edits[0].values == (("quantity", "2"),)
    assert "Corrected 1 row of erp_sales: waiting" in screen.text
    assert "preview-quarantined-replay" not in screen.keys("button"), "what waits is not asked for twice"

    work(bench, screen)
    assert sold(bench) == [1, 2, 3, 4, 5]
    assert closes(bench)
    assert "Corrected 1 row of erp_sales: applied" in screen.text
    assert sales(screen) == ["6", "8"]
    assert "2 rows" in screen.text
    assert edited(screen) == 0


def test_a_mend_that_was_overtaken_is_refused_aloud_and_what_was_written_stays(
    page: Page, bench: Service
) -> None:
    screen = write(page("quality"), 5, quantity="2")
    row = next(row for row in bench.aside("erp_sales").rows if dict(row.values)["sales_id"] == "5")
    bench.replay_edits("erp_sales", [Edit(row.place, (("quantity", "3"),))])
    screen.click("preview-quarantined-replay")
    work(bench, screen)
    assert bench.mends()[0].state == MendState.REFUSED
    assert "Corrected 1 row of erp_sales: refused" in screen.verdicts
    assert bench.mends()[0].message in screen.text
    assert closes(bench)


def test_a_mend_whose_run_failed_is_not_said_to_be_through(page: Page, bench: Service) -> None:
    gold = bench.settings.project / "gold" / "customer_analytics.sql"
    gold.write_text(gold.read_text().replace("buying_customers > total_customers", "buying_customers >= 0"))
    screen = write(page("quality"), 5, quantity="2").click("preview-quarantined-replay")
    work(bench, screen)
    assert bench.runs().runs[0].state == "failed"
    assert "Corrected 1 row of erp_sales: applied, but its run failed" in screen.text


def test_a_request_that_cannot_be_made_is_said_under_the_title(page: Page, bench: Service) -> None:
    screen = write(page("quality"), 5, quantity="2")
    row = next(row for row in bench.aside("erp_sales").rows if dict(row.values)["sales_id"] == "5")
    bench.discard("erp_sales", [row.place], "somebody was quicker")
    bench.work(bench.runs().queued[0].run_id)
    screen.click("preview-quarantined-replay")
    assert "is discarded" in screen.verdicts[0]


def test_nothing_is_discarded_without_a_reason(page: Page, bench: Service) -> None:
    screen = tick(page("quality"), 5, 6).click("discard-ticked")
    assert screen.app.text[0].value == "Those you ticked, of erp_sales."
    answer(screen, "   ")
    assert screen.app.error[0].value.startswith("Say why")
    assert bench.mends() == ()


def test_a_question_can_be_answered_with_no(page: Page, bench: Service) -> None:
    screen = tick(page("quality"), 5).click("discard-ticked").click("question-no")
    assert "question-yes" not in screen.keys("button")
    assert bench.mends() == ()


def test_what_is_discarded_shows_why_by_whom_and_can_come_back(page: Page, bench: Service) -> None:
    screen = tick(page("quality"), 5, 8).click("discard-ticked")
    work(bench, answer(screen, "sold twice"))
    assert sales(screen) == ["6"]
    assert closes(bench)

    screen.app.button_group(key="aside").set_value("discarded").run()
    discarded = grid(screen)
    assert sales(screen) == ["5", "8"]
    assert discarded["_note"].tolist() == ["sold twice"] * 2
    assert discarded["_author"].tolist() == ["dashboard"] * 2
    assert discarded["_at"].notna().all()
    assert "preview-discarded-replay" not in screen.keys("button")

    tick(screen, 5).click("restore-ticked").click("question-yes")
    work(bench, screen)
    assert sales(screen) == ["8"]
    assert closes(bench)


def test_discarding_all_means_all_that_the_filter_leaves_and_says_how_many(
    page: Page, bench: Service
) -> None:
    screen = page("quality", **{"aside-reason": "quantity is below 1"})
    screen.click("discard-all")
    assert screen.app.text[0].value == "All that the filter leaves: erp_sales, “quantity is below 1”."
    answer(screen, "no pieces, no sale")
    assert bench.mends()[0].rows == 2
    work(bench, screen)
    assert [dict(row.values)["sales_id"] for row in bench.aside("erp_sales").rows] == ["6"]

    screen.app.button_group(key="aside").set_value("discarded").run()
    screen.click("restore-all").click("question-yes")
    work(bench, screen)
    assert bench.aside("erp_sales").total == 3


def test_an_unreadable_line_is_mended_as_it_stands_in_the_file(page: Page, bench: Service) -> None:
    screen = page("quality", **UNREADABLE)
    write_at(screen, 0, _raw="7,12,2,1,2026-03-03,7.00")
    assert "Goes to silver" in screen.text
    work(bench, screen.click("preview-unreadable-replay"))
    assert 7 in sold(bench)
    assert grid(screen)["_state"].tolist() == ["Corrected"], "it stays unreadable, marked"
    assert closes(bench)
    screen.click("discard-all")
    assert "question-yes" not in screen.keys("button"), "a corrected line is dealt with"


def test_a_line_that_cannot_be_taken_apart_is_not_replayed(page: Page, bench: Service) -> None:
    screen = write_at(page("quality", **UNREADABLE), 0, _raw="7,12,2")
    assert "Cannot be mended" in screen.text
    assert "has 3 fields, its file has 6 columns" in screen.text
    assert screen.app.button(key="preview-unreadable-replay").disabled


def test_an_unreadable_line_is_discarded_and_restored(page: Page, bench: Service) -> None:
    screen = write_at(page("quality", **UNREADABLE), 0, _tick=True).click("discard-ticked")
    work(bench, answer(screen, "cut off by the sender"))
    assert grid(screen)["_state"].tolist() == ["Discarded"]
    assert grid(screen)["_note"].tolist() == ["cut off by the sender"]
    write_at(screen, 0, _tick=True).click("restore-ticked").click("question-yes")
    work(bench, screen)
    assert "_state" not in grid(screen)


def test_undo_forgets_what_was_written(page: Page, bench: Service) -> None:
    screen = write(page("quality"), 5, quantity="2").click("preview-quarantined-undo")
    assert edited(screen) == 0
    assert quantity(screen, 5) == "0"


def test_a_cell_written_back_as_it_was_is_no_edit(page: Page, bench: Service) -> None:
    screen = write(write(page("quality"), 5, quantity="2"), 5, quantity="0")
    assert edited(screen) == 0


def test_a_cell_too_long_for_a_table_is_cut_and_cannot_be_written(page: Page, bench: Service) -> None:
    screen = page("quality")
    assert f"{LONG[:-1]}…" in grid(screen)["sale_amount"].tolist()
    write(screen, 8, sale_amount="8.00")
    assert edited(screen) == 0
    assert "mend them in the CSV" in screen.text


def test_markup_in_a_row_stays_text_in_its_preview(page: Page, bench: Service) -> None:
    screen = write_at(page("quality", **{"aside-source": "crm_customers"}), 0, region=HOSTILE)
    assert escape(HOSTILE) in screen.html
    assert HOSTILE not in screen.html


def test_one_row_as_a_form_writes_what_the_table_would(page: Page, bench: Service) -> None:
    screen = page("quality")
    row = grid(screen)["sales_id"].tolist().index("5")
    screen.app.selectbox(key="form-row").set_value(row).run()
    field = next(each for each in screen.app.text_input if each.label == "quantity")
    field.set_value("2")
    keep = next(each for each in screen.app.button if each.label == "See what would become of it")
    keep.click().run()
    assert "quantity: 0 → 2 check_circle Goes to silver" in screen.text
    assert quantity(screen, 5) == "2"


def test_what_was_written_survives_a_look_elsewhere(page: Page, bench: Service) -> None:
    screen = write(page("quality"), 5, quantity="2")
    screen.app.selectbox(key="aside-source").set_value("crm_customers").run()
    assert edited(screen) == 0
    screen.app.selectbox(key="aside-source").set_value("erp_sales").run()
    assert "3 rows · 1 edited" in screen.text
    assert quantity(screen, 5) == "2"


def test_thousands_of_rows_come_a_page_at_a_time_and_edits_of_all_pages_count(
    page: Page, tmp_path: Path, serve: Serve
) -> None:
    settings = workspace(tmp_path)
    few_files(settings)
    bad = "".join(f"{number},12,2,0,2026-03-01,5.00\n" for number in range(100, 350))
    land(settings, "erp/erp_sales_2.csv", SALES + bad)
    with opened(settings) as service:
        run(service)
        serve(service)
        screen = write(page("quality"), 100, quantity="1")
        assert len(grid(screen)) == reads_mending.PER_PAGE
        screen.app.pagination(key="aside-page").set_value(3).run()
        assert len(grid(screen)) == 50
        write(screen, 300, quantity="3")
        assert "250 rows · 2 edited" in screen.text
        work(service, screen.click("preview-quarantined-replay"))
        assert {100, 300} <= set(sold(service))
        screen.click("discard-all")
        work(service, answer(screen, "all of them"))
        assert service.aside("erp_sales", Aside.DISCARDED).total == 248


def load(screen: Screen, name: str, content: bytes) -> Screen:
    screen.app.file_uploader(key="upload-erp_sales").set_value((name, content, "text/csv")).run()
    return screen


def test_an_exported_csv_is_edited_elsewhere_and_loaded_again(page: Page, bench: Service) -> None:
    screen = page("quality")
    exported = bench.export_aside("erp_sales")
    load(screen, "mine.csv", b"\xef\xbb\xbf" + exported.replace("2026-03-32", "2026-03-31").encode())
    assert "What would become of 1 row" in screen.text
    assert "erp/erp_sales_2.csv, line 3 sale_date: 2026-03-31 check_circle Goes to silver" in screen.text
    work(bench, screen.click("upload-replay"))
    assert 6 in sold(bench)
    assert closes(bench)


def test_a_csv_in_which_nothing_differs_replays_nothing(page: Page, bench: Service) -> None:
    screen = load(page("quality"), "same.csv", bench.export_aside("erp_sales").encode())
    assert "No row of this file differs" in screen.text
    assert "upload-replay" not in screen.keys("button")


def test_a_csv_that_cannot_be_taken_names_line_and_column(page: Page, bench: Service) -> None:
    exported = bench.export_aside("erp_sales").splitlines()
    cells = exported[1].split(",")
    wrong = "\n".join([exported[0], ",".join([cells[0], "two", *cells[2:]])])
    screen = load(page("quality"), "wrong.csv", wrong.encode())
    said = screen.verdicts[-1]
    assert "_row_number" in said
    assert "2" in said
    load(screen, "latin.csv", "ä".encode("latin-1"))
    assert "latin.csv is not UTF-8 (byte 1)." in screen.verdicts


def choose(screen: Screen, path: str) -> Screen:
    """Choose a batch by its file."""
    names = screen.app.selectbox(key="batch").options
    screen.app.selectbox(key="batch").set_value(next(at for at, n in enumerate(names) if path in n)).run()
    return screen


def test_a_wrong_file_is_withdrawn_and_reinstated(page: Page, bench: Service) -> None:
    screen = choose(page("quality"), "erp/erp_sales.csv").click("withdraw")
    assert (
        "erp/erp_sales.csv: 4 rows and their corrections leave silver and gold." in screen.app.text[0].value
    )
    work(bench, answer(screen, "last year's file"))
    assert sold(bench) == []
    assert closes(bench)
    assert "Withdrawn just now by dashboard: last year's file" in screen.text
    assert "withdraw" not in screen.keys("button")
    assert "Withdrew erp/erp_sales.csv" in screen.text

    work(bench, screen.click("reinstate"))
    assert sold(bench) == [1, 2, 3, 4]
    assert closes(bench)


def test_the_name_of_a_file_is_no_markup_where_it_pops_up(page: Page, bench: Service) -> None:
    land(bench.settings, "erp/erp_sales_![](http:elsewhere).csv", f"{SALES}9,12,2,1,2026-03-05,9.00\n")
    run(bench)
    screen = choose(page("quality"), "elsewhere").click("withdraw")
    answer(screen, "what a name")
    assert screen.toasts == [
        r"Run 2 takes it up: Withdrew erp\/erp\_sales\_\!\[\]\(http\:elsewhere\)\.csv".replace(
            "Run 2", f"Run {bench.runs().queued[0].run_id}"
        )
    ]


def test_a_file_is_read_again_and_when_it_is_gone_that_is_said(page: Page, bench: Service) -> None:
    screen = choose(page("quality"), "erp/erp_sales_2.csv")
    work(bench, screen.click("read-again"))
    assert "Read again erp/erp_sales_2.csv: applied" in screen.text
    assert closes(bench)
    (bench.settings.landing / "erp" / "erp_sales_2.csv").unlink()
    work(bench, screen.click("read-again"))
    assert "Read again erp/erp_sales_2.csv: refused" in screen.verdicts


def test_the_history_says_who_asked_for_what_and_what_became_of_it(page: Page, bench: Service) -> None:
    screen = tick(page("quality"), 5).click("discard-ticked")
    answer(screen, "sold twice")
    assert "Discarded 1 row of erp_sales sold twice dashboard just now schedule Waiting" in screen.text
    work(bench, screen)
    assert "check_circle Applied" in screen.text
    assert f'href="runs?run={bench.mends()[0].run_id}"' in screen.html
