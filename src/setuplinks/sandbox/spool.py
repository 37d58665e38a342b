"""Keeps the bytes of files that were uploaded or written by end users: small ones in memory, large ones on disk.

Bounded: the oldest files go first. Knows nothing of ids, owners or types.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

IN_MEMORY = 64 * 1024  # bytes; above it a file is on disk
CAPACITY = 1024 * 1024 * 1024  # bytes of all files together
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """One file's content. `place` is its path on disk, or its bytes."""

    size: int
    sha256: str
    place: Path | bytes

    async def pieces(self) -> AsyncIterator[bytes]:
        """The content, piece by piece; a file that is dropped meanwhile is still read to its end."""
        if isinstance(self.place, bytes):
            yield self.place
            return
        with self.place.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece

    def bytes(self) -> bytes:
        """The whole content; for what is known to be small."""
        return self.place if isinstance(self.place, bytes) else self.place.read_bytes()


class Spool:
    """All that is kept. Its folder is made with the first large file and goes with the sandbox."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity, self._used = capacity, 0
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._folder: Path | None = None
        self._end: weakref.finalize[[str], Spool] | None = None

    async def keep(self, pieces: Iterator[bytes]) -> Kept:
        """Reads `pieces`, in a thread of their own, and keeps them."""
        kept = await asyncio.to_thread(self._write, pieces)
        self._note(kept)
        return kept

    def keep_small(self, content: bytes) -> Kept:
        """Keeps what is in memory anyway."""
        kept = Kept(len(content), hashlib.sha256(content).hexdigest(), content)
        self._note(kept)
        return kept

    def drop(self, kept: Kept) -> None:
        """Forgets a file; twice is harmless."""
        if self._kept.pop(id(kept), None) is None:
            return
        self._used -= kept.size
        if isinstance(kept.place, Path):
            kept.place.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forgets everything and removes the folder."""
        for kept in list(self._kept.values()):
            self.drop(kept)
        if self._end is not None:
            self._end()
        self._folder = self._end = None

    def __contains__(self, kept: Kept) -> bool:
        return id(kept) in self._kept

    def _note(self, kept: Kept) -> None:
        self._kept[id(kept)] = kept
        self._used += kept.size
        while self._used > self._capacity and len(self._kept) > 1:
            self.drop(next(iter(self._kept.values())))

    def _write(self, pieces: Iterator[bytes]) -> Kept:
        digest, size, begun = hashlib.sha256(), 0, bytearray()
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            begun += piece
            if size > IN_MEMORY:
                break
        else:
            return Kept(size, digest.hexdigest(), bytes(begun))
        path = self._home() / secrets.token_hex(16)
        with path.open("wb") as file:
            file.write(begun)
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
        return Kept(size, digest.hexdigest(), path)

    def _home(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="setuplinks-sandbox-"))
            os.chmod(self._folder, 0o700)
            self._end = weakref.finalize(self, _remove, str(self._folder))
        return self._folder


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
