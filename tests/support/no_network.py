"""Tests reach loopback and nothing else: for the test process the rest of the network is not there.

Owns one audit hook of the interpreter. Names but `localhost` do not resolve, addresses but loopback are unreachable,
in the words that the system itself would use.
"""

import errno
import ipaddress
import os
import socket
import sys
from typing import Any


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if name in {"localhost", socket.gethostname()} or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo" and not _is_literal(arguments[0]) and not _is_loopback(arguments[0]):
        raise socket.gaierror(socket.EAI_NONAME, f"tests resolve no names, not {arguments[0]!r}")
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH) + f" (in tests): {address[0]}")


def _is_literal(host: object) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return True


def cut_off() -> None:
    """Cuts this process off, for good: an audit hook cannot be removed."""
    sys.addaudithook(_hook)
