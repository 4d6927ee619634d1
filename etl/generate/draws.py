"""Random numbers that depend on nothing but seed, purpose and position, so no release of numpy moves a byte.

Integers only: floating-point functions may differ in the last bit from one processor to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bits = NDArray[np.uint64]

BLOCK = 50_000  # positions handled at a time; part of every recipe, see clean.sale_blocks


def positions(count: int) -> Iterator[Ints]:
    """0 … count - 1 in blocks."""
    for start in range(0, count, BLOCK):
        yield np.arange(start, min(start + BLOCK, count), dtype=np.int64)


def _key(seed: int, purpose: str) -> int:
    return int.from_bytes(blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest(), "little")


def draw(seed: int, purpose: str, position: Ints) -> Bits:
    """64 random bits for each position: SplitMix64 (Steele, Lea, Flood 2014), started from a hashed key."""
    bits = position.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(_key(seed, purpose))
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def below(limit: int | Ints, bits: Bits) -> Ints:
    """Integers from 0 to limit - 1, evenly; `limit` is at most 2**31."""
    scaled = (bits >> np.uint64(32)) * np.asarray(limit, dtype=np.uint64) >> np.uint64(32)
    return scaled.astype(np.int64)


def pick(cumulative: Ints, bits: Bits) -> Ints:
    """Indexes drawn in proportion to weights, which are given as their running total."""
    return np.searchsorted(cumulative, below(int(cumulative[-1]), bits), side="right").astype(np.int64)


class Shuffle:
    """A fixed random order of 0 … count - 1 that takes no memory, and can be asked both ways.

    Odd multiplications and xor-shifts are one to one on k bits; what leaves the range is sent round again.
    """

    def __init__(self, count: int, seed: int, purpose: str) -> None:
        bits = max(1, (count - 1).bit_length())
        self._count = count
        self._mask = np.uint64((1 << bits) - 1)
        self._shift = np.uint64((bits + 1) // 2)
        keys = [_key(seed, f"{purpose}/{turn}") for turn in range(4)]
        self._rounds = [
            (np.uint64(key | 1), np.uint64(pow(key | 1, -1, 1 << bits)), np.uint64(key >> 7)) for key in keys
        ]

    def place(self, position: Ints) -> Ints:
        """Where each position stands in the shuffled order."""
        return self._walk(position, self._forth)

    def position(self, place: Ints) -> Ints:
        """What stands at each place of the shuffled order: the inverse of `place`."""
        return self._walk(place, self._back)

    def _walk(self, start: Ints, step: Callable[[Bits], Bits]) -> Ints:
        at = step(start.astype(np.uint64))
        outside = np.flatnonzero(at >= self._count)
        while outside.size:
            at[outside] = step(at[outside])
            outside = outside[at[outside] >= self._count]
        return at.astype(np.int64)

    def _forth(self, at: Bits) -> Bits:
        for factor, _, offset in self._rounds:
            at = (at * factor + offset) & self._mask
            at = at ^ (at >> self._shift)
        return at

    def _back(self, at: Bits) -> Bits:
        for _, inverse, offset in reversed(self._rounds):
            at = at ^ (at >> self._shift)
            at = ((at - offset) * inverse) & self._mask
        return at
