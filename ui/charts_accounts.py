"""The row account as a flow."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ui import fmt
from ui.accounts import Account, Part
from ui.charts import ink, show, tint

HEIGHT, TOP, BOTTOM, LABELS = 340, 8, 12, 190
_THIN = 0.035  # a flow is drawn at least this wide, as a share of the whole, so that none is lost from sight
_PAD = 15  # px between the nodes of a column
_COLUMNS = (0.001, 0.42, 0.999)


def flow(lines: Account, rows: Account, key: str) -> None:
    """Lines of the files → bronze → where the rows are now. Thin flows are widened; labels are exact."""
    least = max(int(lines.whole), int(rows.whole), 1) * _THIN
    first = [Part(part.name, part.amount, part.ink) for part in lines.parts]
    ends = list(rows.parts)
    into = {part.name: max(float(part.amount), least) for part in first}
    out = {part.name: max(float(part.amount), least) for part in ends}
    middle = max(into.get("Bronze", 0.0), sum(out.values()))
    columns = [
        [(lines.name, int(lines.whole), "muted", sum(into.values()))],
        [_node(part, middle if part.name == "Bronze" else into[part.name]) for part in first],
        [_node(part, out[part.name]) for part in ends],
    ]
    if not first:
        return
    fig = go.Figure(_sankey(columns, into, out, rows.name))
    _labels(fig, columns, _centres(columns))
    fig.update_layout(margin={"l": 0, "r": LABELS, "t": TOP, "b": BOTTOM})
    said = ", ".join(f"{part.name} {fmt.count(int(part.amount))}" for part in (*first, *ends))
    show(fig, key, HEIGHT, f"{lines.name} {fmt.count(int(lines.whole))} become: {said}")


Node = tuple[str, int, str, float]  # name, exact count, ink, drawn width


def _node(part: Part, width: float) -> Node:
    return part.name, int(part.amount), part.ink, width


def _centres(columns: Sequence[Sequence[Node]]) -> list[list[float]]:
    """The middle of each node from the top, 0..1, the columns packed from the top at one scale."""
    tall = HEIGHT - TOP - BOTTOM
    scale = min(
        (tall - _PAD * (len(nodes) - 1)) / sum(width for *_, width in nodes) for nodes in columns if nodes
    )
    placed = []
    for nodes in columns:
        y, centres = 0.0, []
        for *_, width in nodes:
            centres.append(min(max((y + width * scale / 2) / tall, 0.001), 0.999))
            y += width * scale + _PAD
        placed.append(centres)
    return placed


def _sankey(
    columns: Sequence[Sequence[Node]], into: dict[str, float], out: dict[str, float], bronze: str
) -> go.Sankey:
    nodes = [node for column in columns for node in column]
    centres = _centres(columns)
    hub = next((at for at, node in enumerate(nodes) if node[0] == "Bronze"), 0)
    start = 1 + len(columns[1])
    links = [(0, 1 + at, into[node[0]], node, "File lines") for at, node in enumerate(columns[1])]
    links += [(hub, start + at, out[node[0]], node, bronze) for at, node in enumerate(columns[2])]
    return go.Sankey(
        arrangement="fixed",
        node={
            "label": [""] * len(nodes),
            "color": [ink(tone) for _, _, tone, _ in nodes],
            "x": [_COLUMNS[at] for at, column in enumerate(columns) for _ in column],
            "y": [y for column in centres for y in column],
            "pad": _PAD,
            "thickness": 8,
            "line": {"width": 0},
            "hoverinfo": "skip",
        },
        link={
            "source": [link[0] for link in links],
            "target": [link[1] for link in links],
            "value": [link[2] for link in links],
            "color": [tint(ink(link[3][2]), 0.24) for link in links],
            "customdata": [f"{link[4]} → {link[3][0]}<br><b>{fmt.count(link[3][1])}</b>" for link in links],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
    )


def _labels(fig: go.Figure, columns: Sequence[Sequence[Node]], centres: Sequence[Sequence[float]]) -> None:
    """Own labels: plotly would put those of the last column over the flows."""
    for at, (column, middles) in enumerate(zip(columns, centres, strict=True)):
        for (name, exact, _, width), y in zip(column, middles, strict=True):
            large = at < len(columns) - 1 and width > 0.3 * sum(node[3] for node in column)
            fig.add_annotation(
                x=_COLUMNS[at],
                y=1 - y,
                xshift=13,
                text=f"<b>{fmt.count(exact)}</b>{'<br>' if large else '  '}{name}",
                align="left",
                showarrow=False,
                xanchor="left",
                yanchor="middle",
            )
