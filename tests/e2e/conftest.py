"""A Chromium for each file of tests, and a window for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import Theme, Visit, chromium_at, window
from tests.e2e.server import Server

Visitor = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """This machine's Chromium."""
    with chromium_at(chromium) as launched:
        yield launched


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visitor]:
    """Open a window on a server; at the end of the test none of them may have complained."""
    with ExitStack() as stack:
        opened: list[Visit] = []

        def enter(server: Server, theme: Theme = "light", width: int = 1280) -> Visit:
            opened.append(stack.enter_context(window(browser, server.url, theme, width)))
            return opened[-1]

        yield enter
        assert [complaint for each in opened for complaint in each.complaints] == []
