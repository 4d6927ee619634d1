"""One anonymous browser tab, as far as the server can tell: Streamlit's websocket protocol and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol


@dataclass
class Shown:
    """What one script run sent."""

    title: str = ""
    pages: dict[str, str] = field(
        default_factory=dict
    )  # address → its script's hash, as the navigation lists them
    page_hash: str = ""
    elements: int = 0
    texts: list[str] = field(default_factory=list)


class Tab:
    """An open tab. Nothing is asked for before `run`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._hash = ""

    def run(self, page: str = "", seconds: float = 60.0) -> Shown:
        """Ask for a run of the script at a page's address, and take in all that it shows."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        message.rerun_script.page_name = page
        message.rerun_script.page_script_hash = self._hash
        message.rerun_script.widget_states.SetInParent()
        self._connection.send(message.SerializeToString())
        shown = Shown()
        give_up_at = time.monotonic() + seconds
        while not self._take(shown, give_up_at - time.monotonic()):
            pass
        return shown

    def _take(self, shown: Shown, seconds: float) -> bool:
        """Take in one message; True when the script has finished."""
        frame = self._connection.recv(timeout=max(seconds, 0.01))
        assert isinstance(frame, bytes)
        forward: Any = ForwardMsg()
        forward.ParseFromString(frame)
        kind = forward.WhichOneof("type")
        if kind == "new_session":
            shown.page_hash = self._hash = forward.new_session.page_script_hash
        elif kind == "page_config_changed":
            shown.title = forward.page_config_changed.title or shown.title
        elif kind == "navigation":
            shown.pages = {page.url_pathname: page.page_script_hash for page in forward.navigation.app_pages}
            shown.page_hash = self._hash = forward.navigation.page_script_hash
        elif kind == "delta" and forward.delta.WhichOneof("type") == "new_element":
            shown.elements += 1
            shown.texts.append(str(forward.delta.new_element))
        return bool(kind == "script_finished")

    def clear_cache(self) -> None:
        """What anybody may send: empty Streamlit's caches."""
        message = BackMsg()
        message.clear_cache = True
        self._connection.send(message.SerializeToString())


@contextmanager
def tab(url: str) -> Iterator[Tab]:
    """A tab at a server's address."""
    address = url.replace("http://", "ws://") + "/_stcore/stream"
    spoken = [Subprotocol("streamlit")]
    with connect(address, subprotocols=spoken, max_size=None, compression=None, proxy=None) as connection:
        yield Tab(connection)
