"""Commands as a person types them, run in this process or as one of their own."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

from etl.cli import main
from etl.settings import ROOT, Settings


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document. Raises ValueError when stdout holds anything else."""
        return json.loads(self.out)


def environment(settings: Settings) -> dict[str, str]:
    """What a shell sets so that commands work in this workspace."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("METALAYER_")}
    state = settings.state.parent if settings.sample else settings.state
    places = {
        "METALAYER_PROJECT": str(settings.project),
        "METALAYER_LANDING": str(settings.landing),
        "METALAYER_STATE": str(state),
        "PYTHONPATH": str(ROOT),
    }
    if settings.on_postgres:
        places |= {"METALAYER_WAREHOUSE": settings.warehouse, "METALAYER_LEDGER": settings.ledger}
    return ours | places


def command(settings: Settings, *arguments: str) -> Ended:
    """A command in this process, which has imported everything already."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment(settings), clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = main(list(arguments))
    return Ended(code, out.getvalue(), err.getvalue())
