"""Node scripts of the tests: run in a folder of their own, with the JavaScript clients beside them.

Owns processes of Node, which is the one of this environment. A script reads what it is given as JSON from its first
argument, and prints JSON, a line for each thing that it has to say.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

JAVASCRIPT = Path(__file__).resolve().parents[1] / "clients" / "javascript"
NODE = Path(sys.executable).parent / "node"
SECONDS = 90.0


class ScriptFailed(RuntimeError):
    """The script ended badly; the message holds what it wrote to its error stream."""


class Script:
    """A running script."""

    def __init__(self, folder: Path, name: str, given: Mapping[str, Any]) -> None:
        self._complaints = folder / f"{name}.log"
        with self._complaints.open("wb") as sink:
            self._process = subprocess.Popen(
                [str(NODE), name, json.dumps(given)], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=sink,
            )  # fmt: skip

    async def said(self) -> Any:
        """The next thing that it says. Raises ScriptFailed where it has ended, TimeoutError where it is mute."""
        out = self._process.stdout
        assert out is not None
        async with asyncio.timeout(SECONDS):
            line = await asyncio.to_thread(out.readline)
        if line:
            return json.loads(line)
        raise ScriptFailed(self._complaints.read_text(encoding="utf-8", errors="replace")[-3000:])

    async def end(self) -> None:
        """Ends it, where it has not ended by itself."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        assert self._process.stdout is not None
        # Whoever still waits for a word reads the end of the stream now; closing waits for that.
        await asyncio.to_thread(self._process.stdout.close)


@contextlib.asynccontextmanager
async def running_script(
    folder: Path, name: str, given: Mapping[str, Any], samples: Mapping[str, str]
) -> AsyncIterator[Script]:
    """The script `name` of `tests/clients/javascript`, for the length of the block; `samples` stand beside it."""
    packages = folder / "node_modules"
    if not packages.exists():
        if not (JAVASCRIPT / "node_modules").is_dir():
            raise ScriptFailed("the JavaScript clients are not here; `make setup` brings them")
        packages.symlink_to(JAVASCRIPT / "node_modules", target_is_directory=True)
    for file, text in {**samples, name: (JAVASCRIPT / name).read_text(encoding="utf-8")}.items():
        (folder / file).write_text(text, encoding="utf-8")
    script = Script(folder, name, given)
    try:
        yield script
    finally:
        await script.end()
