"""Bronze: which files lie there, which are new, and how one source's new files are taken in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from etl.declared import Contract
from etl.drift import HeaderSeen
from etl.errors import FileForbidden, FileRefused, FileUnsettled
from etl.layers.glance import header_seen, refused_header
from etl.model import Batch, BatchState
from etl.reader import Reader, ReadResult, Survey, survey
from etl.warehouse import Arrival, Landing, Warehouse

NAMED_AT_MOST = 5
BATCH_ID_LENGTH = 12  # hexadecimal digits; short enough for DuckDB to keep inside the row


@dataclass(frozen=True)
class Found:
    """A file under a landing folder that a contract matches. `path` is relative to its landing folder."""

    source: str
    path: str
    full: Path
    size_bytes: int
    mtime_ns: int

    @property
    def shape(self) -> tuple[str, int, int]:
        """What tells this sighting from another without reading the file."""
        return (self.path, self.size_bytes, self.mtime_ns)


@dataclass(frozen=True)
class Inventory:
    """What the landing folders hold: files by source in path order, and those no contract matches."""

    found: Mapping[str, tuple[Found, ...]]
    unmatched: tuple[str, ...]
    missing_folders: tuple[str, ...]
    closed_folders: tuple[str, ...] = ()  # those that may not be read


@dataclass
class Intake:
    """What taking in one source's files came to. Counts are of files unless they say rows or lines."""

    landed: int = 0
    rows: int = 0
    unreadable: int = 0
    resent: int = 0
    withdrawn: list[str] = field(default_factory=list)  # batches that came again and stay withdrawn
    refused: list[str] = field(default_factory=list)
    differing: int = 0  # columns that are missing or unknown

    def in_words(self) -> str:
        """One line for the task."""
        parts = [f"{self.landed} new file{'' if self.landed == 1 else 's'}, {self.rows:,} rows"]
        parts += [f"{self.resent} already known"] if self.resent else []
        parts += [
            f"batch {batch_id} is withdrawn and stays so until it is reinstated"
            for batch_id in self.withdrawn
        ]
        parts += [f"{self.unreadable} unreadable lines"] if self.unreadable else []
        parts += [f"{len(self.refused)} refused"] if self.refused else []
        parts += [f"{self.differing} columns not as agreed"] if self.differing else []
        return ", ".join(parts)


def look(roots: Sequence[Path], contracts: Iterable[Contract]) -> Inventory:
    """Walk the landing folders; nothing is opened."""
    contracts = list(contracts)
    found: dict[str, list[Found]] = {contract.source: [] for contract in contracts}
    unmatched: list[str] = []
    closed: dict[str, None] = {}
    for root in roots:
        for full in _files(root, closed):
            path = full.relative_to(root).as_posix()
            contract = next((c for c in contracts if matches(path, c.pattern)), None)
            if contract is None:
                unmatched.append(path)
                continue
            try:
                stat = full.stat()
            except FileNotFoundError:
                continue  # gone between the listing and now: as if it had never been there
            except OSError:
                closed[str(full.parent)] = None
                continue
            found[contract.source].append(Found(contract.source, path, full, stat.st_size, stat.st_mtime_ns))
    missing = tuple(str(root) for root in roots if not root.is_dir())
    ordered = {source: tuple(sorted(files, key=lambda f: f.path)) for source, files in found.items()}
    return Inventory(ordered, tuple(sorted(unmatched)), missing, tuple(closed))


def require_landing(inventory: Inventory, contracts: Iterable[Contract]) -> str:
    """What the landing folders hold, in one line. Raises FileRefused when a folder is not there or closed."""
    if inventory.missing_folders:
        raise FileRefused(
            f"The landing folder {inventory.missing_folders[0]} does not exist.",
            "Create it, or point METALAYER_LANDING at the folder that holds the files.",
        )
    if inventory.closed_folders:
        closed = ", ".join(inventory.closed_folders[:NAMED_AT_MOST])
        raise FileRefused(
            f"{closed} cannot be read: permission denied. What lies there is not taken in.",
            f"Give permission: chmod a+rx {inventory.closed_folders[0]}",
        )
    count = sum(len(files) for files in inventory.found.values())
    if not count:
        patterns = ", ".join(contract.pattern for contract in contracts)
        return f"No files yet. Put CSV files under the landing folder, named like {patterns}."
    words = f"{count} file{'' if count == 1 else 's'} found"
    if inventory.unmatched:
        words += f"; no contract matches {', '.join(inventory.unmatched[:NAMED_AT_MOST])}"
    return words + "."


def _files(root: Path, closed: dict[str, None]) -> Iterator[Path]:
    """Every file below `root`, in path order; folders that cannot be listed are added to `closed`."""

    def note(fault: OSError) -> None:
        if not isinstance(fault, FileNotFoundError):
            closed[str(fault.filename)] = None

    for folder, folders, names in os.walk(root, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not name.endswith((".part", ".tmp")):
                yield Path(folder) / name


def matches(path: str, pattern: str) -> bool:
    """Whether a landed path is one of a contract's; `*` does not cross a folder."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def new_files(
    files: Sequence[Found], contract: Contract, arrivals: Iterable[Arrival], batches: Iterable[Batch]
) -> list[Found]:
    """Files not seen in this shape yet, and refused ones whose contract has changed since."""
    refused = {batch.batch_id for batch in batches if batch.state is BatchState.REFUSED}
    seen = {
        arrival.shape
        for arrival in arrivals
        if arrival.source == contract.source
        and (arrival.batch_id not in refused or arrival.contract_fingerprint == contract.fingerprint)
    }
    return [file for file in files if file.shape not in seen]


def batch_id_of(source: str, sha256: str) -> str:
    """The identity of a batch, the same in every warehouse."""
    return hashlib.sha256(f"{source}\n{sha256}".encode()).hexdigest()[:BATCH_ID_LENGTH]


@dataclass
class Ingest:
    """Takes in the files of one source, one transaction each."""

    warehouse: Warehouse
    reader: Reader
    contract: Contract
    target: Callable[[str], Path]  # batch_id → where its Parquet file goes
    run_id: int
    clock: Callable[[], datetime]
    check_cancelled: Callable[[], None]
    intake: Intake = field(default_factory=Intake)

    def take(self, files: list[Found]) -> Intake:
        """Every file in path order. A refused one is recorded and the others go on.

        What is dealt with leaves the list; FileUnsettled is raised for the first of those that stay.
        """
        unsettled = []
        for file in tuple(files):
            self.check_cancelled()
            try:
                self._take_one(file, self.intake)
            except FileRefused as refusal:
                self.intake.refused.append(str(refusal))
            except FileUnsettled as fault:
                unsettled.append(fault)
                continue
            files.remove(file)
        if unsettled:
            raise unsettled[0]
        return self.intake

    def _take_one(self, file: Found, intake: Intake) -> None:
        try:
            surveyed = survey(file.full)
        except FileRefused as refusal:
            self._refuse(file, _sha_of_nothing(file), 0, refusal)
            raise
        known = self._known(surveyed.sha256)
        if known and self._is_dealt_with(file, known):
            return
        if known:
            self.warehouse.see(self._arrival(file, surveyed.sha256, known.batch_id))
            intake.resent += 1
            intake.withdrawn += [known.batch_id] if self._is_withdrawn(known) else []
            return
        batch_id = batch_id_of(self.contract.source, surveyed.sha256)
        try:
            read = self.reader.read(file.full, self.contract, self.target(batch_id), surveyed)
        except FileRefused as refusal:
            self._refuse(file, surveyed.sha256, surveyed.lines, refusal)
            raise
        seen = header_seen(file.full, self.contract, read)
        self._land(file, surveyed, read, batch_id, seen)
        intake.landed += 1
        intake.rows += read.rows
        intake.unreadable += len(read.unreadable)
        intake.differing += len(seen.missing) + len(seen.unknown)

    def _is_dealt_with(self, file: Found, batch: Batch) -> bool:
        """Whether this run has recorded the sighting at an attempt before, whose answer was lost."""
        if not any(
            (arrival.shape, arrival.run_id, arrival.batch_id) == (file.shape, self.run_id, batch.batch_id)
            for arrival in self.warehouse.arrivals()
        ):
            return False
        if batch.run_id == self.run_id:
            self.intake.landed += 1
            self.intake.rows += batch.rows
            self.intake.unreadable += batch.unreadable
        return True

    def _is_withdrawn(self, batch: Batch) -> bool:
        with self.warehouse.session() as session:
            return bool(
                session.rows(
                    "select 1 from bronze._marks where kind = 'withdraw' and lifted_at is null and batch_id = ?",
                    [batch.batch_id],
                )
            )

    def _known(self, sha256: str) -> Batch | None:
        batches = self.warehouse.batches()
        same = (b for b in batches if b.source == self.contract.source and b.sha256 == sha256)
        return next((b for b in same if b.state is BatchState.LANDED), None)

    def _land(self, file: Found, surveyed: Survey, read: ReadResult, batch_id: str, seen: HeaderSeen) -> None:
        batch = Batch(
            batch_id=batch_id, batch_seq=0, source=self.contract.source, path=file.path, sha256=surveyed.sha256,
            size_bytes=surveyed.size_bytes, state=BatchState.LANDED, reason="", lines=read.lines,
            header_lines=read.header_lines, rows=read.rows, continuation_lines=read.continuation_lines,
            unreadable=len(read.unreadable), blank=read.blank, arrived_at=self.clock(), run_id=self.run_id, version=0,
        )  # fmt: skip
        arrival = self._arrival(file, surveyed.sha256, batch_id)
        self.warehouse.land(landing_of(batch, read, arrival, seen), self.contract)

    def _refuse(self, file: Found, sha256: str, lines: int, refusal: FileRefused) -> None:
        batch_id = batch_id_of(self.contract.source, sha256)
        if isinstance(refusal, FileForbidden) and self._is_refused(batch_id):
            return  # told already; it is tried at every run
        batch = Batch(
            batch_id=batch_id, batch_seq=0, source=self.contract.source, path=file.path, sha256=sha256,
            size_bytes=file.size_bytes, state=BatchState.REFUSED, reason=str(refusal), lines=lines,
            header_lines=0, rows=0, continuation_lines=0, unreadable=0, blank=0,
            arrived_at=self.clock(), run_id=self.run_id, version=0,
        )  # fmt: skip
        arrival = self._arrival(file, sha256, batch_id)
        if isinstance(refusal, FileForbidden):  # of no contract's reading, so that it stays new
            arrival = replace(arrival, contract_fingerprint="")
        self.warehouse.refuse(batch, arrival, self.contract, refused_header(file.full, self.contract))

    def _is_refused(self, batch_id: str) -> bool:
        return any(b.batch_id == batch_id and b.state is BatchState.REFUSED for b in self.warehouse.batches())

    def _arrival(self, file: Found, sha256: str, batch_id: str) -> Arrival:
        return Arrival(
            file.source, file.path, file.size_bytes, file.mtime_ns, sha256, batch_id, self.clock(), self.run_id,
            self.contract.fingerprint,
        )  # fmt: skip


def landing_of(batch: Batch, read: ReadResult, arrival: Arrival, seen: HeaderSeen) -> Landing:
    """A batch with everything that its file was taken apart into."""
    return Landing(
        batch, str(read.parquet), read.first_line, read.columns, read.unreadable, arrival, read.header, seen=seen
    )  # fmt: skip


def _sha_of_nothing(file: Found) -> str:
    """A stand-in identity for bytes that could not be read: the file's own place and shape."""
    return hashlib.sha256(repr(file.shape).encode()).hexdigest()
