"""One HTTP call to Meta: sent, timed, read, judged, logged.

Owns time-outs, size limits, the app secret's proof, usage headers, and the rule that whatever happens on the wire
comes out as an answer or as a GraphError. It knows no path and no payload: those stand in `graph`.
"""

import logging
import re
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import msgspec

from setuplinks.core.clock import Clock, SystemClock
from setuplinks.core.logs import act
from setuplinks.meta import errors
from setuplinks.meta.errors import Call, GraphError
from setuplinks.meta.lenient import Raw, as_int
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import appsecret_proof
from setuplinks.meta.usage import Usage

log = logging.getLogger("setuplinks.meta")

_MOST_BYTES = 8 * 1024 * 1024
_META_ID = re.compile(r"[0-9]{1,40}")
_PROOF = "appsecret_proof"

Data = bytes | Mapping[str, str] | AsyncIterable[bytes] | None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for a whole call, its connection included; `connect` is the share that the connection may take."""

    connect: float = 4.0
    exchange: float = 8.0
    read: float = 12.0
    write: float = 20.0
    send: float = 30.0
    upload: float = 120.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is sent as it comes: `content_type`, and exactly `length` bytes."""

    chunks: AsyncIterable[bytes]
    content_type: str
    length: int


class Transport:
    """Sends calls to one Graph address, as one Meta app.

    `base_url` has no version; `version` is like `v25.0`. A session that is handed in stays the caller's to close; else
    one is opened on the first call and `close()` ends it. Code exchanges use one of our own in any case.
    """

    def __init__(
        self,
        base_url: str,
        version: str,
        app_id: str,
        app_secret: Secret,
        *,
        session: aiohttp.ClientSession | None = None,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.base_url, self.version = base_url.rstrip("/"), version
        self.app_id, self.app_secret = app_id, app_secret
        self.timeouts = timeouts or Timeouts()
        self.usage = Usage()
        self._clock: Clock = clock or SystemClock()
        self._session = session
        self._owns_session = session is None
        self._fresh: aiohttp.ClientSession | None = None

    @property
    def app_token(self) -> Secret:
        """The app's own access token, for calls about tokens and about the app itself."""
        return Secret(f"{self.app_id}|{self.app_secret.reveal()}")

    async def close(self) -> None:
        """Closes the sessions that are ours. May be called twice."""
        ours = [self._fresh, self._session if self._owns_session else None]
        self._fresh = None
        if self._owns_session:
            self._session = None
        for session in ours:
            if session is not None:
                await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def call(
        self,
        call: Call,
        ids: tuple[str, ...] = (),
        *,
        timeout: float,
        token: Secret | None = None,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        upload: Upload | None = None,
        hide: tuple[Secret, ...] = (),
    ) -> Raw:
        """Sends one call and returns its JSON object. Raises GraphError and nothing else.

        `ids` fill the braces of the route in order; `hide` names secrets that the request carries beside the token, so
        that they are taken out of what Meta repeats.
        """
        path = _fill(call, ids)
        params, headers = dict(query or {}), {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
            params[_PROOF] = appsecret_proof(self.app_secret, token)
        data: Data = form
        if body is not None:
            data, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        if upload is not None:
            headers |= {"Content-Type": upload.content_type, "Content-Length": str(upload.length)}
            data = upload.chunks
        secrets = (self.app_secret, *hide, *((token,) if token else ()))
        line: dict[str, Any] = {"method": call.method, "route": call.route, "outcome": "stopped"}
        started = time.perf_counter()
        try:
            response, raw = await self._send(call, path, timeout, params=params, headers=headers, data=data)
            line |= {"status": response.status, "outcome": "ok"}
            self.usage.note(response.headers, self._clock.now())
            return _judge(call, response, raw, secrets)
        except GraphError as error:
            line |= _facts(error)
            raise
        finally:
            act(log, "meta.call", **line, duration_ms=round((time.perf_counter() - started) * 1000, 1))

    async def _send(
        self,
        call: Call,
        path: str,
        timeout: float,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        data: Data,
    ) -> tuple[aiohttp.ClientResponse, bytes | None]:
        try:
            async with self._open(call).request(
                call.method,
                f"{self.base_url}/{self.version}{path}",
                params=params,
                data=data,
                headers=headers,
                # A redirect would carry the token to an address that nobody checked.
                allow_redirects=False,
                # `connect` covers the wait for a free connection too: what waits there was not sent.
                timeout=aiohttp.ClientTimeout(total=timeout, connect=min(self.timeouts.connect, timeout)),
            ) as response:
                return response, await _read(response)
        # These come before any byte of the request has left; all others may come after it.
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            raise errors.never_sent(call) from None
        except (aiohttp.ClientError, TimeoutError, OSError, EOFError, ValueError):
            # `from None`: aiohttp's own text names the URL, and the URL of debug_token holds a token.
            raise errors.cut_off(call) from None

    def _open(self, call: Call) -> aiohttp.ClientSession:
        if call.exchange:
            # Meta may close a pooled connection at the very moment it is used again. Another call is then repeated; a
            # code that was never read would be lost with it. So the exchange gets a connection of its own.
            if self._fresh is None:
                self._fresh = _session(aiohttp.TCPConnector(force_close=True))
            return self._fresh
        if self._session is None:
            self._session = _session(aiohttp.TCPConnector(limit=200))
        return self._session


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def _facts(error: GraphError) -> dict[str, Any]:
    """What the log line says of a failure: numbers and our own words, none of Meta's text."""
    return {
        "status": error.status,
        "outcome": error.kind.value,
        "code": error.code,
        "subcode": error.subcode,
        "fbtrace_id": error.fbtrace_id,
    }


def _fill(call: Call, ids: tuple[str, ...]) -> str:
    path = call.route
    for meta_id in ids:
        if not _META_ID.fullmatch(meta_id):
            raise errors.bad_id(call)
        path = re.sub(r"\{[a-z_]+\}", meta_id, path, count=1)
    return path


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """The body, or None where it is larger than any answer of Meta's."""
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > _MOST_BYTES:
            return None
    return bytes(read)


def _judge(call: Call, response: aiohttp.ClientResponse, raw: bytes | None, secrets: tuple[Secret, ...]) -> Raw:
    status = response.status
    retry_after = as_int(response.headers.get("Retry-After"))
    try:
        answer = msgspec.json.decode(raw) if raw else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise errors.unreadable(call, status, retry_after=retry_after)
    # An error object counts whatever the status says: Graph has answered 200 with one.
    if "error" in answer:
        raise errors.from_answer(call, status, answer["error"], secrets=secrets, retry_after=retry_after)
    if status >= 400:
        raise errors.from_answer(call, status, {}, secrets=secrets, retry_after=retry_after)
    if not 200 <= status < 300:
        raise errors.unreadable(call, status, retry_after=retry_after)
    return answer
