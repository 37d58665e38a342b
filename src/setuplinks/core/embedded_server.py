"""uvicorn in an event loop that somebody else owns.

Owns how such a server runs and ends: it leaves the signals alone, and it acts when it is told to, where uvicorn itself
looks ten times a second. Which application it serves and on which socket is its user's matter.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

TICK = 1.0  # seconds: how old the Date header may be
LOOK = 0.005  # seconds


class EmbeddedServer(uvicorn.Server):
    """Serves until `stop`, or until the block of `running` ends."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures nothing: whoever runs the loop owns the signals."""
        yield

    def stop(self) -> None:
        """Takes no more connections, finishes what is under way, and ends."""
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """Until it is told to end; the Date header is kept right meanwhile."""
        while not self._told.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, without its fixed waits."""
        for server in self.servers:
            server.close()
        for place in sockets or []:
            place.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - sets have no events
                    await asyncio.sleep(LOOK)
                for server in self.servers:
                    await server.wait_closed()
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    @contextlib.asynccontextmanager
    async def running(self, place: socket.socket) -> AsyncIterator[None]:
        """Serves on the socket for the length of the block. Raises RuntimeError where the app does not start."""
        serving = asyncio.create_task(self.serve(sockets=[place]))
        try:
            while not self.started:
                if serving.done():
                    serving.result()
                    raise RuntimeError("the application did not start; what it logged stands above")
                await asyncio.sleep(LOOK)
            yield
        finally:
            self.stop()
            await serving
