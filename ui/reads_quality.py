"""What Quality shows as tables: frames over the engine's records, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import data, fmt, state, words
from ui.data import Stamp
from ui.tokens import look

if TYPE_CHECKING:
    from etl.facts import Accounts, CheckFacts, ReasonCount
    from etl.model import RowAccount

WORST_FIRST = ("failed", "warned", "unexamined", "passed")
MOST_LISTED = 50


def accounts() -> Accounts:
    """The accounts of the published version."""
    return _accounts(data.stamp())


def checks() -> tuple[CheckFacts, ...]:
    """Every declared check with what stands, worst first."""
    return tuple(sorted(data.living().checks(), key=lambda found: WORST_FIRST.index(found.result.state)))


def by_state(checks: Sequence[CheckFacts]) -> dict[str, int]:
    """How many checks stand in each state that occurs, worst first."""
    counts = {name: sum(found.result.state == name for found in checks) for name in WORST_FIRST}
    return {name: count for name, count in counts.items() if count}


def checks_frame(checks: Sequence[CheckFacts]) -> pd.DataFrame:
    """One row per check, in the order given; what was not examined has no figures."""
    return pd.DataFrame(
        [_check_row(found) for found in checks],
        columns=["state", "check", "table", "severity", "examined", "failing", "took", "when", "history"],
    ).astype({"examined": "Int64", "failing": "Int64"})


def _check_row(found: CheckFacts) -> tuple[object, ...]:
    result = found.result
    examined = result.state != "unexamined"
    return (
        [look(result.state).word],
        words.check_title(found.check),
        words.short(found.table),
        str(found.severity),
        result.examined if examined else None,
        result.failing if examined else None,
        fmt.seconds(result.duration_seconds) if examined else None,
        state.ago(result.examined_at) if result.examined_at else None,
        list(found.history),
    )


def batches_frame(accounts: Sequence[RowAccount], paths: Mapping[str, str]) -> pd.DataFrame:
    """One row per batch: both equations; columns in which every batch has nothing are left out.

    `other` counts the lines that are headers, blank or continue a record.
    """
    terms = {
        "lines": "lines",
        "unreadable": "unreadable",
        "bronze": "bronze",
        "corrections": "corrections",
        "silver": "silver",
        "superseded": "superseded",
        "quarantined": "quarantined",
        "discarded": "discarded",
        "withdrawn": "withdrawn",
        "pending": "pending",
    }
    frame = pd.DataFrame(
        [
            {
                "file": paths.get(account.batch_id, account.batch_id),
                **{word: _term(account, field) for word, field in terms.items()},
                "other": account.header_lines + account.continuation_lines + account.blank,
                "difference": abs(account.lines_difference) + abs(account.rows_difference),
            }
            for account in accounts
        ]
    )
    always = {"lines", "bronze", "silver", "quarantined"}
    empty = [word for word in terms if word not in always and not frame[word].any()]
    ordered = ["file", "lines", "other", *(word for word in terms if word != "lines"), "difference"]
    return frame[ordered].drop(columns=empty)


def _term(account: RowAccount, field: str) -> int | None:
    """A feed that stops at bronze has the first equation alone."""
    first = ("lines", "unreadable", "bronze")
    return None if account.bronze_only and field not in first else int(getattr(account, field))


def paths() -> dict[str, str]:
    """The file of each batch, by batch."""
    return {batch.batch_id: batch.path for batch in data.living().batches(limit=1_000)}


def reasons() -> tuple[ReasonCount, ...]:
    """Why rows are in quarantine and lines are unreadable, most first."""
    return _reasons(data.stamp())


@st.cache_resource(show_spinner=False, max_entries=8)
def _accounts(stamp: Stamp) -> Accounts:
    return data.living().accounts()


@st.cache_resource(show_spinner=False, max_entries=8)
def _reasons(stamp: Stamp) -> tuple[ReasonCount, ...]:
    return data.living().quarantine_reasons()
