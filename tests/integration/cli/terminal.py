"""`setuplinks …` as somebody types it: the console script, a folder, an environment, what it says and how it ends."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import KEPT

SCRIPT = Path(sys.executable).with_name("setuplinks")
END_SECONDS = 60.0


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


async def setuplinks(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None) -> Said:
    """Runs a command to its end. Its environment holds nothing of the tester's own settings."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        SCRIPT, *arguments, cwd=folder, env={**kept, **(environ or {})}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(END_SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return Said(process.returncode or 0, out.decode(), err.decode())


def names_in(folder: Path) -> list[str]:
    """What stands in a folder."""
    return sorted(path.name for path in folder.iterdir())
