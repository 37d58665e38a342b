"""Names looked up in threads that nobody waits for.

The standard threads of asyncio are joined when a program ends: one that hangs in a look-up would keep `doctor` from
ending long after its own time was up.
"""

import asyncio
import contextlib
import socket
import threading

from aiohttp.abc import AbstractResolver, ResolveResult


class UnjoinedResolver(AbstractResolver):
    """The machine's resolver, a daemon thread for each look-up; for the few of an examination."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of the name. Raises OSError where there is none."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def settle(found: list[ResolveResult] | OSError) -> None:
            if answer.done():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look() -> None:
            found: list[ResolveResult] | OSError
            try:
                found = [
                    ResolveResult(
                        hostname=host, host=str(address[0]), port=port, family=kind, proto=proto,
                        flags=socket.AI_NUMERICHOST,
                    )
                    for kind, _, proto, _, address in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
                ]  # fmt: skip
            except OSError as error:
                found = error
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=look, name="doctor-resolver", daemon=True).start()
        return await answer

    async def close(self) -> None:
        """Nothing to close: a thread ends with its look-up, or with the process."""
