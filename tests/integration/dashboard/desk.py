"""Somebody in a browser without JavaScript: opens pages, fills forms, keeps the cookie."""

import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from html import unescape
from http.cookies import Morsel
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDictProxy

from tests.support.loopback import Certificate

TOKEN = re.compile(r'name="form_token" value="([^"]*)"')


class Person:
    """One browser; `text`, `status`, `path` and `headers` are of the page before the person."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url, session
        self.text, self.status, self.path, self.query = "", 0, "", ""
        self.headers: CIMultiDictProxy[str]

    @property
    def cookies(self) -> list[Morsel[str]]:
        """What the browser holds."""
        return list(self._session.cookie_jar)

    @property
    def words(self) -> str:
        """The page as text, its tags left out and its gaps made one."""
        within = re.sub(r"</?(wbr|time)\b[^>]*>", "", self.text)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", within)).split())

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

    async def press(self, action_ends: str, **fields: str) -> None:
        """Presses the button of the page's form whose address ends so."""
        action = next(one for one in re.findall(r'action="([^"]+)"', self.text) if one.endswith(action_ends))
        await self.post(action, form_token=self.token, **fields)

    async def sign_in(self, key: str, **headers: str) -> None:
        """Opens the page and hands in the key."""
        await self.open("/dashboard/sign-in")
        await self.post("/dashboard/sign-in", {_name(name): value for name, value in headers.items()}, key=key,
                        form_token=self.token)  # fmt: skip

    async def sign_out(self, **headers: str) -> None:
        """Presses the button of the page."""
        await self.open("/dashboard/tenants")
        await self.post("/dashboard/sign-out", {_name(name): value for name, value in headers.items()},
                        form_token=self.token)  # fmt: skip

    async def path_with_cookie(self, path: str, value: str) -> str:
        """Where a GET ends whose cookie has this value."""
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar) as other:
            cookie = {"Cookie": f"setuplinks-dashboard={value}"}
            async with other.get(self.url + path, headers=cookie) as answer:
                return answer.url.path

    async def _note(self, answer: aiohttp.ClientResponse) -> None:
        self.text, self.status = await answer.text(), answer.status
        self.path, self.query = urlsplit(str(answer.url)).path, urlsplit(str(answer.url)).query
        self.headers = answer.headers


def _name(name: str) -> str:
    return name.replace("_", "-")


@contextlib.asynccontextmanager
async def a_person(url: str, certificate: Certificate | None = None) -> AsyncIterator[Person]:
    """A browser for the length of the block; it trusts `certificate`."""
    trusted = ssl.create_default_context(cafile=certificate.certificate) if certificate else True
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, as browsers keep them
    connector = aiohttp.TCPConnector(ssl=trusted)
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as session:
        yield Person(url, session)
