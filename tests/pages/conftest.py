"""The pages over the real engine: workspaces that are empty, healthy, mixed, blocked or out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.errors import MetaLayerError
from etl.process import process
from etl.service import Service, start_service
from tests.pages.screens import HOSTILE, Page, Serve, draw
from tests.workspaces import CUSTOMERS, SALES, few_files, land, opened, run, workspace


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


@pytest.fixture(scope="session")
def published_sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The sample, published once for all tests that only look."""
    with opened(workspace(tmp_path_factory.mktemp("sample"), sample=True)) as service:
        run(service)
        yield service


@pytest.fixture
def healthy(published_sample: Service, serve: Serve) -> Service:
    """The sample as published: every figure is there and nothing is wrong."""
    serve(published_sample)
    return published_sample


@pytest.fixture(scope="session")
def published_faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Few rows with faults: 2 quarantined, 1 superseded, 1 unreadable line, 1 refused file."""
    settings = workspace(tmp_path_factory.mktemp("faults"))
    few_files(settings)
    land(
        settings,
        "crm/crm_customers_2.csv",
        f"{CUSTOMERS}3,Cyrus,cy@example.com,WEST\n4,{HOSTILE},d@example.com,\n",
    )
    land(settings, "erp/erp_sales_2.csv", f'{SALES}5,12,2,1,2026-03-01,{HOSTILE}\n6,12,"2,1,{HOSTILE}\n')
    land(settings, "erp/erp_sales_3.csv", b"\x89PNG\r\n\x1a\n\x00\x00")
    with opened(settings) as service:
        run(service)
        yield service


@pytest.fixture
def mixed(published_faults: Service, serve: Serve) -> Service:
    """A published version with rows in quarantine, an unreadable line and a refused file."""
    serve(published_faults)
    return published_faults


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
