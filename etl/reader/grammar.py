"""How bytes make records under one dialect: the single definition that the exact pass and the header share."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from etl.declared import Dialect

NOT_CLOSED = "a quote is not closed"
NOT_CLOSED_SOON = "a quote is not closed within 64 MB"
AFTER_QUOTE = "text after a closing quote"
STRAY_RETURN = "a carriage return inside an unquoted field"
SPANS_WRONG = "a record over several lines with the wrong number of fields"
SPANS_UNSOUND = "a quoted field runs into a line that cannot be read"
NUL = "a NUL byte"


@dataclass(frozen=True)
class Record:
    """A record taken apart: its fields, unquoted, and the number of physical lines it covers."""

    fields: list[bytes]
    lines: int


@dataclass(frozen=True)
class Fault:
    """Why no record starts on a line."""

    reason: str


class Lines:
    """Lines in a row, without their line feeds; `unsound` are the indexes of those no record may run into."""

    def __init__(self, whole: Sequence[bytes], quote: bytes, unsound: Sequence[int] = ()) -> None:
        self.whole, self.unsound = whole, unsound
        self._quote = quote

    @cached_property
    def _quoted(self) -> list[int]:
        return [index for index, line in enumerate(self.whole) if self._quote in line]

    def next_quoted(self, index: int) -> int:
        """The first line from `index` on that holds a quote; the number of lines when there is none."""
        place = bisect_left(self._quoted, index)
        return self._quoted[place] if place < len(self._quoted) else len(self.whole)

    def has_unsound(self, start: int, end: int) -> bool:
        """Whether a line in [start, end) is unsound."""
        return bisect_left(self.unsound, start) < bisect_left(self.unsound, end)


class Grammar:
    """Records of UTF-8 bytes. A quote opens a field only as its first byte; elsewhere it is text."""

    def __init__(self, dialect: Dialect) -> None:
        self.delimiter = dialect.delimiter.encode()
        self.quote = dialect.quote.encode()
        quote = re.escape(self.quote)
        # No possessive groups here: before Python 3.11.5 they match wrongly where the group can match in two ways.
        self._inside = re.compile(rb"[^%b]*+(?:%b%b[^%b]*+)*" % ((quote,) * 4) if quote else b"")
        self._bare = re.compile(self._not_delimiter(rb"\r"))

    def one_line(self, fields: int) -> re.Pattern[bytes] | None:
        """What a line matches that is one record of `fields` fields with nothing doubtful about its quotes."""
        if not self.quote:
            return None
        quote = re.escape(self.quote)
        plain = rb"[^%b\r\n]*+" % quote
        quoted = rb"%b%b(?:%b%b%b)*%b" % (quote, plain, quote, quote, plain, quote)
        field = rb"(?:%b|%b)" % (quoted, self._not_delimiter(rb"\r\n" + quote))
        return re.compile(
            field + rb"(?:%b%b){%d}" % (re.escape(self.delimiter), field, fields - 1), re.DOTALL
        )

    def record_at(self, lines: Lines, start: int, most: int | None = None) -> Record | Fault | None:
        """The record that starts on line `start`; None when a quote is still open after the last line. With `most`
        given, a record that runs over several lines has no more fields than that.
        """
        fields: list[bytes] = []
        running: list[bytes] = []
        index = start
        while index < len(lines.whole):
            fault = self._take_line(lines.whole[index], fields, running)
            if fault:
                return Fault(NOT_CLOSED if index > start and fault == AFTER_QUOTE else fault)
            if not running:
                return Record(fields, index - start + 1)
            # Whatever follows, the open field is one too many: looking further would be quadratic in a broken file.
            if most is not None and len(fields) >= most:
                return Fault(SPANS_WRONG)
            after = lines.next_quoted(index + 1)
            if lines.has_unsound(index + 1, after + 1):
                return Fault(SPANS_UNSOUND)
            running += lines.whole[index + 1 : after]
            index = after
        return None

    def _take_line(self, line: bytes, fields: list[bytes], running: list[bytes]) -> str:
        """Add a line's fields. What is in `running` afterwards is the part of a quoted field that runs on.
        Returns the fault, or "".
        """
        at = 0
        while True:
            if running or (self.quote and line.startswith(self.quote, at)):
                at = self._take_quoted(line, at, fields, running)
                if running:
                    return ""
                fault = AFTER_QUOTE
            else:
                at = self._take_bare(line, at, fields)
                fault = STRAY_RETURN
            if _ends(line, at):
                return ""
            if not line.startswith(self.delimiter, at):
                return fault
            at += len(self.delimiter)

    def _take_quoted(self, line: bytes, at: int, fields: list[bytes], running: list[bytes]) -> int:
        start = at if running else at + len(self.quote)
        end = _end_of(self._inside, line, start)
        running.append(line[start:end])
        if end == len(line):
            return end
        fields.append(b"\n".join(running).replace(self.quote * 2, self.quote))
        running.clear()
        return end + len(self.quote)

    def _take_bare(self, line: bytes, at: int, fields: list[bytes]) -> int:
        end = _end_of(self._bare, line, at)
        fields.append(line[at:end])
        return end

    def _not_delimiter(self, but: bytes) -> bytes:
        """A pattern for text up to the delimiter that holds none of the bytes `but`."""
        delimiter = re.escape(self.delimiter)
        if len(self.delimiter) == 1:
            return rb"[^%b%b]*+" % (delimiter, but)
        return rb"(?:(?!%b)[^%b])*" % (delimiter, but)


def _end_of(pattern: re.Pattern[bytes], line: bytes, start: int) -> int:
    """Where the text that the pattern takes from `start` on ends."""
    found = pattern.match(line, start)
    return found.end() if found else start


def _ends(line: bytes, at: int) -> bool:
    """Whether nothing but carriage returns, which belong to the line's end, is left."""
    return at == len(line) or (line.startswith(b"\r", at) and not line[at:].strip(b"\r"))
