"""Records of mending: which row, what was changed or set aside, and what became of the request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Aside(StrEnum):
    """Where a row that is neither in silver nor superseded by a newer version can be."""

    QUARANTINED = "quarantined"
    DISCARDED = "discarded"
    UNREADABLE = "unreadable"


class MendKind(StrEnum):
    """What a person can ask for. `restore` takes a discard back, `reinstate` a withdrawal."""

    CORRECT = "correct"
    DISCARD = "discard"
    RESTORE = "restore"
    WITHDRAW = "withdraw"
    REINSTATE = "reinstate"
    REPLAY = "replay"


class MendState(StrEnum):
    """A mend waits until the engine takes it up at its next run; `refused` has a message that says why."""

    WAITING = "waiting"
    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True, order=True)
class RowPlace:
    """The identity of a row: batch, physical line its record starts on, and 0 or the number of the correction."""

    batch_id: str
    row_number: int
    correction: int = 0


@dataclass(frozen=True)
class Edit:
    """A mended copy of a row. `values` has every column that changes; the others stay as they are.

    For an unreadable line either `raw` (the line, mended) or `values` is given.
    """

    place: RowPlace
    values: tuple[tuple[str, str | None], ...] = ()
    raw: str | None = None


@dataclass(frozen=True)
class AsideRow:
    """A row that a person can mend, discard or restore. `values` are as received (or as last corrected), in the
    order of the contract; empty for an unreadable line, which has `raw` instead.
    """

    source: str
    place: RowPlace
    state: Aside
    path: str  # of the file, relative to the landing folder
    values: tuple[tuple[str, str | None], ...]
    reasons: tuple[str, ...]
    raw: str = ""
    corrected: bool = False  # an unreadable line that has a correction
    note: str = ""  # why it was discarded
    author: str = ""  # who discarded it, or made this correction
    at: datetime | None = None


@dataclass(frozen=True)
class AsideRows:
    """One page of rows; `total` counts all that match. `columns` are the contract's."""

    source: str
    state: Aside
    columns: tuple[str, ...]
    rows: tuple[AsideRow, ...]
    total: int


@dataclass(frozen=True)
class Preview:
    """What would become of an edited row: the rules it would still break, or the place it would take.

    `outcome` is `current` (it would be in silver), `superseded` (valid, but a newer version of its key stands),
    `quarantined` (see `broken`) or `refused` (see `fault`: it cannot be mended like this at all).
    """

    place: RowPlace
    outcome: str
    broken: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class Mend:
    """A request to mend and what became of it. In a list, one of very many rows has none of them."""

    mend_id: str
    kind: MendKind
    source: str
    batch_id: str  # of a batch mend; "" for rows
    edits: tuple[Edit, ...]
    places: tuple[RowPlace, ...]
    unreadable: bool  # the places are unreadable lines
    reason: str
    author: str
    requested_at: datetime
    state: MendState = MendState.WAITING
    message: str = ""
    run_id: int | None = None
    rows: int = 0  # how many rows or lines the request names


@dataclass(frozen=True)
class Requested:
    """A mend that was queued, and the run that takes it up."""

    mend_id: str
    run_id: int
    rows: int
