"""What a test does where the machine lacks something: say NOT RUN and why, or fail where all is required."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

NOT_RUN = "NOT RUN: "
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def everything_is_required() -> bool:
    """As in CI: a test that cannot run is a failure there."""
    return os.environ.get("METALAYER_TEST_REQUIRE") == "all"


def not_run(why: str) -> NoReturn:
    """End the test at hand, with the reason: skipped, or failed where everything is required."""
    if everything_is_required():
        pytest.fail(f"{NOT_RUN}{why} (METALAYER_TEST_REQUIRE=all)", pytrace=False)
    pytest.skip(f"{NOT_RUN}{why}")


def executable(names: tuple[str, ...], cure: str) -> str:
    """The path of the first of these programs that is here; without one the test is not run."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    not_run(f"none of {', '.join(names)} is on the PATH. {cure}")
