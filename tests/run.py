"""./metalayer test: every check, then every test. With arguments: pytest with those, nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_RUN = 77
CHECKS = {
    "lint": ["-m", "ruff", "check", "--output-format=concise", "."],
    "format": ["-m", "ruff", "format", "--check", "."],
    "types": ["-m", "mypy"],
    # import-linter has no -m of its own: with one it would exit 0 and have examined nothing.
    "imports": ["-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-logo"],
    "lock files": ["-m", "tests.lock", "--check"],
}
# Files go to the workers whole; more than four would fight over the one machine they all start servers on.
SIDE_BY_SIDE = ["--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder"]


def main(args: list[str]) -> int:
    import pytest

    os.chdir(ROOT)
    forget_the_users_settings()
    # A shell's background job ignores Ctrl-C, and would have every process of the tests ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if args:
        return pytest.main(args)
    outcome = Checked([], [])
    for name, command in CHECKS.items():
        outcome.add(name, run_check(name, command))
    code = pytest.main(SIDE_BY_SIDE, plugins=[outcome])
    return int(code) or int(bool(outcome.failed))


def forget_the_users_settings() -> None:
    """Tests say where their warehouse is; one that forgets must not touch the user's own."""
    for name in list(os.environ):
        if name.startswith("METALAYER_") and not name.startswith("METALAYER_TEST_"):
            del os.environ[name]


def run_check(name: str, command: list[str]) -> int:
    started = time.monotonic()
    print(f"{name} ... ", end="", flush=True)
    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    word = {0: "passed", NOT_RUN: "NOT RUN"}.get(done.returncode, "FAILED")
    print(f"{word} in {time.monotonic() - started:.1f} s", flush=True)
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode


@dataclass
class Checked:
    """What the checks came to, told once more beside the tests: pytest's last line knows only of tests."""

    failed: list[str]
    not_run: list[str]

    def add(self, name: str, code: int) -> None:
        if code == NOT_RUN and os.environ.get("METALAYER_TEST_REQUIRE") != "all":
            self.not_run.append(name)
        elif code:
            self.failed.append(name)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.failed:
            terminalreporter.section("CHECKS FAILED", red=True, bold=True)
            terminalreporter.write_line(f"{', '.join(self.failed)}: see above, before the tests")
        if self.not_run:
            terminalreporter.section("CHECKS NOT RUN", yellow=True)
            terminalreporter.write_line(f"{', '.join(self.not_run)}: see above, before the tests")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
