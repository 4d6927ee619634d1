"""Every read of the pages, as pandas frames or the engine's plain records. The only way pages get data.

What depends on published data is cached by workspace and version; what lives (runs, states) is read afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pandas as pd
import streamlit as st

from etl import process
from ui import state, words

if TYPE_CHECKING:
    from etl.facts import (
        LayerFacts,
        Report,
        ReportSummary,
        Rows,
        Sight,
        SourceFacts,
        TableFacts,
        Verdict,
        Workspace,
    )
    from etl.model import Run
    from etl.service import Service

Stamp = tuple[str, int]
Args = ParamSpec("Args")
Read = TypeVar("Read")


def living() -> Service:
    """The service of this process. Raises the engine's error while there is none."""
    return process.service()


def engine_is_up() -> bool:
    """Whether there is a service to ask."""
    return process.process().service is not None


def startup_problem() -> Exception | None:
    """What keeps the engine from starting, or None while it is only on its way."""
    return process.startup_problem()


def answers() -> bool:
    """Whether ledger and warehouse can be asked."""
    return all(word == "ok" for part, word in living().readiness().items() if part != "engine")


def is_open_to_anyone() -> bool:
    """Whether the server is reached from other machines and asks nobody who they are."""
    return process.process().open_to_anyone


def workspace() -> Workspace:
    """Which workspace this is, and what is published in it."""
    return living().workspace()


def is_sample() -> bool:
    """Whether invented figures are shown; False while the engine is not there to say."""
    return engine_is_up() and living().settings.sample


def provenance() -> str:
    """`Version 42 · published 3 min ago`; nothing while the engine is not there to ask."""
    try:
        here = workspace()
    except Exception as fault:
        if not state.told(fault):
            raise
        return ""
    return words.provenance(here.version, state.ago(here.published_at))


def stamp() -> Stamp:
    """The key of everything that depends on published data: this workspace at this version."""
    service = living()
    return str(service.settings.state), service.version()


def by_version(read: Callable[Args, Read]) -> Callable[Args, Read]:
    """Keep what `read` answers, by its arguments, for as long as the same version of the same workspace stands.

    The arguments are hashable values, passed by position; the answer is a copy of the caller's own.
    """

    def keyed(stamp: Stamp, *args: Any) -> Any:
        return read(*args)  # type: ignore[call-arg]

    keyed.__qualname__, keyed.__module__ = read.__qualname__, read.__module__
    keeping = st.cache_data(show_spinner=False, max_entries=64)(keyed)

    @wraps(read)
    def asked(*args: Args.args, **kwargs: Args.kwargs) -> Read:
        answer: Read = keeping(stamp(), *args)
        return answer

    return asked


def frame(rows: Rows) -> pd.DataFrame:
    """`rows` as a frame; decimals stay Decimal and times aware UTC."""
    return pd.DataFrame(rows.rows, columns=list(rows.columns), dtype=object).infer_objects()


def published(table: str) -> TableFacts | None:
    """The facts of qualified `table`, or None when it is not declared or was never published."""
    for facts in living().tables():
        if facts.name == table and facts.rows is not None:
            return facts
    return None


def rows(
    table: str,
    *,
    columns: Sequence[str] = (),
    where: Mapping[str, Any] | None = None,
    order_by: Sequence[str] = (),
    limit: int = 100_000,
) -> pd.DataFrame:
    """Rows of one published table, cached by version."""
    return _rows(stamp(), table, tuple(columns), dict(where or {}), tuple(order_by), limit)


def select(sql: str, params: Sequence[Any] = (), limit: int = 10_000) -> pd.DataFrame:
    """One read-only SELECT, cached by version."""
    return _select(stamp(), sql, tuple(params), limit)


def verdict() -> Verdict:
    """Whether the numbers can be trusted."""
    return living().verdict()


def layers() -> tuple[LayerFacts, ...]:
    """Bronze, silver, gold."""
    return living().layers()


def tables() -> tuple[TableFacts, ...]:
    """Every declared table, inputs before what reads them."""
    return living().tables()


def attention() -> tuple[Sight, ...]:
    """What needs a person, worst first."""
    return living().attention()


def sources() -> tuple[SourceFacts, ...]:
    """Every contract and what has come in under it."""
    return living().sources()


def runs(limit: int = 50) -> tuple[Run, ...]:
    """Recent runs, newest first."""
    return living().runs(limit).runs


def reports(limit: int = 50) -> tuple[ReportSummary, ...]:
    """The kept reports, newest first."""
    return living().reports(limit)


def report(report_id: int) -> Report | None:
    """One kept report."""
    return living().report(report_id)


def report_text(report_id: int, form: str) -> str:
    """A kept report as `md`, `html` or `json`."""
    return living().report_text(report_id, form)


def active_run() -> Run | None:
    """What runs or waits now; read afresh each time."""
    return living().active_run()


@st.cache_data(show_spinner=False, max_entries=128)
def _rows(
    stamp: Stamp,
    table: str,
    columns: tuple[str, ...],
    where: dict[str, Any],
    order_by: tuple[str, ...],
    limit: int,
) -> pd.DataFrame:
    return frame(living().rows(table, columns=columns, where=where, order_by=order_by, limit=limit))


@st.cache_data(show_spinner=False, max_entries=128)
def _select(stamp: Stamp, sql: str, params: tuple[Any, ...], limit: int) -> pd.DataFrame:
    return frame(living().select(sql, params, limit))
