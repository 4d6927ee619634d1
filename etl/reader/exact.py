"""The slow, exact pass: every physical line judged by itself, in one stream, good records written to a scratch CSV.

A window of whole lines is held at a time. Only a quoted field that runs on makes it grow, to `MOST_BYTES` at most. A
look-ahead stops at the first quote that is not doubled or at the record's last field, and a line that leaves a quote
open holds an undoubled quote itself; so no byte is looked ahead over more often than a record has fields, however
many stray quotes there are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from etl.errors import FileRefused
from etl.model import Unreadable
from etl.reader.grammar import (
    NOT_CLOSED,
    NOT_CLOSED_SOON,
    NUL,
    SPANS_WRONG,
    Fault,
    Grammar,
    Lines,
    Record,
)
from etl.reader.header import Header
from etl.reader.text import Text

BLOCK_BYTES = 1024 * 1024
MOST_BYTES = (
    64 * 1024 * 1024
)  # of a record over several lines, and twice that of one line: memory is bounded by it

_TOO_LONG_HINT = "No record may be longer; fix the export."


@dataclass
class Tally:
    """What the pass found. `row_numbers` is the sum of the physical lines that records start on."""

    rows: int = 0
    continuation_lines: int = 0
    blank: int = 0
    row_numbers: int = 0
    longest: int = 0  # bytes of the longest scratch record, or more
    unreadable: list[Unreadable] = field(default_factory=list)


def exact_pass(text: Text, header: Header, grammar: Grammar, scratch: BinaryIO) -> Tally:
    """Take the records after the header apart. `scratch` gets one CSV record per row: the physical line it starts
    on, then the file's columns. Raises FileRefused for a line longer than memory should hold.
    """
    judge = _Judge(text, header, grammar)
    with text.path.open("rb") as stream:
        stream.seek(header.end)
        rest, final = b"", False
        while not final:
            more = _more(stream, len(rest), text.name)
            final = not more or stream.tell() >= text.survey.size_bytes  # a file that shrinks ends early
            rest = judge.take(rest + more, final)
            scratch.write(b"".join(judge.records))
            judge.forget_records()
    return judge.tally


def _more(stream: BinaryIO, held: int, name: str) -> bytes:
    """Whole lines: as many bytes again as are held, within bounds."""
    block = stream.read(max(BLOCK_BYTES, min(held, MOST_BYTES - held)))
    if not block or block.endswith(b"\n"):
        return block
    line = stream.readline(2 * MOST_BYTES)
    if len(line) == 2 * MOST_BYTES:
        raise FileRefused(f"{name} has a line of more than {2 * MOST_BYTES // 1024**2} MB.", _TOO_LONG_HINT)
    return block + line


class _Window:
    """Whole lines, as they are and without the carriage returns at their ends."""

    def __init__(self, block: bytes, quote: bytes) -> None:
        self.size_bytes = len(block)
        whole = block.split(b"\n")
        if not whole[-1]:
            whole.pop()
        self.bare = [line.rstrip(b"\r") for line in whole] if b"\r" in block else whole
        self.unsound = self._unsound(block, whole)
        self.lines = Lines(whole, quote, sorted(self.unsound))
        self._doubtful = sorted(self.unsound | self._with_a_return(block))

    def next_doubtful(self, index: int) -> int:
        """The first line from `index` on where more than delimiters and quotes matters."""
        place = bisect_left(self._doubtful, index)
        return self._doubtful[place] if place < len(self._doubtful) else len(self.bare)

    @staticmethod
    def _unsound(block: bytes, whole: Sequence[bytes]) -> frozenset[int]:
        if b"\0" not in block and _is_utf8(block):
            return frozenset()
        return frozenset(index for index, line in enumerate(whole) if b"\0" in line or not _is_utf8(line))

    def _with_a_return(self, block: bytes) -> frozenset[int]:
        if block.count(b"\r") == block.count(b"\r\n"):
            return frozenset()
        return frozenset(index for index, line in enumerate(self.bare) if b"\r" in line)


class _Judge:
    """Says of each line what it is. `records` collects the scratch records of the window in hand."""

    def __init__(self, text: Text, header: Header, grammar: Grammar) -> None:
        self.tally = Tally()
        self.records: list[bytes] = []
        self._text, self._grammar, self._width = text, grammar, header.width
        self._number = header.blank + header.lines + 1  # physical line of the window's first line
        one_line = grammar.one_line(header.width)
        self._well_quoted = one_line.fullmatch if one_line else None

    def take(self, block: bytes, final: bool) -> bytes:
        """Judge a block of whole lines; `final` says that nothing follows. Returns what needs more lines to judge."""
        window = _Window(block, self._grammar.quote)
        index = 0
        while index < len(window.bare):
            index = self._take_simple(window, index)
            if index == len(window.bare):
                break
            judged = self._judge(window, index, final)
            if judged == 0:
                break
            index += judged
        self._number += index
        rest = window.lines.whole[index:]
        return b"\n".join(rest) + b"\n" if rest else b""

    def forget_records(self) -> None:
        """Note how long they were and start afresh."""
        self.tally.rows += len(self.records)
        self.tally.longest = max(self.tally.longest, max(map(len, self.records), default=0))
        self.records = []

    def _take_simple(self, window: _Window, index: int) -> int:
        """Take lines in which nothing needs a second look. Returns the index of the first other one."""
        if self._width == 1:  # a blank line would pass
            return index
        delimiter, commas, keep = self._grammar.delimiter, self._width - 1, self.records.append
        quote, well_quoted = self._grammar.quote or b"\n", self._well_quoted  # no line holds a line feed
        lines, first, offset = window.bare, index, self._number
        end = window.next_doubtful(first)
        for index in range(first, end):  # noqa: PLR1704 - goes on from where the caller is
            line = lines[index]
            if (line.count(delimiter) != commas or quote in line) and not (well_quoted and well_quoted(line)):
                break
            keep(b"%d%b%b\n" % (offset + index, delimiter, line))
        else:
            index = end
        self.tally.row_numbers += _sum_of_numbers(offset + first, index - first)
        return index

    def _judge(self, window: _Window, index: int, final: bool) -> int:
        """How many lines of the window are dealt with; 0 when it takes more lines to tell."""
        line = window.bare[index]
        if index in window.unsound:
            return self._set_aside(line, index, NUL if b"\0" in line else f"not valid {self._text.encoding}")
        if not line.strip(b" \t") and self._grammar.delimiter not in line:
            self.tally.blank += 1
            return 1
        record = self._grammar.record_at(window.lines, index, self._width)
        if isinstance(record, Record) and len(record.fields) == self._width:
            self.tally.continuation_lines += record.lines - 1
            self._keep(index, self._written(record.fields))
            return record.lines
        if record is None and not final and (index > 0 or window.size_bytes <= MOST_BYTES):
            return 0
        return self._set_aside(line, index, self._reason(record, final))

    def _keep(self, index: int, record: bytes) -> int:
        self.records.append(b"%d%b%b\n" % (self._number + index, self._grammar.delimiter, record))
        self.tally.row_numbers += self._number + index
        return 1

    def _set_aside(self, line: bytes, index: int, reason: str) -> int:
        self.tally.unreadable.append(Unreadable(self._number + index, self._text.shown(line), reason))
        return 1

    def _written(self, fields: list[bytes]) -> bytes:
        quote = self._grammar.quote
        if not quote:
            return self._grammar.delimiter.join(fields)
        return self._grammar.delimiter.join(quote + text.replace(quote, quote * 2) + quote for text in fields)

    def _reason(self, record: Record | Fault | None, final: bool) -> str:
        if record is None:
            return NOT_CLOSED if final else NOT_CLOSED_SOON
        if isinstance(record, Fault):
            return record.reason
        if record.lines > 1:
            return SPANS_WRONG
        found, wanted = len(record.fields), self._width
        return f"too {'few' if found < wanted else 'many'} fields: {found} instead of {wanted}"


def _sum_of_numbers(first: int, count: int) -> int:
    return count * first + count * (count - 1) // 2


def _is_utf8(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
