"""Names for columns that a contract does not know: what bronze calls them under `unknownColumns: evolve`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

_LENGTH = 50  # as of a contract's own names
_RESERVED = frozenset({"file_row_number"})  # what DuckDB calls the place of a row in a Parquet file


def evolved_names(found: Sequence[str], places: Sequence[int], taken: Collection[str]) -> list[str]:
    """A name for each column found, in the form a contract's names have and none of them `taken` or given twice.

    `places` are the columns' positions: one without any name is called after its own.
    """
    used, names = {*taken, *_RESERVED}, []
    for text, place in zip(found, places, strict=True):
        wanted = _plain(text) or f"column_{place + 1}"
        names.append(_free(wanted, used))
        used.add(names[-1])
    return names


def _plain(text: str) -> str:
    """`Größe (cm)` → `grosse_cm`, `2nd price` → `c_2nd_price`. A letter that has no Latin form is spelt as its number,
    so that two columns do not become one."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    spelt = "".join(_spelt(letter) for letter in letters if not unicodedata.combining(letter))
    words = re.sub("[^a-z0-9]+", "_", spelt).strip("_")
    return (f"c_{words}" if words[:1].isdigit() else words)[:_LENGTH].rstrip("_")


def _spelt(letter: str) -> str:
    return f" u{ord(letter):x} " if letter.isalnum() and not letter.isascii() else letter


def _free(wanted: str, used: Collection[str]) -> str:
    name, count = wanted, 1
    while name in used:
        count += 1
        ending = f"_{count}"
        name = wanted[: _LENGTH - len(ending)].rstrip("_") + ending
    return name
