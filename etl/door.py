"""How a command reaches the service: in this process, or through the `up` that holds the warehouse."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from etl import errors
from etl.announcement import Announcement, read_announcement
from etl.calls import perform
from etl.errors import CatalogError, MetaLayerError, Problem, WarehouseUnavailable
from etl.model import RunState

if TYPE_CHECKING:
    from etl.service import Service
    from etl.settings import Settings

WAIT_SECONDS = 30.0  # for another command that holds the warehouse
HELD = "held by process"  # of what makes a warehouse unavailable, this alone passes by itself
POLL_SECONDS = 0.2
ANSWER_SECONDS = 600.0  # a query may take long; a dead engine refuses the connection at once
PROBE_SECONDS = 5.0
UNFINISHED = (RunState.QUEUED, RunState.RUNNING)

Watch = Callable[[dict[str, Any]], None]  # is given the plain run as it stands
Say = Callable[[str], None]


class Door(Protocol):
    """The service as plain JSON values, wherever it lives."""

    def call(self, method: str, **kwargs: Any) -> Any:
        """The answer to one of `ALLOWED_CALLS`. Raises MetaLayerError."""

    def finish(self, run_id: int, watch: Watch | None = None) -> dict[str, Any]:
        """Bring a queued run to its end, or wait for it, and return it."""


class LocalDoor:
    """The service in this process: it works its runs off itself."""

    def __init__(self, service: Service, say: Say) -> None:
        self._service = service
        self._say = say

    def call(self, method: str, **kwargs: Any) -> Any:
        """See Door."""
        return perform(self._service, method, kwargs)

    def finish(self, run_id: int, watch: Watch | None = None) -> dict[str, Any]:
        """See Door. Ctrl-C cancels the run, waits for its clean end, and goes on as KeyboardInterrupt."""
        work = _Work(self._service, run_id)
        try:
            self._follow(work, watch)
        except KeyboardInterrupt:
            self._cancel(work)
            raise
        return self._plain(run_id)

    def _follow(self, work: _Work, watch: Watch | None) -> None:
        while not work.ended(POLL_SECONDS if watch else None):
            if watch:
                watch(self._plain(work.run_id))

    def _cancel(self, work: _Work) -> None:
        try:
            self._say(f"Cancelling run {work.run_id} … (Ctrl-C again stops at once)")
            self._service.cancel(work.run_id)
            self._follow(work, None)
        except KeyboardInterrupt:
            self._say("Stopped. What was published stays; the next start puts the ledger right.")
            os._exit(130)

    def _plain(self, run_id: int) -> dict[str, Any]:
        run: dict[str, Any] = self.call("run", run_id=run_id)
        return run


class _Work:
    """One run at work in a thread of its own, so that Ctrl-C never lands inside a transaction."""

    def __init__(self, service: Service, run_id: int) -> None:
        self.run_id = run_id
        self._service = service
        self._fault: BaseException | None = None
        # Not Thread.join: interrupted, it takes a thread for ended that still works (CPython 3.11 and 3.12).
        self._ended = threading.Event()
        threading.Thread(target=self._work, name=f"run-{run_id}", daemon=True).start()

    def ended(self, timeout: float | None) -> bool:
        """Wait for the end; without `timeout`, as long as it takes. Raises what the work raised."""
        ended = self._ended.wait(timeout)
        if self._fault is not None:
            raise self._fault
        return ended

    def _work(self) -> None:
        try:
            self._service.work(self.run_id)
        except BaseException as fault:  # raised again in the waiting thread
            self._fault = fault
        finally:
            self._ended.set()


class RemoteDoor:
    """The service of a running `up`, over its loopback address."""

    def __init__(self, announcement: Announcement) -> None:
        self._announcement = announcement
        # A proxy from the environment must never see the secret.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, **kwargs: Any) -> Any:
        """See Door. Raises WarehouseUnavailable when the engine does not answer."""
        return self._post(method, kwargs, ANSWER_SECONDS)

    def finish(self, run_id: int, watch: Watch | None = None) -> dict[str, Any]:
        """See Door. Ctrl-C leaves the run to the engine that works on it."""
        while True:
            run: dict[str, Any] = self.call("run", run_id=run_id)
            if watch:
                watch(run)
            if run["state"] not in UNFINISHED:
                return run
            time.sleep(POLL_SECONDS)

    def answers(self) -> bool:
        """Whether the engine that the announcement speaks of is there and knows the secret."""
        try:
            self._post("version", {}, PROBE_SECONDS)
        except MetaLayerError:
            return False
        return True

    def _post(self, method: str, kwargs: Mapping[str, Any], timeout: float) -> Any:
        body = json.dumps({"method": method, "kwargs": dict(kwargs)}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._announcement.secret}"}
        url = f"{self._announcement.url.rstrip('/')}/engine/call"
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 (our own address)
        try:
            with self._opener.open(request, timeout=timeout) as response:
                return _answer(response.read())
        except urllib.error.HTTPError as refused:
            return _answer(refused.read())
        except (OSError, ValueError) as fault:
            raise WarehouseUnavailable(
                f"The running MetaLayer (pid {self._announcement.pid}, {self._announcement.url}) "
                f"does not answer: {fault}.",
                "See what it says in its terminal, or stop it and run the command again.",
            ) from fault


@contextmanager
def open_door(settings: Settings, say: Say, wait_seconds: float = WAIT_SECONDS) -> Iterator[Door]:
    """The way to the service of this workspace.

    A running `up` is asked; otherwise the service is opened here, after waiting for another command that
    holds the warehouse. Raises WarehouseUnavailable, naming the holder, when it does not let go in time.
    """
    with ExitStack() as stack:
        yield _way_in(settings, stack, say, wait_seconds)


def _way_in(settings: Settings, stack: ExitStack, say: Say, wait_seconds: float) -> Door:
    give_up_at: float | None = None
    while True:
        remote = living(settings)
        if remote is not None:
            return remote
        try:
            return LocalDoor(stack.enter_context(_opened(settings)), say)
        except WarehouseUnavailable as held:
            if HELD not in held.message:
                raise
            if give_up_at is None:
                give_up_at = time.monotonic() + wait_seconds
                say(f"{held.message} Waiting up to {wait_seconds:g} s …")
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(POLL_SECONDS)


def _opened(settings: Settings) -> AbstractContextManager[Service]:
    from etl.service import open_service  # half a second that a remote door saves

    return open_service(settings, wait_seconds=0)


def living(settings: Settings) -> RemoteDoor | None:
    """The way to the `up` of this workspace, if one lives; a stale engine.json is ignored."""
    announcement = read_announcement(settings.engine_file)
    if announcement is None or not announcement.pid_lives:
        return None
    door = RemoteDoor(announcement)
    return door if door.answers() else None


def _answer(body: bytes) -> Any:
    answer = json.loads(body)
    if not isinstance(answer, dict) or ("ok" not in answer and "error" not in answer):
        raise ValueError("it answered something else")
    if "error" in answer:
        raise error_from_plain(answer["error"])
    return answer["ok"]


def error_from_plain(plain: Mapping[str, Any]) -> MetaLayerError:
    """The error that crossed, in its own class where it has one here."""
    message, hint = str(plain.get("message", "")), str(plain.get("hint", ""))
    kind = getattr(errors, str(plain.get("kind", "")), None)
    if kind is CatalogError:
        return CatalogError([Problem(**problem) for problem in plain.get("problems", ())])
    if isinstance(kind, type) and issubclass(kind, MetaLayerError):
        return kind(message, hint)
    error = MetaLayerError(message or "The engine failed without a message.", hint)
    error.exit_code = int(plain.get("exit_code", 1))
    return error
