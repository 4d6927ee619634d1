"""A machine that lacks something is told so, and never shown a green that stands for nothing."""

from __future__ import annotations

import pytest

from tests.requirements_met import executable, not_run


def test_what_cannot_run_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METALAYER_TEST_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NOT RUN: no browser here"):
        not_run("no browser here")


def test_what_cannot_run_fails_where_everything_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALAYER_TEST_REQUIRE", "all")
    with pytest.raises(pytest.fail.Exception, match="NOT RUN: no browser here"):
        not_run("no browser here")


def test_the_first_program_that_is_here_is_taken() -> None:
    assert executable(("no-such-program", "sh"), cure="").endswith("/sh")


def test_a_missing_program_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METALAYER_TEST_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no-such-program.*apt install it"):
        executable(("no-such-program",), cure="apt install it")
