"""A real Chromium: one window, what it shows, and everything it has to complain about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    WebSocket,
    expect,
    sync_playwright,
)

Theme = Literal["light", "dark"]
PAGES = {
    "": "Overview",
    "regional-revenue": "Regional revenue",
    "products": "Products",
    "quality": "Quality",
    "report": "Report",
    "explain": "Find a row",
    "runs": "Runs",
    "system": "System",
}
"""Every page: its address and its title."""

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
WAIT_MS = 30_000  # a busy machine; a quiet one needs less than two seconds
SETTLED = """() => document.querySelector('h1')
    && document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]')
    && !document.querySelector('[data-testid=stSkeleton]')
    && [...document.querySelectorAll('[data-testid=stPlotlyChart]')]
        .every(chart => chart.offsetParent === null || chart.querySelector('.main-svg'))"""
# Streamlit's front end looks for its base path from the address inwards: the first two questions may miss.
BASE_PATH_PROBE = re.compile(r"/[^/]+/_stcore/(health|host-config)$")

SIDEWAYS = """() => [document.scrollingElement, document.querySelector('[data-testid=stMain]')]
    .filter(part => part.scrollWidth > part.clientWidth)
    .map(part => `${part.tagName} is ${part.scrollWidth} px wide in ${part.clientWidth}`)"""


class Visit:
    """One window on one server."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda fault: self.complaints.append(f"script error: {fault}"))
        page.on("request", self._asked)
        page.on("websocket", self._connected)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not BASE_PATH_PROBE.search(message.location["url"]):
            self.complaints.append(f"console: {message.text} ({message.location['url']})")

    def _asked(self, request: Request) -> None:
        self._leaves(request.url)

    def _connected(self, socket: WebSocket) -> None:
        self._leaves(socket.url.replace("ws", "http", 1))

    def _leaves(self, url: str) -> None:
        if url.startswith("http") and urlsplit(url).netloc != urlsplit(self.url).netloc:
            self.complaints.append(f"asks another host: {url}")

    def open(self, path: str = "") -> Visit:
        """Go to a page by its address and wait until it is drawn."""
        self.page.goto(f"{self.url}/{path}")
        return self.settled()

    def go_to(self, title: str) -> Visit:
        """Go to a page by the navigation and wait until it is drawn."""
        self.navigation.get_by_role("link", name=title, exact=True).click()
        expect(self.heading).to_have_text(title)
        return self.settled()

    def settled(self) -> Visit:
        """Wait until the script is idle, nothing is still to be loaded and every chart in sight is painted."""
        self.page.wait_for_function(SETTLED)
        return self

    @property
    def heading(self) -> Locator:
        """The page's title; a page that has several of them, or none, is found out by it."""
        return self.page.get_by_role("heading", level=1)

    @property
    def navigation(self) -> Locator:
        """The list of pages."""
        return self.page.get_by_test_id("stSidebarNav")

    @property
    def badge(self) -> Locator:
        """What the sample's pages say beside their title."""
        return self.page.locator(".ml .pill", has_text="Synthetic data")

    @property
    def verdict(self) -> Locator:
        """The sentence on a tint."""
        return self.page.locator(".ml.verdict .say").first

    def button(self, name: str) -> Locator:
        """The button with that name; a shortcut may follow it."""
        return self.page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}( Shortcut .+)?$"))

    def toast(self, text: str | re.Pattern[str]) -> Locator:
        """What pops up and says `text`."""
        return self.page.get_by_test_id("stToast").filter(has_text=text)

    def layer(self, name: str) -> Locator:
        """A layer's card on the overview."""
        return self.page.locator(".ml .layer", has=self.page.get_by_text(name, exact=True))

    def painted(self, key: str) -> Locator:
        """The drawing of the chart with that key."""
        return self.page.locator(f".st-key-{key} .main-svg").first

    def sideways(self) -> list[str]:
        """What is wider than its window."""
        found: list[str] = self.page.evaluate(SIDEWAYS)
        return found

    def failures(self) -> list[str]:
        """The boxes that Streamlit draws for an exception, and the card that ours is."""
        boxes = self.page.get_by_test_id("stException").all_inner_texts()
        return boxes + self.page.get_by_text("could not be drawn").all_inner_texts()


@contextmanager
def chromium_at(path: str) -> Iterator[Browser]:
    """Chromium, closed at the end: while it is open no other event loop can run in this thread."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Browser, theme: Theme) -> Iterator[BrowserContext]:
    """A visitor whom no server knows, with a taste; windows of one visitor share what was downloaded."""
    context = browser.new_context(
        color_scheme=theme, timezone_id="UTC", reduced_motion="reduce", accept_downloads=True
    )
    context.set_default_timeout(WAIT_MS)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def window(context: BrowserContext, url: str, width: int) -> Iterator[Visit]:
    """One window of a visitor."""
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    try:
        yield Visit(page, url)
    finally:
        page.close()
