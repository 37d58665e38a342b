"""Where a customer's browser may be sent, and the signed parameters that it takes along. Pure.

Owns the rule for redirect URLs (scheme, host list; never resolved), the building of the final URL and its signature.
The guide for tenants shows how to check the signature in Python, Node and PHP.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, unquote_plus, urlsplit, urlunsplit

from setuplinks.core.clock import MINUTE, SECOND

LONGEST = 2048
FRESH_FOR = 10 * MINUTE
ROTATION = 24 * 60 * MINUTE
# All names that we ever add. Each is taken out of the tenant's own URL, so that a verifier can tell ours by name.
OURS = frozenset(
    {
        "status", "setup_link_id", "waba_id", "phone_number_id", "customer_id", "external_id", "state", "phone_status",
        "error_code", "ts", "sig",
    }
)  # fmt: skip
# Schemes that run code, read files, or hand the page to something that is no app of the tenant.
NEVER = frozenset(
    {
        "about", "blob", "cid", "content", "data", "file", "filesystem", "ftp", "gopher", "http", "https", "intent",
        "jar", "javascript", "mailto", "mid", "ms-appx", "resource", "sms", "tel", "vbscript", "view-source", "ws",
        "wss", "chrome", "chrome-extension", "moz-extension", "livescript", "mocha", "res", "shell", "search-ms",
    }
)  # fmt: skip
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]{1,63}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"`{}|^\u2028\u2029\ud800-\udfff]")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_KEPT = "!#$%&'()*+,/:;=?@[]~"


class RedirectRefused(ValueError):
    """A redirect URL or a host rule that is not taken; the message says why, for the one who gave it."""


def check_redirect(url: str, rules: Sequence[str], *, loopback: bool) -> None:
    """Raises RedirectRefused unless a browser may be sent to `url`.

    `rules` is the tenant's `allowedRedirectHosts` (empty: any https host); `loopback` tells that PUBLIC_URL is http on
    loopback, where http to loopback hosts is taken too. Names are never resolved.
    What was taken once is remembered: a tenant's links lead to the same few addresses.
    """
    _check(url, tuple(rules), loopback)


@lru_cache(maxsize=2048)
def _check(url: str, rules: tuple[str, ...], loopback: bool) -> None:
    parts = _parts(url)
    host = _host(parts)
    if parts.scheme == "https":
        if rules and not any(_matches(rule, host) for rule in rules):
            raise RedirectRefused("this host is not in the tenant's allowedRedirectHosts")
    elif parts.scheme == "http":
        listed = any(_matches_http(rule, host, _port(parts)) for rule in rules)
        if not listed and not (loopback and is_loopback(host)):
            raise RedirectRefused("http is not taken here; use https")
    elif f"{parts.scheme}:" not in rules:
        raise RedirectRefused(f"the scheme {parts.scheme}: is not in the tenant's allowedRedirectHosts")


def check_rule(rule: str) -> str:
    """One entry of `allowedRedirectHosts` in its stored spelling: `host`, `*.host`, `http://host[:port]`, `scheme:`.

    Raises RedirectRefused.
    """
    lower = rule.lower()
    if lower.startswith("http://"):
        parts = _parts(lower)
        if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in lower or "#" in lower:
            raise RedirectRefused("http://host[:port] has no path")
        _host(parts)
        return f"http://{parts.netloc}"
    if lower.endswith(":"):
        scheme = lower[:-1]
        if not _SCHEME.fullmatch(scheme):
            raise RedirectRefused("a scheme has at least two letters, such as myapp:")
        if scheme in NEVER:
            raise RedirectRefused(f"the scheme {scheme}: is never taken")
        return lower
    host = lower.removeprefix("*.")
    if not _is_host(host) or (lower.startswith("*.") and "." not in host):
        raise RedirectRefused("expected host, *.host, http://host[:port] or scheme:")
    return lower


def is_loopback(host: str) -> bool:
    """True for localhost, names under it and loopback literals."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def signed_redirect(url: str, params: Mapping[str, str | None], keys: Sequence[bytes], now: int) -> str:
    """The tenant's URL with our parameters, `ts` and `sig` appended; None leaves a parameter out.

    Parameters and fragment of the tenant's stay as they are, one of ours that stands there is replaced. `keys` are the
    tenant's redirect keys, the current one first: in a rotation `sig` holds a value for each, comma-separated.
    """
    added = {name: value for name, value in params.items() if value is not None}
    added["ts"] = str(now // SECOND)
    added["sig"] = ",".join(signature(added, key) for key in keys)
    parts = urlsplit(url)
    kept = [piece for piece in parts.query.split("&") if piece and unquote_plus(piece.partition("=")[0]) not in OURS]
    ours = [f"{_quoted(name)}={_quoted(value)}" for name, value in added.items()]
    query = "&".join([*(quote(piece, safe=_KEPT) for piece in kept), *ours])
    path, fragment = quote(parts.path, safe=_KEPT), quote(parts.fragment, safe=_KEPT)
    built = urlunsplit(("", parts.netloc, path, query, fragment))
    if parts.netloc == "" and url[len(parts.scheme) + 1 :].startswith("//") and not built.startswith("//"):
        built = "//" + built  # urlunsplit drops the empty authority of myapp:///path
    return f"{parts.scheme}:{built}"


def signature(params: Mapping[str, str], key: bytes) -> str:
    """Hex HMAC-SHA256 of the parameters without `sig`: names sorted, `k=v` joined by `&`, RFC 3986-encoded UTF-8."""
    text = "&".join(f"{_quoted(name)}={_quoted(params[name])}" for name in sorted(params) if name != "sig")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def verify(url: str, key: bytes, now: int, fresh_for: int = FRESH_FOR) -> bool:
    """Whether the parameters of ours on a redirect were signed with `key` and are not older than `fresh_for` µs."""
    ours = {name: value for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True) if name in OURS}
    expected = signature(ours, key).encode()
    given = ours.get("sig", "").encode().split(b",")
    stamp = ours.get("ts", "")
    fresh = stamp.isascii() and stamp.isdigit() and abs(now - int(stamp) * SECOND) <= fresh_for
    return fresh and any(hmac.compare_digest(one, expected) for one in given)


def _quoted(text: str) -> str:
    return quote(text, safe="-._~")


def _parts(url: str) -> SplitResult:
    if len(url) > LONGEST:
        raise RedirectRefused(f"at most {LONGEST} characters")
    if not url:
        raise RedirectRefused("expected a URL")
    if _UNSAFE.search(url):
        raise RedirectRefused("spaces, control characters, backslashes and quotes have to be percent-encoded")
    if _ESCAPE.search(url):
        raise RedirectRefused("a percent sign has to begin an escape such as %20")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RedirectRefused("this is no URL") from None
    if not parts.scheme:
        raise RedirectRefused("expected a whole URL that begins with https://")
    if parts.scheme in NEVER - {"http", "https"}:
        raise RedirectRefused(f"the scheme {parts.scheme}: is never taken")
    if not _SCHEME.fullmatch(parts.scheme):
        raise RedirectRefused("expected a whole URL that begins with https://")
    if "@" in parts.netloc:
        raise RedirectRefused("a URL with a user name or password is not taken")
    return parts


def _host(parts: SplitResult) -> str:
    if parts.scheme not in {"http", "https"}:
        return parts.hostname or ""
    host = (parts.hostname or "").removesuffix(".")
    if not parts.netloc or not _is_host(host):
        raise RedirectRefused("the URL has no valid host (write other scripts as xn--…)")
    _port(parts)
    return host


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return ipaddress.ip_address(host).version == 6
        except ValueError:
            return False
    if not _HOST.fullmatch(host):
        return False
    last = host.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):  # browsers read such a name as an IPv4 address in an odd spelling
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
    return True


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise RedirectRefused("the port is no number from 1 to 65535") from None
    if port is None:
        return 443 if parts.scheme == "https" else 80
    if port not in {80, 443} and port < 1024:
        raise RedirectRefused("ports are 80, 443, or 1024 and above")
    return port


def _matches(rule: str, host: str) -> bool:
    if rule.startswith("*."):
        return host.endswith(rule[1:]) and len(host) > len(rule) - 1
    return rule == host


def _matches_http(rule: str, host: str, port: int) -> bool:
    if not rule.startswith("http://"):
        return False
    parts = urlsplit(rule)
    return parts.hostname == host and (parts.port is None or parts.port == port)
