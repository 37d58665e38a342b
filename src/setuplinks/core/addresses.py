"""Which hosts, addresses and ports a URL that a tenant gave us may lead to: values in, words out.

Owns the rule and its one policy object. It opens nothing and resolves nothing: `core/outbound` does both and asks here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import yarl

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL = 2048
LOWEST_FREE_PORT = 1024
_PORTS_BELOW = (80, 443)
MAY_OPEN = "; where your server stands in the operator's own network, SETUPLINKS_OUTBOUND_ALLOW opens its range"
"""Said at save time to whoever meets the guard: whose turn it is, and by which setting."""
_LOCAL_SUFFIXES = (".local", ".localdomain", ".localhost", ".internal", ".svc")
_UNICAST_V6 = IPv6Network("2000::/3")
# Python's is_global takes some of these for public; each leads into IPv4 or to nobody in particular.
_NEVER = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20", "64:ff9b::/96", "64:ff9b:1::/48",
    )
)  # fmt: skip
_TUNNELS = (
    (IPv6Network("64:ff9b::/96"), "NAT64"),
    (IPv6Network("64:ff9b:1::/48"), "NAT64"),
    (IPv6Network("2002::/16"), "6to4"),
    (IPv6Network("2001::/32"), "Teredo"),
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


def parse_networks(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, 127.0.0.1` as networks; an address stands for itself. Raises ValueError naming the bad entry."""
    found: list[Network] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(entry))
        except ValueError:
            raise ValueError(f"{entry!r} is no address range such as 10.0.0.0/8") from None
    return tuple(found)


@dataclass(frozen=True)
class Target:
    """A URL taken apart by the same parser that the client connects with, so that both see one host."""

    url: yarl.URL
    host: str
    port: int
    secure: bool
    literal: Address | None
    """The address, where the host is one in any spelling (`127.1`, `0x7f.1`, `2130706433`, `[::1]`)."""


def parse_target(url: str) -> Target:
    """An http or https URL as a Target. Raises ValueError in plain words."""
    if len(url) > MAX_URL:
        raise ValueError(f"a URL has at most {MAX_URL} characters")
    if _UNSAFE.search(url):
        raise ValueError("a URL has no spaces, control characters or backslashes")
    try:
        parsed = yarl.URL(url)
        host, port = parsed.raw_host, parsed.port
    except (ValueError, UnicodeError):
        raise ValueError("this is not a URL") from None
    if parsed.scheme not in ("https", "http"):
        raise ValueError("a URL starts with https://")
    if not host or port is None or port == 0:
        raise ValueError("the URL has no host")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise ValueError("a URL carries no user name or password")
    literal = literal_address(host)
    labels = host.rstrip(".").lower().split(".")
    if literal is None and (_NUMBER.fullmatch(labels[-1]) or not all(map(_LABEL.fullmatch, labels))):
        raise ValueError("the host name is not valid")
    return Target(parsed, host, port, parsed.scheme == "https", literal)


def literal_address(host: str) -> Address | None:
    """The address that a host stands for without asking anybody, in every spelling that C libraries take."""
    try:
        return ip_address(host.partition("%")[0] if ":" in host else host)
    except ValueError:
        pass
    parts = host.rstrip(".").split(".")
    if not 0 < len(parts) <= 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [_number(part) for part in parts]
    # inet_aton: every part but the last is one byte, the last fills what remains.
    value = numbers[-1]
    for index, number in enumerate(numbers[:-1]):
        value += number << (24 - 8 * index)
    return IPv4Address(value & 0xFFFFFFFF)  # out of range: wraps into something that is refused as a literal anyway


def _canonical(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    octal = len(text) > 1 and text[0] == "0" and set(text) <= set("01234567")
    return int(text, 8 if octal else 10)


def refuse_name(host: str) -> str | None:
    """What is wrong with a host name that means something only inside of a network; None for any other."""
    name = host.rstrip(".").lower()
    if "." not in name:
        return f"a host name without a dot is not reachable from here{MAY_OPEN}"
    suffix = next((one for one in _LOCAL_SUFFIXES if name.endswith(one)), None)
    return f"names under {suffix} are not reachable from here{MAY_OPEN}" if suffix else None


def unwrapped(address: Address) -> Address:
    """The IPv4 address inside `::ffff:a.b.c.d`, else the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def why_not_public(address: Address) -> str | None:
    """Words for an address that the public internet does not route to one host; None for one that it does."""
    plain = unwrapped(address)
    if isinstance(plain, IPv6Address):
        for network, name in _TUNNELS:
            if plain in network:
                return f"{name} address"
    if plain.is_loopback:
        return "loopback address"
    if plain.is_link_local:
        return "link-local address"
    if plain.is_multicast:
        return "multicast address"
    if plain.is_private or not plain.is_global:
        return "private address"
    if plain.is_reserved or plain.is_unspecified or any(plain in n for n in _NEVER if n.version == plain.version):
        return "reserved address"
    if isinstance(plain, IPv6Address) and plain not in _UNICAST_V6:
        return "reserved address"
    return None


@dataclass(frozen=True)
class Policy:
    """`allow` are the ranges that the operator opened: private, on any port and by http."""

    allow: Sequence[Network] = ()

    def allows(self, address: Address) -> bool:
        """True inside of a range that the operator opened."""
        plain = unwrapped(address)
        return any(plain in network for network in self.allow if network.version == plain.version)

    def refusal(self, address: Address, port: int, *, secure: bool) -> str | None:
        """Why a connection may not be made, in words; None where it may."""
        if self.allows(address):
            return None
        why = why_not_public(address)
        if why is not None:
            return f"refused: {why}"
        if port < LOWEST_FREE_PORT and port not in _PORTS_BELOW:
            return f"refused: port {port}"
        return None if secure else "refused: http to a public address"

    def refuse_host(self, target: Target) -> str | None:
        """What is wrong with a webhook's host before anything is resolved; None where a name has to be looked up."""
        if target.literal is not None:
            if not _canonical(target.host):
                return f"an address is written as {target.literal}, or better a name is used"
            if self.allows(target.literal):
                return None
            why = why_not_public(target.literal)
            return f"{why}: not reachable from here{MAY_OPEN}" if why else "an address as host is not taken: use a name"
        return None if self.allow else refuse_name(target.host)  # with opened ranges the addresses decide

    def refuse_addresses(self, target: Target, addresses: Iterable[Address]) -> str | None:
        """What is wrong with where a webhook's name leads; one address that the operator opened is enough."""
        found = list(addresses)
        if any(self.allows(address) for address in found):
            return None
        if target.literal is None and (refused := refuse_name(target.host)):
            return refused
        why = next((why for address in found if (why := why_not_public(address))), None)
        if why is not None:
            return f"the name leads to a {why}{MAY_OPEN}"
        if not target.secure:
            return "http is only taken to addresses that SETUPLINKS_OUTBOUND_ALLOW has opened: use https"
        if target.port < LOWEST_FREE_PORT and target.port not in _PORTS_BELOW:
            return f"port {target.port} is not taken: use 80, 443 or one from 1024"
        return None
