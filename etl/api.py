"""HTTP routes: whether the process lives, whether it is ready, and the way in for commands."""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
from types import ModuleType
from typing import Any

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from etl.calls import error_to_plain, perform
from etl.errors import MetaLayerError, SettingsError, UsageError
from etl.exposure import listening, require_allowed
from etl.settings import read_settings

MOST_BYTES = 64_000_000  # an edited export of quarantine goes through here; who calls has the secret
READY_SECONDS = 5.0
PARTS = ("engine", "ledger", "warehouse")
USAGE = 2  # the exit code of errors that the asker made
log = logging.getLogger("metalayer.api")


class Threshold:
    """Lets nobody in while the server listens where others are and nobody allowed that.

    `up` refuses before it starts; this holds for every other way to start the server, which may bind late.
    """

    def __init__(self, app: ASGIApp, process: ModuleType) -> None:
        self._app = app
        self._process = process
        self._allowed: set[str] = set()
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            if scope["type"] in ("http", "websocket"):
                self._look(scope)
        except SettingsError as refusal:
            self._tell(refusal)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await PlainTextResponse(f"{refusal}\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _look(self, scope: Scope) -> None:
        """Raises SettingsError. Each address is looked at once: settings hold for the life of a process."""
        server = scope.get("server")
        came_by = (
            server[0] if server and server[1] is not None else "localhost"
        )  # a socket in the file system
        if came_by in self._allowed:
            return
        open_at = require_allowed([came_by, *listening()], read_settings)
        self._process.open_to_anyone = bool(open_at)  # type: ignore[attr-defined]
        self._allowed.add(came_by)

    def _tell(self, refusal: SettingsError) -> None:
        """Once, to whoever started the server."""
        if not self._told:
            log.error("Nobody is let in: %s", refusal)
        self._told = True


class BodyTooLargeError(Exception):
    """More than MOST_BYTES came."""


def routes(process: ModuleType) -> list[Route]:
    """The routes of one process. `process` carries `service`, `problem` and `secret` (see etl.process)."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        parts = await _parts(process)
        ready = all(state == "ok" for state in parts.values())
        status = "ready" if ready else "not ready"
        return JSONResponse({"status": status, "parts": parts}, 200 if ready else 503)

    async def call(request: Request) -> Response:
        return await _call(process, request)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/engine/call", call, methods=["POST"]),
    ]


async def _parts(process: ModuleType) -> dict[str, str]:
    """Engine, ledger and warehouse, each "ok" or what is wrong; no address and no secret."""
    if process.service is None:
        why = "failed to start" if process.problem is not None else "starting"
        return dict.fromkeys(PARTS, why)
    try:
        with anyio.fail_after(READY_SECONDS):
            found = await anyio.to_thread.run_sync(process.service.readiness, abandon_on_cancel=True)
    except TimeoutError:
        return dict.fromkeys(PARTS, f"no answer in {READY_SECONDS:.0f} s")
    except Exception:
        # Whatever it is, it means "not ready"; its text may name addresses, so it goes to the log alone.
        log.exception("readiness")
        return dict.fromkeys(PARTS, "does not answer")
    return dict(found)


async def _call(process: ModuleType, request: Request) -> Response:
    if not _from_here(request) or not _knows_secret(process, request):
        return _refused(401, "This address serves the commands of this machine alone.")
    try:
        method, kwargs = _asked(await _body(request))
    except BodyTooLargeError:
        return _refused(413, f"A call may hold {MOST_BYTES:,} bytes at most.")
    except ValueError as fault:
        return _refused(400, f"This is no call: {fault}.")
    return await run_in_threadpool(_answer, process, method, kwargs)


def _answer(process: ModuleType, method: str, kwargs: dict[str, Any]) -> Response:
    if process.service is None:
        starting = UsageError("The engine has not started yet.", "Try again in a moment.")
        return _failed(process.problem or starting)
    try:
        return JSONResponse({"ok": perform(process.service, method, kwargs)})
    except MetaLayerError as error:
        return _failed(error)
    except Exception as fault:
        log.exception("call %s", method)
        failure = MetaLayerError(f"The engine failed in {method}: {fault}", "Its log has the details.")
        return JSONResponse({"error": error_to_plain(failure) | {"kind": "Unexpected"}}, 500)


def _failed(error: MetaLayerError) -> Response:
    return JSONResponse({"error": error_to_plain(error)}, 400 if error.exit_code == USAGE else 500)


def _from_here(request: Request) -> bool:
    """Whether the caller sits on this machine: it comes from loopback, or from the address it calls."""
    client, server = request.client, request.scope.get("server")
    if client is None:
        return False
    try:
        address = ipaddress.ip_address(client.host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or (server is not None and client.host == server[0])


def _knows_secret(process: ModuleType, request: Request) -> bool:
    secret = getattr(process, "secret", None)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    known = hmac.compare_digest(given.encode(), str(secret or "").encode())
    return bool(secret) and scheme.lower() == "bearer" and known


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise BodyTooLargeError
    return bytes(body)


def _asked(body: bytes) -> tuple[str, dict[str, Any]]:
    """Method and arguments. Raises ValueError for anything else."""
    match json.loads(body):
        case {"method": str(method), **rest}:
            kwargs = rest.get("kwargs", {})
            if isinstance(kwargs, dict):
                return method, kwargs
    raise ValueError("it names no method with its kwargs")


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": error_to_plain(UsageError(message))}, status)
