"""Random bytes of the operating system, drawn in pages.

Owns the page. A request needs a dozen random values of a few bytes, and on some machines each draw is a slow call.
A byte is given out once and then forgotten; a forked child begins with a page of its own.
"""

import os
import threading

PAGE = 4096

_lock = threading.Lock()
_page = b""
_used = 0


def random_bytes(count: int) -> bytes:
    """`count` bytes of `os.urandom`; for keys and large draws use that itself."""
    global _page, _used  # noqa: PLW0603 - the page is this module's one state
    with _lock:
        if _used + count > len(_page):
            _page, _used = os.urandom(max(PAGE, count)), 0
        drawn = _page[_used : _used + count]
        _used += count
        return drawn


def random_bits(count: int) -> int:
    """A uniform integer of `count` random bits."""
    size = -(-count // 8)
    return int.from_bytes(random_bytes(size), "big") >> (size * 8 - count)


def _forget() -> None:
    global _page, _used, _lock
    _page, _used, _lock = b"", 0, threading.Lock()


os.register_at_fork(after_in_child=_forget)
