"""What the reader's tests share: a landing folder with a reader, and a second, naive definition of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from etl.declared import Column, Contract, Dialect, Kind
from etl.reader import Reader, ReadResult
from etl.reader.grammar import AFTER_QUOTE, NOT_CLOSED, NUL, SPANS_UNSOUND, SPANS_WRONG, STRAY_RETURN

SALES = ("sales_id", "product_id", "customer_id", "quantity", "sale_date", "sale_amount")


def contract(*names: str, dialect: Dialect | None = None, required: Sequence[str] | None = None) -> Contract:
    """A contract with these columns, all of them required unless told which."""
    needed = names if required is None else required
    return Contract(
        source="erp_sales",
        version="1.0.0",
        file="contracts/erp_sales.odcs.yaml",
        pattern="erp/erp_sales*.csv",
        dialect=dialect or Dialect(),
        bronze_table="bronze.erp_sales_raw",
        silver_table=None,
        grain="one row per line",
        columns=tuple(Column(name, Kind.TEXT, 1, required=name in needed) for name in names),
        key=(),
        newest_by=None,
        fresh_within=None,
        unknown_columns="ignore",
        rules=(),
        fingerprint="",
    )


def with_aliases(given: Contract, name: str, *aliases: str) -> Contract:
    """The contract with other names for a column."""
    columns = (replace(c, aliases=aliases) if c.name == name else c for c in given.columns)
    return replace(given, columns=tuple(columns))


@dataclass(frozen=True)
class Outcome:
    """A file as read, in plain values: rows by the physical line they start on, reasons by unreadable line."""

    result: ReadResult
    columns: tuple[str, ...]
    rows: dict[int, tuple[str | None, ...]]
    reasons: dict[int, str]
    raw: dict[int, str]

    @property
    def explained_lines(self) -> int:
        found = self.result
        return (
            found.header_lines + found.rows + found.continuation_lines + len(found.unreadable) + found.blank
        )


class Desk:
    """A landing folder, a files folder and a reader that may touch nothing else."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.landing, self.files = folder / "landing", folder / "files"
        self.landing.mkdir(parents=True, exist_ok=True)
        self.target = self.files / "bronze" / "batch.parquet"
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.reader = Reader([self.landing], self.files, **limits)
        self._plain = duckdb.connect()

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reader.close()
        self._plain.close()

    def put(self, content: bytes, name: str = "erp_sales.csv") -> Path:
        path = self.landing / name
        path.write_bytes(content)
        return path

    def read(self, content: bytes, given: Contract | None = None, name: str = "erp_sales.csv") -> Outcome:
        """Land the bytes and read them; the contract has the columns a, b and c unless given."""
        result = self.reader.read(self.put(content, name), given or contract("a", "b", "c"), self.target)
        return outcome(result, self._plain)


def outcome(result: ReadResult, connection: duckdb.DuckDBPyConnection) -> Outcome:
    """What a result's Parquet file holds, read by a connection that has nothing to do with the reader."""
    numbered = "file_row_number = true" if result.first_line is not None else "file_row_number = false"
    found = connection.execute(f"select * from read_parquet(?, {numbered})", [str(result.parquet)])
    columns = tuple(column[0] for column in found.description or ())
    rows = found.fetchall()
    first = result.first_line or 0
    return Outcome(
        result,
        columns[:-1],
        {row[-1] + first: row[:-1] for row in rows},
        {line.line_number: line.reason for line in result.unreadable},
        {line.line_number: line.raw for line in result.unreadable},
    )


@dataclass(frozen=True)
class Judged:
    """What becomes of the lines after the header, by physical line."""

    rows: dict[int, tuple[str | None, ...]]
    unreadable: dict[int, str]
    blank: list[int]


@dataclass(frozen=True)
class Tried:
    """A record looked for: its fields and the lines it spans, or why there is none."""

    fields: tuple[str, ...]
    spanned: int
    fault: str = ""


def judge_naively(
    body: bytes, width: int, first_line: int = 2, delimiter: str = ",", quote: str = '"'
) -> Judged:
    """DESIGN §4.3 once more, character by character and quadratic, without a regular expression or DuckDB."""
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    judged, index = Judged({}, {}, []), 0
    while index < len(lines):
        number = first_line + index
        bare = _text(lines[index])
        if bare is not None and not bare.rstrip("\r").strip(" \t") and delimiter not in bare:
            judged.blank.append(number)
            index += 1
            continue
        tried = _record(lines[index:], width, delimiter, quote)
        fault = tried.fault or _miscounted(tried, width)
        if fault:
            judged.unreadable[number] = fault
            index += 1
        else:
            judged.rows[number] = tuple(field or None for field in tried.fields)
            index += tried.spanned
    return judged


def _miscounted(tried: Tried, width: int) -> str:
    found = len(tried.fields)
    if found == width:
        return ""
    if tried.spanned > 1:
        return SPANS_WRONG
    return f"too {'few' if found < width else 'many'} fields: {found} instead of {width}"


def _record(  # noqa: C901, PLR0912 - one branch per sign, so that it can be held against the rule line by line
    lines: Sequence[bytes], width: int, delimiter: str, quote: str
) -> Tried:
    fields: tuple[str, ...] = ()
    current, state = "", "start"
    for spanned, line in enumerate(lines, start=1):
        text = _text(line)
        if text is None:
            return Tried(fields, spanned, SPANS_UNSOUND if spanned > 1 else _unsound(line))
        place = 0
        while state == "quoted" or text[place:].strip("\r"):
            if state == "quoted" and place == len(text):
                break
            sign = text[place]
            if state == "quoted" and text[place : place + 2] == quote * 2:
                current, place = current + quote, place + 1
            elif state == "quoted":
                current, state = (current, "closed") if sign == quote else (current + sign, state)
            elif state == "start" and sign == quote:
                state = "quoted"
            elif sign == delimiter:
                fields, current, state = (*fields, current), "", "start"
            elif state == "closed":
                return Tried(fields, spanned, NOT_CLOSED if spanned > 1 else AFTER_QUOTE)
            elif sign == "\r":
                return Tried(fields, spanned, STRAY_RETURN)
            else:
                current, state = current + sign, "bare"
            place += 1
        if state != "quoted":
            return Tried((*fields, current), spanned)
        if len(fields) >= width:
            return Tried(fields, spanned, SPANS_WRONG)
        current += "\n"
    return Tried(fields, len(lines), NOT_CLOSED)


def _text(line: bytes) -> str | None:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _unsound(line: bytes) -> str:
    return NUL if b"\0" in line else "not valid utf-8"
