"""Limits on what strangers may ask: fixed windows, counted in this process, by the address that is really theirs.

Owns counting and the reading of an address behind trusted proxies. Several processes behind a balancer each count their
own. Which limits there are, and what is said when one is reached, is each room's.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping

from starlette.requests import Request

from setuplinks.core.addresses import Address, Network, unwrapped
from setuplinks.core.clock import SECOND, Clock

MOST_KEYS = 50_000


class RateLimits:
    """Rules by name: so many (0: no limit) in a window of so many µs. Loopback is exempt."""

    def __init__(self, rules: Mapping[str, tuple[int, int]], clock: Clock, proxies: tuple[Network, ...]) -> None:
        self._rules, self._clock, self._proxies = dict(rules), clock, proxies
        self._counts: OrderedDict[tuple[str, str, int], int] = OrderedDict()

    def wait(self, rule: str, address: str, key: str | None = None) -> int | None:
        """Counts one. None where it is within the limit, else the seconds until the window ends."""
        most, window = self._rules[rule]
        if not most or _is_loopback(address):
            return None
        now = self._clock.now()
        place = (rule, key or address, now // window)
        count = self._counts[place] = self._counts.pop(place, 0) + 1
        while len(self._counts) > MOST_KEYS:
            self._counts.popitem(last=False)
        return None if count <= most else (window - now % window) // SECOND + 1

    def over(self, rule: str, address: str) -> int | None:
        """As `wait`, without counting."""
        most, window = self._rules[rule]
        now = self._clock.now()
        if not most or _is_loopback(address) or self._counts.get((rule, address, now // window), 0) < most:
            return None
        return (window - now % window) // SECOND + 1

    def address(self, request: Request) -> str:
        """Who asks, as it is counted: of an IPv6 subscriber behind a proxy the /64."""
        found = client_address(request, self._proxies)
        peer = request.client.host if request.client else "127.0.0.1"
        return found if found == peer else _counted(_address_in(found)) or found


def client_address(request: Request, proxies: tuple[Network, ...]) -> str:
    """Who asks: the peer, or what a trusted proxy says of it (the last address that is not itself a proxy)."""
    peer = request.client.host if request.client else "127.0.0.1"
    if not proxies or not _within(_address_in(peer), proxies):
        return peer
    # All of them: a proxy may add a line of its own below the one that the client made up.
    lines = ",".join(request.headers.getlist("x-forwarded-for"))
    for part in reversed([part for part in lines.split(",") if part.strip()]):
        address = _address_in(part)
        if not _within(address, proxies):
            return "unknown" if address is None else str(address)
    return "unknown"  # a trusted proxy on loopback is no reason to exempt whoever stands behind it


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _address_in(text: str) -> Address | None:
    """The address of one entry, without the port that some proxies write (`1.2.3.4:5678`, `[::1]:5678`)."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return unwrapped(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _counted(address: Address | None) -> str | None:
    """What is counted together: an IPv4 address, and the /64 that one IPv6 subscriber has all addresses of."""
    if address is None:
        return None
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback:
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)


def _within(address: Address | None, networks: tuple[Network, ...]) -> bool:
    if address is None:
        return False
    return any(address.version == network.version and address in network for network in networks)
