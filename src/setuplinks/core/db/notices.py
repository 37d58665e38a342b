"""Wake-ups between processes: NOTIFY after the commit, LISTEN on a connection of its own.

Owns both connections and their reconnection. A wake-up may be lost; polling is the guarantee. It does not know what a
channel means.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg

GAP_SECONDS = 0.005
PROBE_SECONDS = 20.0
RECONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0

_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Notices:
    """`tell` sends, `listen` receives; both reconnect by themselves."""

    def __init__(self, url: str, listen_url: str) -> None:
        self._url = url
        self._listen_url = listen_url
        # Own notices come back too; they woke this process before they were sent.
        self._sender = secrets.token_hex(8)
        self._dirty: dict[str, None] = {}
        self._something = asyncio.Event()
        self._all_told = asyncio.Event()
        self._wakes: dict[str, Callable[[], None]] = {}
        self._lost: Callable[[], None] = _nothing
        self._telling: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._attached = asyncio.Event()

    def tell(self, channels: list[str]) -> None:
        """Soon: at most once in 5 ms for each channel. Inside the commit it cost a factor of 5."""
        self._dirty.update(dict.fromkeys(channels))
        self._all_told.clear()
        self._something.set()
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell_for_ever())

    async def listen(self, channel: str, wake: Callable[[], None], lost: Callable[[], None]) -> None:
        """`wake` runs for each notice of another process; `lost` when some may have been missed.

        Returns when the server has taken it, or after a second: a server that is away now is tried again for ever.
        """
        self._wakes[channel] = wake
        self._lost = lost
        self._attached.clear()
        self._changed.set()
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen_for_ever())
        with suppress(TimeoutError):
            async with asyncio.timeout(RECONNECT_SECONDS):
                await self._attached.wait()

    async def close(self) -> None:
        """Ends both connections; what is not told yet gets a moment to leave."""
        if self._telling is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(RECONNECT_SECONDS):
                    await self._all_told.wait()
        for task in (self._telling, self._listening):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _tell_for_ever(self) -> None:
        connection: Any = None
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                channels, self._dirty = list(self._dirty), {}
                try:
                    if connection is None or connection.is_closed():
                        connection = await self._connect(self._url)
                    await connection.executemany(
                        "SELECT pg_notify($1, $2)", [(channel, self._sender) for channel in channels]
                    )
                    if not self._dirty:
                        self._all_told.set()
                except _ERRORS:
                    _drop(connection)
                    connection = None
                    await asyncio.sleep(RECONNECT_SECONDS)
                await asyncio.sleep(GAP_SECONDS)
        finally:
            _drop(connection)

    async def _listen_for_ever(self) -> None:
        deaf = False
        while True:
            connection: Any = None
            try:
                connection = await self._connect(self._listen_url)
                await self._listen_on(connection, missed=deaf)
            except _ERRORS:
                # Told at every try: while we are deaf, what was cached since the last one is as doubtful.
                deaf = True
                self._attached.clear()
                self._lost()
            finally:
                _drop(connection)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_on(self, connection: Any, *, missed: bool) -> None:
        """Until the connection breaks. A silently cut one is found by the probe; `missed` wakes every channel first."""
        connection.add_termination_listener(lambda _connection: self._changed.set())
        heard: set[str] = set()
        while True:
            self._changed.clear()
            for channel in self._wakes.keys() - heard:
                await connection.add_listener(channel, self._heard)
                heard.add(channel)
                if missed:
                    self._wakes[channel]()
            if not self._changed.is_set():
                missed = False
                self._attached.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._changed.wait()
            await connection.execute("SELECT 1")

    def _heard(self, _connection: Any, _pid: int, channel: str, payload: object) -> None:
        if payload != self._sender:
            self._wakes[channel]()

    async def _connect(self, url: str) -> Any:
        return await asyncpg.connect(
            url, timeout=ANSWER_SECONDS, command_timeout=ANSWER_SECONDS, statement_cache_size=0
        )


def _drop(connection: Any) -> None:
    if connection is not None:
        connection.terminate()


def _nothing() -> None:
    """Nobody listens yet."""
