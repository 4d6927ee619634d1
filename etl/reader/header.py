"""The header of a file against its contract: columns are matched by name, never by position."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from etl.declared import Column, Contract, Severity
from etl.errors import FileRefused
from etl.reader.evolving import evolved_names
from etl.reader.grammar import NOT_CLOSED, STRAY_RETURN, Fault, Grammar, Lines, Record
from etl.reader.surveying import opened
from etl.reader.text import Text

_MOST_BYTES = 1024 * 1024  # a header longer than this is no header
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ((",", "','"), (";", "';'"), ("\t", "a tab"), ("|", "'|'"), (":", "':'"))
_NAMED_AT_MOST = 10
_CONTROLS = frozenset(range(9)) | frozenset(range(14, 32)) - {0x1A, 0x1B}


@dataclass(frozen=True)
class Header:
    """Where the contract's columns are in a file. `places` has one entry per contract column: its position, or
    None when it is missing. `end` is the offset of the first record's first byte.
    """

    width: int  # columns in the file
    places: tuple[int | None, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]  # (found alias, name)
    evolved: tuple[tuple[int, str], ...]  # (position, name in bronze) of the unknown columns that are kept
    blank: int  # blank lines before it
    lines: int  # with those that the contract says stand before it
    end: int

    def held(self, contract: Contract) -> list[tuple[str, int | None]]:
        """The columns that bronze holds, each with its position: the contract's in its order, then the evolved."""
        own = [(column.name, place) for column, place in zip(contract.columns, self.places, strict=True)]
        return [*own, *((name, place) for place, name in self.evolved)]

    def names(self, contract: Contract) -> tuple[str, ...]:
        """What bronze calls each field of the file, in the file's order; "" for one that is not kept."""
        called = {place: name for name, place in self.held(contract) if place is not None}
        return tuple(called.get(place, "") for place in range(self.width))


def read_header(text: Text, contract: Contract, grammar: Grammar) -> Header:
    """Find and match the header. Raises FileRefused with the reason when the file cannot be this contract's."""
    first = _first_line_bytes(text)
    raw, blank, lines, end = _first_record(text, first, grammar, contract)
    names = tuple(field.decode("utf-8").strip() for field in raw)
    _check_duplicates(text.name, names)
    found = _match(text.name, names, contract)
    missing = tuple(column.name for column in contract.columns if column.name not in found)
    unknown = tuple(_unknown(names, found))
    _check_missing(text.name, names, missing, unknown, contract)
    _check_unknown(text.name, unknown, contract)
    return Header(
        width=len(names),
        places=tuple(found.get(column.name) for column in contract.columns),
        missing=missing,
        unknown=unknown,
        renamed=tuple((names[place], name) for name, place in found.items() if names[place] != name),
        evolved=_evolved(names, found, contract),
        blank=blank,
        lines=lines,
        end=end,
    )


def _first_line_bytes(text: Text) -> bytes:
    with opened(text.path) as stream:
        return stream.read(_MOST_BYTES)


def _first_record(
    text: Text, first: bytes, grammar: Grammar, contract: Contract
) -> tuple[list[bytes], int, int, int]:
    """The header's fields, the blank lines before it, the lines up to its end without those, the offset after it."""
    start = len(_BOM) if first.startswith(_BOM) else 0
    lines = first[start:].split(b"\n")
    before = contract.dialect.lines_before_header
    place = before
    while place < len(lines) and not lines[place].strip(b" \t\r"):
        place += 1
    if place >= len(lines):
        _refuse_without_header(text, contract)
    _check_text(text, lines[place])
    record = grammar.record_at(Lines(lines, grammar.quote), place)
    if not isinstance(record, Record):
        reason = record.reason if isinstance(record, Fault) else NOT_CLOSED
        hint = "Save it with LF or CRLF line ends." if reason == STRAY_RETURN else "Fix the export."
        raise FileRefused(f"{text.name} has a header line that cannot be taken apart: {reason}.", hint)
    taken = lines[: place + record.lines]
    _check_text(text, b"\n".join(taken[place:]))
    whole = text.survey.size_bytes <= len(first)
    end = start + sum(len(line) + 1 for line in taken)
    if end > len(first) and not whole:
        raise FileRefused(
            f"{text.name} has a first line of more than 1 MB, so it is no CSV.", "Fix the export."
        )
    return record.fields, place - before, before + record.lines, min(end, text.survey.size_bytes)


def _refuse_without_header(text: Text, contract: Contract) -> NoReturn:
    before = contract.dialect.lines_before_header
    if not before:
        said = f"{text.name} has no header line: it holds nothing but blank lines."
        raise FileRefused(said, "Export it again.")
    raise FileRefused(
        f"{text.name} has no header line after the {before} lines that stand before it.",
        f"Set linesBeforeHeader in {contract.file}, or export it again.",
    )


def _check_text(text: Text, line: bytes) -> None:
    if not _CONTROLS.isdisjoint(line):
        hint = "Export it as CSV; where it is UTF-16 text, it needs a byte order mark or the contract's encoding."
        raise FileRefused(f"{text.name} is binary: its first line holds control characters.", hint)
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise FileRefused(
            f"{text.name} is not {text.encoding} text: its header line reads {text.shown(line)[:80]!r}.",
            "Set the encoding in its contract (for example cp1252), or fix the export.",
        ) from problem


def _check_duplicates(name: str, names: Sequence[str]) -> None:
    twice = [found for found, count in Counter(names).items() if count > 1 and found]
    if twice:
        raise FileRefused(f"{name} has the column {_quoted(twice)} more than once.", "Fix the export.")


def _match(file: str, names: Sequence[str], contract: Contract) -> dict[str, int]:
    """Contract name → position. The name itself counts before any alias."""
    found = {}
    for column in contract.columns:
        places = [names.index(column.name)] if column.name in names else _alias_places(column, names)
        if len(places) > 1:
            both = _quoted([names[place] for place in places])
            raise FileRefused(f"{file} has several columns for '{column.name}': {both}.", "Fix the export.")
        if places:
            found[column.name] = places[0]
    return found


def _alias_places(column: Column, names: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(names) if name in column.aliases]


def _unknown(names: Sequence[str], found: dict[str, int]) -> list[str]:
    known = set(found.values())
    return [
        name or f"(column {place + 1}, no name)" for place, name in enumerate(names) if place not in known
    ]


def _evolved(names: Sequence[str], found: dict[str, int], contract: Contract) -> tuple[tuple[int, str], ...]:
    if contract.unknown_columns != "evolve":
        return ()
    known = set(found.values())
    unknown = [place for place in range(len(names)) if place not in known]
    taken = {column.name for column in contract.columns}
    return tuple(
        zip(unknown, evolved_names([names[place] for place in unknown], unknown, taken), strict=True)
    )


def _check_missing(
    file: str, names: Sequence[str], missing: Sequence[str], unknown: Sequence[str], contract: Contract
) -> None:
    needed = [name for name in missing if _is_needed(name, contract)]
    if not needed:
        return
    if len(names) == 1:
        _check_delimiter(file, names[0], contract)
    message = (
        f"{file} has no column{'s' if len(needed) > 1 else ''} {_quoted(needed)} (found {_quoted(unknown)})."
    )
    if len(needed) == len(contract.columns) and not _meant(needed[0], unknown):
        raise FileRefused(message, f"Is its header line missing? {contract.file} names the columns.")
    raise FileRefused(message, _hint(needed, unknown, contract))


def _is_needed(name: str, contract: Contract) -> bool:
    column = contract.column(name)
    return name in contract.key or (column.required and column.severity("present") is not Severity.WARN)


def _check_delimiter(file: str, header: str, contract: Contract) -> None:
    own = contract.dialect.delimiter
    shown = dict(_DELIMITERS).get(own, f"'{own}'")
    for delimiter, words in _DELIMITERS:
        if delimiter != own and delimiter in header:
            raise FileRefused(
                f"{file} is separated by {words}, but its contract says {shown}: the header is one field, {header!r}.",
                f"Set the delimiter in {contract.file}, or fix the export.",
            )


def _hint(needed: Sequence[str], unknown: Sequence[str], contract: Contract) -> str:
    for name in needed:
        meant = _meant(name, unknown)
        if meant:
            its = "its" if len(needed) == 1 else f"the {name}"
            return f"Add '{meant}' to {its} aliases in {contract.file}, or fix the export."
    return f"Fix the export, or name the new columns as aliases in {contract.file}."


def _meant(name: str, unknown: Sequence[str]) -> str:
    """The unknown column that is most likely `name`, or ""."""
    folded = {found.casefold().replace(" ", "_"): found for found in unknown}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    inside = [found for fold, found in folded.items() if fold and (fold in name or name in fold)]
    return folded[close[0]] if close else (inside[0] if inside else "")


def _check_unknown(file: str, unknown: Sequence[str], contract: Contract) -> None:
    if unknown and contract.unknown_columns == "block":
        raise FileRefused(
            f"{file} has {_quoted(unknown)}, which the contract does not know.",
            f"Declare them in {contract.file}, let it ignore unknown columns, or fix the export.",
        )


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED_AT_MOST]) or "no other column"
    return shown + (f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else "")
