"""The API as a tenant's program calls it: a key, JSON in, JSON out.

Owns one small HTTP client for tests. It hides no status and follows no redirect.
"""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """A problem's stable code. Raises KeyError where the answer is none."""
        return str(self.json["code"])

    @property
    def fields(self) -> set[str]:
        """The names of the fields that a problem complains about."""
        return {error["field"] for error in self.json.get("errors", [])}


class Api:
    """Calls with one key; None calls without."""

    def __init__(self, url: str, key: str | None, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.key = key
        self._session = session

    def with_key(self, key: str | None) -> "Api":
        """The same service, called with another key."""
        return Api(self.url, key, self._session)

    async def get(self, path: str, **headers: str) -> Reply:
        """A GET; header names take `_` for `-`."""
        return await self.call("GET", path, None, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        """A POST; `Idempotency_Key="…"` gives that header."""
        return await self.call("POST", path, body, **headers)

    async def patch(self, path: str, body: Any, **headers: str) -> Reply:
        """A PATCH."""
        return await self.call("PATCH", path, body, **headers)

    async def delete(self, path: str, **headers: str) -> Reply:
        """A DELETE."""
        return await self.call("DELETE", path, None, **headers)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Any call. `body` is encoded as JSON unless it is bytes, which go as they are."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self._session.request(
            method, self.url + path, data=data, headers=sent, allow_redirects=False
        ) as answer:
            return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read())

    async def made(self, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """A POST that must succeed: the created object. Raises AssertionError with the problem."""
        reply = await self.post(path, body, **headers)
        if reply.status not in {200, 201, 202}:
            raise AssertionError(f"POST {path} answered {reply.status}: {reply.body.decode(errors='replace')}")
        made: dict[str, Any] = reply.json
        return made
