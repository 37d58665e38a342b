"""The service's own address as the world meets it: it answers, by a certificate that holds, and takes Meta's challenge.

It is asked from here, through the public URL, as a stranger would ask.
"""

import asyncio
import contextlib
import secrets
import ssl
import time
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from setuplinks.core.addresses import why_not_public
from setuplinks.core.outbound.client import Answer, Outbound
from setuplinks.core.outbound.failures import FailureKind
from setuplinks.doctor.models import Check
from setuplinks.settings import PREFIX, Settings

NOTIFICATIONS = "/meta/notifications"
CERTIFICATE_SECONDS = 3.0
CERTIFICATE_DAYS = 14
MOST_BYTES = 10_000
URL_FIX = f"{PREFIX}PUBLIC_URL, and what stands before the service (docs/guides/deploy.md)"


async def of_public_address(settings: Settings, outbound: Outbound) -> list[Check]:
    """Reachable, certificate, challenge."""
    home, challenge = await asyncio.gather(
        outbound.fetch(f"{settings.public_url}/healthz", MOST_BYTES), ask_challenge(settings, outbound)
    )
    reached = public_url(settings, home)
    rows = [reached]
    if settings.public_url.startswith("https://"):
        rows.append(await certificate(settings, home))
    if home.status == 200:
        rows.append(verify_token(*challenge))
    else:
        rows.append(Check("Callback", "warn", "not looked at: the public URL does not answer"))
    return rows


def public_url(settings: Settings, home: Answer) -> Check:
    """https for everybody, or http for this machine alone; and our own answer behind it."""
    url, name = settings.public_url, "Public URL"
    if home.failure is not None:
        said = f"{url} does not answer from here: {home.failure.words}"
        if settings.on_loopback:
            return Check(name, "fail", said, "`setuplinks serve`, and the same port in SETUPLINKS_PUBLIC_URL")
        return Check(name, "fail", said, f"{URL_FIX}. Where only this machine cannot reach it, look from another one")
    if home.status is not None and 300 <= home.status < 400:
        place = urlsplit(home.headers.get("location", ""))
        said = f"{url} redirects to {place.scheme}://{place.netloc}: Meta follows no redirects" if place.netloc else (
            f"{url} redirects: Meta follows no redirects"
        )  # fmt: skip
        return Check(name, "fail", said, f"{PREFIX}PUBLIC_URL: the address at the redirect's end")
    if home.status != 200 or b'"ok"' not in home.body:
        return Check(name, "fail", f"something else answers at {url} (status {home.status})", URL_FIX)
    if settings.on_loopback:
        said = f"{url} is for this machine only: neither customers nor Meta reach it"
        fix = f"{PREFIX}PUBLIC_URL: an https address; docs/guides/local-development.md has a tunnel"
        return Check(name, "warn", said, fix)
    why = why_not_public(ip_address(home.address.partition("%")[0])) if home.address else None
    if why is not None:
        said = f"{url} answers, but its name leads to a {why} here: make sure that the world sees another one"
        return Check(name, "warn", said, "the name's public DNS entry")
    return Check(name, "pass", f"{url} answers")


async def certificate(settings: Settings, home: Answer) -> Check:
    """Whether the certificate holds, and for how long."""
    name, fix = "Certificate", "the certificate of what ends TLS before the service"
    if home.failure is not None and home.failure.kind in {FailureKind.TLS, FailureKind.TLS_NAME}:
        return Check(name, "fail", f"{home.failure.words}: neither browsers nor Meta take it", fix)
    if home.failure is not None or home.address is None:
        return Check(name, "warn", "not looked at: the public URL does not answer")
    ends = await _ends(settings, home.address)
    if ends is None:
        return Check(name, "warn", "it could not be read", fix)
    days = int(ends - time.time()) // 86_400
    if days < CERTIFICATE_DAYS:
        return Check(name, "warn", f"it ends in {days} days", fix)
    return Check(name, "pass", f"it holds for {days} days")


async def _ends(settings: Settings, address: str) -> float | None:
    """When the certificate ends, in unix seconds; the address is the one that answered just now."""
    parts = urlsplit(settings.public_url)
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(CERTIFICATE_SECONDS):
            _, writer = await asyncio.open_connection(
                address, parts.port or 443, ssl=ssl.create_default_context(), server_hostname=parts.hostname
            )
            found = writer.get_extra_info("peercert") or {}
            writer.transport.abort()
            return ssl.cert_time_to_seconds(found["notAfter"]) if "notAfter" in found else None
    return None


async def ask_challenge(settings: Settings, outbound: Outbound) -> tuple[Answer, bytes]:
    """Asks as Meta does before it takes an address: our answer, and what it should have been.

    https://developers.facebook.com/docs/graph-api/webhooks/getting-started
    """
    expected = str(secrets.randbelow(9_000_000_000) + 1_000_000_000)
    token = settings.meta_verify_token.get_secret_value()
    query = urlencode({"hub.mode": "subscribe", "hub.challenge": expected, "hub.verify_token": token})
    return await outbound.fetch(f"{settings.public_url}{NOTIFICATIONS}?{query}", MOST_BYTES), expected.encode()


def verify_token(answer: Answer, expected: bytes) -> Check:
    """Whether the running service takes the verify token of these settings."""
    name = "Callback"
    if answer.status == 200 and answer.body == expected:
        return Check(name, "pass", "Meta's challenge is answered, with the verify token of these settings")
    if answer.status == 403:
        said = "the service that runs there has another verify token than these settings"
        return Check(name, "fail", said, f"{PREFIX}META_VERIFY_TOKEN; restart `setuplinks serve` after a change")
    found = answer.failure.words if answer.failure else f"status {answer.status}"
    return Check(name, "fail", f"Meta's challenge at {NOTIFICATIONS} is not answered ({found})", URL_FIX)
