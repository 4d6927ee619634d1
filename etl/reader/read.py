"""The reader: one file at a time, the fast pass where it can be believed, the exact pass where it cannot."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import duckdb

from etl.declared import Contract
from etl.errors import DiskFull, FileRefused, MetaLayerError, WarehouseError
from etl.model import Unreadable
from etl.reader import duck
from etl.reader.exact import Tally, exact_pass
from etl.reader.grammar import Grammar
from etl.reader.header import Header, read_header
from etl.reader.shape import has_a_record_on_each_line
from etl.reader.surveying import Survey, check_unchanged, survey
from etl.reader.text import Text, as_text


@dataclass(frozen=True)
class ReadResult:
    """A file as taken in. `parquet` holds `columns` as text, one row per record in the file's order: the contract's
    in its order, then the evolved ones in the file's. Where `first_line` is None it also holds `_row_number`, the
    physical line a record starts on; else every record is one line, and that line is file_row_number + `first_line`.
    """

    parquet: Path
    first_line: int | None
    rows: int
    lines: int
    header_lines: int
    continuation_lines: int
    blank: int
    unreadable: tuple[Unreadable, ...]  # by line
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]  # (found alias, name)
    columns: tuple[str, ...]
    header: tuple[str, ...]  # what bronze calls each field, in the file's order; "" for one that is not kept
    evolved: tuple[tuple[str, str], ...]  # (unknown column, what bronze calls it)
    sha256: str
    size_bytes: int
    bytes_written: int


class Reader:
    """Owns an in-memory DuckDB that reaches the landing roots and the files folder and nothing else."""

    def __init__(
        self,
        landing_roots: Sequence[Path],
        files: Path,
        threads: int | None = None,
        memory_limit: str | None = None,
    ) -> None:
        self._roots = [Path(os.path.realpath(root)) for root in landing_roots]
        self._files = Path(os.path.realpath(files))
        parent = self._files / "scratch"
        parent.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix="reader-", dir=parent))
        self._one_at_a_time = threading.Lock()
        self._duck = duck.connect([*self._roots, self._files], self._scratch / "spill", threads, memory_limit)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and remove the scratch folder."""
        self._duck.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def read(
        self, path: Path, contract: Contract, target: Path, surveyed: Survey | None = None
    ) -> ReadResult:
        """Take `path` apart into the Parquet file `target` (inside the files folder), which is there whole and
        durable or not at all.

        Raises FileRefused when the file cannot be taken in at all, FileUnsettled when it vanishes or changes
        meanwhile (also since `surveyed`), DiskFull, WarehouseError.
        """
        with self._one_at_a_time:
            place = self._real(path)
            surveyed = surveyed or survey(place)
            part = target.with_name(target.name + ".part")
            try:
                with self._scratch_folder() as scratch:
                    return _Reading(self._duck, contract, scratch).read(place, surveyed, part, target)
            except (OSError, duckdb.Error, FileRefused) as problem:
                check_unchanged(place, surveyed)  # a file that changes gives all sorts of errors
                raise _named(problem, path.name) from problem
            finally:
                part.unlink(missing_ok=True)

    @contextmanager
    def _scratch_folder(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _real(self, path: Path) -> Path:
        place = Path(os.path.realpath(path))
        if not any(place.is_relative_to(root) for root in self._roots):
            raise FileRefused(
                f"{path.name} leads to {place}, outside the landing folder.",
                "Put the file itself there, not a link.",
            )
        return place


class _Reading:
    """One file being read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contract: Contract, scratch: Path) -> None:
        self._duck, self._contract, self._scratch = connection, contract, scratch
        if len(contract.dialect.quote.encode()) > 1:
            raise FileRefused(
                f"{contract.file} quotes with '{contract.dialect.quote}'.", "Use one ASCII character."
            )
        self._grammar = Grammar(contract.dialect)

    def read(self, place: Path, surveyed: Survey, part: Path, target: Path) -> ReadResult:
        text = as_text(place, surveyed, self._contract.dialect.encoding, self._scratch)
        header = read_header(text, self._contract, self._grammar)
        tally = self._fast(text, header, part)
        fast = tally is not None
        if tally is None:
            tally = self._exact(text, header, part)
        check_unchanged(place, surveyed)
        written = _settle(part, target)
        return ReadResult(
            parquet=target,
            first_line=header.lines + 1 if fast else None,
            rows=tally.rows,
            lines=text.survey.lines,
            header_lines=header.lines,
            continuation_lines=tally.continuation_lines,
            blank=header.blank + tally.blank,
            unreadable=tuple(tally.unreadable),
            missing=header.missing,
            unknown=header.unknown,
            renamed=header.renamed,
            columns=tuple(name for name, _ in header.held(self._contract)),
            header=header.names(self._contract),
            evolved=tuple(zip(header.unknown, (name for _, name in header.evolved), strict=False)),
            sha256=surveyed.sha256,
            size_bytes=surveyed.size_bytes,
            bytes_written=written,
        )

    def _fast(self, text: Text, header: Header, part: Path) -> Tally | None:
        """Read with DuckDB alone. None when the result cannot be proven: each line after the header one record, each
        with as many fields as the header.
        """
        if not _may_be_clean(text, header):
            return None
        if not has_a_record_on_each_line(text, header.end, self._grammar, header.width):
            return None
        expected = text.survey.lines - header.lines
        before = self._contract.dialect.lines_before_header
        source = duck.Csv(text.path, self._grammar, header.width, header=True, numbered=False, skip=before)
        try:
            duck.to_parquet(self._duck, source, header.held(self._contract), part)
        except (duckdb.IOException, duckdb.OutOfMemoryException):
            raise
        except duckdb.Error:  # a line it cannot take apart, or that is too long for it
            return None
        return Tally(rows=expected) if duck.rows_in(self._duck, part) == expected else None

    def _exact(self, text: Text, header: Header, part: Path) -> Tally:
        scratch = self._scratch / "records.csv"
        with scratch.open("wb") as stream:
            tally = exact_pass(text, header, self._grammar, stream)
        _check_lines(text, header, tally)
        source = duck.Csv(scratch, self._grammar, header.width, False, True, tally.longest)
        duck.to_parquet(self._duck, source, header.held(self._contract), part)
        rows = duck.rows_in(self._duck, part)
        if rows != tally.rows or duck.sum_of_row_numbers(self._duck, part) != tally.row_numbers:
            raise FileRefused(
                f"{text.name}: {tally.rows} records were found but {rows} written, so they do not add up."
            )
        return tally


def _may_be_clean(text: Text, header: Header) -> bool:
    """Whether DuckDB's silence would mean anything. In a single column it takes a blank line for a record, and it
    lets NUL bytes pass.
    """
    found = text.survey
    one_line_end = found.line_end is not None
    return one_line_end and found.utf8 and not found.nul and header.width > 1 and header.blank == 0


def _check_lines(text: Text, header: Header, tally: Tally) -> None:
    explained = (
        header.blank
        + header.lines
        + tally.rows
        + tally.continuation_lines
        + len(tally.unreadable)
        + tally.blank
    )
    if explained != text.survey.lines:
        raise FileRefused(
            f"{text.name} has {text.survey.lines} lines, but {explained} were accounted for: they do not add up.",
            "Keep the file and report it; nothing of it was taken in.",
        )


def _settle(part: Path, target: Path) -> int:
    """Make the written file durable under its name. Returns its bytes."""
    _sync(part)
    size = part.stat().st_size
    part.replace(target)
    _sync(target.parent)
    return size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _named(problem: Exception, name: str) -> MetaLayerError:
    """The project's error for what went wrong while reading the file called `name`."""
    if isinstance(problem, MetaLayerError):
        return problem
    no_space = isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT)
    if no_space or "No space left" in str(problem) or "quota exceeded" in str(problem):
        return DiskFull(
            f"No space is left to take in {name}.", "Free some, then run again; nothing was lost."
        )
    first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return WarehouseError(f"{name} could not be taken in: {first}")
