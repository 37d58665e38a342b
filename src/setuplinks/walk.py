"""Plays the customer over HTTP, without a browser: opens the link, presses the buttons, signs in at the sandbox.

Owns one pretended browser: cookies, forms, the popup page's script in a few lines. It knows pages and forms only, as
any browser does; nothing of the service is imported. The page's last redirect is never fetched.
"""

import asyncio
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp

MOST_STEPS = 40
POLL_SECONDS = 0.1
FINISHING_SECONDS = 60.0
AGENT = "Mozilla/5.0 (X11; Linux x86_64) setuplinks-walk"


class WalkStopped(Exception):
    """The walk cannot go on; the message says at what."""


@dataclass(frozen=True)
class Walked:
    """Where the walk ended: the last page's name, and the URL by which the browser would leave, or None."""

    final_url: str | None
    page: str
    pages: tuple[str, ...]


@dataclass(frozen=True)
class Wishes:
    """How this customer answers."""

    scenario: str | None = None
    transport: str | None = None
    connection_type: str = "dedicated"
    choices: dict[str, Any] = field(default_factory=dict)


class _Reading(HTMLParser):
    """What a browser would see of a page: its name, its forms, and the data of its main element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.page = ""
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.data: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects; the only radios are those of the connection type, which the walker answers itself."""
        found = {name: value or "" for name, value in attrs}
        if tag == "body":
            self.page = found.get("data-page", "")
        if tag == "form":
            self.forms.append((found.get("action", ""), {}))
        if tag == "input" and self.forms and "name" in found and found.get("type") != "radio":
            self.forms[-1][1][found["name"]] = found.get("value", "")
        self.data |= {name: value for name, value in found.items() if name.startswith("data-") and value}


class Walker:
    """One customer in one pretended browser."""

    def __init__(self, session: aiohttp.ClientSession, link_url: str, wishes: Wishes) -> None:
        parts = urlsplit(link_url)
        self._session, self._wishes = session, wishes
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._pages: list[str] = []

    async def walk(self, link_url: str) -> Walked:
        """From the link to the last page. Raises WalkStopped, aiohttp.ClientError."""
        url = link_url
        for _ in range(MOST_STEPS):
            reading = await self._get(url)
            self._pages.append(reading.page)
            following = await self._answer(reading, url)
            if following is None:
                return Walked(await self._leaving(reading), reading.page, tuple(self._pages))
            url = following
        raise WalkStopped(f"the pages do not end: {' → '.join(self._pages[-6:])}")

    async def _answer(self, reading: _Reading, url: str) -> str | None:
        """What this customer does on this page: the next address, or None where the walk ends here."""
        page = reading.page
        if page == "landing":
            beacon = reading.data.get("data-beacon")
            if beacon:
                await self._post(beacon, b"", "text/plain")
            return await self._press(reading, {})
        if page == "choose":
            return await self._press(reading, {"connection_type": self._wishes.connection_type})
        if page == "signin":
            if self._wishes.transport == "page" and reading.forms:
                return await self._press(reading, {})
            return await self._popup(reading)
        if page == "finishing":
            return await self._wait(reading.data["data-status-url"], url)
        return None

    async def _press(self, reading: _Reading, more: dict[str, str]) -> str:
        """Posts the page's first form; where that leads to Meta, the dialog is played and leads back."""
        action, fields = reading.forms[0]
        body = urlencode({**fields, **more}).encode()
        location = await self._post(action, body, "application/x-www-form-urlencoded")
        if location is None:
            raise WalkStopped(f"the page {reading.page} did not take the form")
        if not location.startswith(self._origin):
            played = await self._play(location, popup=False)
            if played["redirectUrl"] is None:
                raise WalkStopped("the customer walked away from Meta's dialog")
            location = str(played["redirectUrl"])
        return location.partition("#")[0]

    async def _popup(self, reading: _Reading) -> str:
        """What the sign-in page's script does: opens the dialog, posts the code and the message that come back."""
        data = reading.data
        query = {
            "client_id": data["data-app-id"],
            "config_id": data["data-config-id"],
            "response_type": "code",
            "override_default_response_type": "true",
            "display": "popup",
            "extras": data["data-extras"],
            "state": data["data-state"],
        }
        sdk = urlsplit(data["data-sdk-url"])
        dialog = f"{sdk.scheme}://{sdk.netloc}/{data['data-graph-version']}/dialog/oauth?{urlencode(query)}"
        played = await self._play(dialog, popup=True)
        message = None if played["message"] is None else json.dumps(played["message"])
        stopped = played["message"] is not None and played["message"]["event"] in {"CANCEL", "ERROR"}
        if played["code"] is None and not stopped:
            raise WalkStopped("Meta's window closed without a code")
        target = data["data-cancel-url"] if stopped else data["data-complete-url"]
        posted = {"state": data["data-state"], "code": played["code"], "message": message}
        async with self._session.post(
            urljoin(self._origin, target), json=posted, headers={"Origin": self._origin}
        ) as answer:
            location: str | None = (await answer.json()).get("location")
        return urljoin(self._origin, location or data["data-check-url"])

    async def _play(self, dialog_url: str, *, popup: bool) -> dict[str, Any]:
        """The sandbox plays the dialog; Meta itself has no such address."""
        parts = urlsplit(dialog_url)
        body: dict[str, Any] = {"dialogUrl": dialog_url, "popup": popup, "choices": self._wishes.choices}
        if self._wishes.scenario is not None:
            body["scenario"] = self._wishes.scenario
        async with self._session.post(f"{parts.scheme}://{parts.netloc}/sandbox/signups", json=body) as answer:
            if answer.status != 200:
                raise WalkStopped(f"the sandbox answered {answer.status}: {(await answer.text())[:300]}")
            played: dict[str, Any] = await answer.json()
            return played

    async def _wait(self, status_url: str, page_url: str) -> str:
        """The finishing page's script: asks until there is somewhere to go."""
        end = asyncio.get_running_loop().time() + FINISHING_SECONDS
        while asyncio.get_running_loop().time() < end:
            async with self._session.get(urljoin(self._origin, status_url)) as answer:
                status = await answer.json()
            if status["location"]:
                return urljoin(self._origin, str(status["location"]))
            await asyncio.sleep(POLL_SECONDS)
        raise WalkStopped(f"the work was not done within {FINISHING_SECONDS:.0f} s; see {page_url}")

    async def _leaving(self, reading: _Reading) -> str | None:
        """Where the page's countdown leads: the address of the last redirect, which is not fetched."""
        leave = reading.data.get("data-leave")
        if leave is None or reading.page not in {"done", "failed"}:
            return None
        async with self._session.get(urljoin(self._origin, leave), allow_redirects=False) as answer:
            return answer.headers.get("Location")

    async def _get(self, url: str) -> _Reading:
        """A page, over redirects within the service."""
        for _ in range(10):
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status in {302, 303, 307}:
                    url = urljoin(url, answer.headers["Location"])
                    continue
                return _Reading(await answer.text())
        raise WalkStopped(f"{url} redirects without end")

    async def _post(self, path: str, body: bytes, kind: str) -> str | None:
        headers = {"Origin": self._origin, "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        url = urljoin(self._origin, path)
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            location = answer.headers.get("Location")
            return None if location is None else urljoin(url, location)


async def walk(link_url: str, wishes: Wishes) -> Walked:
    """Plays one customer with a fresh browser. Raises WalkStopped, aiohttp.ClientError."""
    jar = aiohttp.CookieJar(unsafe=True)  # unsafe: cookies of addresses such as 127.0.0.1 are kept
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"User-Agent": AGENT}) as session:
        return await Walker(session, link_url, wishes).walk(link_url)
