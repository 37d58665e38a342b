"""Ports that a test may name before somebody listens on them, and name again after a kill.

Owns the choice. A port that the kernel gave to `bind(…, 0)` and that was let go belongs to whoever asks next, often
the other end of a connection: so these lie outside the range that the kernel gives from, and each belongs to one
process, by a lock that ends with it, until that process ends.
"""

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

FIRST, PAST = 12_000, 32_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

_mine: list[IO[bytes]] = []  # the locks are held as long as these are open


def reserved_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on and no other process of these tests is given.

    Raises RuntimeError where none is left.
    """
    folder = Path(tempfile.gettempdir()) / f"setuplinks-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for port in _candidates():
        lock = (folder / str(port)).open("ab")
        if _locked(lock) and _nobody_listens(port):
            _mine.append(lock)
            return port
        lock.close()
    raise RuntimeError(f"No port between {FIRST} and {PAST} is free.")


def _candidates() -> Iterator[int]:
    """Every port of the range, from a place of this process's own on, so that processes rarely meet."""
    low, high = map(int, EPHEMERAL.read_text().split()) if EPHEMERAL.exists() else (32_768, 60_999)
    ports = [port for port in range(FIRST, PAST) if not low <= port <= high] or list(range(FIRST, PAST))
    start = (os.getpid() * 61 + len(_mine)) % len(ports)
    yield from ports[start:]
    yield from ports[:start]


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True
