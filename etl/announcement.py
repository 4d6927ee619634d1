"""`engine.json`: where a running `up` says how commands reach it. Only the owner may read it."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Announcement:
    """One living engine: its process, its loopback address and the secret made anew at each start."""

    pid: int
    url: str
    secret: str
    started_at: str  # ISO, UTC

    @property
    def pid_lives(self) -> bool:
        """Whether a process of that number runs; it may be another one by now."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def announce(path: Path, url: str, started_at: datetime) -> Announcement:
    """Write the file (mode 0600, whole or not at all) for this process and return what it says."""
    announcement = Announcement(os.getpid(), url, secrets.token_urlsafe(32), started_at.isoformat())
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(announcement), file)
    unfinished.replace(path)
    return announcement


def withdraw(path: Path, announcement: Announcement) -> None:
    """Remove the file if it is still this engine's own."""
    if read_announcement(path) == announcement:
        path.unlink(missing_ok=True)


def read_announcement(path: Path) -> Announcement | None:
    """What the file says; None when there is none or when it is no announcement."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Announcement(int(said["pid"]), str(said["url"]), str(said["secret"]), str(said["started_at"]))
    except (FileNotFoundError, NotADirectoryError, PermissionError, KeyError, TypeError, ValueError):
        return None
