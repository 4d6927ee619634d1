"""The first request that a fresh server ever gets, from somebody it does not know, for any page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import PAGES
from tests.e2e.conftest import Visitor
from tests.e2e.server import Server, built_sample, in_folder, up
from tests.workspaces import opened, run


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[dict[str, Server]]:
    """A server for each page that nobody has asked for anything, all on copies of one published sample."""
    folder = tmp_path_factory.mktemp("fresh")
    built = in_folder(folder / "built", sample=True)
    with opened(built) as service:
        run(service)
    with ExitStack() as stack:
        copies = {path: built_sample(folder / (path or "overview"), built) for path in PAGES}
        yield {path: stack.enter_context(up(copy, wait=False)) for path, copy in copies.items()}


@pytest.mark.parametrize("path", PAGES)
def test_the_first_request_of_all_goes_through_the_main_script(
    servers: dict[str, Server], visit: Visitor, path: str
) -> None:
    server = servers[path]
    server.wait_until_ready()
    shown = visit(server).open(path)
    expect(shown.heading).to_have_text(PAGES[path])
    expect(shown.badge).to_be_visible()
    expect(shown.navigation.get_by_role("link")).to_have_count(len(PAGES))
    assert shown.failures() == []
