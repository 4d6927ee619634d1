"""Faults as files: each file carries one fault, or many with the line of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl.declared import Contract, Severity
from etl.inject.csvfile import Record, Writer, cycled
from etl.inject.records import Caught, FaultKind, Planted
from etl.inject.values import Broken
from etl.volume import LEAST_BATCHES

USUAL = 120  # rows of a usual file: enough for the volume check to speak
HISTORY = LEAST_BATCHES - 1  # usual files before one that is not; the copy itself came first
OTHERS = (";", ",", "|")
STRANGER = "metalayer_planted"  # a column that no contract knows


@dataclass(frozen=True)
class Line:
    """A fault on one physical line of a file; of a duplicate key, the line whose row should give way."""

    kind: FaultKind
    number: int
    what: str  # the column, or ""
    expected: str
    broken: Broken | None = None


@dataclass(frozen=True)
class File:
    """A file to land: sound (no `kind`), with one fault of its own, or with faults on some of its lines."""

    source: str
    name: str
    content: bytes
    kind: FaultKind | None = None
    what: str = ""
    expected: str = ""
    lines: tuple[Line, ...] = ()
    untried: tuple[Broken, ...] = ()  # for which there were too few sound records


@dataclass(frozen=True)
class Maker:
    """Makes the faulty files of one source from a few of its sound records."""

    contract: Contract
    records: Sequence[Record]

    @property
    def once(self) -> bool:
        """Whether a file with the same key twice keeps its source from being published."""
        same = (one for one in self.contract.distinct if set(one.columns) == set(self.contract.key))
        return any(one.severity is Severity.BLOCK for one in same)

    @property
    def few(self) -> bool:
        """Whether there are too few records for a usual file: none may be repeated, or it would be a fault."""
        return self.once and len(self.records) < 2 * USUAL

    def _rows(self, count: int) -> list[Record]:
        """So many records; from the first again where there are not enough and that does no harm."""
        return [*self.records[:count]] if self.once else [*cycled(self.records, count)]

    @property
    def writer(self) -> Writer:
        """How records become lines."""
        return Writer(self.contract)

    def history(self) -> Iterator[File]:
        """Usual files, then one with a tenth of the rows and one with twice as many."""
        if self.few:
            return
        for number in range(HISTORY):  # of the same bytes it would be the same batch
            yield self._of("usual", USUAL + number)
        yield self._of("drop", USUAL // 10, FaultKind.DROP, "volume: fewer rows than usual")
        yield self._of("doubling", USUAL * 2, FaultKind.DOUBLING, "volume: more rows than usual")

    def _of(self, name: str, rows: int, kind: FaultKind | None = None, expected: str = "") -> File:
        content = self.writer.file(self._rows(rows))
        return File(self.contract.source, name, content, kind, f"{rows} rows", expected)

    def untried(self) -> Iterator[Planted]:
        """What takes more sound records than there are."""
        for kind in (FaultKind.DROP, FaultKind.DOUBLING, FaultKind.HEADER_ONLY) if self.few else ():
            yield Planted(
                kind, self.contract.source, "whole file", "volume: rows as usual", Caught.UNTRIED,
                note="its newest batch has too few valid rows",
            )  # fmt: skip

    def another(self) -> bytes:
        """A sound file like no other."""
        return self.writer.file(self._rows(2 * USUAL - 1)[::-1])

    def whole_files(self) -> Iterator[File]:
        """One file for each fault of a whole file."""
        head = self.writer.whole([self.writer.header()])
        yield self._file(FaultKind.EMPTY, b"", "refused: nothing in it")
        if not self.few:
            yield self._file(FaultKind.HEADER_ONLY, head, "volume: fewer rows than usual")
        if len(self.contract.columns) > 1:
            yield self._truncated()
            yield self._file(
                FaultKind.DELIMITER, self._with_other_delimiter(), "refused, or columns as agreed"
            )
        yield from self._other_columns()

    def _other_columns(self) -> Iterator[File]:
        """Files whose header is not the contract's, for a required column and for one that may be missing."""
        own = [(name, name) for name in self.writer.names]
        needed = [c.name for c in self.contract.columns if c.required or c.name in self.contract.key]
        optional = [name for name, _ in own if name not in needed]
        for name in [*needed[:1], *optional[:1]]:
            expected = "refused: required column" if name in needed else "columns as agreed"
            if len(own) > 1:
                others = [each for each in own if each[1] != name]
                yield self._headed(FaultKind.NO_COLUMN, name, others, expected)
            renamed = [(f"{head}_new" if head == name else head, source) for head, source in own]
            yield self._headed(FaultKind.RENAMED, name, renamed, expected)
        if self.contract.unknown_columns != "evolve":  # else it is welcome
            more = [*own, (STRANGER, "")]
            yield self._headed(FaultKind.NEW_COLUMN, STRANGER, more, "refused, or columns as agreed")
        yield self._headed(FaultKind.SAME_COLUMN, own[0][0], [*own, own[0]], "refused: column twice")

    def _file(self, kind: FaultKind, content: bytes, expected: str) -> File:
        return File(self.contract.source, _slug(kind), content, kind, "", expected)

    def _sound(self, count: int = USUAL) -> list[bytes]:
        return [self.writer.record(record) for record in self._rows(count)]

    def _headed(self, kind: FaultKind, what: str, columns: Sequence[tuple[str, str]], expected: str) -> File:
        """Sound records under another header; `columns` are the heads, each with the column whose values it has."""
        lines = [
            self.writer.line([record.get(source) or "planted" for _, source in columns])
            for record in self._rows(USUAL)
        ]
        content = self.writer.whole([self.writer.line([head for head, _ in columns]), *lines])
        return File(self.contract.source, f"{_slug(kind)}-{what}", content, kind, what, expected)

    def _with_other_delimiter(self) -> bytes:
        own = self.writer.dialect.delimiter
        other = next(each for each in OTHERS if each != own).encode()
        lines = [line.replace(own.encode(), other) for line in [self.writer.header(), *self._sound()]]
        return self.writer.whole(lines)

    def _truncated(self) -> File:
        """The file breaks off before the last delimiter of its last line."""
        cut = self.writer.line(self.writer.fields(self.records[0])[:-1])
        content = self.writer.whole([self.writer.header(), *self._sound(), cut])[:-1]
        line = Line(FaultKind.TRUNCATED, content.count(b"\n") + 1, "", "unreadable line")
        return File(self.contract.source, _slug(FaultKind.TRUNCATED), content, lines=(line,))

    def bad_lines(self) -> File:
        """Lines that no reader can take apart, sound ones between them; a quote that is never closed stands last."""
        planted: list[Line] = []
        lines = [self.writer.header(), *self._sound(USUAL)]
        for kind, content in self._unreadable():
            lines += [content] if self.once else [*self._sound(1), content]
            planted.append(Line(kind, len(lines), "", "unreadable line"))
        return File(self.contract.source, "bad-lines", self.writer.whole(lines), lines=tuple(planted))

    def _unreadable(self) -> Iterator[tuple[FaultKind, bytes]]:
        fields = self.writer.fields(self.records[0])
        sound, quote = self.writer.line(fields), self.writer.dialect.quote.encode()
        delimiter = self.writer.dialect.delimiter.encode()
        if len(fields) > 1:
            yield FaultKind.FEW_FIELDS, self.writer.line(fields[:-1])
        yield FaultKind.MANY_FIELDS, sound + delimiter + b"1"
        yield FaultKind.BAD_BYTES, sound + b"\xff"
        yield FaultKind.NUL, sound + b"\0"
        if quote:
            others = [b"1"] * (len(fields) - 1)
            yield FaultKind.STRAY_QUOTE, delimiter.join([quote + b"1" + quote + b"1", *others])
            yield FaultKind.OPEN_QUOTE, delimiter.join([*others, quote + b"1"])

    def bad_rows(self, broken: Iterable[Broken]) -> File:
        """Rows that can be read and break one rule each."""
        planted: list[Line] = []
        lines = [self.writer.header()]
        for each in broken:
            lines.append(self.writer.record(self.records[0], **{each.column: each.text}))
            planted.append(Line(each.kind, len(lines), each.column, each.rule, each))
        lines += self._sound(max(USUAL - len(planted), 1))
        return File(self.contract.source, "bad-rows", self.writer.whole(lines), lines=tuple(planted))

    def same_key(self) -> File:
        """The same key twice."""
        row = self.writer.record(self.records[0])
        key = ", ".join(self.contract.key)
        expected = "check: once in a file" if self.once else "superseded: one row for a key"
        planted = Line(FaultKind.SAME_KEY, 2, key, expected)
        content = self.writer.whole([self.writer.header(), row, row])
        return File(self.contract.source, _slug(FaultKind.SAME_KEY), content, lines=(planted,))

    def told_rows(self, broken: Iterable[Broken]) -> File | None:
        """Rows that go to silver although they break a rule, each with a key of its own: a check tells of them."""
        rows = _rows_of_their_own([*broken])
        if not rows:
            return None
        planted: list[Line] = []
        lines = [self.writer.header()]
        for record, row in zip(self.records[1:], rows, strict=False):
            lines.append(self.writer.record(record, **{each.column: each.text for each in row}))
            planted += [Line(each.kind, len(lines), each.column, each.rule, each) for each in row]
        left = tuple(each for row in rows[len(self.records) - 1 :] for each in row)
        content = self.writer.whole(lines)
        return File(self.contract.source, "told-rows", content, lines=tuple(planted), untried=left)

    def with_values_twice(self, columns: Sequence[str], fresh: Mapping[str, str]) -> File:
        """One more row, its key `fresh`, with the values of `columns` that the first record has."""
        lines = [self.writer.header(), self.writer.record(self.records[0], **fresh)]
        broken = Broken(FaultKind.SAME_VALUE, columns[0], "", "check: unique", Severity.BLOCK)
        line = Line(FaultKind.SAME_VALUE, 2, columns[0], broken.rule, broken)
        name = f"twice-{'-'.join(columns)}"
        return File(self.contract.source, name, self.writer.whole(lines), lines=(line,))


def _rows_of_their_own(broken: Sequence[Broken]) -> list[list[Broken]]:
    """Rows with each column once: what is only warned of is looked at in silver, where a key has one row."""
    rows: list[list[Broken]] = []
    for each in broken:
        row = next((row for row in rows if all(other.column != each.column for other in row)), None)
        if row is None:
            rows.append(row := [])
        row.append(each)
    return rows


def _slug(kind: FaultKind) -> str:
    return kind.lower().replace(" ", "-")
