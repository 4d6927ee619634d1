"""The way from a number to the rows behind it: addresses as they stand in links."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

LINES = "lines"  # the files of a source, line by line accounted for
ALSO = "also"  # headers, blanks and continuations: counted per file, for there is nothing to keep of them

WITHOUT_AMOUNT = "without_amount"  # rows whose text in an amount column cannot be read as one


def rows(term: str, source: str = "", batch_id: str = "", column: str = "") -> str:
    """The Quality page with the rows behind one term of the account, of one source or batch or of all."""
    query = {"tab": "Accounts", "rows": term, "source": source, "batch": batch_id, "column": column}
    return f"?{urlencode({name: value for name, value in query.items() if value})}"


def row(table: str, key: str) -> str:
    """The screen that shows where one row is."""
    return f"explain?{urlencode({'table': table, 'key': key})}"


def linked(text: str, address: str, title: str = "") -> str:
    """`text` as a link within the same window; nothing to see leads nowhere, so no address makes no link."""
    if not address:
        return escape(text)
    tip = f' title="{escape(title)}"' if title else ""
    return f'<a class="to" href="{escape(address)}" target="_self"{tip}>{escape(text)}</a>'


def counted(text: str, amount: Any, term: str, source: str = "", batch_id: str = "") -> str:
    """A number as a link to what it counts; 0 counts nothing."""
    return linked(text, rows(term, source, batch_id) if amount else "")
