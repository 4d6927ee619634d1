"""What every test may ask for, and what is said at the end of a test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.requirements_met import CHROMIUM_NAMES, NOT_RUN, executable
from tests.times import SECONDS_BEFORE_IT_HANGS

pytest_plugins = ["tests.postgres", "tests.ledgers"]
LONGEST = (
    "test_law_machine", "test_kill", "test_database", "test_lease", "test_server", "test_workbench", "test_cli",
    "test_same_answer", "test_bad_input", "test_law_cases", "test_mending", "test_postgres", "test_backing_up",
    "test_migrating", "test_doctor", "test_watching", "test_law_losses", "test_law_atomic", "test_engine",
    "test_dialects",
)  # fmt: skip
FOLDERS = ("unit", "integration", "pages", "e2e", "faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder gives a test its mark; one that tries generated cases may take longer, the more of them it tries."""
    items.sort(key=lambda item: _place_of(item.path))
    for item in items:
        if hasattr(getattr(item, "obj", None), "hypothesis"):
            item.add_marker(pytest.mark.timeout(SECONDS_BEFORE_IT_HANGS))
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in FOLDERS:
            item.add_marker(folder)


def _place_of(path: Path) -> int:
    """Longest first: a file that takes minutes and comes last keeps one core busy alone."""
    return LONGEST.index(path.stem) if path.stem in LONGEST else len(LONGEST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tell_what_was_not_run(terminalreporter)
    tell_what_was_measured(terminalreporter)


def tell_what_was_not_run(terminalreporter: pytest.TerminalReporter) -> None:
    """What this machine could not run, each reason once."""
    reports = [r for outcome in ("skipped", "failed", "error") for r in terminalreporter.getreports(outcome)]
    reasons: dict[str, int] = {}
    for report in reports:
        _, found, why = str(report.longrepr).partition(NOT_RUN)
        if found:
            reason = why.removesuffix("')").removesuffix('")')
            reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("NOT RUN", yellow=True)
        for reason, count in reasons.items():
            terminalreporter.write_line(f"{count} tests: {reason}")


def tell_what_was_measured(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests noted with record_property("measured", ...): told, not asserted, as machines differ."""
    reports = terminalreporter.getreports("passed")
    notes = [str(note) for report in reports for name, note in report.user_properties if name == "measured"]
    if notes:
        terminalreporter.section("MEASURED")
        for note in notes:
            terminalreporter.write_line(note)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of this machine's Chromium."""
    return executable(CHROMIUM_NAMES, cure="Debian, Ubuntu: apt install chromium")
