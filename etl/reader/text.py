"""A landed file as UTF-8 text: unpacked and transcoded as a stream into scratch where it is something else."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etl.errors import FileRefused
from etl.reader.surveying import CHUNK_BYTES, Survey, opened, survey

_BOMS = (  # UTF-32 before UTF-16, whose mark its own begins with
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"
_MAGIC = (
    (b"PK\x03\x04", "a zip file or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
    (b"%PDF-", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "an SQLite file"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x7fELF", "a program"),
)
_UNDECODED = re.compile("[\udc00-\udcff]")


@dataclass(frozen=True)
class Text:
    """UTF-8 text with what a survey of it found. Bytes that `encoding` cannot decode are in it as U+DC00 + byte,
    encoded the way UTF-8 forbids, so that their lines are no valid UTF-8 either.
    """

    path: Path
    name: str  # of the landed file, for messages
    survey: Survey
    encoding: str
    transcoded: bool

    def shown(self, line: bytes) -> str:
        """A line as text any database can keep: what cannot be decoded, and NUL, as `\\xNN`."""
        if self.transcoded:
            text = line.decode("utf-8", "surrogatepass")
            text = _UNDECODED.sub(lambda found: f"\\x{ord(found.group()) - 0xDC00:02x}", text)
        else:
            text = line.decode("utf-8", "backslashreplace")
        return text.replace("\0", "\\x00")


def as_text(path: Path, surveyed: Survey, declared: str, scratch: Path) -> Text:
    """The text of a landed file; `declared` is the contract's encoding, which a byte order mark overrules.
    Writes into the folder `scratch` only where the file is not UTF-8 already. Raises FileRefused.
    """
    first = _first_bytes(path)
    name = path.name
    if _is_packed(path, first):
        path = _unpack(path, scratch / "unpacked.csv")
        first, surveyed = _first_bytes(path), survey(path)
    _check_kind(name, first)
    encoding = _encoding(name, first, declared)
    if encoding == "utf-8":
        return Text(path, name, surveyed, encoding, transcoded=False)
    target = scratch / "transcoded.csv"
    _transcode(path, encoding, target)
    return Text(target, name, survey(target), encoding, transcoded=True)


def _first_bytes(path: Path) -> bytes:
    with opened(path) as stream:
        return stream.read(64)


def _is_packed(path: Path, first: bytes) -> bool:
    packed, named = first.startswith(_GZIP), path.name.lower().endswith(".gz")
    if packed and not named:
        raise FileRefused(f"{path.name} is a gzip file.", f"Unpack it, or call it {path.name}.gz.")
    if named and not packed:
        raise FileRefused(f"{path.name} is not a gzip file.", "Drop the .gz from its name, or pack it.")
    return packed


def _check_kind(name: str, first: bytes) -> None:
    for magic, kind in _MAGIC:
        if first.startswith(magic):
            raise FileRefused(f"{name} is {kind}, not CSV text.", "Export it as CSV.")


def _encoding(name: str, first: bytes, declared: str) -> str:
    for mark, encoding in _BOMS:
        if first.startswith(mark):
            return encoding
    try:
        "".encode(declared)
    except LookupError as problem:
        raise FileRefused(
            f"{name} cannot be read: its contract names the encoding '{declared}', which is unknown.",
            "Use for example utf-8, cp1252 or latin-1.",
        ) from problem
    found = codecs.lookup(declared).name
    return "utf-8" if found == "utf-8-sig" else found


def _unpack(path: Path, target: Path) -> Path:
    try:
        with gzip.open(path, "rb") as packed, target.open("wb") as unpacked:
            while chunk := packed.read(CHUNK_BYTES):
                unpacked.write(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise FileRefused(f"{path.name} cannot be unpacked: {problem}", "Send it again.") from problem
    if target.stat().st_size == 0:
        raise FileRefused(f"{path.name} is empty (0 bytes when unpacked).", "Export it again.")
    return target


def _transcode(path: Path, encoding: str, target: Path) -> None:
    with target.open("wb") as stream:
        for text in _decoded(path, encoding):
            stream.write(text.encode("utf-8", "surrogatepass"))


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("metalayer.keep_bytes")
    with opened(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def _keep_bytes(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeDecodeError):
        raise problem
    undecoded = problem.object[problem.start : problem.end]
    return "".join(chr(0xDC00 + byte) for byte in undecoded), problem.end


codecs.register_error("metalayer.keep_bytes", _keep_bytes)
