"""A user's own, empty workspace: it says what to do first, and a file that is put there is enough."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.server import Server, in_folder, until, up
from tests.workspaces import few_files

ARRIVAL_SECONDS = 60.0


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Server]:
    """`up` on an empty landing folder."""
    with up(in_folder(tmp_path_factory.mktemp("own"), sample=False)) as started:
        yield started


def test_an_empty_workspace_says_what_to_do_and_fills_itself_when_a_file_arrives(
    server: Server, visit: Visitor
) -> None:
    shown = visit(server).open()
    first = shown.page.locator(".st-key-card-first")
    expect(first).to_contain_text(str(server.settings.landing))
    expect(first).to_contain_text("erp/erp_sales*.csv")
    expect(shown.badge).to_have_count(0)
    expect(shown.button("Load the dirty sample")).to_have_count(0)
    assert shown.failures() == []

    few_files(server.settings)
    until(lambda: server.call("verdict")["ready"], "the files to be taken in", ARRIVAL_SECONDS)
    shown.open()
    expect(shown.layer("Silver")).to_contain_text("7 rows")
    expect(shown.verdict).to_contain_text("Ready")
    expect(first).to_have_count(0)


def test_ctrl_c_ends_the_server_and_leaves_nothing_to_worry_about(server: Server) -> None:
    assert server.stop(signal.SIGINT) in (0, 1, -signal.SIGINT)
    assert not server.settings.engine_file.exists()
    last = server.said().split(server.url)[-1]
    assert re.search(r"leaked|Traceback|Error", last) is None, last
