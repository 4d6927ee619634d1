"""The pages over the real engine: workspaces that are empty, healthy, mixed, blocked or out of reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from etl.errors import MetaLayerError
from etl.process import process
from etl.service import Service, start_service
from etl.settings import Settings
from tests.pages.screens import HOSTILE, Page, Serve, draw
from tests.warehouses import DUCKDB, KINDS, NOW, POSTGRES, on_postgres
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace

SAMPLE, FAULTS = "sample", "faults"  # the shared ones
WORKSPACES = {"empty", "fresh_sample", "healthy", "mixed", "blocked", "closed", "bench", "mended", "watched"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a workspace runs once over each warehouse."""
    if WORKSPACES.intersection(metafunc.fixturenames):
        metafunc.parametrize("kind", KINDS, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of warehouse that this test's workspaces have."""
    if getattr(request, "param", DUCKDB) == DUCKDB:
        yield DUCKDB
        return
    with on_postgres(request.getfixturevalue("postgres")):
        yield POSTGRES


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """Workspaces that many files of tests look at and none changes."""
    with ExitStack() as stack:
        yield Shared(stack)


class Shared:
    """Each of them is published when a test first asks for it, once on each warehouse."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._made: dict[tuple[str, str], Service] = {}

    def published(self, name: str, kind: str, make: Callable[[], Settings]) -> Service:
        """The living service of one of them."""
        if (name, kind) not in self._made:
            settings = make()
            NOW.databases.pop(settings.state, None)  # it outlives the file of tests that made it
            service = self._stack.enter_context(opened(settings))
            run(service)
            self._made[name, kind] = service
        return self._made[name, kind]


@pytest.fixture(autouse=True)
def _engine_as_it_was() -> Iterator[None]:
    """No test leaves its engine to the next."""
    living = process()
    before = living.service, living.problem
    yield
    living.service, living.problem = before


@pytest.fixture
def serve() -> Serve:
    """Make a service, or the error that kept it from starting, the one of this process."""

    def install(service: Service | None, problem: MetaLayerError | None = None) -> None:
        process().service, process().problem = service, problem

    return install


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for a workspace that outlives this test."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def empty(tmp_path: Path, serve: Serve) -> Iterator[Service]:
    """An own workspace into which nothing ever came."""
    with opened(workspace(tmp_path)) as service:
        serve(service)
        yield service


@pytest.fixture
def fresh_sample(tmp_path: Path, serve: Serve) -> Iterator[Service]:
    """The sample workspace before its first run."""
    with opened(workspace(tmp_path, sample=True)) as service:
        serve(service)
        yield service


@pytest.fixture
def healthy(shared: Shared, kind: str, folder: Path, serve: Serve) -> Service:
    """The sample as published: every figure is there and nothing is wrong."""
    service = shared.published(SAMPLE, kind, lambda: workspace(folder, sample=True))
    serve(service)
    return service


@pytest.fixture
def mixed(shared: Shared, kind: str, folder: Path, serve: Serve) -> Service:
    """A published version with rows in quarantine, an unreadable line and a refused file."""
    service = shared.published(FAULTS, kind, lambda: faulty(folder))
    serve(service)
    return service


def faulty(folder: Path) -> Settings:
    """Few rows with faults: 2 quarantined, 1 superseded, 1 unreadable line, 1 refused file."""
    settings = workspace(folder)
    few_files(settings)
    land(
        settings,
        "crm/crm_customers_2.csv",
        f"{CUSTOMERS}3,Cyrus,cy@example.com,WEST\n4,{HOSTILE},d@example.com,\n",
    )
    land(settings, "erp/erp_sales_2.csv", f'{SALES}5,12,2,1,2026-03-01,{HOSTILE}\n6,12,"2,1,{HOSTILE}\n')
    land(settings, "erp/erp_sales_3.csv", b"\x89PNG\r\n\x1a\n\x00\x00")
    return settings


@pytest.fixture
def blocked(tmp_path: Path, serve: Serve) -> Iterator[Service]:
    """A good version stands; the run after it was stopped by a blocking check of gold."""
    settings = workspace(tmp_path)
    few_files(settings)
    with opened(settings) as service:
        run(service)
        gold = settings.project / "gold" / "customer_analytics.sql"
        gold.write_text(
            gold.read_text().replace("buying_customers > total_customers", "buying_customers >= 0")
        )
        run(service)
        serve(service)
        yield service


@pytest.fixture
def closed(tmp_path: Path, serve: Serve) -> Service:
    """A service whose warehouse is gone from under it."""
    settings = workspace(tmp_path)
    few_files(settings)
    service = start_service(settings)
    run(service)
    service.close()
    serve(service)
    return service


@pytest.fixture
def unstartable(tmp_path: Path, serve: Serve) -> MetaLayerError:
    """A broken contract keeps the engine from starting."""
    settings = workspace(tmp_path)
    contract = settings.project / "contracts" / "erp_sales.odcs.yaml"
    contract.write_text(contract.read_text().replace("logicalType: integer", "logicalType: whole", 1))
    with pytest.raises(MetaLayerError) as caught:
        start_service(settings)
    serve(None, caught.value)
    return caught.value


@pytest.fixture
def page() -> Page:
    """Draw a page by name."""
    return draw
