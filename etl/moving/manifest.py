"""What a backup says of itself: `manifest.json`, written last, so that a folder without it is no backup."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import DiskFull, UsageError, WarehouseError
from etl.wire import from_plain, to_plain

NAME = "manifest.json"
WHAT = "MetaLayer backup"
FORMAT = 1
EMBEDDED, POSTGRES = "embedded", "postgresql"
CHUNK = 1 << 20
NO_SPACE = 28  # ENOSPC


@dataclass(frozen=True)
class KeptFile:
    """One file of a backup; `path` counts from its folder."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class KeptTable:
    """One table of a PostgreSQL. `columns` are (name, type, whether it may be empty); `source` is of a bronze table."""

    name: str
    path: str
    rows: int
    columns: tuple[tuple[str, str, bool], ...]
    source: str = ""


@dataclass(frozen=True)
class Manifest:
    """A whole backup."""

    what: str
    format: int
    metalayer: str
    made_at: str  # ISO, UTC
    kind: str  # EMBEDDED or POSTGRES
    version: int  # the newest that was published
    rows: int  # of all tables of the warehouse
    ledger_revision: str
    files: tuple[KeptFile, ...]
    tables: tuple[KeptTable, ...] = ()  # of a PostgreSQL: warehouse and ledger

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


def kept_file(folder: Path, path: Path) -> KeptFile:
    """A file that lies in the folder of a backup."""
    return KeptFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path))


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write(folder: Path, manifest: Manifest) -> None:
    """Write it, whole or not at all, once everything else is on the disk."""
    unfinished = folder / f"{NAME}.part"
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(to_plain(manifest), file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / NAME)
    _sync(folder)


def settle(paths: Iterable[Path]) -> None:
    """See that files are on the disk."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(folder: Path) -> Manifest:
    """What the backup in a folder says of itself. Raises UsageError when there is none that this version knows."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Name the folder that backup has written.")
    try:
        said = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        begun = any(folder.iterdir())
        why = "it was not finished, or is none" if begun else "it is empty"
        raise UsageError(
            f"{folder} holds no whole backup: {why} ({NAME} is missing).", "Take another one."
        ) from None
    except (OSError, ValueError) as fault:
        raise UsageError(f"{folder / NAME} cannot be read: {fault}.", "Take another backup.") from fault
    return _known(folder, said)


def _known(folder: Path, said: Any) -> Manifest:
    if not isinstance(said, dict) or said.get("what") != WHAT:
        raise UsageError(f"{folder / NAME} is not that of a MetaLayer backup.", "Take another folder.")
    if said.get("format") != FORMAT:
        raise UsageError(
            f"The backup {folder} has format {said.get('format')}; this MetaLayer knows format {FORMAT}.",
            f"It was made by MetaLayer {said.get('metalayer')}: restore it with that.",
        )
    try:
        return from_plain(Manifest, said)
    except ValueError as fault:
        raise UsageError(f"{folder / NAME} is damaged: {fault}.", "Take another backup.") from fault


def require_whole(folder: Path, manifest: Manifest) -> None:
    """Raises WarehouseError, naming the file, unless every file is there with the bytes that it was written with."""
    listed = {file.path for file in manifest.files}
    for table in manifest.tables:
        if table.path not in listed:
            raise WarehouseError(f"The backup {folder} has no file of {table.name}.", "Take another backup.")
    for file in manifest.files:
        path = (folder / file.path).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise WarehouseError(f"The backup {folder} names a file outside of it: {file.path}.")
        if not path.is_file():
            raise WarehouseError(f"{path} is missing from the backup.", "Take another backup.")
        if path.stat().st_size != file.size_bytes or sha256_of(path) != file.sha256:
            raise WarehouseError(
                f"{path} is not as it was written: the backup is damaged.", "Take another backup."
            )


def made_folder(folder: Path) -> Path:
    """The folder of a new backup. Raises UsageError when it holds anything."""
    with os_told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty.", "Name a folder that is new.")
    return folder


@contextmanager
def os_told(path: Path) -> Any:
    """Errors of the file system as ours."""
    try:
        yield
    except OSError as fault:
        if fault.errno == NO_SPACE:
            raise DiskFull(f"No space is left at {path}.", "Free some space, then try again.") from fault
        raise UsageError(
            f"{fault.filename or path} cannot be used: {fault.strerror or fault}.", "Check its permissions."
        ) from fault
