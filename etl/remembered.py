"""Results that take time to work out, kept in the state folder under a hash of everything they were made from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from etl.wire import from_plain, to_plain

T = TypeVar("T")
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Memory:
    """A folder of remembered results. Losing it costs time and nothing else; None remembers nothing."""

    folder: Path | None

    def recall(self, name: str, made_from: str, kind: type[T], make: Callable[[], T]) -> T:
        """The record that `make` would give, worked out only when `made_from` was never seen under `name`."""
        path = self.folder / f"{name}.json" if self.folder else None
        kept = _read(path) if path else {}
        if made_from in kept:
            with suppress(ValueError):  # written by another version of the record: worked out again
                return from_plain(kind, kept[made_from])
        made = make()
        if path:
            _write(path, {made_from: to_plain(made)})
        return made


def fingerprint_of(files: Iterable[Path], libraries: Iterable[str] = ()) -> str:
    """A hash over the bytes of files and the versions of libraries."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(str(path.name).encode() + b"\0" + path.read_bytes() + b"\0")
    for library in libraries:
        digest.update(f"{library} {version(library)}\0".encode())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or half: worked out again
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    with suppress(OSError):  # a full disk must not stop what only wants to be quicker next time
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(path)
