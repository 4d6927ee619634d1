"""The ASGI app: the pages, the engine's life around them, and the routes beside them."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import streamlit as st
from starlette.middleware import Middleware

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from etl.api import Threshold, routes  # noqa: E402 - the root must be importable first
from etl.errors import SettingsError  # noqa: E402
from etl.exposure import listening, require_allowed  # noqa: E402
from etl.host import start_host, stop_host  # noqa: E402
from etl.process import process  # noqa: E402
from etl.settings import read_settings  # noqa: E402

INTERNET = (socket.AF_INET, socket.AF_INET6)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """The engine and its scheduler live as long as the server, with or without a browser."""
    _end_where_nobody_may_come_in()
    start_host(_address())
    _answer_at_once()
    # One collection of what was imported, which then is never looked at again: pages stay quick.
    gc.collect()
    gc.freeze()
    try:
        yield {}
    finally:
        await anyio.to_thread.run_sync(stop_host)
        # What stays frozen is never let go, and DuckDB's bindings print a page about it when Ctrl-C ends the process.
        gc.unfreeze()


def _end_where_nobody_may_come_in() -> None:
    """The end of the process, before anything is served: Streamlit's own command listens already.

    Other servers do so only after this; Threshold is there for them.
    """
    try:
        require_allowed(listening(), read_settings)
    except SettingsError as refusal:
        sys.stderr.write(f"metalayer: {refusal}\n")
        sys.stderr.flush()
        # Raised in here, it would come out as a traceback and as another code.
        os._exit(refusal.exit_code)


def _address() -> str:
    host = os.environ.get("METALAYER_HOST") or st.get_option("server.address") or "127.0.0.1"
    port = os.environ.get("METALAYER_PORT") or st.get_option("server.port")
    os.environ["METALAYER_HOST"], os.environ["METALAYER_PORT"] = str(host), str(port)
    reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://[{reachable}]:{port}" if ":" in str(reachable) else f"http://{reachable}:{port}"


def _answer_at_once() -> None:
    """Small frames leave without waiting for more (TCP_NODELAY): the server's own listener lacks it."""
    for found in gc.get_objects():
        if isinstance(found, socket.socket) and found.fileno() >= 0 and found.family in INTERNET:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


app = st.App(
    ROOT / "ui" / "main.py",
    lifespan=lifespan,
    routes=routes(process()),
    middleware=[Middleware(Threshold, process=process())],
)
