"""Where a command's words go: its answer to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import errno
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from etl.calls import error_to_plain
from etl.errors import CatalogError, DiskFull, MetaLayerError, UsageError

Show = Callable[["Output"], None]


@dataclass(frozen=True)
class Answer:
    """What a command found: one document for `--json`, and how a person sees it."""

    document: Any
    show: Show
    exit_code: int = 0


class Output:
    """One command's stdout and stderr. With `as_json`, stdout carries exactly one JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.stdout: TextIO = sys.stdout
        self.terminal = self.stdout.isatty() and not as_json
        self._guard = contextlib.ExitStack()
        for stream in (sys.stdout, sys.stderr):
            # File names may hold bytes that are no UTF-8; in JSON the escape is valid too.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        if as_json:
            # Whatever a library prints must not get between the braces.
            self._guard.enter_context(contextlib.redirect_stdout(sys.stderr))

    def write(self, text: str) -> None:
        """Text as it is, to stdout."""
        self.stdout.write(text)

    def line(self, text: str = "") -> None:
        """One line to stdout."""
        self.stdout.write(f"{text}\n")

    def say(self, text: str) -> None:
        """One line to stderr."""
        print(text, file=sys.stderr, flush=True)

    def document(self, document: Any) -> None:
        """The one JSON document."""
        self.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def answer(self, answer: Answer) -> int:
        """Print an answer and return its exit code. Raises BrokenPipeError."""
        if self.as_json:
            self.document(answer.document)
        else:
            answer.show(self)
        self.stdout.flush()
        return answer.exit_code

    def failed(self, error: MetaLayerError) -> int:
        """Print an error: message, then hint. Returns its exit code."""
        if self.as_json:
            self.document({"error": error_to_plain(error)})
            self.stdout.flush()
        else:
            self.say(f"metalayer: {error.message}")
            if error.hint and not isinstance(error, CatalogError):
                self.say(f"  {error.hint}")
        return error.exit_code

    def close(self) -> None:
        """Give stdout back."""
        self._guard.close()


def write_file(path: str, text: str) -> None:
    """Write a file, whole or not at all. Raises MetaLayerError."""
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="")
        unfinished.replace(target)
    except OSError as fault:
        raise unwritable(path, fault) from fault
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def unwritable(path: str, fault: OSError) -> MetaLayerError:
    """The error for a file or folder that cannot be written."""
    if fault.errno == errno.ENOSPC:
        return DiskFull(f"No space is left to write {path}.", "Free some space and try again.")
    return UsageError(
        f"{path} cannot be written: {fault.strerror or fault}.", "Name another place with --out."
    )
