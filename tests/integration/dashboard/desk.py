"""The operator in a browser without JavaScript: opens pages, fills the form, keeps the cookie."""

import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from http.cookies import Morsel
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDictProxy

from tests.support.loopback import Certificate

TOKEN = re.compile(r'name="form_token" value="([^"]*)"')


class Operator:
    """One browser; `text`, `status`, `path` and `headers` are of the page before the person."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url, session
        self.text, self.status, self.path = "", 0, ""
        self.headers: CIMultiDictProxy[str]

    @property
    def cookies(self) -> list[Morsel[str]]:
        """What the browser holds."""
        return list(self._session.cookie_jar)

    @property
    def token(self) -> str:
        """The token of the page's first form; empty where it has none."""
        found = TOKEN.search(self.text)
        return found[1] if found else ""

    async def open(self, path: str, **headers: str) -> None:
        """A GET, redirects followed."""
        async with self._session.get(self.url + path, headers=headers) as answer:
            await self._note(answer)

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> None:
        """A form as a browser posts it; `headers` win over the browser's own, an empty one is left out."""
        own = {"Origin": self.url, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        sent = {name: value for name, value in own.items() if value}
        async with self._session.post(self.url + path, data=fields, headers=sent) as answer:
            await self._note(answer)

    async def sign_in(self, key: str, **headers: str) -> None:
        """Opens the page and hands in the key."""
        await self.open("/operator/sign-in")
        await self.post("/operator/sign-in", {_name(name): value for name, value in headers.items()}, key=key,
                        form_token=self.token)  # fmt: skip

    async def sign_out(self, **headers: str) -> None:
        """Presses the button of the page."""
        await self.open("/operator/doctor")
        await self.post("/operator/sign-out", {_name(name): value for name, value in headers.items()},
                        form_token=self.token)  # fmt: skip

    async def path_with_cookie(self, path: str, value: str) -> str:
        """Where a GET ends whose cookie has this value."""
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar) as other:
            cookie = {"Cookie": f"setuplinks-operator={value}"}
            async with other.get(self.url + path, headers=cookie) as answer:
                return answer.url.path

    async def _note(self, answer: aiohttp.ClientResponse) -> None:
        self.text, self.status = await answer.text(), answer.status
        self.path, self.headers = urlsplit(str(answer.url)).path, answer.headers


def _name(name: str) -> str:
    return name.replace("_", "-")


@contextlib.asynccontextmanager
async def an_operator(url: str, certificate: Certificate | None = None) -> AsyncIterator[Operator]:
    """A browser for the length of the block; it trusts `certificate`."""
    trusted = ssl.create_default_context(cafile=certificate.certificate) if certificate else True
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, as browsers keep them
    connector = aiohttp.TCPConnector(ssl=trusted)
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as session:
        yield Operator(url, session)
