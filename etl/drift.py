"""How a file's columns differ from the contract and from the files before: records and rules, nothing is read here."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from etl.declared import Column, Contract, Kind

LEAST_VALUES = 5
"""A column with fewer values in a batch says nothing about its type."""

EARLIER_BATCHES = 7
"""With so many batches before it a column is compared."""

SIMILAR = 0.6  # difflib's measure from which names are taken for the same; its own default


class DriftKind(StrEnum):
    """What became of a column."""

    NEW = "new"
    MISSING = "missing"
    RENAMED = "renamed"  # found under an alias
    RETYPED = "retyped"  # its texts mostly have another form than before


class Form(StrEnum):
    """The form a column's texts mostly have, told from the text alone."""

    WHOLE = "whole"
    POINT = "point"
    COMMA = "comma"
    GROUPED = "grouped"
    DAY_YMD = "day_ymd"
    DAY_DASHES = "day_dashes"
    DAY_DOTS = "day_dots"
    DAY_SLASHES = "day_slashes"
    MOMENT = "moment"
    FLAG = "flag"
    TEXT = "text"


FORM_WORDS = {
    Form.WHOLE: "whole numbers",
    Form.POINT: "decimals with a point",
    Form.COMMA: "numbers with a comma",
    Form.GROUPED: "numbers with parted thousands",
    Form.DAY_YMD: "dates YYYY-MM-DD",
    Form.DAY_DASHES: "dates DD-MM-YYYY",
    Form.DAY_DOTS: "dates DD.MM.YYYY",
    Form.DAY_SLASHES: "dates with slashes",
    Form.MOMENT: "dates with a time",
    Form.FLAG: "yes or no",
    Form.TEXT: "text",
}

_NUMBERS = frozenset({Form.WHOLE, Form.POINT, Form.COMMA, Form.GROUPED})
_DAYS = frozenset({Form.DAY_YMD, Form.DAY_DASHES, Form.DAY_DOTS, Form.DAY_SLASHES, Form.MOMENT})
_SUIT = {
    Kind.INTEGER: _NUMBERS,
    Kind.DECIMAL: _NUMBERS,
    Kind.RATIO: _NUMBERS,
    Kind.DATE: _DAYS,
    Kind.TIMESTAMP: _DAYS,
    Kind.BOOLEAN: frozenset({Form.FLAG, Form.WHOLE}),
}


@dataclass(frozen=True)
class Drift:
    """One column of one batch that is not as agreed, or not as before.

    `was` and `found` are names for a missing, new or renamed column and forms in words for a retyped one; `proposal`
    says what to do. `agreed`: the contract foresees it (an alias, a column that it lets evolve).
    """

    source: str
    batch_id: str
    path: str
    at: datetime
    column: str
    kind: DriftKind
    was: str = ""
    found: str = ""
    example: str = ""
    proposal: str = ""
    agreed: bool = False

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        match self.kind:
            case DriftKind.NEW:
                return f"'{self.column}' is new{f' ({self.found})' if self.found else ''}"
            case DriftKind.MISSING:
                return f"'{self.column}' is missing"
            case DriftKind.RENAMED:
                return f"'{self.column}' is called '{self.found}'"
        like = f" (like '{self.example}')" if self.example else ""
        return f"'{self.column}' held {self.was}, now {self.found}{like}"


@dataclass(frozen=True)
class HeaderSeen:
    """What of a file's header is not as the contract says. `unknown` has the form of each column's first values."""

    missing: tuple[str, ...] = ()
    unknown: tuple[tuple[str, Form | None], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()  # (found alias, name)


@dataclass(frozen=True)
class ColumnSeen:
    """One column of one batch: how many of the texts looked at are filled, and the form that most of them have."""

    name: str
    form: Form | None
    filled: int
    example: str = ""


def form_of(text: str) -> Form | None:
    """The form of one text; None for a blank one. `FORM_SQL` in etl.warehouse.columns is the same in SQL."""
    text = text.strip(" ")
    if not text:
        return None
    rest = "".join(letter for letter in text if letter not in "0123456789")
    digits = len(text) > len(rest)
    if digits and rest in ("", "+", "-"):
        return Form.WHOLE if not rest or text[0] == rest else Form.TEXT
    unsigned = rest[1:] if text[0] in "+-" else rest
    number = _NUMBER_RESTS.get(unsigned) if digits else None
    if number:
        return number
    day = _day(text, rest) if digits else None
    return day or (Form.FLAG if text.lower() in FLAGS else Form.TEXT)


FLAGS = ("true", "false", "yes", "no", "t", "f", "y", "n")
_NUMBER_RESTS = {".": Form.POINT, ",": Form.COMMA, ",.": Form.GROUPED, ".,": Form.GROUPED}
MOMENTS = ("--T::", "-- ::", "--T:", "-- :", "--T::Z", "--T::.", "-- ::.", "--T::.Z")
YEAR = 4  # digits before the first sign of a date that begins with its year


def _day(text: str, rest: str) -> Form | None:
    if rest in MOMENTS:
        return Form.MOMENT
    if rest == "--":
        return Form.DAY_YMD if text.index("-") == YEAR else Form.DAY_DASHES
    return {"..": Form.DAY_DOTS, "//": Form.DAY_SLASHES}.get(rest)


def mostly(counts: Mapping[Form, int]) -> Form | None:
    """The form that more than half of the texts have; text where none does, None without texts."""
    filled = sum(counts.values())
    if not filled:
        return None
    form, most = max(counts.items(), key=lambda item: item[1])
    if most * 2 > filled:
        return form
    numbers = sum(count for form, count in counts.items() if form in _NUMBERS)
    return Form.POINT if numbers * 2 > filled else Form.TEXT


def usual_form(earlier: Iterable[ColumnSeen]) -> Form | None:
    """The form a column mostly had, of its batches newest first; None where none had enough values."""
    forms = [seen.form for seen in earlier if seen.form and seen.filled >= LEAST_VALUES]
    counts = Counter(forms[:EARLIER_BATCHES])
    return max(counts, key=lambda form: (counts[form], -forms.index(form)), default=None)


@dataclass(frozen=True)
class Comparison:
    """Compares one batch's columns with the contract and with the usual form of each column."""

    contract: Contract
    source: str
    batch_id: str
    path: str
    at: datetime
    usual: Mapping[str, Form | None]

    def drift(self, header: HeaderSeen, columns: Sequence[ColumnSeen]) -> list[Drift]:
        """All that differs: missing columns first, each with the new one that it may have become."""
        became = self.likely_renames(header)
        found = [self._missing(name, became.get(name, "")) for name in header.missing]
        found += [
            self._of(name, DriftKind.NEW, found=FORM_WORDS[form] if form else "",
                     agreed=self.contract.unknown_columns == "evolve",
                     proposal="" if name in became.values() else self._keep(name))
            for name, form in header.unknown
        ]  # fmt: skip
        found += [
            self._of(name, DriftKind.RENAMED, was=name, found=alias, agreed=True)
            for alias, name in header.renamed
        ]
        return found + [drift for column in columns if (drift := self._retyped(column))]

    def _of(self, column: str, kind: DriftKind, **more: object) -> Drift:
        return Drift(self.source, self.batch_id, self.path, self.at, column, kind, **more)  # type: ignore[arg-type]

    def _missing(self, name: str, became: str) -> Drift:
        proposal = (
            f"looks renamed: add '{became}' to the aliases of {name} in {self.contract.file}"
            if became
            else ""
        )
        return self._of(name, DriftKind.MISSING, was=name, found=became, proposal=proposal)

    def _keep(self, name: str) -> str:
        if self.contract.unknown_columns == "evolve":
            return ""
        return f"declare '{name}' in {self.contract.file} to keep it, or let unknown columns evolve"

    def _retyped(self, column: ColumnSeen) -> Drift | None:
        was = self.usual.get(column.name)
        if was is None or column.form in (None, was) or column.filled < LEAST_VALUES:
            return None
        return self._of(
            column.name, DriftKind.RETYPED, was=FORM_WORDS[was], found=FORM_WORDS[column.form or was],
            example=column.example, proposal=f"see its format in {self.contract.file}, or ask who exports it",
        )  # fmt: skip

    def likely_renames(self, header: HeaderSeen) -> dict[str, str]:
        """Missing column → the unknown one that it has most likely become; each at most once, the surest first."""
        pairs = sorted(
            (-self._likeness(name, found, form, header), name, found)
            for name in header.missing
            for found, form in header.unknown
        )
        became: dict[str, str] = {}
        for unlikeness, name, found in pairs:
            if -unlikeness >= SIMILAR and name not in became and found not in became.values():
                became[name] = found
        return became

    def _likeness(self, name: str, found: str, form: Form | None, header: HeaderSeen) -> float:
        """0 to 1; 0 where the values cannot be those of the missing column."""
        column = self.contract.column(name)
        was = self.usual.get(name)
        if form and not _suits(column, was, form):
            return 0.0
        alike = _alike(name, found)
        the_only = len(header.missing) == len(header.unknown) == 1
        by_type = form is not None and form is not Form.TEXT and (was is None or form == was)
        return max(alike, SIMILAR) if the_only and by_type else alike


def _suits(column: Column, was: Form | None, form: Form) -> bool:
    """Whether texts of this form can be the column's."""
    allowed = _SUIT.get(column.kind)
    if allowed is not None:
        return form in allowed
    return was is None or was == form or {was, form} <= _NUMBERS or {was, form} <= _DAYS


def _alike(name: str, found: str) -> float:
    one, other = _folded(name), _folded(found)
    if not one or not other:
        return 0.0
    if one == other:
        return 1.0
    words, others = set(one.split("_")), set(other.split("_"))
    inside = 0.8 if words <= others or others <= words else 0.0
    return max(inside, difflib.SequenceMatcher(None, one, other).ratio())


def _folded(name: str) -> str:
    """Lower case, its words parted by `_`: `Sale Amount`, `saleAmount` and `SALE-AMOUNT` become `sale_amount`."""
    parted = "".join(
        f"_{letter}" if letter.isupper() and before.islower() else letter
        for before, letter in zip(f" {name}", name, strict=False)
    )
    return "_".join("".join(letter if letter.isalnum() else " " for letter in parted).casefold().split())
