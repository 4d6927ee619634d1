"""Overview, over the real engine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from etl.declared import Layer
from etl.errors import MetaLayerError
from etl.model import LAYER_PIPELINE, Run
from etl.service import Service
from tests.pages.screens import Page, Serve
from tests.workspaces import few_files
from ui import words


def test_an_empty_workspace_says_where_files_go_and_what_they_are_called(page: Page, empty: Service) -> None:
    screen = page("overview")
    assert words.NOT_PUBLISHED in screen.text
    assert words.FIRST_TITLE in screen.text
    assert str(empty.settings.landing) in screen.text
    assert "erp/erp_sales*.csv" in screen.text
    assert "./metalayer up --sample" in screen.text
    assert "run-everything" in screen.keys("button")


def test_an_empty_workspace_shows_nothing_green(page: Page, empty: Service) -> None:
    screen = page("overview")
    assert "never built" in screen.text
    assert "check_circle" not in screen.html
    assert "var(--passed-bg)" not in screen.html


def test_only_the_sample_says_synthetic_data(page: Page, empty: Service) -> None:
    assert words.SYNTHETIC not in page("overview").text
    assert "load-dirty" not in page("overview").keys("button")


@pytest.mark.parametrize("name", ["overview", "quality", "report"])
def test_every_page_of_the_sample_says_synthetic_data(page: Page, healthy: Service, name: str) -> None:
    assert words.SYNTHETIC in page(name).text


def test_a_published_sample_shows_its_layers_tables_and_verdict(page: Page, healthy: Service) -> None:
    screen = page("overview")
    assert screen.verdicts == [healthy.verdict().headline]
    for shown in ("20,003", "20,000", "10,000 rows", "88 rows", f"Version {healthy.version()}"):
        assert shown in screen.text
    assert "Everything" in screen.text, "the run that published it"


def test_a_layer_shows_what_was_not_examined_instead_of_passed(page: Page, healthy: Service) -> None:
    bronze = page("overview").text.split("Bronze", 1)[1].split("Silver", 1)[0]
    assert "2 not examined" in bronze
    assert "Passed" not in bronze


def test_every_stage_and_every_table_has_its_button(page: Page, healthy: Service) -> None:
    buttons = page("overview").keys("button")
    assert {"run-everything", "run-bronze", "run-silver", "run-gold", "load-dirty"} < set(buttons)
    assert {f"run-{table.name}" for table in healthy.tables()} < set(buttons)


def asked(service: Service, pipeline: str) -> Run:
    """The one run of that pipeline: the very first request also queues one that makes the schemas."""
    (found,) = [run for run in service.runs().runs if run.pipeline == pipeline]
    return found


def test_a_button_queues_a_run_and_shows_its_progress_at_once(page: Page, empty: Service) -> None:
    few_files(empty.settings)
    screen = page("overview").click("run-silver")
    queued = asked(empty, LAYER_PIPELINE[Layer.SILVER])
    assert queued.state == "queued"
    assert screen.toasts == [words.requested(queued.run_id, "Silver")]
    assert [key for key in screen.keys("button") if key.startswith("cancel-")]
    assert "waits for its turn" in screen.text


def test_a_second_press_joins_the_queued_run(page: Page, empty: Service) -> None:
    screen = page("overview").click("run-everything")
    first = screen.toasts
    assert screen.click("run-everything").toasts == first
    assert asked(empty, "master_etl_orchestrator").state == "queued"


def test_a_table_runs_alone_or_with_everything_downstream(page: Page, empty: Service) -> None:
    screen = page("overview").click("run-silver.sales_clean")
    alone = empty.runs().runs[0]
    assert alone.targets == ("silver.sales_clean",)
    assert not alone.downstream
    screen.app.toggle(key="downstream").set_value(True).run()
    screen.click("run-bronze.erp_sales_raw")
    more = empty.runs().runs[0]
    assert more.targets == ("bronze.erp_sales_raw",)
    assert more.downstream


def test_the_figures_of_a_finished_run_are_there_at_the_next_look(page: Page, empty: Service) -> None:
    few_files(empty.settings)
    screen = page("overview").click("run-everything")
    empty.work(asked(empty, "master_etl_orchestrator").run_id)
    screen.app.run()
    assert f"Version {empty.version()}" in screen.text
    assert "4 rows" in screen.text
    assert not [key for key in screen.keys("button") if key.startswith("cancel-")]


def test_cancel_stops_a_queued_run(page: Page, empty: Service) -> None:
    empty.work(empty.request_run(["init_db_schemas"]).run_id)
    screen = page("overview").click("run-everything")
    queued = asked(empty, "master_etl_orchestrator")
    screen.click(f"cancel-{queued.run_id}")
    assert empty.run(queued.run_id).state == "cancelled"


def test_loading_the_dirty_sample_is_offered_once(page: Page, fresh_sample: Service) -> None:
    screen = page("overview").click("load-dirty")
    assert fresh_sample.workspace().dirty_loaded
    assert "load-dirty" not in screen.keys("button")


def test_a_blocked_run_shows_the_failed_table_and_what_needs_doing(page: Page, blocked: Service) -> None:
    screen = page("overview")
    assert screen.verdicts == [blocked.verdict().headline]
    assert screen.tones == ["failed"]
    assert "last run failed" in screen.text
    assert blocked.attention()[0].headline in screen.text
    assert "Nothing needs you now" not in screen.text


def test_a_broken_contract_is_named_with_file_and_hint(page: Page, unstartable: MetaLayerError) -> None:
    screen = page("overview")
    assert "erp_sales.odcs.yaml" in screen.text
    assert len(screen.verdicts) == 1
    assert not screen.keys("button")


def test_a_starting_engine_is_announced(page: Page, serve: Serve) -> None:
    serve(None)
    assert page("overview").verdicts == [words.STARTING]


def test_a_lost_warehouse_is_one_clear_problem(page: Page, closed: Service) -> None:
    screen = page("overview")
    with pytest.raises(MetaLayerError) as caught:
        closed.workspace()
    assert screen.verdicts == [caught.value.message]
    assert caught.value.hint in screen.text


def test_a_failure_nobody_foresaw_points_to_the_log_and_keeps_the_frame(page: Page, serve: Serve) -> None:
    serve(SimpleNamespace(settings=SimpleNamespace(sample=False)))
    screen = page("overview")
    assert screen.verdicts == ["Overview could not be drawn"]
    assert "log" in screen.text
    assert "AttributeError" not in screen.text
