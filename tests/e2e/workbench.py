"""How a person works on the quarantine workbench: by mouse and keyboard, on a table that is a drawing."""

from __future__ import annotations

from playwright.sync_api import FloatRect, Locator, ViewportSize

from tests.e2e.browser import Visit
from tests.e2e.server import Server

ROW, PINNED = 38, 76  # px: the height of a row, and the width of the column that stays in sight
TALL: ViewportSize = {"width": 1280, "height": 1600}  # the whole table and what stands below it
STILL_MS = 400  # so long nothing moves
KEY_MS = 120  # a hand; the table draws between two keys
COLUMNS = ["reasons", "sales_id", "product_id", "customer_id", "quantity", "sale_date", "sale_amount"]
NO_PIECES = "quality?tab=Quarantine&aside-source=erp_sales&aside-reason=quantity+is+below+1"


def card(shown: Visit) -> Locator:
    return shown.page.locator(".st-key-card-quarantine")


def at_rest(shown: Visit) -> FloatRect:
    """Where the table lies once nothing above it moves it any more: a click that comes before hits what stood there."""
    table = card(shown).get_by_test_id("stDataFrame").locator("canvas").first
    shown.settled()
    before = None
    while (box := table.bounding_box()) is None or box != before:
        before = box
        shown.page.wait_for_timeout(STILL_MS)
    return box


def write(shown: Visit, row: int, column: str, text: str) -> None:
    """Go to a cell by keyboard, from the one that cannot be edited, and write into it."""
    box = at_rest(shown)
    shown.page.mouse.click(box["x"] + PINNED + ROW, box["y"] + ROW * (row + 1.5))
    shown.page.wait_for_timeout(5 * KEY_MS)  # a first arrow that comes while the cell is marked gets lost
    for _ in range(COLUMNS.index(column)):
        shown.page.keyboard.press("ArrowRight", delay=KEY_MS)
    shown.page.keyboard.type(text, delay=KEY_MS)
    shown.page.keyboard.press("Enter", delay=KEY_MS)


def tick(shown: Visit, row: int) -> None:
    box = at_rest(shown)
    shown.page.mouse.click(box["x"] + PINNED / 2, box["y"] + ROW * (row + 1.5))


def closes(server: Server) -> bool:
    accounts = server.call("accounts")
    return all(total["closes"] for total in accounts["row_totals"] + accounts["money_totals"])


def quarantined(server: Server) -> int:
    return int(server.call("aside", source="erp_sales")["total"])
