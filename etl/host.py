"""Brings the engine up with the server and down with it, and keeps trying while something stands in the way."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl import announcement
from etl.announcement import Announcement
from etl.errors import MetaLayerError
from etl.process import process
from etl.scheduler import parse_cron
from etl.service import Service, start_service
from etl.settings import Settings, read_settings

RETRY_SECONDS = 3.0
LONGEST_STOP_SECONDS = 8.5  # of the ten that a clean stop may take


@dataclass
class Host:
    """One per process: the service, its announcement, and the thread that starts it."""

    url: str
    _stopping: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _service: Service | None = None
    _announced: tuple[Settings, Announcement] | None = None

    def start(self) -> None:
        """Start in the background, so that the server answers meanwhile."""
        self._thread = threading.Thread(target=self._bring_up, name="metalayer-host", daemon=True)
        self._thread.start()

    def _bring_up(self) -> None:
        told = ""
        while not self._stopping.is_set():
            try:
                self._start_once()
                return
            except Exception as fault:  # whatever it is, it is told, and may be over in a moment
                problem = fault if isinstance(fault, MetaLayerError) else _unforeseen(fault)
                process().problem = problem
                if str(problem) != told:
                    told = str(problem)
                    _say(f"MetaLayer cannot start yet.\n{problem}")
            self._stopping.wait(RETRY_SECONDS)

    def _start_once(self) -> None:
        settings = read_settings()
        parse_cron(settings.schedule)
        service = start_service(settings, wait_seconds=0)
        try:
            announced = announcement.announce(settings.engine_file, self.url, datetime.now(UTC))
            if settings.sample and service.version() == 0:
                service.request_run(by="up --sample")
            service.live()
        except BaseException:
            service.close()  # the next try finds the warehouse free
            raise
        living = process()
        living.secret, living.problem, living.service = announced.secret, None, service
        self._service, self._announced = service, (settings, announced)
        _say(f"MetaLayer is up at {self.url}")

    def stop(self) -> None:
        """Let go of everything; a run at work ends at its next step and is due again.

        What does not let go in time, such as a database that says nothing, is not waited for.
        """
        self._stopping.set()
        limit = threading.Timer(LONGEST_STOP_SECONDS, self._end_at_once)
        limit.daemon = True
        limit.start()
        try:
            self._stop()
        finally:
            self._stopped.set()

    def _end_at_once(self) -> None:
        """As kill -9 would, which costs nothing that was published. Also when threads keep the process from its end."""
        if not self._stopped.is_set() or not threading.main_thread().is_alive():
            _say("MetaLayer could not end in time; what was at work is put right at the next start.")
            os._exit(1)

    def _stop(self) -> None:
        if self._thread is not None:
            self._thread.join(30)
        living = process()
        living.service, living.secret = None, None
        if self._announced is not None:
            announcement.withdraw(self._announced[0].engine_file, self._announced[1])
        if self._service is not None:
            self._service.close()


def _unforeseen(fault: Exception) -> MetaLayerError:
    return MetaLayerError(
        f"The engine could not be started: {type(fault).__name__}: {fault}.", "It is tried again."
    )


def _say(text: str) -> None:
    """To the terminal of `up`."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def start_host(url: str) -> Host:
    """The one host of this process, started; the same one again whatever is reloaded."""
    living = process()
    with living.lock:
        if living.host is None:
            living.host = Host(url)
            living.host.start()
        found: Host = living.host
        return found


def stop_host() -> None:
    """Stop the host of this process, if there is one."""
    living = process()
    with living.lock:
        host, living.host = living.host, None
    if host is not None:
        host.stop()
