"""The project's programs as processes of their own: for what only a process can show, above all its sudden death.

Owns start, readiness, logs and end. A program is ended by the id of the process that was started here, never by name.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp

READY_SECONDS = 100.0
END_SECONDS = 60.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")


class ProgramEnded(RuntimeError):
    """The program ended before it was ready; the message holds what it printed."""


class Program:
    """`setuplinks …` as a process. Its environment holds nothing of the tester's own `SETUPLINKS_*`."""

    def __init__(self, arguments: Sequence[str], folder: Path, environ: Mapping[str, str], log: Path) -> None:
        self.log = log
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "setuplinks.cli", *arguments],
                cwd=folder,
                env={**kept, "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """All that it printed so far, both streams."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def until_answers(self, url: str) -> float:
        """Returns the seconds until a GET of `url` was answered with 200. Raises ProgramEnded or TimeoutError."""
        begun = time.monotonic()
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return time.monotonic() - begun
                self._still_alive(begun, url)
                await asyncio.sleep(0.02)

    async def until_prints(self, text: str) -> None:
        """Returns once it has printed `text`. Raises ProgramEnded or TimeoutError."""
        begun = time.monotonic()
        while text not in self.output():
            self._still_alive(begun, repr(text))
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """Ends it as a power cut would: SIGKILL, nothing is finished or flushed."""
        self._process.kill()
        self._process.wait(END_SECONDS)

    async def stop(self) -> int:
        """Asks it to end by SIGTERM and returns its exit code. Raises TimeoutError where it does not."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Waits for its own end and returns the exit code. Raises TimeoutError."""
        begun = time.monotonic()
        while (code := self._process.poll()) is None:
            if time.monotonic() - begun > END_SECONDS:
                raise TimeoutError(f"it does not end; it printed: {self.output()[-2000:]}")
            await asyncio.sleep(0.02)
        return code

    def _still_alive(self, begun: float, waited_for: str) -> None:
        if self._process.poll() is not None:
            raise ProgramEnded(f"it ended with {self._process.returncode}: {self.output()[-2000:]}")
        if time.monotonic() - begun > READY_SECONDS:
            raise TimeoutError(f"waited for {waited_for}; it printed: {self.output()[-2000:]}")


@contextlib.asynccontextmanager
async def running_program(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """A program for the length of the block; whatever still runs at its end is killed.

    `folder` is its current folder (where `setuplinks.env` would stand) and keeps its log.
    """
    name = next(iter(arguments), "setuplinks")
    program = Program(arguments, folder, environ or {}, folder / f"{name}-{time.monotonic_ns()}.log")
    try:
        yield program
    finally:
        program.kill()
