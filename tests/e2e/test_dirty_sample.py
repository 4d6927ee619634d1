"""The sample with faults, loaded from the screen: what is bad is set aside and shown, the rest is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.server import Server, in_folder, up


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Server]:
    """`up --sample` of its own: what is loaded here stays loaded."""
    with up(in_folder(tmp_path_factory.mktemp("dirty"), sample=True)) as started:
        yield started


def test_the_dirty_sample_shows_what_quarantine_is_for(server: Server, visit: Visitor) -> None:
    shown = visit(server).open()
    shown.button("Load the dirty sample").click()
    expect(shown.toast(re.compile(r"Run \d+ .*succeeded"))).to_be_visible()
    expect(shown.button("Load the dirty sample")).to_have_count(0)

    accounts = server.call("accounts")
    assert all(total["closes"] for total in accounts["row_totals"])
    waiting = sum(total["quarantined"] for total in accounts["row_totals"])
    assert waiting > 0

    shown.go_to("Quality")
    expect(shown.painted("row-flow")).to_be_visible()
    shown.page.get_by_role("tab", name="Quarantine").click()
    held = shown.page.locator(".st-key-card-quarantine")
    expect(held).to_contain_text(f"{waiting:,} rows, kept whole")
    expect(held.get_by_test_id("stDataFrame")).to_be_visible()
    held.get_by_text(re.compile("^Unreadable")).first.click()
    expect(held).to_contain_text(re.compile(r"\d lines"))
    assert shown.failures() == []
