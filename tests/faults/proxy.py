"""A TCP proxy in front of a database, to cut, refuse and swallow what goes through it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from etl.settings import Settings

CHUNK = 16_384


@dataclass
class Trap:
    """Cuts the connection on which `needle` is said to the server.

    `more` bytes still pass after it. With `answered`, the server gets it all, and its answer is what is lost.
    """

    needle: bytes
    more: int = 0
    answered: bool = False
    sprung: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class _Pair:
    """The two connections of one that goes through."""

    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    left: int | None = None  # bytes that may still be said to the server; None: all
    deaf: bool = False  # what the server answers is lost

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """Lives in a thread of its own; every method may be called from any other."""

    def __init__(self, target: int) -> None:
        """`target` is the port of the database on this machine."""
        self.port = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._pairs: set[_Pair] = set()
        self._trap: Trap | None = None
        self._refuses = False
        self._passes = asyncio.Event()
        self._passes.set()
        self._listening: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._listening = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        self.port = int(self._listening.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Cut what is left, and let nobody in any more."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        if self._listening is not None:
            self._listening.close()
        self._cut_all()
        self._passes.set()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(rest, timeout=5) if rest else None

    def before(self, settings: Settings) -> Settings:
        """The same workspace, its database reached through here."""
        through = [
            sa.make_url(url).set(port=self.port).render_as_string(hide_password=False)
            for url in (settings.warehouse, settings.ledger)
        ]
        return replace(settings, warehouse=through[0], ledger=through[1])

    def cut(self) -> None:
        """End every connection that is there now, on both sides, without a word."""
        self._do(self._cut_all)

    def refuse(self) -> None:
        """Cut, and let nobody in until `admit`."""
        self._do(lambda: setattr(self, "_refuses", True))
        self.cut()

    def swallow(self) -> None:
        """Nothing goes through any more, in no direction, and nobody is told."""
        self._do(lambda: self._let_pass(False))

    def admit(self) -> None:
        """As at the beginning. What was swallowed is not delivered: those connections are gone."""
        if not self._passes.is_set():
            self.cut()
        self._do(lambda: self._let_pass(True))
        self._do(lambda: setattr(self, "_refuses", False))

    def _let_pass(self, yes: bool) -> None:
        if yes:
            self._passes.set()
        else:
            self._passes.clear()

    def set_trap(self, trap: Trap) -> Trap:
        """Wait for words to the server."""
        self._trap = trap
        return trap

    def take_trap_away(self) -> None:
        """What it waited for was not said."""
        self._trap = None

    def _do(self, call: Callable[[], object]) -> None:
        done = threading.Event()

        def do() -> None:
            call()
            done.set()

        self._loop.call_soon_threadsafe(do)
        done.wait(10)

    def _cut_all(self) -> None:
        for pair in list(self._pairs):
            pair.abort()
        self._pairs.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair((writer, to_writer))
        self._pairs.add(pair)
        asking, answering = self._ask(pair, reader, to_writer), self._answer(pair, to_reader, writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.gather(asking, answering, return_exceptions=True)
        self._pairs.discard(pair)

    async def _ask(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while said := await reader.read(CHUNK):
                await self._passes.wait()
                said = self._heard(pair, said)
                writer.write(said)
                await writer.drain()
                if pair.left == 0:
                    pair.abort()
        pair.abort()

    def _heard(self, pair: _Pair, said: bytes) -> bytes:
        """What of it is passed on."""
        trap = self._trap
        if trap is not None and trap.needle in said:
            self._trap = None
            trap.sprung.set()
            if trap.answered:
                pair.deaf = True
            else:
                pair.left = said.index(trap.needle) + trap.more
        if pair.left is not None:
            said = said[: pair.left]
            pair.left -= len(said)
        return said

    async def _answer(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while said := await reader.read(CHUNK):
                await self._passes.wait()
                if pair.deaf:
                    break
                writer.write(said)
                await writer.drain()
        pair.abort()


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """A proxy that is gone afterwards."""
    proxy = Proxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
