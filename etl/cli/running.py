"""From a command's name to its answer, and from any fault to a message with an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from etl.cli.output import Answer, Output
from etl.errors import MetaLayerError

if TYPE_CHECKING:
    from etl.door import Door
    from etl.settings import Settings

COMMANDS = {
    "up": "etl.cli.starting:up",
    "run": "etl.cli.working:run",
    "cancel": "etl.cli.working:cancel",
    "pause": "etl.cli.working:pause",
    "resume": "etl.cli.working:resume",
    "generate": "etl.cli.generating:generate",
    "status": "etl.cli.reading:status",
    "runs": "etl.cli.reading:runs",
    "report": "etl.cli.reading:report",
    "query": "etl.cli.asking:query",
    "explain": "etl.cli.asking:explain",
    "quarantine": "etl.cli.aside:quarantine",
    "sources": "etl.cli.reading:sources",
    "batches": "etl.cli.reading:batches",
    "contract": "etl.cli.checking:contract",
    "doctor": "etl.cli.checking:doctor",
    "migrate": "etl.cli.moving:migrate",
    "backup": "etl.cli.moving:backup",
    "restore": "etl.cli.moving:restore",
    "version": "etl.cli.checking:version",
}
"""Command → where it is; only what is asked for is imported."""

ACTIONS = {
    "quarantine export": "etl.cli.aside:export",
    "quarantine replay": "etl.cli.mending:replay",
    "quarantine discard": "etl.cli.mending:discard",
    "quarantine restore": "etl.cli.mending:restore",
    "batches withdraw": "etl.cli.mending:withdraw",
    "batches reinstate": "etl.cli.mending:reinstate",
    "batches replay": "etl.cli.mending:replay_batch",
}
"""Command and action → where it is, for those that are not their command's own business."""


class Context:
    """What a command may use: its arguments, its output, the settings and the way to the service."""

    def __init__(self, arguments: Namespace, output: Output) -> None:
        self.arguments = arguments
        self.output = output

    @cached_property
    def settings(self) -> Settings:
        """The settings of the workspace asked for. Raises SettingsError."""
        from etl.settings import read_settings

        return read_settings(sample=True if self.arguments.sample else None)

    def door(self) -> AbstractContextManager[Door]:
        """The way to the service. Raises MetaLayerError."""
        from etl.door import open_door

        return open_door(self.settings, self.output.say)


def run_command(arguments: Namespace, output: Output) -> int:
    """Run one command and print its answer or its error. Returns the exit code."""
    context = Context(arguments, output)
    action = f"{arguments.command} {getattr(arguments, 'action', '')}"
    module, function = ACTIONS.get(action, COMMANDS[arguments.command]).split(":")
    try:
        answer: Answer = getattr(import_module(module), function)(context)
    except MetaLayerError as error:
        return output.failed(error)
    except Exception as fault:
        return output.failed(_unexpected(context, fault))
    try:
        return output.answer(answer)
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return answer.exit_code


def _unexpected(context: Context, fault: Exception) -> MetaLayerError:
    """A fault nobody foresaw: short on the screen, whole in a log."""
    report = f"{datetime.now(UTC).isoformat()} {' '.join(sys.argv[1:])}\n{traceback.format_exc()}\n"
    message = f"Something went wrong that should not: {type(fault).__name__}: {fault}"
    try:
        log = _log_folder(context) / "commands.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report)
    except OSError as unwritable:
        return MetaLayerError(message, f"The details could not be logged ({unwritable}):\n{report}")
    return MetaLayerError(message, f"The details are in {log}. What was published stays as it is.")


def _log_folder(context: Context) -> Path:
    try:
        return context.settings.state / "logs"
    except MetaLayerError:
        from etl.settings import ROOT

        return ROOT / "data" / "state" / "logs"
