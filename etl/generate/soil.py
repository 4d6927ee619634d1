"""Where the departures of a dirty file stand: planned over the whole file, planted block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from etl.generate.draws import below, draw, positions
from etl.generate.kinds import Kind, Spot


@dataclass(frozen=True)
class Planted:
    """One planted line. `line` is the physical line it starts on; the header is line 1."""

    kind: str
    source: str
    line: int


class Plant(NamedTuple):
    """The plan for one planted line, before its text and its line number are known."""

    row: int  # position of the good row
    serial: int
    turn: int
    kind: Kind


def plan(rows: int, dirt: float, seed: int, kinds: Sequence[Kind]) -> Iterator[Plant]:
    """What to plant at which good row, in the rows' order: spread over the file, every kind as often.

    Any dirt at all plants each kind once, however few rows there are.
    """
    if not dirt or not rows:
        return
    faults = rows * dirt / (1 - dirt)
    count = max(len(kinds), round(faults * len(kinds) / sum(kind.fault for kind in kinds)))
    for serials in positions(count):
        starts = serials * rows // count
        widths = np.maximum(1, (serials + 1) * rows // count - starts)
        at = np.minimum(rows - 1, starts + below(widths, draw(seed, "soil", serials)))
        for serial, row in zip(serials.tolist(), at.tolist(), strict=True):
            yield Plant(row, serial, serial // len(kinds), kinds[serial % len(kinds)])


class Soiler:
    """Plants into one file, block by block, counting its physical lines."""

    def __init__(
        self, source: str, plants: Iterator[Plant], fields: Callable[[str], list[str]], first_unused_id: int
    ) -> None:
        self._source, self._fields, self._first_unused_id = source, fields, first_unused_id
        self._groups = groupby(plants, key=lambda plant: plant.row)
        self._next = next(self._groups, None)
        self.rows = 0
        self.lines = 1  # the header

    def soil(self, block: list[str]) -> tuple[list[str], list[Planted]]:
        """The block with what is planted in it, in order."""
        text: list[str] = []
        planted: list[Planted] = []
        done, first = 0, self.rows
        while self._next and self._next[0] < first + len(block):
            row, plants = self._next[0] - first, list(self._next[1])
            self._take(text, block[done:row])
            planted += self._plant(text, block[row], plants)
            done, self._next = row + 1, next(self._groups, None)
        self._take(text, block[done:])
        self.rows += len(block)
        return text, planted

    def _take(self, text: list[str], rows: list[str]) -> None:
        text += rows
        self.lines += len(rows)

    def _plant(self, text: list[str], row: str, plants: list[Plant]) -> Iterator[Planted]:
        """Lines of their own come before the row; what disguises the row is put on it together."""
        for plant in plants:
            if not plant.kind.disguises:
                yield Planted(plant.kind.name, self._source, self.lines + 1)
                text.append(self._text(plant, row))
                self.lines += 1
        for plant in plants:
            if plant.kind.disguises:
                yield Planted(plant.kind.name, self._source, self.lines + 1)
                row = self._text(plant, row)
        text.append(row)
        self.lines += row.count("\n")

    def _text(self, plant: Plant, row: str) -> str:
        return plant.kind.text(Spot(self._fields(row), self._first_unused_id + plant.serial, plant.turn))
