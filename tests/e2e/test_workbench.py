"""The whole way of mending in a browser: load the dirty sample, write into a quarantined row, preview, replay, look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import Visit
from tests.e2e.conftest import Visitor
from tests.e2e.server import RUN_SECONDS, Server, in_folder, until, up
from tests.e2e.workbench import NO_PIECES, TALL, card, closes, quarantined, tick, write


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Server]:
    """`up --sample` of its own: what is loaded and mended here stays so."""
    with up(in_folder(tmp_path_factory.mktemp("workbench"), sample=True)) as started:
        yield started


@pytest.fixture
def dirty(server: Server) -> Server:
    """The dirty sample is loaded."""
    if not server.call("workspace")["dirty_loaded"]:
        server.call("load_dirty_sample")
        until(server.at_rest, "the dirty sample to be taken in", RUN_SECONDS)
    return server


def test_a_row_mended_in_the_browser_is_in_silver_and_the_account_still_closes(
    server: Server, visit: Visitor
) -> None:
    bench: Visit = visit(server).open()
    bench.button("Load the dirty sample").click()
    expect(bench.toast(re.compile(r"Run \d+ .*succeeded"))).to_be_visible()
    bench.page.set_viewport_size(TALL)
    bench.open(NO_PIECES)
    before = quarantined(server)
    row = server.call("aside", source="erp_sales", reason="quantity is below 1")["rows"][0]
    sale = int(dict(row["values"])["sales_id"])
    write(bench, 0, "quantity", "0x")
    expect(card(bench)).to_contain_text("Still quarantined")
    write(bench, 0, "quantity", "3")
    expect(card(bench)).to_contain_text("quantity: 0 → 3")
    expect(card(bench)).to_contain_text("Goes to silver")
    assert quarantined(server) == before, "a preview changes nothing"

    card(bench).get_by_label("Note").fill("typed wrong")
    bench.button("Replay 1 row").click()
    expect(bench.toast(re.compile(r"Run \d+ \(Everything\) succeeded"))).to_be_visible()
    expect(bench.page.get_by_text("Corrected 1 row of erp_sales: applied")).to_be_visible()

    assert quarantined(server) == before - 1
    found = server.call("select", sql=f"select quantity from silver.sales_clean where sales_id = {sale}")
    assert found["rows"] == [[3]]
    assert closes(server)
    expect(bench.page.locator(".st-key-card-mends tbody tr").first).to_contain_text("typed wrong")

    bench.open("quality")
    expect(bench.page.get_by_text("Closes").first).to_be_visible()
    assert bench.page.locator(".pill", has_text="Open").count() == 0
    assert bench.failures() == []


def test_a_row_discarded_with_a_reason_can_be_brought_back(dirty: Server, visit: Visitor) -> None:
    bench: Visit = visit(dirty)
    bench.page.set_viewport_size(TALL)
    bench.open("quality?tab=Quarantine&aside-source=crm_customers")
    before = dirty.call("aside", source="crm_customers")["total"]
    tick(bench, 0)
    bench.button("Discard 1 ticked").click()
    asked = bench.page.get_by_role("dialog")
    asked.get_by_role("button", name="Discard").click()
    expect(asked).to_contain_text("Say why")
    asked.get_by_role("textbox").fill("nobody knows who this is")
    asked.get_by_role("button", name="Discard").click()
    expect(bench.page.get_by_text("Discarded 1 row of crm_customers: applied")).to_be_visible()
    expect(asked).to_have_count(0)
    assert dirty.call("aside", source="crm_customers")["total"] == before - 1

    bench.open("quality?tab=Quarantine&aside-source=crm_customers&aside=discarded")
    bench.button("Restore all").click()
    asked.get_by_role("button", name="Restore").click()
    expect(bench.page.get_by_text("Restored 1 row of crm_customers: applied")).to_be_visible()
    assert dirty.call("aside", source="crm_customers")["total"] == before
    assert closes(dirty)
    assert bench.failures() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("where", ["tab=Quarantine", "tab=Quarantine&aside=unreadable", "tab=Batches"])
def test_the_workbench_is_whole_and_no_wider_than_the_window(
    dirty: Server, visit: Visitor, where: str, width: int, theme: str
) -> None:
    shown = visit(dirty, theme, width).open(f"quality?{where}")
    expect(shown.page.get_by_text("could not be drawn")).to_have_count(0)
    assert shown.failures() == []
    assert shown.sideways() == []


def test_a_table_is_taken_away_only_with_its_formulas_made_plain(dirty: Server, visit: Visitor) -> None:
    shown = visit(dirty).open("quality?tab=Quarantine")
    table = card(shown).get_by_test_id("stDataFrame")
    table.hover()
    expect(card(shown).get_by_role("button", name="Fullscreen")).to_be_visible()
    expect(card(shown).get_by_role("button", name="Download as CSV")).to_be_hidden()
    with shown.page.expect_download() as started:
        shown.button("CSV").click()
    assert started.value.suggested_filename == "quarantined-erp_sales.csv"
    lines = started.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("_batch_id,_row_number,_correction,_reasons,sales_id")
    assert not [line for line in lines if re.search(r'(^|,)"?[=+@-]', line)]


def test_an_edited_csv_is_loaded_and_replayed(dirty: Server, visit: Visitor, tmp_path: Path) -> None:
    text = dirty.call("export_aside", source="crm_customers", reason="region is missing")
    header, first, *_ = text.splitlines()
    cells = first.split(",")
    cells[header.split(",").index("region")] = "WEST"
    edited = tmp_path / "edited.csv"
    edited.write_text("\n".join([header, ",".join(cells)]), encoding="utf-8")
    before = dirty.call("aside", source="crm_customers")["total"]

    shown = visit(dirty).open("quality?tab=Quarantine&aside-source=crm_customers")
    shown.page.get_by_text("Load an edited CSV").first.click()
    card(shown).locator("input[type=file]").set_input_files(edited)
    expect(card(shown)).to_contain_text("region: WEST")
    shown.button("Replay 1 row").click()
    expect(shown.page.get_by_text("Corrected 1 row of crm_customers: applied")).to_be_visible()
    assert dirty.call("aside", source="crm_customers")["total"] == before - 1
    assert closes(dirty)
    assert shown.failures() == []
