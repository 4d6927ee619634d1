"""One streaming pass over a file's bytes: its identity, its physical lines, and whether it holds still meanwhile."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from etl.errors import FileForbidden, FileRefused, FileUnsettled

CHUNK_BYTES = 4 * 1024 * 1024
GONE = "Put it back, or let it be: the next run goes by what lies there then."

Stamp = tuple[int, int, int, int]  # device, inode, size in bytes, mtime in ns: what changes when a file does


@dataclass(frozen=True)
class Survey:
    """What the bytes are, as they lie on disk. In a compressed or UTF-16 file `lines` counts raw 0x0A bytes;
    the lines of its text are in the ReadResult.
    """

    sha256: str
    size_bytes: int
    lines: int  # physical lines: line feeds, and a last line without one
    carriage_returns: int
    crlf: int
    terminated: bool  # the last line ends with a line feed
    nul: bool
    utf8: bool
    stamp: Stamp

    @property
    def line_end(self) -> str | None:
        """The one line end used throughout, or None where several are mixed."""
        if self.carriage_returns == 0:
            return "\n"
        line_feeds = self.lines - (0 if self.terminated else 1)
        return "\r\n" if self.carriage_returns == self.crlf == line_feeds else None


def survey(path: Path) -> Survey:
    """Hash and count a file. Raises FileUnsettled when it vanishes or changes meanwhile, FileRefused when it is
    empty, not a regular file or not readable.
    """
    with opened(path) as stream:
        stamp = _stamp(os.fstat(stream.fileno()))
        if stamp[2] == 0:
            raise FileRefused(f"{path.name} is empty (0 bytes).", "Export it again.")
        surveyed = _pass(stream, stamp)
    check_unchanged(path, surveyed)
    return surveyed


def opened(path: Path) -> BinaryIO:
    """The file, open for reading bytes. Raises as `survey` does."""
    try:
        _check_kind(path, path.stat().st_mode)
        return path.open("rb", buffering=0)
    except FileNotFoundError as problem:
        raise FileUnsettled(f"{path.name} vanished before it was read.", GONE) from problem
    except PermissionError as problem:
        raise FileForbidden(
            f"{path.name} cannot be read: permission denied.", f"Give read permission: chmod a+r {path}"
        ) from problem
    except OSError as problem:
        raise FileUnsettled(
            f"{path.name} cannot be read for now: {problem.strerror or problem}.",
            "The next run tries it again.",
        ) from problem


def check_unchanged(path: Path, surveyed: Survey) -> None:
    """Raises FileUnsettled when the file is gone or is no longer the one surveyed."""
    try:
        now = _stamp(path.stat())
    except OSError as problem:
        raise FileUnsettled(f"{path.name} vanished while it was read.", GONE) from problem
    if now != surveyed.stamp:
        raise FileUnsettled(
            f"{path.name} changed while it was read ({surveyed.stamp[2]} bytes before, {now[2]} after).",
            "The next run takes it when it holds still. Write it as NAME.part and rename it when it is whole.",
        )


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    raise FileRefused(f"{path.name} is {kind}.", "Only regular files can be landed.")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _pass(stream: BinaryIO, stamp: Stamp) -> Survey:
    digest, count, size = hashlib.sha256(), _Count(), 0
    with ThreadPoolExecutor(1) as pool:  # hashlib lets go of the GIL, so hashing and counting overlap
        while chunk := stream.read(CHUNK_BYTES):
            hashing = pool.submit(digest.update, chunk)
            count.take(chunk)
            size += len(chunk)
            hashing.result()
    return Survey(
        sha256=digest.hexdigest(),
        size_bytes=size,
        lines=count.line_feeds + (0 if count.last == b"\n" else 1),
        carriage_returns=count.carriage_returns,
        crlf=count.crlf,
        terminated=count.last == b"\n",
        nul=count.nul,
        utf8=count.is_utf8(),
        stamp=stamp,
    )


class _Count:
    """Counts that run over chunks."""

    def __init__(self) -> None:
        self.line_feeds = self.carriage_returns = self.crlf = 0
        self.nul = False
        self.last = b""
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()

    def take(self, chunk: bytes) -> None:
        self.line_feeds += chunk.count(b"\n")
        if b"\r" in chunk:
            self.carriage_returns += chunk.count(b"\r")
            self.crlf += chunk.count(b"\r\n")
        if self.last == b"\r" and chunk[:1] == b"\n":
            self.crlf += 1
        self.nul = self.nul or b"\0" in chunk
        self.last = chunk[-1:]
        self._decode(chunk, final=False)

    def is_utf8(self) -> bool:
        self._decode(b"", final=True)
        return self._decoder is not None

    def _decode(self, chunk: bytes, final: bool) -> None:
        if self._decoder is None:
            return
        if not final and chunk.isascii() and not self._decoder.getstate()[0]:
            return
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            self._decoder = None
