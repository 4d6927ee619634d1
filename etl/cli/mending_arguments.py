"""What can be typed to mend: quarantine and batches. Imports argparse alone, so that help is quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable

AddAction = Callable[[str, str], argparse.ArgumentParser]  # name, what it does → its parser

STATES = ("quarantined", "discarded", "unreadable")
ROW = "BATCH:LINE[:N]"  # N: the number of the correction, where a row was mended before


def add_quarantine(action: AddAction) -> None:
    """The actions on rows and lines that were set aside."""
    listed = action("list", "the reasons; with SOURCE also its rows")
    listed.add_argument("source", nargs="?", default="", metavar="SOURCE")
    _add_filter(listed)
    listed.add_argument("--limit", type=number, default=100, metavar="N", help="rows at most (100)")
    export = action("export", "the rows of one source as CSV (to be edited and replayed) or JSON")
    export.add_argument("source", metavar="SOURCE")
    _add_filter(export)
    export.add_argument("--format", choices=("csv", "json"), default="csv")
    export.add_argument("--out", metavar="FILE", help="write it there instead of stdout")
    _add_replay(action("replay", "put mended rows in the place of those that broke a rule"))
    discard = action("discard", "set rows aside for good, with a reason; can be taken back")
    discard.add_argument("source", metavar="SOURCE")
    _add_choice(discard)
    discard.add_argument("--reason", required=True, type=said, metavar="TEXT", help="why they are set aside")
    restore = action("restore", "take a discard back")
    restore.add_argument("source", metavar="SOURCE")
    _add_choice(restore)


def add_batches(action: AddAction) -> None:
    """The actions on whole files that were taken in."""
    listed = action("list", "list the batches, newest first")
    listed.add_argument("source", nargs="?", default="", metavar="SOURCE")
    listed.add_argument("--limit", type=number, default=200, metavar="N", help="how many (200)")
    withdraw = action("withdraw", "take a batch's rows out of silver and gold; can be taken back")
    withdraw.add_argument("batch", type=said, metavar="BATCH", help="its id, or the start of it")
    withdraw.add_argument("--reason", required=True, type=said, metavar="TEXT", help="why it is withdrawn")
    reinstate = action("reinstate", "take a withdrawal back")
    reinstate.add_argument("batch", type=said, metavar="BATCH")
    replay = action("replay", "read a batch's file again under today's contract")
    replay.add_argument("batch", type=said, metavar="BATCH")


def _add_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", default="", metavar="BATCH", help="only rows of this batch")
    parser.add_argument("--reason", default="", help="only rows with this reason")
    parser.add_argument(
        "--state", choices=STATES, default=STATES[0], help="which of the rows set aside (quarantined)"
    )


def _add_replay(replay: argparse.ArgumentParser) -> None:
    replay.add_argument("source", metavar="SOURCE")
    replay.add_argument("file", nargs="?", metavar="FILE", help="an export, edited")
    replay.add_argument("--row", type=place, metavar=ROW, help="one row, mended by --set or --raw")
    replay.add_argument(
        "--set",
        type=assignment,
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="what it should say",
    )
    replay.add_argument("--raw", metavar="TEXT", help="an unreadable line as it should have been")
    replay.add_argument("--note", default="", metavar="TEXT", help="why it was changed")
    replay.add_argument(
        "--dry-run", action="store_true", help="say what would become of each row; change nothing"
    )


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--row", type=place, action="append", default=[], metavar=ROW, help="this row; may be repeated"
    )
    parser.add_argument("--batch", default="", metavar="BATCH", help="every row of this batch")
    parser.add_argument("--reason-is", default="", metavar="REASON", help="every row with this reason")
    parser.add_argument("--all", action="store_true", help="every row of the source")
    parser.add_argument(
        "--unreadable", action="store_true", help="lines that could not be read, instead of rows"
    )


def misuse(arguments: argparse.Namespace) -> str:
    """What is wrong with arguments that are right one by one; "" when nothing is."""
    asked = (arguments.command, getattr(arguments, "action", ""))
    if asked == ("quarantine", "replay"):
        return _misused_replay(arguments)
    if asked in (("quarantine", "discard"), ("quarantine", "restore")):
        return _misused_choice(arguments)
    return ""


def _misused_replay(arguments: argparse.Namespace) -> str:
    edits = bool(arguments.set) + (arguments.raw is not None)
    if (arguments.file is None) == (arguments.row is None):
        return "Give either FILE, an edited export, or --row with --set or --raw"
    if arguments.file is not None and edits:
        return "--set and --raw belong to --row; FILE says itself what changes"
    if arguments.row is not None and edits != 1:
        return "--row needs either --set COLUMN=VALUE or --raw TEXT"
    return ""


def _misused_choice(arguments: argparse.Namespace) -> str:
    filtered = bool(arguments.batch or arguments.reason_is)
    if bool(arguments.row) + filtered + arguments.all != 1:
        return "Name the rows: --row (may be repeated), or --batch and --reason-is, or --all"
    return ""


def number(text: str) -> int:
    """A whole number from 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def place(text: str) -> tuple[str, int, int]:
    """Batch, line and number of the correction."""
    batch, *numbers = text.split(":")
    if not batch or len(numbers) not in (1, 2):
        raise argparse.ArgumentTypeError(f"{text!r} is no row; give {ROW}")
    line, correction = [number(each) for each in [*numbers, "0"][:2]]
    return batch, line, correction


def assignment(text: str) -> tuple[str, str]:
    """A column and what it should say."""
    column, equals, value = text.partition("=")
    if not equals or not column:
        raise argparse.ArgumentTypeError(f"{text!r} sets nothing; give COLUMN=VALUE")
    return column, value


def said(text: str) -> str:
    """Text with something in it."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text
