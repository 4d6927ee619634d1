"""What was planted, where, and whether something caught it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FaultKind(StrEnum):
    """The kinds of fault that contracts or the engine promise to catch."""

    MISSING = "missing value"
    WRONG_TYPE = "wrong type"
    BELOW = "below minimum"
    ABOVE = "above maximum"
    EARLY = "before the earliest"
    LATE = "after the latest"
    SHORT = "too short"
    LONG = "too long"
    FORM = "not the agreed form"
    STRANGE = "not an accepted value"
    DECIMALS = "too many decimals"
    NO_SUCH_DAY = "impossible date"
    ORPHAN = "unknown foreign key"
    SAME_KEY = "duplicate key"
    SAME_VALUE = "repeated unique value"
    OWN_RULE = "a rule in SQL"
    FEW_FIELDS = "too few fields"
    MANY_FIELDS = "too many fields"
    OPEN_QUOTE = "unterminated quote"
    STRAY_QUOTE = "stray quote"
    BAD_BYTES = "invalid UTF-8"
    NUL = "NUL byte"
    TRUNCATED = "truncated file"
    EMPTY = "empty file"
    HEADER_ONLY = "header only"
    DELIMITER = "wrong delimiter"
    NO_COLUMN = "missing column"
    NEW_COLUMN = "unknown column"
    RENAMED = "renamed column"
    SAME_COLUMN = "duplicated header"
    DROP = "volume drop"
    DOUBLING = "volume doubling"
    RESENT = "resent file"
    OLDER = "older file resent"
    STALE = "stale file"
    LOST_LINE = "line lost before bronze"
    LOST_ROW = "row dropped in silver"
    AMOUNT = "amount changed in silver"
    SAME_ROW = "row doubled in gold"
    NUMBER = "number altered in gold"


class Caught(StrEnum):
    """`untried`: the fault could not be planted here; that is neither a catch nor a miss."""

    YES = "yes"
    NO = "no"
    UNTRIED = "untried"


@dataclass(frozen=True)
class Planted:
    """One fault: where it was put, what should catch it, and what did.

    `examined` and `failing` are those of the check or reason that caught it; None where it gives no count.
    """

    kind: FaultKind
    source: str  # source or qualified table
    where: str  # column, line, file: within the source
    expected: str
    caught: Caught
    caught_by: str = ""
    examined: int | None = None
    failing: int | None = None
    note: str = ""  # why it was missed or not tried


@dataclass(frozen=True)
class Copied:
    """A batch that was copied to plant faults in. `from_file`: its file was still there, byte for byte."""

    source: str
    path: str
    rows: int
    from_file: bool


@dataclass(frozen=True)
class Injection:
    """One check of the checks: every fault in order."""

    at: datetime
    seconds: float
    copies: tuple[Copied, ...]
    faults: tuple[Planted, ...]

    @property
    def caught(self) -> int:
        """How many faults something caught."""
        return sum(fault.caught is Caught.YES for fault in self.faults)

    @property
    def missed(self) -> int:
        """How many faults nothing caught."""
        return sum(fault.caught is Caught.NO for fault in self.faults)

    @property
    def untried(self) -> int:
        """How many faults could not be planted here."""
        return sum(fault.caught is Caught.UNTRIED for fault in self.faults)

    @property
    def well(self) -> bool:
        """Whether something was planted and all of it was caught."""
        return self.caught > 0 and self.missed == 0
