"""The row account as a flow of ribbons. Drawn by hand: plotly's own Sankey crosses its links at will."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go

from ui import fmt
from ui.accounts import Account, Part
from ui.charts import finished, ink, show_finished, theme, tint

HEIGHT, LABELS = 340, 175
THIN = 0.03  # a ribbon is drawn at least this wide, as a share of the whole, so that none is lost from sight
GAP = 0.07  # between the ends of a column, as a share of the height
COLUMNS = (0.0, 0.42, 0.99)
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


def flow(lines: Account, rows: Account, key: str) -> None:
    """Lines of the files → bronze → where the rows are now. Thin ribbons are widened; labels are exact."""
    if lines.parts:
        parts = ", ".join(
            f"{part.name} {fmt.count(int(part.amount))}" for part in (*lines.parts, *rows.parts)
        )
        said = f"{lines.name} {fmt.count(int(lines.whole))} become: {parts}"
        show_finished(_figure(lines, rows, theme()), key, said)


@lru_cache(maxsize=64)
def _figure(lines: Account, rows: Account, _theme: str) -> go.Figure:
    landed, kept = _placed(lines.parts, rows.parts)
    drawing = Drawing()
    drawing.ribbons(_whole(Part(lines.name, lines.whole, "muted"), landed, 0.0), landed, 0)
    bronze = next((end for end in landed if end.part.name == "Bronze"), None)
    if bronze and kept:
        drawing.ribbons(_whole(Part(rows.name, rows.whole, "bronze"), kept, bronze.top), kept, 1)
    hover = _hover([(COLUMNS[1], end) for end in landed] + [(COLUMNS[2], end) for end in kept])
    axis = {"visible": False, "fixedrange": True}
    layout = {
        "shapes": drawing.shapes,
        "annotations": drawing.labels,
        "xaxis": {**axis, "range": [0, 1]},
        "yaxis": {**axis, "range": [1, 0]},
        "margin": {"l": 0, "r": LABELS, "t": 6, "b": 6},
    }
    return finished(go.Figure(hover, layout), HEIGHT)


def _drawn(parts: Sequence[Part]) -> list[float]:
    """How wide each part is drawn before scaling: by its amount, but never too thin to be seen."""
    least = THIN * sum(float(part.amount) for part in parts)
    return [max(float(part.amount), least) for part in parts]


def _placed(lines: Sequence[Part], rows: Sequence[Part]) -> tuple[list[End], list[End]]:
    """Both columns at one scale. What did not reach bronze stands below all ribbons, where labels have room."""
    widths = dict(zip((part.name for part in lines), _drawn(lines), strict=True))
    aside = [part for part in lines if part.name != "Bronze"]
    bronze = [part for part in lines if part.name == "Bronze"]
    below = sum(widths[part.name] for part in aside)
    above = max(sum(_drawn(rows)), sum(widths[part.name] for part in bronze))
    gaps = GAP * (max(len(rows) - 1, 0) + len(aside))
    scale = (1 - gaps) / ((above + below) or 1)
    kept = _stacked(rows, _drawn(rows), scale, 0.0)
    first = _stacked(bronze, [above], scale, 0.0)
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

    shapes: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)

    def ribbons(self, start: End, ends: Sequence[End], column: int) -> None:
        """From the bar `start` in `column` to each of `ends` in the next."""
        left, right = COLUMNS[column] + BAR, COLUMNS[column + 1]
        middle, top = (left + right) / 2, start.top
        for end in ends:
            bottom = top + end.bottom - end.top
            path = (
                f"M {left},{top} C {middle},{top} {middle},{end.top} {right},{end.top} L {right},{end.bottom} "
                f"C {middle},{end.bottom} {middle},{bottom} {left},{bottom} Z"
            )
            self._shape(type="path", path=path, fillcolor=tint(ink(end.part.ink), 0.24))
            if end.part.name != "Bronze":
                self._bar(end, right)
            top = bottom
        self._bar(start, COLUMNS[column])

    def _shape(self, **drawn: Any) -> None:
        self.shapes.append({**drawn, "line": {"width": 0}})

    def _bar(self, end: End, x: float) -> None:
        self._shape(type="rect", x0=x, x1=x + BAR, y0=end.top, y1=end.bottom, fillcolor=ink(end.part.ink))
        large = end.bottom - end.top > ROOM_FOR_TWO_LINES and x < COLUMNS[-1]
        self.labels.append(
            {
                "x": x + BAR,
                "y": end.middle,
                "xshift": 8,
                "text": f"<b>{fmt.count(int(end.part.amount))}</b>{'<br>' if large else '  '}{end.part.name}",
                "align": "left",
                "showarrow": False,
                "xanchor": "left",
                "yanchor": "middle",
            }
        )


def _hover(ends: Sequence[tuple[float, End]]) -> go.Scatter:
    """Something to point at: shapes do not answer the pointer."""
    return go.Scatter(
        x=[x - 0.06 for x, _ in ends],
        y=[end.middle for _, end in ends],
        mode="markers",
        marker={"size": 26, "opacity": 0},
        customdata=[[end.part.name, fmt.count(int(end.part.amount))] for _, end in ends],
        hovertemplate="%{customdata[0]}<br><b>%{customdata[1]}</b><extra></extra>",
    )
