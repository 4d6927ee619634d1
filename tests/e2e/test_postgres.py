"""The sample on PostgreSQL in a real browser: the same figures, two processes on one database, a server that goes."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import PAGES, Theme, Visit
from tests.e2e.conftest import Visitor
from tests.e2e.server import Server, in_database, in_folder, up
from tests.e2e.workbench import NO_PIECES, TALL, card, closes, quarantined, write
from tests.faults.processes import until
from tests.postgres import ADMIN_PASSWORD, fresh_database, running_server
from tests.postgres import Server as Database

TAKE_OVER_SECONDS = 10.0
SAME = {
    "regional-revenue?region=WEST&customer=2410": ("ranking", "trend", "shares"),
    "products?product=12": ("products", "pareto", "scatter", "trend"),
    "quality": ("row-flow",),
    "explain?table=silver.sales_clean&key=11004": (),
}
# Ages, sizes, versions and the numbers of batches are each warehouse's own.
OWN = re.compile(
    r"\d+ (s|min|h) ago|just now|in \d+ (s|min|h)|\d+(\.\d+)? ?(B|kB|MB|GB)\b|Version \d+|\b[0-9a-f]{8,}\b"
)


@pytest.fixture(scope="module")
def database(chromium: str) -> Iterator[Database]:
    """A PostgreSQL that asks for a password, to be stopped at will."""
    with running_server(scram=True) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database: Database) -> Iterator[Server]:
    """`up --sample` in a database of its own, after its first run."""
    own = in_folder(tmp_path_factory.mktemp("postgres"), sample=True)
    with up(in_database(own, fresh_database(database), database.password)) as started:
        assert started.call("verdict")["ready"] is True
        yield started


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Server]:
    """The same sample on DuckDB."""
    with up(in_folder(tmp_path_factory.mktemp("embedded"), sample=True)) as started:
        yield started


def read(shown: Visit) -> list[str]:
    """What stands on a page, line by line, but for what is each warehouse's own."""
    text = shown.page.get_by_test_id("stMain").inner_text()
    return [line for line in (OWN.sub("", line).strip() for line in text.splitlines()) if line]


def row(shown: Visit, service: str) -> str:
    """What the page System says of a service."""
    found = shown.page.locator(".st-key-card-services tbody tr").filter(
        has=shown.page.get_by_text(service, exact=True)
    )
    return found.inner_text()


def test_the_overview_says_the_same_as_on_duckdb(server: Server, visit: Visitor) -> None:
    shown = visit(server).open()
    expect(shown.verdict).to_contain_text("Ready")
    for layer, rows in {"Bronze": "20,003 rows", "Silver": "20,000 rows", "Gold": "4,576 rows"}.items():
        expect(shown.layer(layer)).to_contain_text(rows)
    expect(shown.badge).to_be_visible()


@pytest.mark.parametrize("path", SAME)
def test_the_figures_are_those_of_duckdb_down_to_the_lines_of_the_files(
    server: Server, embedded: Server, visit: Visitor, path: str
) -> None:
    shown, other = visit(server).open(path), visit(embedded).open(path)
    for key in SAME[path]:
        expect(shown.painted(key)).to_be_visible()
    assert shown.failures() == []
    assert read(shown) == read(other)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_a_phone(server: Server, visit: Visitor, theme: Theme) -> None:
    shown = visit(server, theme, 390)
    for path, title in PAGES.items():
        shown.open(path)
        expect(shown.heading).to_have_text(title)
        assert (shown.failures(), shown.sideways()) == ([], []), title


def test_system_names_where_everything_lies_and_no_secret(server: Server, visit: Visitor) -> None:
    shown = visit(server).open("system")
    for service in ("Ledger", "Warehouse"):
        assert "Healthy" in row(shown, service)
        assert server.settings.warehouse.rpartition("@")[2] in row(shown, service)
    assert "This process has it since" in row(shown, "Engine lease")
    sizes = shown.page.locator(".st-key-card-sizes")
    expect(sizes).to_contain_text("Warehouse")
    expect(sizes).not_to_contain_text("Bronze files")
    assert ADMIN_PASSWORD not in shown.page.content() + server.said()


def test_a_row_is_mended_and_replayed(server: Server, visit: Visitor) -> None:
    bench = visit(server).open()
    bench.button("Load the dirty sample").click()
    expect(bench.toast(re.compile(r"Run \d+ .*succeeded"))).to_be_visible()
    # The toast may be of the run before; an address that names a reason which nobody has yet is cleared.
    until(lambda: server.call("aside", source="erp_sales", reason="quantity is below 1")["rows"])
    bench.page.set_viewport_size(TALL)
    bench.open(NO_PIECES)
    expect(card(bench).get_by_test_id("stDataFrame")).to_be_visible()
    before = quarantined(server)
    write(bench, 0, "quantity", "3")
    expect(card(bench)).to_contain_text("Goes to silver")
    bench.button("Replay 1 row").click()
    expect(bench.page.get_by_text("Corrected 1 row of erp_sales: applied")).to_be_visible()
    assert quarantined(server) == before - 1
    assert closes(server)
    assert bench.failures() == []


def test_a_second_process_stands_by_hands_requests_over_and_takes_over(
    server: Server, visit: Visitor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = in_folder(tmp_path_factory.mktemp("second"), sample=True)
    with up(in_database(own, server.settings.warehouse, server.settings.database.password)) as second:
        shown = visit(second).open("system")
        holder = f":{server.process.pid}"
        assert holder in row(shown, "Engine lease")
        assert "Another process has it since" in row(shown, "Engine lease")
        for service in ("Engine", "Scheduler"):
            assert "this process stands by" in row(shown, service)
        assert shown.sideways() == []

        shown.go_to("Overview")
        shown.button("Run gold").click()
        expect(shown.toast(re.compile(r"Run \d+ \(Gold\) succeeded"))).to_be_visible()

        shown.go_to("System")
        killed = time.monotonic()
        server.stop(signal.SIGKILL)
        lease = shown.page.locator(".st-key-card-services tbody tr", has_text="Engine lease")
        expect(lease).to_contain_text("This process has it since", timeout=TAKE_OVER_SECONDS * 1000)
        assert time.monotonic() - killed < TAKE_OVER_SECONDS
        assert f":{second.process.pid}" in row(shown, "Engine lease")
        assert "Takes runs from the queue" in row(shown, "Engine")
        assert shown.failures() == []


def test_a_database_that_is_away_is_one_problem_and_all_comes_back_by_itself(
    database: Database, visit: Visitor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = in_folder(tmp_path_factory.mktemp("away"), sample=True)
    with up(in_database(own, fresh_database(database), database.password)) as server:
        shown = visit(server).open("regional-revenue")
        expect(shown.painted("ranking")).to_be_visible()
        database.stop()
        for path in PAGES:
            shown.open(path)
            said = shown.page.locator(".ml.verdict .say").all_inner_texts()
            assert len(said) == 1, (path, said)
            assert re.fullmatch(
                r"The (database|ledger) \S+.* cannot be reached: Connection refused\.?", said[0]
            )
            expect(shown.heading).to_have_text(PAGES[path])
            text = shown.page.get_by_test_id("stMain").inner_text()
            assert re.search(r"Traceback|psycopg2|sqlalchemy|File \"", text) is None, text
            assert ADMIN_PASSWORD not in shown.page.content()
            assert shown.page.get_by_test_id("stException").count() == 0
        shown.open("regional-revenue")
        database.start()
        expect(shown.painted("ranking")).to_be_visible()
        shown.open()
        expect(shown.verdict).to_contain_text("Ready")
        assert ADMIN_PASSWORD not in server.said()
        assert "Traceback" not in server.said()
