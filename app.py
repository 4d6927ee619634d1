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

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from etl.api import routes  # noqa: E402 - the root must be importable first
from etl.host import start_host, stop_host  # noqa: E402
from etl.process import process  # noqa: E402

INTERNET = (socket.AF_INET, socket.AF_INET6)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """The engine and its scheduler live as long as the server, with or without a browser."""
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


app = st.App(ROOT / "ui" / "main.py", lifespan=lifespan, routes=routes(process()))
