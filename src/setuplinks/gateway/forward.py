"""The call to Meta with the customer's real token: sent as the client made it, answered as Meta answered it.

Owns the connections, the time-outs and which headers go on. What an answer's body may need changed is
`meta/gateway_answers`; what a failure means to the client is `refusals`.
"""

import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

import aiohttp
import yarl

from setuplinks.core.clock import SECOND, Clock
from setuplinks.gateway import refusals
from setuplinks.gateway.bodies import Stream
from setuplinks.gateway.credentials import MOST, Credential
from setuplinks.gateway.models import Asked, Headers
from setuplinks.meta.gateway_language import READS
from setuplinks.meta.usage import Usage

CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 30.0  # for the first byte of an answer, and between two bytes
UPLOAD_SECONDS = 600.0  # Meta may take its time with a file of 100 MB
CONNECTIONS = 2_000
OF_ONE_ACCOUNT = 500  # so that no key's slow files hold all of them
_PROMPT = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)
_PATIENT = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=UPLOAD_SECONDS)
READ_AT_ONCE = 256 * 1024
WRITTEN_AT_ONCE = 1024 * 1024

# Hop by hop (RFC 9110, 7.6.1), ours alone, or made anew. Cookies are our origin's. What stands in for the method would
# make a reading key write.
_STAYS_HERE = frozenset(
    {b"host", b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te"}
    | {b"trailer", b"transfer-encoding", b"upgrade", b"expect", b"content-length", b"accept-encoding", b"cookie"}
    | {b"authorization", b"x-api-key", b"idempotency-key", b"forwarded", b"via", b"x-real-ip", b"x-forwarded-for"}
    | {b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-http-method-override", b"x-http-method"}
    | {b"x-method-override", b"origin", b"referer"}
)
_NOT_HANDED_ON = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer", b"upgrade"}
    | {b"transfer-encoding", b"content-length", b"date", b"set-cookie", b"alt-svc"}
    | {b"strict-transport-security", b"content-security-policy", b"x-content-type-options"}
)
# A file that a stranger sent may be a page, and our origin is that of the dashboard: nothing of it runs here.
_HARMLESS = ((b"content-security-policy", b"sandbox"), (b"x-content-type-options", b"nosniff"))
_ENCODINGS = ("gzip", "deflate")  # those that we can read ourselves


@dataclass(slots=True)
class Sent:
    """A call under way: Meta's status and headers are here, its body is read by `chunks` or `whole`."""

    response: aiohttp.ClientResponse
    headers: Headers
    seconds: float
    repeatable: bool = True
    length: str | None = field(default=None)
    ended: Callable[[], None] = field(default=lambda: None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; nothing of it is kept. Raises aiohttp's errors where it breaks off."""
        async for chunk in self.response.content.iter_any():
            yield chunk

    async def whole(self, most: int) -> bytes | None:
        """The body, or None where it is longer than `most`. Raises Refusal where it breaks off."""
        parts: list[bytes] = []
        size = 0
        try:
            async for chunk in self.response.content.iter_any():
                parts.append(chunk)
                size += len(chunk)
                if size > most:
                    return None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise refusals.cut_off(repeatable=self.repeatable) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def end(self) -> None:
        """Lets the connection go: back to the others where the body was read to its end, else closed. Once."""
        self.ended()
        if self.response.content.at_eof():
            self.response.release()
        else:
            self.response.close()


class Forward:
    """Sends calls; opens its connections on the first one and wants `close()` at the end."""

    def __init__(self, base_url: str, clock: Clock, usage: Usage, of_one: int = OF_ONE_ACCOUNT) -> None:
        self.base_url, self.of_one = base_url, of_one
        self._clock, self._usage = clock, usage
        self._session: aiohttp.ClientSession | None = None
        self._noted_at: dict[tuple[int, int], int] = {}
        self._under_way: Counter[tuple[int, int]] = Counter()

    async def close(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, asked: Asked, credential: Credential, body: bytes | Stream) -> Sent:
        """The call as asked, with the customer's token. Raises Refusal where no answer came."""
        query = f"{asked.query.decode('latin-1')}&" if asked.query else ""
        url = f"{self.base_url}/{asked.path}?{query}appsecret_proof={credential.proof}"
        return await self.fetch(url, asked.method, asked.headers, credential, body)

    async def fetch(
        self,
        url: str,
        method: str,
        given: list[tuple[bytes, bytes]],
        credential: Credential,
        body: bytes | Stream = b"",
    ) -> Sent:
        """A call to a whole address, with those of the headers that go on. Raises Refusal where no answer came."""
        place = (credential.tenant_id, credential.waba_id)
        if self._under_way[place] >= self.of_one:
            raise refusals.too_many()
        self._under_way[place] += 1
        try:
            sent = await self._fetch(url, method, given, credential, body)
        except BaseException:
            self._leave(place)
            raise
        sent.ended = partial(self._leave, place)
        return sent

    def _leave(self, place: tuple[int, int]) -> None:
        self._under_way[place] -= 1
        if self._under_way[place] <= 0:
            del self._under_way[place]

    async def _fetch(
        self, url: str, method: str, given: list[tuple[bytes, bytes]], credential: Credential, body: bytes | Stream
    ) -> Sent:
        stream = None if isinstance(body, bytes) else body
        headers = _going_on(given, credential)
        if stream is not None and stream.length is not None:
            headers["Content-Length"] = str(stream.length)
        repeatable = method in READS
        started = time.perf_counter()
        try:
            response = await self._open().request(
                method, yarl.URL(url, encoded=True), data=aiter(stream) if stream is not None else _data(body),
                headers=headers, allow_redirects=False, timeout=_PATIENT if stream else _PROMPT,
            )  # fmt: skip
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            raise refusals.unreachable() from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            if stream is not None and stream.refused is not None:
                raise stream.refused from None
            # `from None`: aiohttp's text names the address, whose query may say who wrote to whom.
            raise refusals.cut_off(repeatable=repeatable) from None
        seconds = time.perf_counter() - started
        self._note_usage(credential, response)
        answered = tuple(
            (lower, value) for name, value in response.raw_headers if (lower := name.lower()) not in _NOT_HANDED_ON
        )
        return Sent(response, answered + _HARMLESS, seconds, repeatable, response.headers.get("Content-Length"))

    def _note_usage(self, credential: Credential, response: aiohttp.ClientResponse) -> None:
        """What Meta says of its limits, for the service's own looks: once a second and account is often enough."""
        now, place = self._clock.now(), (credential.tenant_id, credential.waba_id)
        if 0 <= now - self._noted_at.get(place, 0) < SECOND and response.status < 400:
            return
        if len(self._noted_at) >= MOST:
            self._noted_at.clear()
        self._noted_at[place] = now
        self._usage.note(response.headers, now)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                read_bufsize=READ_AT_ONCE, raise_for_status=False,
            )  # fmt: skip
        return self._session


def _going_on(given: list[tuple[bytes, bytes]], credential: Credential) -> dict[str, str]:
    headers: dict[str, str] = {}
    encoding, scheme = "identity", "Bearer"
    for name, value in given:
        if name.replace(b"_", b"-") not in _STAYS_HERE:  # many servers take the one for the other
            known, text = name.decode("latin-1"), value.decode("latin-1")
            headers[known] = f"{headers[known]}, {text}" if known in headers else text
        elif name == b"accept-encoding":
            encoding = _readable(value)
        elif name == b"authorization" and value[:6].lower() == b"oauth ":
            scheme = "OAuth"  # resumable uploads ask for this word
    headers["Accept-Encoding"] = encoding
    headers["Authorization"] = f"{scheme} {credential.token.reveal()}"
    return headers


def _data(body: bytes | Stream) -> bytes | io.BytesIO | None:
    """A body in the form that aiohttp wants for its size: a long one is written in pieces."""
    if not isinstance(body, bytes) or not body:
        return None
    return body if len(body) <= WRITTEN_AT_ONCE else io.BytesIO(body)


def _readable(accepted: bytes) -> str:
    """What the client takes, of what we can look into: an answer must not carry the real token past us."""
    told = accepted.decode("latin-1").lower()
    named = {part.partition(";")[0].strip() for part in told.split(",") if part.replace(" ", "")[-3:] != "q=0"}
    return ", ".join(one for one in _ENCODINGS if one in named) or "identity"
