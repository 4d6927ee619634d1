"""The command line: reads the arguments, runs one command, prints its answer, returns the exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from types import FrameType

    from etl.cli.arguments import Misused

INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a command as cleanly as Ctrl-C does."""


def main(argv: list[str]) -> int:
    """Run the command that `argv` (without the program's name) asks for. Exit codes: DESIGN §11."""
    if argv[:1] == ["bench"]:
        from etl.cli.starting import bench

        return bench(argv[1:])
    from etl.cli.arguments import Misused, parse

    try:
        arguments = parse(argv)
    except Misused as misused:
        return _misused(misused, as_json="--json" in argv)
    return _run(arguments)


def _run(arguments: Namespace) -> int:
    from etl.cli.output import Output
    from etl.cli.running import run_command

    output = Output(as_json=arguments.json)
    try:
        signal.signal(signal.SIGTERM, _terminate)
        return run_command(arguments, output)
    except Terminated:
        output.say("Terminated.")
        return TERMINATED
    except KeyboardInterrupt:
        output.say("Interrupted.")
        return INTERRUPTED
    finally:
        output.close()


def _misused(misused: Misused, *, as_json: bool) -> int:
    from etl.cli.output import Output
    from etl.errors import UsageError

    output = Output(as_json=as_json)
    message, _, hint = str(misused).partition("\n")
    code = output.failed(UsageError(message, hint))
    output.close()
    return code


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
