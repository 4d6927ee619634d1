"""Commands as forks of one process that has imported everything: cheap enough to be killed a hundred times."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from select import select
from types import TracebackType

from etl.settings import ROOT, Settings
from tests.faults.processes import environment

STEM = """
import json, os, sys
from etl.cli import main
import duckdb, ibis, sqlglot, tenacity
import etl.cli.running, etl.cli.working, etl.ledger, etl.layers.silver_sql, etl.service, etl.warehouse.duckdb
import psycopg2, etl.warehouse.postgres

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.clear()
        os.environ.update(asked["environment"])
        code = 70
        try:
            code = main(asked["arguments"])
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Forked:
    """One command at a time. `pid` is that of the command at work."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._stem = subprocess.Popen(
            [sys.executable, "-c", STEM], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            bufsize=1,
        )  # fmt: skip
        self.pid = 0

    def __enter__(self) -> Forked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stem.communicate()

    def start(self, settings: Settings, *arguments: str) -> None:
        """Begin a command on a workspace."""
        asked = {"environment": environment(settings), "arguments": arguments, "out": str(self._log)}
        assert self._stem.stdin is not None
        self._stem.stdin.write(json.dumps(asked) + "\n")
        self._stem.stdin.flush()
        self.pid = int(self._answer())

    def kill(self) -> bool:
        """Kill -9. False when the command had ended before."""
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(self.pid, signal.SIGKILL)
        return os.WIFSIGNALED(int(self._answer()))

    def ended(self) -> tuple[int, str]:
        """Wait for the end: exit code, and what was printed."""
        code = os.waitstatus_to_exitcode(int(self._answer()))
        return code, self._log.read_text(encoding="utf-8")

    def works(self) -> bool:
        """Whether the command has not ended."""
        assert self._stem.stdout is not None
        return not select([self._stem.stdout], [], [], 0)[0]

    def _answer(self) -> str:
        assert self._stem.stdout is not None
        return self._stem.stdout.readline()
