"""The row account as a flow of ribbons. Drawn by hand: plotly's own Sankey crosses its links at will."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import Any

import plotly.graph_objects as go

from ui import fmt, row_links, words_accounts
from ui.accounts import Account, Part
from ui.charts import finished, ink, show_finished, theme, tint

HEIGHT, LABELS = 340, 175
THIN = 0.03  # a ribbon is drawn at least this wide, as a share of the whole, so that none is lost from sight
GAP = 0.07  # between the ends of a column, as a share of the height
COLUMNS = (0.0, 0.42, 0.99)
WITH_GOLD = (0.0, 0.3, 0.64, 0.99)
BAR = 0.009
ROOM_FOR_TWO_LINES = 0.2


@dataclass(frozen=True)
class End:
    """Where a ribbon ends: its part and its place, 0 at the top and 1 at the bottom."""

    part: Part
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return (self.top + self.bottom) / 2


def flow(
    lines: Account,
    rows: Account,
    key: str,
    *,
    inflow: tuple[Part, ...] = (),
    gold: tuple[Part, int] | None = None,
    source: str = "",
) -> None:
    """Lines of the files → bronze, and corrections beside it → where the rows are now → gold, which reads silver.

    Thin ribbons are widened; labels are exact, and each leads to its rows.
    """
    if lines.parts:
        parts = ", ".join(
            f"{part.name} {fmt.count(int(part.amount))}" for part in (*lines.parts, *inflow, *rows.parts)
        )
        said = f"{lines.name} {fmt.count(int(lines.whole))} become: {parts}"
        if gold:
            said += f"; {fmt.count(int(gold[0].amount))} {words_accounts.gold_feed(gold[1])}"
        show_finished(_figure(lines, rows, inflow, gold, source, theme()), key, said)


@lru_cache(maxsize=64)
def _figure(
    lines: Account,
    rows: Account,
    inflow: tuple[Part, ...],
    gold: tuple[Part, int] | None,
    source: str,
    _theme: str,
) -> go.Figure:
    landed, kept = _placed(lines.parts, rows.parts, inflow)
    drawing = Drawing(source, WITH_GOLD if gold else COLUMNS)
    files = [end for end in landed if end.part not in inflow]
    drawing.ribbons(_whole(Part(lines.name, lines.whole, "muted", lines.term), files, 0.0), files, 0)
    bronze = next((end for end in landed if end.part.name == "Bronze"), None)
    if bronze and kept:
        drawing.ribbons(_whole(bronze.part, kept, bronze.top), kept, 1, drawn=bronze.bottom - bronze.top)
    for end in landed:
        if end.part in inflow:
            drawing.bar(end, drawing.columns[1])
    silver = next((end for end in kept if end.part.name == "Silver"), None)
    if gold and silver:
        drawing.gold(silver, *gold)
    axis = {"visible": False, "fixedrange": True}
    layout = {
        "shapes": drawing.shapes,
        "annotations": drawing.labels,
        "xaxis": {**axis, "range": [0, 1]},
        "yaxis": {**axis, "range": [1, 0]},
        "margin": {"l": 0, "r": LABELS, "t": 6, "b": 6},
    }
    return finished(go.Figure(layout=layout), HEIGHT)


def _drawn(parts: Sequence[Part]) -> list[float]:
    """How wide each part is drawn before scaling: by its amount, but never too thin to be seen."""
    least = THIN * sum(float(part.amount) for part in parts)
    return [max(float(part.amount), least) for part in parts]


def _placed(
    lines: Sequence[Part], rows: Sequence[Part], inflow: Sequence[Part]
) -> tuple[list[End], list[End]]:
    """Both columns at one scale. Corrections stand under bronze as one bar with it; what did not reach bronze stands
    below all ribbons, where labels have room.
    """
    widths = dict(zip((part.name for part in lines), _drawn(lines), strict=True))
    aside = [part for part in lines if part.name != "Bronze"]
    bronze = [part for part in lines if part.name == "Bronze"]
    beside = sum(max(float(part.amount), THIN * sum(widths.values())) for part in inflow)
    below = sum(widths[part.name] for part in aside)
    above = max(sum(_drawn(rows)), sum(widths[part.name] for part in bronze) + beside)
    gaps = GAP * (max(len(rows) - 1, 0) + len(aside))
    scale = (1 - gaps) / ((above + below) or 1)
    kept = _stacked(rows, _drawn(rows), scale, 0.0)
    first = _stacked(bronze, [above - beside], scale, 0.0)
    first += _stacked(inflow, [beside], scale, first[0].bottom if first else 0.0)
    floor = max((end.bottom for end in (*kept, *first)), default=-GAP) + GAP
    return first + _stacked(aside, [widths[part.name] for part in aside], scale, floor), kept


def _stacked(parts: Sequence[Part], widths: Sequence[float], scale: float, top: float) -> list[End]:
    ends = []
    for part, width in zip(parts, widths, strict=False):
        ends.append(End(part, top, top + width * scale))
        top += width * scale + GAP
    return ends


def _whole(part: Part, ends: Sequence[End], top: float) -> End:
    """The bar all ribbons of a column start from, as tall as they are together."""
    return End(part, top, top + sum(end.bottom - end.top for end in ends))


@dataclass
class Drawing:
    """The shapes and labels of a flow; handed to plotly in one piece, which is much quicker than one by one."""

    source: str  # whose rows the labels lead to; "" for all
    columns: tuple[float, ...]
    shapes: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)

    def ribbons(self, start: End, ends: Sequence[End], column: int, drawn: float | None = None) -> None:
        """From the bar `start` in `column` to each of `ends` in the next; the bar is drawn `drawn` tall."""
        left, right = self.columns[column] + BAR, self.columns[column + 1]
        top = start.top
        for end in ends:
            self._ribbon(left, right, (top, top + end.bottom - end.top), end)
            if end.part.name != "Bronze":
                self.bar(end, right)
            top += end.bottom - end.top
        bottom = start.bottom if drawn is None else start.top + drawn
        self.bar(End(start.part, start.top, bottom), self.columns[column])

    def gold(self, silver: End, part: Part, tables: int) -> None:
        """Gold reads silver whole: a ribbon of the same height, and a label without a link, for it is of rows read."""
        left, right = self.columns[2] + BAR, self.columns[3]
        end = End(part, silver.top, silver.bottom)
        self._ribbon(left, right, (silver.top, silver.bottom), end)
        self._rectangle(end, right)
        count, read = fmt.count(int(part.amount)), words_accounts.gold_feed(tables)
        self._label(end, right, f"<b>{count}</b><br>{read}")

    def _ribbon(self, left: float, right: float, start: tuple[float, float], end: End) -> None:
        (top, bottom), middle = start, (left + right) / 2
        path = (
            f"M {left},{top} C {middle},{top} {middle},{end.top} {right},{end.top} L {right},{end.bottom} "
            f"C {middle},{end.bottom} {middle},{bottom} {left},{bottom} Z"
        )
        self._shape(type="path", path=path, fillcolor=tint(ink(end.part.ink), 0.24))

    def _shape(self, **drawn: Any) -> None:
        self.shapes.append({**drawn, "line": {"width": 0}})

    def _rectangle(self, end: End, x: float) -> None:
        self._shape(type="rect", x0=x, x1=x + BAR, y0=end.top, y1=end.bottom, fillcolor=ink(end.part.ink))

    def bar(self, end: End, x: float) -> None:
        """A bar and its label, which leads to the rows."""
        self._rectangle(end, x)
        large = end.bottom - end.top > ROOM_FOR_TWO_LINES and x < self.columns[-1]
        count, address = fmt.count(int(end.part.amount)), row_links.rows(end.part.term, self.source)
        number = f'<a href="{escape(address)}" target="_self" style="color:{ink("text")}"><b>{count}</b></a>'
        self._label(end, x, f"{number}{'<br>' if large else '  '}{end.part.name}")

    def _label(self, end: End, x: float, text: str) -> None:
        place = {"x": x + BAR, "y": end.middle, "xshift": 8, "xanchor": "left", "yanchor": "middle"}
        self.labels.append({**place, "text": text, "align": "left", "showarrow": False})
