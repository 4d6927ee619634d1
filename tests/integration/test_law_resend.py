"""Law 4: the same bytes add nothing, whatever the file is called and whenever it comes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.model import CheckState
from etl.service import Service, open_service
from etl.settings import Settings
from tests.contents import contents, succeeded
from tests.workspaces import QUICK, SALES, few_files, land, opened, workspace


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = workspace(tmp_path)
    few_files(made)
    return made


def test_the_same_bytes_under_any_name_at_any_time_add_nothing(settings: Settings) -> None:
    sales = (settings.landing / "erp" / "erp_sales.csv").read_bytes()
    land(settings, "erp/erp_sales_copy.csv", sales)
    with opened(settings) as service:
        succeeded(service)
        version, good = service.version(), contents(service)
        assert len(good["bronze.erp_sales_raw"]) == 4
        for name in ("erp_sales_again.csv", "erp_sales.csv", "erp_sales_copy.csv"):
            land(settings, f"erp/{name}", sales)
            succeeded(service)
        succeeded(service, full=True)
        assert contents(service) == good
        (batch,) = [batch for batch in service.batches() if batch.source == "erp_sales"]
        assert batch.arrivals == 5
        assert service.version() == version + 1, "the full build alone published"


def test_an_arrival_of_known_bytes_is_fresh_all_the_same(settings: Settings) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with open_service(settings, clock=lambda: now, retry=QUICK) as service:
        succeeded(service)
        now += timedelta(hours=30)
        time.sleep(2.1)  # what stands is read again after two seconds
        assert {s.source: s.freshness.state for s in service.sources()}["erp_sales"] is CheckState.WARNED
        land(settings, "erp/erp_sales_same.csv", (settings.landing / "erp" / "erp_sales.csv").read_bytes())
        succeeded(service)
        assert {s.source: s.freshness.state for s in service.sources()}["erp_sales"] is CheckState.PASSED
        assert {s.source: s.freshness.state for s in service.sources()}["crm_customers"] is CheckState.WARNED


def test_older_bytes_that_come_after_newer_ones_change_nothing_and_are_warned_of(settings: Settings) -> None:
    older = (settings.landing / "erp" / "erp_sales.csv").read_bytes()
    newer = SALES + "1,10,1,1,2026-01-05,41.00\n"
    with opened(settings) as service:
        succeeded(service)
        land(settings, "erp/erp_sales_2.csv", newer)
        succeeded(service)
        good = contents(service)
        assert came_back(service) == []
        land(settings, "erp/erp_sales_3.csv", older)
        succeeded(service)
        assert contents(service) == good, "the newer amount stays in force"
        (told,) = came_back(service)
        assert told.startswith(
            "An older file of erp_sales came back: erp/erp_sales_3.csv holds what came in before"
        )
        assert service.verdict().state is CheckState.WARNED
        assert service.verdict().ready
        land(settings, "erp/erp_sales_4.csv", newer)
        succeeded(service)
        assert came_back(service) == []


def came_back(service: Service) -> list[str]:
    return [
        f"{sight.headline}: {sight.detail}" for sight in service.attention() if "came back" in sight.headline
    ]


def test_a_refused_file_does_not_make_a_source_fresh(settings: Settings) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with open_service(settings, clock=lambda: now, retry=QUICK) as service:
        succeeded(service)
        now += timedelta(hours=30)
        land(settings, "erp/erp_sales_2.csv", b"")
        succeeded(service)
        assert {s.source: s.freshness.state for s in service.sources()}["erp_sales"] is CheckState.WARNED
