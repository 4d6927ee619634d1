"""A first look at a file's header and records, without the reader's care: enough to say how its columns differ."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from etl.declared import Contract
from etl.drift import Form, HeaderSeen, form_of, mostly
from etl.errors import MetaLayerError
from etl.reader import ReadResult
from etl.reader.surveying import opened

MOST_BYTES = 256 * 1024
MOST_RECORDS = 500
_GZIP, _UTF16 = b"\x1f\x8b", (b"\xff\xfe", b"\xfe\xff")


def header_seen(path: Path, contract: Contract, read: ReadResult) -> HeaderSeen:
    """How the header of a file that was taken in differs; the file is opened only where a column is unknown."""
    forms = forms_of(path, contract) if read.unknown else {}
    return HeaderSeen(read.missing, tuple((name, forms.get(name)) for name in read.unknown), read.renamed)


def refused_header(path: Path, contract: Contract) -> HeaderSeen:
    """How the header of a refused file differs, as far as it can be told; nothing where it looks like no header."""
    forms = forms_of(path, contract)
    called = {name: column.name for column in contract.columns for name in (column.name, *column.aliases)}
    found = {called[name] for name in forms if name in called}
    if not found:
        return HeaderSeen()
    return HeaderSeen(
        tuple(column.name for column in contract.columns if column.name not in found),
        tuple((name, form) for name, form in forms.items() if name not in called),
        tuple((name, called[name]) for name in forms if called.get(name, name) != name),
    )


def forms_of(path: Path, contract: Contract) -> dict[str, Form | None]:
    """The columns of a file in its order, each with the form that most of its first texts have."""
    records = _records(path, contract)
    if not records:
        return {}
    forms: dict[str, Form | None] = {}
    for place, name in enumerate(records[0]):
        texts = (record[place] for record in records[1:] if place < len(record))
        forms[name.strip()] = mostly(Counter(form for text in texts if (form := form_of(text))))
    return forms


def _records(path: Path, contract: Contract) -> list[Sequence[str]]:
    text = _beginning(path, contract.dialect.encoding)
    found = csv.reader(
        io.StringIO(text), delimiter=contract.dialect.delimiter, quotechar=contract.dialect.quote
    )
    records: list[Sequence[str]] = []
    try:
        for record in found:
            if record:
                records.append(record)
            if len(records) > MOST_RECORDS:
                break
    except csv.Error:  # what came before it tells enough
        return records
    return records[:-1] if len(records) > 1 and not text.endswith("\n") else records


def _beginning(path: Path, encoding: str) -> str:
    """The first characters of a file; "" where they cannot be read as text."""
    try:
        with opened(path) as file:
            start = file.read(2)
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if start == _GZIP else file
            raw = stream.read(MOST_BYTES)
        if raw[:2] in _UTF16:
            return raw.decode("utf-16", errors="replace")
        return raw.decode(
            "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding, errors="replace"
        )
    except (
        MetaLayerError,
        OSError,
        EOFError,
        LookupError,
    ):  # the refusal itself tells what is wrong with the file
        return ""
