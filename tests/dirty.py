"""Small dirty exports of the two shipped sources: few keys, so that rows meet; every kind of bad value and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from hypothesis import strategies as st

from tests.oracle import COLUMNS, CRM, ERP

FOLDER = {CRM: "crm", ERP: "erp"}
CUSTOMER = st.tuples(
    st.sampled_from(["1", "2", "3", "4", " 2 ", "+3", "x", "", "1.0"]),
    st.sampled_from(["Ada", "Bo", "Bo  B", "Long\nName", 'Q "q" Q', "é,è", " ", ""]),
    st.sampled_from(["a@example.com", "B@Example.COM", "no mail", ""]),
    st.sampled_from(["WEST", "east", " north  east ", "WEST", "EAST", ""]),
)
SALE = st.tuples(
    st.sampled_from(["1", "2", "3", "4", "5", "6", "1.5", "", "9" * 19]),
    st.sampled_from(["10", "11", "0x10", "10"]),
    st.sampled_from(["1", "2", "3", "4", "9", ""]),
    st.sampled_from(["1", "2", "3", "0", "two", "1_0"]),
    st.sampled_from(["2026-01-05", "2026-02-05", "2026-01-31", "2026-02-29", "05/01/2026", "epoch", ""]),
    st.sampled_from(
        ["10.00", " 7.5 ", "0.01", "12.34", "3.", ".5", "12.345", "-3.00", "1e3", "abc", "", "9" * 16 + ".99"]
    ),
)
SOUND_CUSTOMER = st.tuples(
    st.sampled_from(["1", "2", "3", "4"]), st.sampled_from(["Ada", "Bo"]), st.just("a@example.com"),
    st.sampled_from(["WEST", "EAST"]),
)  # fmt: skip
SOUND_SALE = st.tuples(
    st.sampled_from(["1", "2", "3", "4", "5", "6"]),
    st.sampled_from(["10", "11"]),
    st.sampled_from(["1", "2", "3", "4"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["2026-01-05", "2026-02-05", "2026-03-05"]),
    st.sampled_from(["10.00", "0.01", "12.34", "7.5"]),
)
LINES = st.sampled_from(["", "  ", "1", "1,2,3,4,5,6,7,8", "a\0b,c", "7,,"])


def written(source: str, rows: Sequence[tuple[str, ...]], lines: Sequence[str] = ()) -> str:
    """The text of a file: sound records, with the given lines between them as they are."""
    text = io.StringIO(newline="")
    records = csv.writer(text, lineterminator="\n")
    records.writerow(COLUMNS[source])
    between = list(lines)
    for row in rows:
        records.writerow(row)
        if between:
            text.write(between.pop() + "\n")
    for line in between:
        text.write(line + "\n")
    return text.getvalue()


@st.composite
def exports(draw: st.DrawFn, sources: Sequence[str] = (CRM, ERP)) -> tuple[str, str]:
    """(source, text) of one file; three rows in four are sound. A customer file may call a column by another name."""
    source = draw(st.sampled_from(sources))
    sound, dirty = (SOUND_CUSTOMER, CUSTOMER) if source == CRM else (SOUND_SALE, SALE)
    rows = draw(st.lists(sound | sound | sound | dirty, max_size=7))
    text = written(source, rows, draw(st.lists(LINES, max_size=2)))
    mail = source == CRM and draw(st.integers(0, 3)) == 0
    return source, text.replace(",email,", ",mail,", 1) if mail else text
