"""docs/reliability.md names tests that exist, and numbers of cases that are tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.times import EVERY_PHASE, times, tries

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
FILES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(?:[\w/]*/)?(test_\w+(?:\.py)?)`", PAGE))))
def test_every_test_that_the_page_names_is_there(named: str) -> None:
    if named.endswith(".py"):
        assert named in FILES
    else:
        assert any(f"def {named}(" in text for text in FILES.values())


def test_the_number_of_generated_files_is_the_sum_of_what_the_tests_try() -> None:
    readers = FILES["test_reader_laws.py"], FILES["test_reader_planted.py"]
    files = 300 * readers[0].count("@TRIES") + sum(map(int, re.findall(r"@tries\((\d+)\)", readers[1])))
    assert "TRIES = tries(300)" in readers[0]
    assert f"| generated files through the reader | {files:,} | {10 * files:,} |" in PAGE


def test_the_flag_tries_so_many_times_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tries(100).max_examples == times(100)
    monkeypatch.setattr("tests.times.TIMES", 10)
    assert (times(15), tries(100).max_examples, tries(100).derandomize) == (150, 1000, False)
    assert tuple(tries(100).phases) == EVERY_PHASE
    monkeypatch.setattr("tests.times.TIMES", 1)
    assert (tries(100).max_examples, tries(100).derandomize) == (100, True)
