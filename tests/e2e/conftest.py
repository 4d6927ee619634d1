"""A Chromium for each file of tests, and a window for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.e2e.browser import Theme, Visit, chromium_at, visitor, window
from tests.e2e.server import Server

Visitor = Callable[..., Visit]
THEMES: tuple[Theme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """This machine's Chromium."""
    with chromium_at(chromium) as launched:
        yield launched


@pytest.fixture(scope="module")
def visitors(browser: Browser) -> Iterator[dict[Theme, BrowserContext]]:
    """One visitor for each theme."""
    with ExitStack() as stack:
        yield {theme: stack.enter_context(visitor(browser, theme)) for theme in THEMES}


@pytest.fixture
def visit(visitors: dict[Theme, BrowserContext]) -> Iterator[Visitor]:
    """Open a window on a server; at the end of the test none of them may have complained."""
    with ExitStack() as stack:
        opened: list[Visit] = []

        def enter(server: Server, theme: Theme = "light", width: int = 1280) -> Visit:
            opened.append(stack.enter_context(window(visitors[theme], server.url, width)))
            return opened[-1]

        yield enter
        assert [complaint for each in opened for complaint in each.complaints] == []
