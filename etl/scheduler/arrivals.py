"""Sees files arrive under the landing folders; names and sizes only, nothing is opened."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

log = logging.getLogger(__name__)

Patterns = Sequence[tuple[str, ...]]

POLL_JITTER_SECONDS = 0.1
"""A look may come this much early; without it, a settled file would now and then wait for one look more."""


@dataclass
class _Seen:
    """A file in one shape, and since when (monotonic seconds) it has had it."""

    shape: tuple[int, int]  # size in bytes, modification time in ns
    since: float
    announced: bool


class Watch:
    """Remembers every file's shape; one that has kept its shape for `settle_seconds` is news, once."""

    def __init__(
        self,
        roots: Callable[[], Sequence[Path]],
        patterns: Callable[[], Sequence[str]],
        settle_seconds: float,
        known: Callable[[Path], bool] | None = None,
    ) -> None:
        """`patterns` are relative to each root. `known` tells which files of the first look are no news."""
        self._roots = roots
        self._patterns = patterns
        self._settle_seconds = settle_seconds
        self._known = known
        self._seen: dict[Path, _Seen] = {}
        self._unreadable: set[Path] = set()

    def look(self, now: float) -> list[Path]:
        """The settled files that were not announced in their present shape. `now` is in monotonic seconds."""
        found = dict(self._shapes())
        for path, shape in found.items():
            seen = self._seen.get(path)
            if seen is None or seen.shape != shape:
                self._seen[path] = _Seen(shape, now, announced=bool(self._known and self._known(path)))
        self._known = None
        if not self._unreadable:  # a share that is away for a moment brings no news when it is back
            self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        return [path for path in found if self._is_news(self._seen[path], now)]

    def announce(self, paths: Sequence[Path]) -> None:
        """These have been told of in their present shape."""
        for path in paths:
            self._seen[path].announced = True

    def _is_news(self, seen: _Seen, now: float) -> bool:
        return not seen.announced and now - seen.since >= self._settle_seconds - POLL_JITTER_SECONDS

    def _shapes(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        patterns = [tuple(pattern.split("/")) for pattern in self._patterns()]
        for root in self._roots():
            yield from self._under(root, patterns)

    def _under(self, folder: Path, patterns: Patterns) -> Iterator[tuple[Path, tuple[int, int]]]:
        """Files in `folder` that match a pattern of one part; deeper only where a longer pattern leads."""
        for entry in self._listed(folder):
            # The same names as the engine takes: no hidden ones, no copies still under way.
            if entry.name.startswith(".") or entry.name.endswith((".part", ".tmp")):
                continue
            fitting = [pattern for pattern in patterns if fnmatchcase(entry.name, pattern[0])]
            if any(len(pattern) == 1 for pattern in fitting):
                yield from _shape(entry)
            deeper = [pattern[1:] for pattern in fitting if len(pattern) > 1]
            if deeper and entry.is_dir(follow_symlinks=False):
                yield from self._under(Path(entry.path), deeper)

    def _listed(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            if folder not in self._unreadable:
                log.warning("The landing folder %s cannot be read: %s.", folder, error.strerror)
            self._unreadable.add(folder)
            return []
        self._unreadable.discard(folder)
        return listed


def _shape(entry: os.DirEntry[str]) -> Iterator[tuple[Path, tuple[int, int]]]:
    try:
        if entry.is_file():
            stat = entry.stat()
            yield Path(entry.path), (stat.st_size, stat.st_mtime_ns)
    except OSError:
        return  # gone since it was listed
