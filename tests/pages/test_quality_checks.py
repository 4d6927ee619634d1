"""Quality → Checks: kinds, history, volume, incidents and columns that differ, over the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest

from etl.service import Service
from tests.pages.screens import HOSTILE, Page, Serve
from tests.workspaces import CUSTOMERS, land, opened, run, workspace


@pytest.fixture
def watched(tmp_path: Path, serve: Serve) -> Iterator[Service]:
    """Eight files of 300 customers, then one of 20 whose e-mail column has another name."""
    settings = workspace(tmp_path)
    with opened(settings) as service:
        for at, rows in enumerate([*[300] * 8, 20]):
            header = CUSTOMERS if rows == 300 else CUSTOMERS.replace("email", "E-Mail")
            lines = "".join(f"{at * 1000 + n},N,a{n}@example.com,WEST\n" for n in range(rows))
            land(settings, f"crm/crm_customers_{at}.csv", header + lines)
            run(service, "bronze")
        serve(service)
        yield service


def test_a_file_of_unusual_size_is_told_with_what_was_expected(page: Page, watched: Service) -> None:
    screen = page("quality")
    assert "crm/crm_customers_8.csv has 20 rows; 225 to 375 are usual" in screen.text
    assert "Next file: 225 to 375 rows are usual (median 300 of 9 files)." in screen.text


def test_a_day_is_marked_as_an_incident_and_taken_back(page: Page, watched: Service) -> None:
    screen = page("quality")
    screen.click("mark-incident")
    assert "Say in a few words what happened that day." in screen.text
    assert watched.incidents() == ()
    screen.app.text_input(key="incident-why").set_value(HOSTILE)
    screen.click("mark-incident")
    (incident,) = watched.incidents()
    assert (incident.source, incident.reason, incident.by) == ("crm_customers", HOSTILE, "dashboard")
    assert f"crm_customers · {incident.day}" in screen.text
    assert escape(HOSTILE) in screen.html
    assert HOSTILE not in screen.html
    assert "Nothing is said of the next file: too little history: 0 batches" in screen.text
    screen.click(f"unmark-crm_customers-{incident.day}")
    assert watched.incidents() == ()
    assert "No day is marked." in screen.text


def test_a_column_that_differs_is_listed_with_the_likely_rename(page: Page, watched: Service) -> None:
    text = page("quality").text
    assert "Missing email crm/crm_customers_8.csv perhaps E-Mail now" in text
    assert "add 'E-Mail' to the aliases of email in contracts/crm_customers.odcs.yaml" in text


def test_without_drift_and_incidents_both_say_so(page: Page, healthy: Service) -> None:
    text = page("quality").text
    assert "No day is marked." in text
    assert "Every file had the columns that its contract names" in text


def test_every_kind_of_check_can_be_chosen_and_has_its_checks(page: Page, healthy: Service) -> None:
    screen = page("quality")
    kinds = screen.app.selectbox(key="kind").options
    assert kinds == [
        "Every kind", "Not null", "Unique", "References", "Ranges", "Form of texts", "Row count against source",
        "Reconciliation", "Set aside", "Freshness", "Volume", "Schema drift", "Rules",
    ]  # fmt: skip
    screen.app.selectbox(key="kind").set_value("Volume").run()
    assert set(screen.app.dataframe[0].value["check"]) == {"Volume as usual"}
    screen.app.button_group(key="show").set_value("passed").run()
    assert "No check of this kind stands like that." in screen.text


def test_a_check_in_full_shows_what_it_counted_and_how_it_stood_before(page: Page, watched: Service) -> None:
    screen = page("quality")
    chooser = screen.app.selectbox(key="check")
    chooser.set_value(chooser.options.index("Volume as usual on crm_customers_raw")).run()
    assert "newest files" in screen.text
    assert 'aria-label="Failing at each of the last examinations, newest at the right: 0, 1"' in screen.html
    assert "from bronze._batches" in screen.app.code[0].value
