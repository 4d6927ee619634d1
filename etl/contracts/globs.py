"""Path patterns of contracts: which files they match, and whether two can match the same file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

_PART = re.compile(r"\*|\?|\[(!?)(\]?[^\]]*)\]|.", re.DOTALL)


def path_fault(pattern: str) -> str:
    """What is wrong with a pattern as a path below the landing folder, or nothing."""
    segments = pattern.split("/")
    if not pattern or pattern.startswith("/") or "" in segments:
        return "is not a path below the landing folder"
    if ".." in segments or "." in segments:
        return "may not hold . or .."
    if "\\" in pattern:
        return "has a backslash; folders are separated by /"
    if any("**" in segment for segment in segments):
        return "has **; * stands for characters of one name"
    return ""


class Characters(NamedTuple):
    """One place of a pattern: the ranges of characters it takes, or (`many`) any number of any."""

    ranges: tuple[tuple[int, int], ...]
    many: bool = False


_ANY = ((0, sys.maxunicode),)


def overlap(left: str, right: str) -> bool:
    """Whether some path matches both patterns. Exact for `*`, `?` and `[…]`."""
    lefts, rights = left.split("/"), right.split("/")
    return len(lefts) == len(rights) and all(map(_segments_overlap, lefts, rights))


def _segments_overlap(left: str, right: str) -> bool:
    a, b = tuple(_parts(left)), tuple(_parts(right))

    @cache
    def meet(i: int, j: int) -> bool:
        """Whether the rests of both patterns, from places i and j, can match the same text."""
        if i == len(a) and j == len(b):
            return True
        if i < len(a) and a[i].many:
            return meet(i + 1, j) or (j < len(b) and meet(i, j + 1))
        if j < len(b) and b[j].many:
            return meet(i, j + 1) or (i < len(a) and meet(i + 1, j))
        return i < len(a) and j < len(b) and _share(a[i].ranges, b[j].ranges) and meet(i + 1, j + 1)

    return meet(0, 0)


def _share(left: tuple[tuple[int, int], ...], right: tuple[tuple[int, int], ...]) -> bool:
    return any(max(a, c) <= min(b, d) for a, b in left for c, d in right)


def _parts(segment: str) -> Iterator[Characters]:
    for found in _PART.finditer(segment):
        text = found.group()
        if text == "*":
            yield Characters(_ANY, many=True)
        elif text == "?":
            yield Characters(_ANY)
        elif len(text) > 1:
            ranges = tuple(_ranges(found.group(2)))
            yield Characters(_others(ranges) if found.group(1) else ranges)
        else:
            yield Characters(((ord(text), ord(text)),))


def _ranges(body: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(body):
        if body[at + 1 : at + 2] == "-" and at + 2 < len(body):
            yield ord(body[at]), ord(body[at + 2])
            at += 3
        else:
            yield ord(body[at]), ord(body[at])
            at += 1


def _others(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """The characters outside some ranges."""
    free, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            free.append((at, low - 1))
        at = max(at, high + 1)
    return (*free, (at, sys.maxunicode)) if at <= sys.maxunicode else tuple(free)


def matches(path: str, pattern: str) -> bool:
    """Whether a path below the landing folder is one of a pattern's; `*` does not cross a folder."""
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(map(fnmatchcase, names, wanted))
