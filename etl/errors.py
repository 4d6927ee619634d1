"""Every error MetaLayer raises on purpose. Each says what, where and which value; `hint` says what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MetaLayerError(Exception):
    """Root of the hierarchy. `transient` tells whether trying again can help; `exit_code` is the CLI's."""

    transient = False
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SettingsError(MetaLayerError):
    """A setting or an argument has a value that cannot be used."""

    exit_code = 2


class UsageError(MetaLayerError):
    """A command, a button or a request asks for something that does not exist."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a contract or a gold file. `line` counts from 1; 0 when no line can be named."""

    file: str
    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message} {self.hint}".strip()


class CatalogError(MetaLayerError):
    """Contracts and gold files that do not make a sound catalog; carries every problem found, not the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem" + ("" if len(self.problems) == 1 else "s")
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"The catalog has {count}:\n{lines}")


class FileRefused(MetaLayerError):
    """A landed file cannot be taken in at all; the batch is recorded as refused with this reason."""


class FileForbidden(FileRefused):
    """A landed file may not be read. Mending that changes no byte of it, so every run tries it again."""


class FileUnsettled(MetaLayerError):
    """A landed file vanished or changed while it was read; it is tried again, and at the next run if need be."""

    transient = True


class WarehouseError(MetaLayerError):
    """The warehouse refused a statement: the author's or the data's fault, not to be retried."""


class WarehouseUnavailable(MetaLayerError):
    """The warehouse cannot be reached or is locked for now."""

    transient = True


class DiskFull(MetaLayerError):
    """No space is left where the warehouse or its scratch files live."""


class LedgerError(MetaLayerError):
    """The ledger cannot be read or written."""


class LedgerUnavailable(LedgerError):
    """The ledger is locked or out of reach for now."""

    transient = True


class AccountOpen(MetaLayerError):
    """A row or money account does not close, so nothing is published. Names the batches and lines.

    `column` is the amount of a money account, "" for a row account; `examined` and `failing` count rows or lines.
    """

    def __init__(
        self, message: str, hint: str = "", column: str = "", examined: int = 1, failing: int = 1
    ) -> None:
        super().__init__(message, hint)
        self.column = column
        self.examined = examined
        self.failing = failing


class ChecksBlocked(MetaLayerError):
    """A blocking check failed, so the last good version stays in place."""


class LeaseLost(MetaLayerError):
    """This engine no longer holds the lease, so it may not commit."""


class RunCancelled(MetaLayerError):
    """A person asked for the run to stop."""
