"""The sample in a real browser: every page, in both themes and on a phone, and the buttons that run things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import PAGES, Theme
from tests.e2e.conftest import Visitor
from tests.e2e.server import Server, in_folder, up

CHARTS = {
    "regional-revenue": ("ranking", "trend", "shares"),
    "products": ("products", "pareto", "scatter", "trend"),
    "quality": ("row-flow",),
    "runs": ("stages",),
}
ONLY_WIDE = ("row-flow",)
PHONE, DESK = 390, 1280
TOTAL = "2,066,057.34"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Server]:
    """`up --sample` on a fresh state folder, after its first run."""
    with up(in_folder(tmp_path_factory.mktemp("sample"), sample=True)) as started:
        assert started.call("verdict")["ready"] is True
        yield started


def test_the_overview_says_whether_the_numbers_can_be_used(server: Server, visit: Visitor) -> None:
    shown = visit(server).open()
    expect(shown.verdict).to_contain_text("Ready")
    expect(shown.layer("Bronze")).to_contain_text("20,003 rows")
    expect(shown.layer("Silver")).to_contain_text("20,000 rows")
    expect(shown.layer("Gold")).to_contain_text("4,576 rows")
    expect(shown.badge).to_be_visible()


def test_a_click_on_run_gold_publishes_a_new_version_before_your_eyes(server: Server, visit: Visitor) -> None:
    before = server.call("version")
    shown = visit(server).open()
    shown.button("Run gold").click()
    expect(shown.toast(re.compile(r"Run \d+ \(Gold\) succeeded"))).to_be_visible()
    version = server.call("version")
    assert version > before
    expect(shown.page.get_by_text(f"Version {version} ·")).to_be_visible()
    newest = shown.page.locator(".st-key-card-recent .line").first
    expect(newest).to_contain_text("Gold")
    expect(newest.get_by_role("img", name="Succeeded")).to_be_visible()


def test_ctrl_enter_runs_everything(server: Server, visit: Visitor) -> None:
    shown = visit(server).open()
    newest = server.call("runs", limit=1)["runs"][0]["run_id"]
    expect(shown.page.get_by_text("Ctrl + Enter")).to_be_visible()
    shown.page.get_by_test_id("stMain").press("Control+Enter")
    expect(shown.toast(re.compile(r"Run \d+ \(Everything\) succeeded"))).to_be_visible()
    asked = server.call("runs", limit=1)["runs"][0]
    assert (asked["run_id"], asked["pipeline"]) == (newest + 1, "master_etl_orchestrator")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_by_its_address_whole_and_no_wider_than_the_window(
    server: Server, visit: Visitor, path: str, width: int, theme: Theme
) -> None:
    shown = visit(server, theme, width).open(path)
    expect(shown.heading).to_have_text(PAGES[path])
    expect(shown.badge).to_be_visible()
    for key in CHARTS.get(path, ()):
        if width == DESK or key not in ONLY_WIDE:
            expect(shown.painted(key)).to_be_visible()
    assert shown.failures() == []
    assert shown.sideways() == []


def test_every_page_is_reached_by_the_navigation(server: Server, visit: Visitor) -> None:
    shown = visit(server).open("system")
    for path, title in PAGES.items():
        shown.go_to(title)
        assert shown.page.url.split("?")[0] == f"{server.url}/{path}"
        for key in CHARTS.get(path, ()):
            expect(shown.painted(key)).to_be_visible()
        assert shown.failures() == []


def test_a_screen_reader_hears_one_title_a_page_and_a_name_for_all_it_can_press(
    server: Server, visit: Visitor
) -> None:
    shown = visit(server).open()
    for title in PAGES.values():
        shown.go_to(title)
        assert shown.page.locator("h1").count() == 1, title
        pressed = pressable(shown.page)
        assert len(pressed) > len(PAGES)
        assert [(title, *each) for each in pressed if nameless(*each)] == []


def pressable(page: Page) -> list[tuple[str, str]]:
    """(role, name) of what a visitor can press, as Chromium tells it to a screen reader."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "link", "switch", "checkbox", "combobox", "radio", "tab", "textbox", "slider")
    return [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in roles
    ]


def nameless(role: str, name: str) -> bool:
    """No name, or only that of a symbol: `play_arrow icon`, or `play_arrow` as the font writes it."""
    if not name.strip() or name.endswith(" icon"):
        return True
    return role == "button" and re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", name) is not None


@pytest.mark.parametrize(("label", "suffix"), [("Markdown", "md"), ("HTML", "html"), ("JSON", "json")])
def test_the_report_can_be_taken_away(
    server: Server, visit: Visitor, tmp_path: Path, label: str, suffix: str
) -> None:
    shown = visit(server).open("report")
    with shown.page.expect_download() as started:
        shown.button(label).click()
    name = started.value.suggested_filename
    assert re.fullmatch(rf"metalayer-report-\d+\.{suffix}", name)
    started.value.save_as(tmp_path / name)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert TOTAL in text
    if suffix == "json":
        assert json.loads(text)["ready"] is True


def test_an_address_leads_to_the_customers_behind_a_region(server: Server, visit: Visitor) -> None:
    shown = visit(server).open("regional-revenue?region=WEST")
    expect(shown.page.get_by_role("heading", name="Customers of WEST")).to_be_visible()
    expect(shown.page.get_by_test_id("stMetric").first).to_contain_text("448")
