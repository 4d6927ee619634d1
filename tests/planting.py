"""Files put together from pieces of which it is known beforehand what must become of every line."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from etl.declared import Dialect
from etl.reader.grammar import (
    AFTER_QUOTE,
    NOT_CLOSED,
    NUL,
    SPANS_UNSOUND,
    SPANS_WRONG,
    STRAY_RETURN,
)

COLUMNS = ("a", "b", "c")
UNSOUND = "\udc81"  # one byte that neither UTF-8 nor cp1252 knows
BOMS = {"utf-8-sig": b"\xef\xbb\xbf"}
DIALECTS = st.sampled_from(
    [(",", '"'), (";", '"'), ("\t", '"'), ("|", "'"), ("¦", '"'), (",", "'"), (",", "")]
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "mac_roman"])
LINE_ENDS = st.sampled_from([("\n",), ("\r\n",), ("\n", "\r\n", "\r\r\n")])


@dataclass(frozen=True)
class Piece:
    """Physical lines as written, and what must become of each: a row, a reason, or neither (a blank one, or the
    second and later lines of a record). `waits` marks a line whose open quote ends where the next quote is.
    """

    lines: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...] = ()  # (line within the piece, fields of the file)
    reasons: tuple[tuple[int, str], ...] = ()
    blank: int = 0
    waits: bool = False


@dataclass(frozen=True)
class Planted:
    """A file with what must come of it. Rows have the contract's columns."""

    content: bytes
    dialect: Dialect
    name: str
    rows: dict[int, tuple[str | None, ...]]
    reasons: dict[int, str]
    raw: dict[int, str]
    blank: int
    lines: int


@dataclass(frozen=True)
class Shape:
    """What the pieces of one file have in common."""

    delimiter: str
    quote: str
    encoding: str
    width: int

    def line(self, fields: Sequence[str]) -> str:
        return self.delimiter.join(fields)

    def quoted(self, text: str) -> str:
        return f"{self.quote}{text.replace(self.quote, self.quote * 2)}{self.quote}" if self.quote else text


Fields = tuple[str, ...]
Maker = Callable[[Shape, Fields, int], Piece]  # (shape, plain fields, place of the fault)


def plain(shape: Shape, fields: Fields, at: int) -> Piece:
    return Piece((shape.line(fields),), rows=((0, fields),))


def quoted(shape: Shape, fields: Fields, at: int) -> Piece:
    if not shape.quote:
        return plain(shape, fields, at)
    text = f"x{fields[at]}{shape.delimiter} y{shape.quote}z"
    whole = (*fields[:at], text, *fields[at + 1 :])
    return Piece((shape.line([*fields[:at], shape.quoted(text), *fields[at + 1 :]]),), rows=((0, whole),))


def over_lines(shape: Shape, fields: Fields, at: int) -> Piece:
    """A quoted field with line ends of its own, a blank line, a delimiter and a quote inside."""
    if not shape.quote:
        return plain(shape, fields, at)
    text = f"x{fields[at]}\r\n\n{shape.delimiter}la{shape.quote}st"
    written = shape.line([*fields[:at], shape.quoted(text), *fields[at + 1 :]])
    whole = (*fields[:at], text, *fields[at + 1 :])
    return Piece(tuple(written.split("\n")), rows=((0, whole),))


def long(shape: Shape, fields: Fields, at: int) -> Piece:
    whole = (*fields[:at], "long " * 500, *fields[at + 1 :])
    return Piece((shape.line(whole),), rows=((0, whole),))


def empty(shape: Shape, fields: Fields, at: int) -> Piece:
    whole = ("",) * shape.width
    return Piece((shape.line(whole),), rows=((0, whole),))


def blank(shape: Shape, fields: Fields, at: int) -> Piece:
    return Piece(("  " * at,), blank=1)


def too_few(shape: Shape, fields: Fields, at: int) -> Piece:
    count = 1 + at % (shape.width - 1)
    return Piece(
        (shape.line(["x", *fields[1:count]]),),
        reasons=((0, f"too few fields: {count} instead of {shape.width}"),),
    )


def delimiters_alone(shape: Shape, fields: Fields, at: int) -> Piece:
    """No blank line, not even where a tab is the delimiter."""
    return Piece((shape.delimiter,), reasons=((0, f"too few fields: 2 instead of {shape.width}"),))


def too_many(shape: Shape, fields: Fields, at: int) -> Piece:
    more = ("",) * (1 + at)
    return Piece(
        (shape.line([*fields, *more]),),
        reasons=((0, f"too many fields: {shape.width + len(more)} instead of {shape.width}"),),
    )


def nul(shape: Shape, fields: Fields, at: int) -> Piece:
    return Piece((shape.line([*fields[:at], "x\0", *fields[at + 1 :]]),), reasons=((0, NUL),))


def undecodable(shape: Shape, fields: Fields, at: int) -> Piece:
    if shape.encoding not in ("utf-8", "utf-8-sig", "cp1252"):  # in the others any byte means something
        return plain(shape, fields, at)
    told = "utf-8" if shape.encoding == "utf-8-sig" else shape.encoding
    return Piece(
        (shape.line([*fields[:at], f"x{UNSOUND}", *fields[at + 1 :]]),), reasons=((0, f"not valid {told}"),)
    )


def after_a_quote(shape: Shape, fields: Fields, at: int) -> Piece:
    if not shape.quote:
        return plain(shape, fields, at)
    hurt = shape.quoted("x") + "y"
    return Piece((shape.line([*fields[:at], hurt, *fields[at + 1 :]]),), reasons=((0, AFTER_QUOTE),))


def stray_return(shape: Shape, fields: Fields, at: int) -> Piece:
    hurt = "x\ry"
    return Piece((shape.line([*fields[:at], hurt, *fields[at + 1 :]]),), reasons=((0, STRAY_RETURN),))


def never_closed(shape: Shape, fields: Fields, at: int) -> Piece:
    if not shape.quote:
        return plain(shape, fields, at)
    hurt = f"{shape.quote}x{fields[at]}"
    return Piece((shape.line([*fields[:at], hurt, *fields[at + 1 :]]),), waits=True)


def one_too_many_opens(shape: Shape, fields: Fields, at: int) -> Piece:
    if not shape.quote:
        return plain(shape, fields, at)
    return Piece((shape.line([*fields, f"{shape.quote}x"]),), reasons=((0, SPANS_WRONG),))


def too_few_over_lines(shape: Shape, fields: Fields, at: int) -> Piece:
    """The record is taken back, so that its second line is read by itself."""
    if not shape.quote:
        return plain(shape, fields, at)
    rest = f"too few fields: 1 instead of {shape.width}"
    return Piece(
        (f"{shape.quote}x", f"y{shape.quote}"),
        reasons=((0, SPANS_WRONG), (1, rest)),
    )


def too_many_over_lines(shape: Shape, fields: Fields, at: int) -> Piece:
    """The record is taken back; its second line happens to be a record."""
    if not shape.quote:
        return plain(shape, fields, at)
    second = (f"y{shape.quote}", *fields[1:])
    return Piece(
        (shape.line(["z", f"{shape.quote}x"]), shape.line(second)),
        rows=((1, second),),
        reasons=((0, SPANS_WRONG),),
    )


SOUND: tuple[Maker, ...] = (plain, plain, quoted, over_lines, long, empty, blank)
FAULTY: tuple[Maker, ...] = (
    too_few, delimiters_alone, too_many, nul, undecodable, after_a_quote, stray_return, never_closed,
    one_too_many_opens, too_few_over_lines, too_many_over_lines,
)  # fmt: skip
WORDS = st.sampled_from(["1", "b c", "#", "\\", "NULL", "x", "é", "0x10", "-", "say hi ", " x"])


@st.composite
def pieces(draw: st.DrawFn, shape: Shape, makers: Sequence[Maker]) -> Piece:
    fields = tuple(draw(st.lists(WORDS, min_size=shape.width, max_size=shape.width)))
    return draw(st.sampled_from(makers))(shape, fields, draw(st.integers(0, shape.width - 1)))


@st.composite
def planted(draw: st.DrawFn, makers: Sequence[Maker] = SOUND + FAULTY) -> Planted:
    """A file of any dialect, encoding and line end, some of its lines broken."""
    delimiter, quote = draw(DIALECTS)
    encoding = draw(ENCODINGS)
    if encoding == "mac_roman" and delimiter == "¦":  # a character that encoding lacks
        encoding = "cp1252"
    columns = draw(st.permutations([*COLUMNS, *draw(st.sampled_from([(), ("d",), ("d", "e")]))]))
    shape = Shape(delimiter, quote, encoding, len(columns))
    before = draw(st.sampled_from([0, 0, 1, 2]))
    body = draw(st.lists(pieces(shape, makers), max_size=12))
    text = _joined(["" for _ in range(before)] + [shape.line(columns)], body, draw)
    packed = draw(st.sampled_from([False, False, False, True]))
    content = _encoded(text, encoding)
    return _expected(
        Planted(
            gzip.compress(content, mtime=0) if packed else content,
            Dialect(delimiter, quote, "utf-8" if encoding == "utf-8-sig" else encoding),
            "erp_sales.csv.gz" if packed else "erp_sales.csv",
            {}, {}, {}, before, before + 1,
        ),
        shape, columns, body,
    )  # fmt: skip


def _joined(head: list[str], body: Sequence[Piece], draw: st.DrawFn) -> str:
    """Each piece's last line ends as the file's lines do; the lines within a record keep their own ends."""
    ends = draw(LINE_ENDS)
    written = [line + ends[0] for line in head]
    for piece in body:
        # A record's own line ends are part of its text; the lines of the others are lines of the file.
        inner = "\n" if len(piece.rows) == 1 and piece.rows[0][0] == 0 else draw(st.sampled_from(ends))
        written.append(inner.join(piece.lines) + draw(st.sampled_from(ends)))
    last = draw(st.booleans()) or (body and not body[-1].lines[-1])  # a blank line without an end is none
    return "".join(written) if last else "".join(written).rstrip("\r\n")


def _encoded(text: str, encoding: str) -> bytes:
    return BOMS.get(encoding, b"") + text.encode(encoding.removesuffix("-sig"), "surrogateescape")


def _expected(made: Planted, shape: Shape, columns: Sequence[str], body: Sequence[Piece]) -> Planted:
    number, blank = made.lines + 1, made.blank
    for index, piece in enumerate(body):
        for at, fields in piece.rows:
            found = dict(zip(columns, fields, strict=True))
            made.rows[number + at] = tuple(found[name] or None for name in COLUMNS)
        reasons = ((0, _where_it_ends(shape, body[index + 1 :])),) if piece.waits else piece.reasons
        for at, reason in reasons:
            made.reasons[number + at] = reason
            made.raw[number + at] = _shown(piece.lines[at])
        number += len(piece.lines)
        blank += piece.blank
    return Planted(
        made.content, made.dialect, made.name, made.rows, made.reasons, made.raw, blank, number - 1
    )


def _where_it_ends(shape: Shape, later: Sequence[Piece]) -> str:
    """No piece has its first quote where it could close a field, so an open one meets its end at that line."""
    for line in (line for piece in later for line in piece.lines):
        if "\0" in line or UNSOUND in line:
            return SPANS_UNSOUND
        if shape.quote in line:
            break
    return NOT_CLOSED


def _shown(line: str) -> str:
    return line.replace("\0", "\\x00").replace(UNSOUND, "\\x81").rstrip("\r")
