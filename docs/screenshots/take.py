"""Pictures of every page, light and dark, at 1280 and 390 px, from a running sample server.

    ./metalayer up --sample          in one terminal, then
    .venv/bin/python docs/screenshots/take.py [URL] [FOLDER]

Fails when a page scrolls sideways, so that it is seen before the pictures are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

PAGES = {
    "overview": "",
    "regional-revenue": "regional-revenue",
    "products": "products",
    "quality": "quality",
    "quality-checks": "quality?tab=Checks",
    "quality-quarantine": "quality?tab=Quarantine",
    "quality-batches": "quality?tab=Batches",
    "explain": "explain?table=silver.sales_clean&key=11004",
    "report": "report",
    "runs": "runs",
    "system": "system",
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (1280, 390)
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
MAIN = "document.querySelector('[data-testid=stMain]')"
SETTLE_MS = 1200


def take(page: Page, address: str, width: int, target: Path) -> list[str]:
    """One picture of a whole page; the complaints about it."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    page.wait_for_selector(".ml h1", timeout=30_000)
    page.wait_for_selector(IDLE, timeout=30_000)
    page.wait_for_timeout(SETTLE_MS)
    tall, wide, room = page.evaluate(f"[{MAIN}.scrollHeight, {MAIN}.scrollWidth, {MAIN}.clientWidth]")
    page.set_viewport_size({"width": width, "height": max(700, tall)})
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=target)
    complaints = [f"{target.name} scrolls sideways: {wide} px in {room}"] if wide > room else []
    if page.query_selector("text=could not be drawn"):
        complaints.append(f"{target.name} shows a page that could not be drawn")
    return complaints


def take_all(browser: Browser, url: str, folder: Path) -> list[str]:
    """Every page in every theme and width."""
    complaints = []
    for theme in THEMES:
        context = browser.new_context(color_scheme=theme, timezone_id="UTC", reduced_motion="reduce")
        page = context.new_page()
        for width in WIDTHS:
            for name, path in PAGES.items():
                target = folder / f"{name}-{theme}-{width}.png"
                complaints += take(page, f"{url}/{path}", width, target)
        context.close()
    return complaints


def main(url: str = "http://127.0.0.1:8501", folder: str = "") -> int:
    """The exit code: 1 when something was wrong with a page."""
    target = Path(folder) if folder else Path(__file__).resolve().parent
    target.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        complaints = take_all(browser, url.rstrip("/"), target)
        browser.close()
    for complaint in complaints:
        sys.stderr.write(f"{complaint}\n")
    sys.stderr.write(f"{len(THEMES) * len(WIDTHS) * len(PAGES)} pictures in {target}\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
