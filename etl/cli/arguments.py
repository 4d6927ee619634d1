"""What can be typed: the commands and their arguments. Imports argparse alone, so that help is quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from etl.cli import mending_arguments
from etl.cli.mending_arguments import number

PROGRAM = "metalayer"
DESCRIPTION = (
    "From CSV files to tables you can trust: bronze, silver, gold, every row and cent accounted for."
)
EPILOG = "Exit codes: 0 all done; 1 something was not published, or a file was refused; 2 usage or settings."


AddCommand = Callable[[str, str], argparse.ArgumentParser]  # name, what it does → its parser


class Misused(Exception):
    """The arguments make no command. Its text: the fault, then on a second line where to look."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fault, _, choices = message.partition(" (choose from ")
        valid = f"Valid are: {choices.rstrip(')')}. " if choices else ""
        raise Misused(f"{fault[:1].upper()}{fault[1:]}.\n{valid}See ./{self.prog} --help.")


def parse(argv: list[str]) -> argparse.Namespace:
    """The command and its arguments; prints help and leaves when asked to. Raises Misused."""
    parser = _parser()
    arguments = parser.parse_args(argv, argparse.Namespace(sample=False, json=False))
    if arguments.command is None:
        parser.print_help()
        raise SystemExit(0)
    fault = mending_arguments.misuse(arguments)
    if fault:
        raise Misused(f"{fault}.\nSee ./{PROGRAM} {arguments.command} {arguments.action} --help.")
    return arguments


def _parser() -> _Parser:
    common = _Parser(add_help=False)
    common.add_argument(
        "--sample", action="store_true", default=argparse.SUPPRESS, help="work in the sample workspace"
    )
    common.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document on stdout"
    )
    parser = _Parser(PROGRAM, description=DESCRIPTION, epilog=EPILOG, parents=[common])
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        sentence = f"{text[:1].upper()}{text[1:]}."
        return commands.add_parser(name, help=text, description=sentence, parents=[common])

    _add_working(command)
    _add_reading(command)
    _add_looking_after(command)
    return parser


def _add_working(command: AddCommand) -> None:
    up = command("up", "start the dashboard and the engine")
    up.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    up.add_argument("--port", type=_port, default=8501, help="port to listen on (8501)")
    run = command("run", "bring tables up to date and publish them")
    run.add_argument(
        "targets", nargs="*", metavar="TARGET", help="pipeline, layer or table; all if none is named"
    )
    run.add_argument(
        "--full", action="store_true", help="rebuild from bronze instead of taking in what is new"
    )
    run.add_argument(
        "--downstream", action="store_true", help="and everything that is built from the targets"
    )
    run.add_argument("--from-run", type=number, metavar="N", help="go on where run N failed")
    run.add_argument(
        "--dry-run", action="store_true", help="print what would be done, and why; change nothing"
    )
    cancel = command("cancel", "stop a queued or running run")
    cancel.add_argument("run", type=number, metavar="RUN")
    for name, text in (("pause", "stop a pipeline's schedule"), ("resume", "let a paused schedule go on")):
        command(name, text).add_argument("pipeline", metavar="PIPELINE")


def _add_reading(command: AddCommand) -> None:
    command("status", "what stands: verdict, layers, tables, what runs")
    runs = command("runs", "recent runs, or one run with its tasks")
    runs.add_argument("run", type=number, nargs="?", metavar="ID")
    runs.add_argument("--limit", type=number, default=20, metavar="N", help="how many (20)")
    report = command("report", "the validation report kept with the last full run")
    report.add_argument("--format", choices=("md", "html", "json"), default="md")
    report.add_argument("--out", metavar="FILE", help="write it there instead of stdout")
    query = command("query", "one read-only SELECT over bronze, silver, gold and quarantine")
    query.add_argument("sql", metavar="SQL")
    query.add_argument("--format", choices=("table", "csv", "json"), default="table")
    query.add_argument("--limit", type=number, default=10_000, metavar="N", help="rows at most (10,000)")
    explain = command("explain", "where a row comes from: file, line, each step, why")
    explain.add_argument("table", metavar="TABLE")
    explain.add_argument("key", metavar="KEY")
    command("sources", "the feeds, their contracts and what has arrived")
    batches = _actions(command("batches", "the files taken in and refused; withdraw or replay one"))
    mending_arguments.add_batches(partial(_action, batches))
    quarantine = _actions(command("quarantine", "the rows that broke a rule: list, mend, discard"))
    mending_arguments.add_quarantine(partial(_action, quarantine))


def _add_looking_after(command: AddCommand) -> None:
    contract = _actions(command("contract", "look at contracts and gold files"))
    check = _action(contract, "check", "name every problem with file and line; needs no warehouse")
    check.add_argument(
        "file", nargs="?", metavar="FILE", help="one contract; the whole catalog if none is named"
    )
    generate = command("generate", "write synthetic CRM and ERP files")
    generate.add_argument("--customers", type=number, default=10_000, metavar="N", help="customers (10,000)")
    generate.add_argument("--sales", type=number, default=10_000, metavar="N", help="sales (10,000)")
    generate.add_argument("--dirt", type=_share, default=0.0, metavar="P", help="faulty share: 0.02 or 2%%")
    generate.add_argument(
        "--seed", type=number, default=42, metavar="S", help="the same seed, the same bytes (42)"
    )
    generate.add_argument("--out", required=True, metavar="DIR", help="folder to write crm/ and erp/ into")
    doctor = command("doctor", "look for what is wrong with this installation")
    doctor.add_argument(
        "--inject", action="store_true", help="plant every kind of fault in copies and see what catches it"
    )
    doctor.add_argument("--mend", action="store_true", help="put right what can be put right")
    backup = command("backup", "everything that was made, in one folder; also while it runs")
    backup.add_argument("--out", required=True, metavar="FOLDER", help="a folder that is new or empty")
    restore = command("restore", "what a backup holds, checked, in place of nothing")
    restore.add_argument("folder", metavar="FOLDER", help="the folder that backup has written")
    restore.add_argument("--replace", action="store_true", help="in place of what stands")
    migrate = command("migrate", "carry an embedded installation over into a PostgreSQL")
    migrate.add_argument(
        "--to", required=True, metavar="URL", help="postgresql+psycopg2://USER@HOST:PORT/DATABASE"
    )
    migrate.add_argument("--ledger-to", metavar="URL", help="another database for the ledger (the same)")
    commands_bench = command("bench", "measure the engine beside a plain script (bench --help: its options)")
    commands_bench.add_argument("options", nargs="*", metavar="OPTION")
    command("version", "the versions of MetaLayer and of what it stands on")


def _actions(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    return parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
    for flag in ("--sample", "--json"):
        parser.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def _port(text: str) -> int:
    port = number(text)
    if not 1 <= port <= 65_535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} is no port; use 1 to 65535")
    return port


def _share(text: str) -> float:
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; give 0.02 or 2%") from None
