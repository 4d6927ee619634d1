"""Records as the bytes of a file under a contract's dialect, sound and with faults."""

from __future__ import annotations

import gzip
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl.declared import Contract, Dialect

Record = Mapping[str, str | None]


@dataclass(frozen=True)
class Writer:
    """Writes records of a contract; every one starts on a line of its own as long as no text holds a line feed."""

    contract: Contract

    @property
    def names(self) -> list[str]:
        """The columns in the contract's order."""
        return [column.name for column in self.contract.columns]

    @property
    def dialect(self) -> Dialect:
        """How the contract's files are taken apart."""
        return self.contract.dialect

    def line(self, fields: Sequence[str]) -> bytes:
        """One line without its end."""
        return self.dialect.delimiter.join(self._field(field) for field in fields).encode()

    def header(self) -> bytes:
        """The header line."""
        return self.line(self.names)

    def record(self, record: Record, **changed: str) -> bytes:
        """A record's line, some of its columns changed."""
        return self.line(self.fields({**record, **changed}))

    def fields(self, record: Record) -> list[str]:
        """A record's texts in the contract's order."""
        return [record.get(name) or "" for name in self.names]

    def file(self, records: Sequence[Record]) -> bytes:
        """A whole sound file."""
        return self.whole([self.header(), *(self.record(record) for record in records)])

    def whole(self, lines: Sequence[bytes]) -> bytes:
        """Lines as a file in UTF-8, which its mark says where the contract expects something else."""
        mark = b"" if self.dialect.encoding.lower().replace("-", "") == "utf8" else BOM_UTF8
        return mark + b"".join(line + b"\n" for line in lines)

    def _field(self, text: str) -> str:
        quote = self.dialect.quote
        flat = " ".join(text.splitlines()) if any(end in text for end in "\r\n") else text
        if quote and (quote in flat or self.dialect.delimiter in flat):
            return quote + flat.replace(quote, quote * 2) + quote
        return flat


def as_named(path: str, content: bytes) -> bytes:
    """The content as a file of this name holds it: packed where the name ends in .gz."""
    return gzip.compress(content, mtime=0) if path.lower().endswith(".gz") else content


def cycled(records: Sequence[Record], count: int) -> Iterator[Record]:
    """So many records, from the first again where there are not enough."""
    return (records[index % len(records)] for index in range(count))
