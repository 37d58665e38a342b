"""The customer over HTTP, as a browser without JavaScript: opens pages, presses buttons, goes through Meta's dialog.

Owns one person's cookies and the page that is before them. Several are several people, or one person's two browsers.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from tests.support.api import Reply
from tests.support.sandbox import Sandbox

MOST_REDIRECTS = 10
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@dataclass
class Form:
    """A form of a page: where it posts, and its fields that a person does not fill."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.page = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "body":
            self.page = given.get("data-page", "")
        elif tag == "form":
            self.found.append(Form(given.get("action", "")))
        elif tag == "input" and given.get("type") == "hidden" and self.found:
            self.found[-1].fields[given.get("name", "")] = given.get("value", "")


class Customer:
    """One browser. `left_to` is the first address outside of the service that it was sent to; it is never fetched."""

    def __init__(self, service_url: str, session: aiohttp.ClientSession) -> None:
        self.origin = service_url
        self.left_to: str | None = None
        self.url = ""
        self.reply = Reply(0, {}, b"")
        self._session = session
        self._read = _Forms()

    @property
    def page(self) -> str:
        """The name of the page that is shown, such as `landing`, `choose`, `finishing` or `done`."""
        return self._read.page

    @property
    def text(self) -> str:
        """The page as text, without its tags."""
        return unescape(re.sub(r"<[^>]+>", " ", self.reply.body.decode()))

    @property
    def forms(self) -> list[Form]:
        """The page's forms."""
        return self._read.found

    async def open(self, url: str) -> Reply:
        """Goes to an address and follows where it leads, within the service."""
        self.left_to = None
        return await self._go("GET", url, None)

    async def press(self, action_ends: str = "", **filled: str | list[str]) -> Reply:
        """Presses the button of the form whose address ends so (the first form where it is not said). A list fills a
        field of that name several times, as ticks do."""
        form = next(form for form in self.forms if form.action.endswith(action_ends))
        return await self._go("POST", urljoin(self.url, form.action), {**form.fields, **filled})

    async def post_json(self, path: str, body: Any) -> Reply:
        """What a script of the page posts; the page stays."""
        async with self._session.post(self.origin + path, data=json.dumps(body), headers=self._as_own_page()) as answer:
            return Reply(answer.status, dict(answer.headers), await answer.read())

    async def go_to_meta(self, link_url: str, connection_type: str = "dedicated") -> str:
        """Opens the link and goes as far as Meta's dialog in the full page; the dialog's address."""
        await self.open(link_url)
        await self.press()
        if self.page == "choose":
            await self.press("/authorize", connection_type=connection_type)
        if self.left_to is None and self.page == "signin":
            await self.press("/page")
        if self.left_to is None:
            raise AssertionError(f"Meta's dialog did not open; the page is {self.page}: {self.text[:500]}")
        return self.left_to

    async def walk(
        self,
        link_url: str,
        sandbox: Sandbox,
        *,
        scenario: str | None = None,
        connection_type: str = "dedicated",
        **choices: Any,
    ) -> dict[str, Any]:
        """The whole way to Meta and back in the full page; what the sandbox says of the signup."""
        dialog = await self.go_to_meta(link_url, connection_type)
        played = await sandbox.play(dialog, scenario=scenario, **choices)
        if played["redirectUrl"] is not None:
            await self.open(played["redirectUrl"].partition("#")[0])
        return played

    async def look_again(self) -> Reply:
        """Loads the page anew, as the finishing page does by itself."""
        return await self.open(self.url)

    async def leave(self) -> str:
        """Follows the page's way back to the company; the address that the browser ends at."""
        await self.open(urlsplit(self.url)._replace(query="").geturl() + "/leave")
        if self.left_to is None:
            raise AssertionError(f"the browser did not leave; the page is {self.page}")
        return self.left_to

    async def _go(self, method: str, url: str, form: Mapping[str, str | list[str]] | None) -> Reply:
        for _ in range(MOST_REDIRECTS):
            if not url.startswith(self.origin + "/"):
                self.left_to = url
                return self.reply
            headers = self._as_own_page() if method == "POST" else {}
            async with self._session.request(
                method, URL(url, encoded=True), data=_fields(form), headers=headers, allow_redirects=False
            ) as answer:
                self.url = url
                self.reply = Reply(
                    answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read()
                )
            if self.reply.status not in {301, 302, 303, 307, 308}:
                self._read = _Forms()
                self._read.feed(self.reply.body.decode(errors="replace"))
                return self.reply
            method, form, url = "GET", None, urljoin(url, self.reply.headers["location"])
        raise AssertionError(f"more than {MOST_REDIRECTS} redirects, the last one to {url}")

    def _as_own_page(self) -> dict[str, str]:
        return {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}


def _fields(form: Mapping[str, str | list[str]] | None) -> list[tuple[str, str]] | None:
    if form is None:
        return None
    return [(name, one) for name, value in form.items() for one in (value if isinstance(value, list) else [value])]


@contextlib.asynccontextmanager
async def a_customer(service_url: str, agent: str = DESKTOP) -> AsyncIterator[Customer]:
    """A browser with empty cookies, for the length of the block."""
    jar = aiohttp.CookieJar(unsafe=True)  # the service's host is an address in tests, and browsers keep its cookies too
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"User-Agent": agent}) as session:
        yield Customer(service_url, session)
