"""A check of the checks that runs beside whoever asked for it: one at a time, its result kept until the next."""

from __future__ import annotations

import threading
from functools import partial

from etl.calls import perform
from etl.errors import MetaLayerError
from etl.inject.records import Injection
from etl.inject.trial import copies_of, inject
from etl.service import Service


class Background:
    """The checks of the checks of one service. Everything may be read at any time."""

    def __init__(self) -> None:
        self.running = False
        self.found: Injection | None = None
        self.problem: MetaLayerError | None = None
        self._starting = threading.Lock()

    def start(self, service: Service) -> bool:
        """Begin, unless one is at work already; says whether it did."""
        with self._starting:
            if self.running:
                return False
            self.running, self.problem = True, None
        threading.Thread(target=self._work, args=(service,), name="metalayer-inject", daemon=True).start()
        return True

    def _work(self, service: Service) -> None:
        try:
            copies = copies_of(partial(_ask, service), service.settings)
            self.found = inject(copies, service.settings)
        except MetaLayerError as problem:
            self.problem = problem
        except Exception as fault:  # told on the page: nobody waits in this thread
            self.problem = MetaLayerError(
                f"Something went wrong that should not: {type(fault).__name__}: {fault}"
            )
        finally:
            self.running = False


def _ask(service: Service, method: str, **kwargs: object) -> object:
    return perform(service, method, kwargs)
