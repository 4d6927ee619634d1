"""What DuckDB's reader lets pass without a word, looked for in the bytes themselves before its result is believed.

It drops an empty field too many at the end of a line, and it takes ` "x"` and `"x" ` for x.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from etl.reader.grammar import Grammar
from etl.reader.text import Text

CHUNK_BYTES = 1024 * 1024


def has_a_record_on_each_line(text: Text, start: int, grammar: Grammar, width: int) -> bool:
    """Whether from offset `start` on each line is a record of `width` fields, provided that no line has too few
    fields, which DuckDB does tell. Quotes only around whole fields; where one is inside a field, the answer is no.
    """
    records = _records(grammar, width)
    for chunk in _chunks(text, start):
        if records and grammar.quote in chunk:
            if not records.fullmatch(chunk):
                return False
        elif chunk.count(grammar.delimiter) != _lines(chunk) * (width - 1):
            return False
    return True


def _records(grammar: Grammar, width: int) -> re.Pattern[bytes] | None:
    line = grammar.one_line(width)
    return re.compile(rb"(?:%b(?:\r?\n|\Z))*+" % line.pattern) if line else None


def _lines(chunk: bytes) -> int:
    return chunk.count(b"\n") + (0 if chunk.endswith(b"\n") else 1)


def _chunks(text: Text, start: int) -> Iterator[bytes]:
    """Whole lines."""
    with text.path.open("rb") as stream:
        stream.seek(start)
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk + (b"" if chunk.endswith(b"\n") else stream.readline())
