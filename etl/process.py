"""What lives once per process, whatever is reloaded: the service that pages and routes share.

A module global is rebuilt on every hot reload and `st.cache_resource` can be emptied by a client, so the
living service hangs on a module that exists only in `sys.modules` and has no file a watcher could evict.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from etl.errors import MetaLayerError, UsageError

if TYPE_CHECKING:
    from etl.service import Service


class Living(ModuleType):
    """The synthetic module that carries what must live once."""

    service: Service | None
    problem: MetaLayerError | None
    secret: str | None
    open_to_anyone: bool  # whether others reach this server and nobody asks who they are
    host: Any
    lock: threading.RLock


_NAME = "_metalayer_process"
_lock = threading.Lock()


def process() -> Living:
    """The one of this process, made at the first call."""
    with _lock:
        if _NAME not in sys.modules:
            living = Living(_NAME)
            living.__dict__.update(
                service=None,
                problem=None,
                secret=None,
                open_to_anyone=False,
                host=None,
                lock=threading.RLock(),
            )
            sys.modules[_NAME] = living
        return cast("Living", sys.modules[_NAME])


def service() -> Service:
    """The living service. Raises UsageError while the engine has not started, or the error that kept it from it."""
    living = process()
    if living.service is not None:
        return living.service
    if living.problem is not None:
        raise living.problem
    raise UsageError("The engine has not started.", "Start it with ./metalayer up.")


def startup_problem() -> MetaLayerError | None:
    """What kept the engine from starting, or None."""
    return process().problem
