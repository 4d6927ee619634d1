"""System, over the real engine: what answers, what it uses, and that nothing is green unexamined."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from etl.errors import MetaLayerError
from etl.facts import Finding, Resources, ServiceFacts
from etl.inject import Caught, Copied, FaultKind, Injection, Planted
from etl.model import CheckState
from etl.service import Service
from ui import reads_system, words_injection
from ui import system as parts
from ui import words_system as words

PAGE = "system"
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SAMPLE = Resources(NOW, 10.0, 5.0, 1, 2, 1, 1, 2, 1000, 2000, 8)


def test_every_service_is_shown_with_its_address_and_health_in_words(page, healthy: Service) -> None:
    screen = page(PAGE)
    for service in healthy.system().services:
        assert service.name in screen.text
        assert service.address in screen.text
        assert words.HEALTH.get(service.state, "Not examined") in screen.text


def test_sizes_versions_and_pipelines_are_shown(page, healthy: Service) -> None:
    screen = page(PAGE)
    facts = healthy.system()
    assert all(name in screen.text for name, _ in facts.sizes)
    assert all(f"{library} {version}" in screen.text for library, version in facts.versions)
    assert all(pipeline.title in screen.text for pipeline in healthy.pipelines())


def test_resources_are_shown_now_and_over_the_last_minutes(page, healthy: Service) -> None:
    text = page(PAGE).text
    assert all(label in text for label in ("CPU", "Memory", "Disk", "Network"))


def test_an_empty_workspace_says_that_no_pipeline_ever_ran(page, empty: Service) -> None:
    screen = page(PAGE)
    assert screen.text.count("Never run") == len(empty.pipelines())


def test_a_blocked_run_is_named_in_the_verdict(page, blocked: Service) -> None:
    assert "last run of Everything" in page(PAGE).verdicts[0]


def test_what_was_not_examined_is_never_called_healthy() -> None:
    service = ServiceFacts("lease", "here", CheckState.UNEXAMINED, "")
    state, said, _ = words.system_verdict([service], [], [])
    assert (state, said) == ("unexamined", "Not everything was examined: lease")
    assert words.system_verdict([], [], [])[0] == "unexamined"


def test_the_worst_is_named_first_and_a_failure_outweighs_a_warning() -> None:
    findings = [Finding("Disk", CheckState.WARNED, ""), Finding("Ledger", CheckState.FAILED, "")]
    state, said, counts = words.system_verdict([], findings, [])
    assert (state, said) == ("failed", "Something does not work: Ledger")
    assert "1 failed, 1 warned" in counts


def test_what_the_services_say_already_is_not_said_twice_unless_it_is_bad() -> None:
    service = ServiceFacts("Ledger", "here", CheckState.PASSED, "")
    good, bad = Finding("Ledger", CheckState.PASSED, ""), Finding("Ledger", CheckState.FAILED, "", "Mend it.")
    other = Finding("Disk", CheckState.PASSED, "")
    assert words.beyond([service], [good, bad, other]) == (bad, other)


def test_network_is_bytes_a_second_between_samples_and_a_reset_counter_gives_none() -> None:
    later = replace(
        SAMPLE, at=NOW + timedelta(seconds=5), network_sent_bytes=1500, network_received_bytes=4000
    )
    reset = replace(SAMPLE, at=NOW + timedelta(seconds=10), network_sent_bytes=0, network_received_bytes=0)
    assert parts.rates([SAMPLE, later, reset]) == [(400.0, 100.0), (0.0, 0.0)]


def test_a_share_of_a_whole_is_drawn_on_the_whole_scale() -> None:
    gauges = {gauge.label: gauge for gauge in parts.gauges(SAMPLE, [SAMPLE, SAMPLE])}
    assert gauges["CPU"].top == 100
    assert gauges["Memory"].top == 2
    assert gauges["Disk"].value == "50 %"


def test_a_warehouse_that_is_gone_is_not_healthy(page, closed: Service) -> None:
    screen = page(PAGE)
    assert "Everything that was examined is healthy" not in screen.text
    assert "Traceback" not in screen.text


def test_an_engine_that_did_not_start_is_one_problem(page, unstartable: MetaLayerError) -> None:
    screen = page(PAGE)
    assert len(screen.verdicts) == 1
    assert "erp_sales.odcs.yaml" in screen.text


CAUGHT = Planted(
    FaultKind.BELOW, "erp_sales", "quantity, line 3", "minimum 1", Caught.YES, "quarantine: below 1"
)
MISSED = replace(CAUGHT, caught=Caught.NO, caught_by="", note="its row was taken for valid")
UNTRIED = replace(CAUGHT, caught=Caught.UNTRIED, caught_by="", note="nothing has landed")


def injection(*faults: Planted) -> Injection:
    return Injection(NOW, 6.0, (Copied("erp_sales", "erp/erp_sales.csv", 4, True),), faults)


def test_the_checks_are_grey_until_they_were_checked(page, mixed: Service) -> None:
    screen = page(PAGE)
    assert words_injection.NEVER in screen.text
    assert screen.tones.count("passed") <= 1  # the page's own verdict at most


def test_a_button_plants_faults_and_shows_what_caught_each_kind(page, mixed: Service) -> None:
    screen = page(PAGE).click("inject")
    assert words_injection.STARTED in screen.toasts
    assert words_injection.RUNNING in screen.text
    wait_until_checked()
    screen = page(PAGE)
    found = reads_system.checking().found
    assert found is not None
    assert found.well
    assert f"All {found.caught} planted faults were caught" in screen.text
    assert all(words_injection.kind(kind) in screen.text for kind in reads_system.by_kind(found))
    assert "Below minimum check_circle 2 of 2 Quarantine" in screen.text


def test_what_keeps_the_checks_from_being_checked_is_told_with_what_to_do(page, empty: Service) -> None:
    page(PAGE).click("inject")
    wait_until_checked()
    assert "nothing to copy" in page(PAGE).text


def wait_until_checked() -> None:
    give_up_at = time.monotonic() + 120
    while reads_system.checking().running:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_one_fault_that_nothing_caught_makes_it_red_and_is_named_first(page, mixed: Service) -> None:
    reads_system.checking().found = injection(replace(CAUGHT, kind=FaultKind.ORPHAN), CAUGHT, MISSED)
    screen = page(PAGE)
    assert "1 fault of 3 passed unnoticed" in screen.text
    assert "Below minimum in erp_sales, quantity, line 3 its row was taken for valid" in screen.text
    kinds = screen.text.partition("Kind of fault")[2]
    assert kinds.index("Below minimum cancel 1 of 2") < kinds.index("Unknown foreign key check_circle 1 of 1")
    assert "failed" in screen.tones


def test_faults_that_could_not_be_planted_are_never_green() -> None:
    assert words_injection.summary(injection(UNTRIED))[0] == "unexamined"
    assert words_injection.counted([UNTRIED]) == ("unexamined", "not tried")
    assert words_injection.counted([UNTRIED, CAUGHT]) == ("passed", "1 of 1")
    assert "1 fault could not be planted here" in words_injection.summary(injection(CAUGHT, UNTRIED))[2]
