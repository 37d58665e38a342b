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
MOST_REDIRECTS = 10
POLL_SECONDS = 0.1
FINISHING_SECONDS = 60.0
ANSWER_SECONDS = 30.0  # the page's own exchange with Meta may take most of this
DIALOG = "/dialog/oauth"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) setuplinks-walk"


class WalkStopped(Exception):
    """The walk cannot go on; the message says at what, `page` is the last page that was shown, or None."""

    def __init__(self, message: str, page: str | None = None) -> None:
        super().__init__(message)
        self.page = page


@dataclass(frozen=True)
class Walked:
    """Where the walk ended: the last page's name, and the URL by which the browser would leave, or None."""

    final_url: str | None
    page: str
    pages: tuple[str, ...]


@dataclass(frozen=True)
class Wishes:
    """How this customer answers. `transport` is page or popup; None is what the service offers first."""

    scenario: str | None = None
    transport: str | None = None
    connection_type: str = "dedicated"
    choices: dict[str, Any] = field(default_factory=dict)


class _Left(Exception):
    """A redirect led out of the service: the browser is gone, to `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


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
        self._session, self._wishes = session, wishes
        self._origin = _origin(link_url)
        self._pages: list[str] = []

    async def walk(self, link_url: str) -> Walked:
        """From the link to the last page. Raises WalkStopped."""
        try:
            return await self._walk(link_url)
        except _Left as left:
            return self._walked(left.url)
        except WalkStopped as stopped:
            raise WalkStopped(str(stopped), self._pages[-1] if self._pages else None) from None
        except TimeoutError:
            why = f"there was no answer within {ANSWER_SECONDS:.0f} s"
        except KeyError as missing:
            why = f"the page has no {missing.args[0]}"
        except (aiohttp.ClientError, UnicodeError) as error:
            why = str(error) or type(error).__name__
        raise WalkStopped(why, self._pages[-1] if self._pages else None)

    async def _walk(self, url: str) -> Walked:
        for _ in range(MOST_STEPS):
            reading = await self._get(url)
            if not reading.page:
                raise WalkStopped(f"this is no page of a setup link: {url}")
            self._pages.append(reading.page)
            following = await self._answer(reading, url)
            if following is None:
                return self._walked(await self._leaving(reading))
            url = following
        raise WalkStopped(f"the pages do not end: {' → '.join(self._pages[-6:])}")

    def _walked(self, final_url: str | None) -> Walked:
        return Walked(final_url, self._pages[-1] if self._pages else "", tuple(self._pages))

    async def _answer(self, reading: _Reading, url: str) -> str | None:
        """What this customer does on this page: the next address, or None where the walk ends here."""
        page = reading.page
        if page == "landing":
            if beacon := reading.data.get("data-beacon"):
                await self._post(beacon, b"", "text/plain")
            return await self._press(reading, {})
        if page == "choose":
            return await self._press(reading, {"connection_type": self._wishes.connection_type})
        if page == "signin":
            if self._wishes.transport != "page":
                return await self._popup(reading)
            if not reading.forms:
                raise WalkStopped("this service offers no sign-in on the full page")
            return await self._press(reading, {})
        if page == "finishing":
            return await self._wait(reading.data["data-status-url"], url)
        return None

    async def _press(self, reading: _Reading, more: dict[str, str]) -> str:
        """Posts the page's first form; where that leads to Meta, the dialog is played and leads back."""
        if not reading.forms:
            raise WalkStopped(f"the page {reading.page} has no button")
        action, fields = reading.forms[0]
        body = urlencode({**fields, **more}).encode()
        location = await self._post(action, body, "application/x-www-form-urlencoded")
        if location is None:
            raise WalkStopped(f"the page {reading.page} did not take the form")
        if _origin(location) != self._origin and urlsplit(location).path.endswith(DIALOG):
            back = (await self._play(location, popup=False))["redirectUrl"]
            if back is None:
                raise WalkStopped("the customer walked away from Meta's dialog")
            location = str(back)
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
        base = f"{_origin(data['data-sdk-url'])}/{data['data-graph-version']}"
        played = await self._play(f"{base}{DIALOG}?{urlencode(query)}", popup=True)
        code = played["code"]
        message = None if played["message"] is None else json.dumps(played["message"])
        stopped = message is not None and played["message"]["event"] in {"CANCEL", "ERROR"}
        if code is None and message is None:
            raise WalkStopped("Meta's window closed without an answer; the sign-in page waits")
        if stopped and code is None:
            target, posted = data["data-cancel-url"], {"state": data["data-state"], "message": message}
        else:
            target, posted = data["data-complete-url"], {"state": data["data-state"], "code": code, "message": message}
        location = (await self._json("POST", target, posted)).get("location")
        if code is None and not stopped:
            raise WalkStopped("Meta's window gave a message but no code; the sign-in page waits")
        return urljoin(self._origin, str(location or data["data-check-url"]))

    async def _play(self, dialog_url: str, *, popup: bool) -> dict[str, Any]:
        """The sandbox plays the dialog; Meta itself has no such address."""
        origin = _origin(dialog_url)
        body: dict[str, Any] = {"dialogUrl": dialog_url, "popup": popup, "choices": self._wishes.choices}
        if self._wishes.scenario is not None:
            body["scenario"] = self._wishes.scenario
        async with self._session.post(f"{origin}/sandbox/signups", json=body) as answer:
            if answer.status != 200:
                said = (await answer.text(errors="replace"))[:300]
                raise WalkStopped(f"{origin} is no sandbox, or refused to play: {answer.status} {said}")
            played: dict[str, Any] = await answer.json()
            return played

    async def _wait(self, status_url: str, page_url: str) -> str:
        """The finishing page's script: asks until there is somewhere to go."""
        end = asyncio.get_running_loop().time() + FINISHING_SECONDS
        while asyncio.get_running_loop().time() < end:
            location = (await self._json("GET", status_url, None)).get("location")
            if location:
                return urljoin(self._origin, str(location))
            await asyncio.sleep(POLL_SECONDS)
        raise WalkStopped(f"the work was not done within {FINISHING_SECONDS:.0f} s; see {page_url}")

    async def _leaving(self, reading: _Reading) -> str | None:
        """Where the page's countdown leads: the address of the last redirect, which is not fetched."""
        leave = reading.data.get("data-leave")
        if leave is None or reading.page not in {"done", "failed"}:
            return None
        async with self._session.get(urljoin(self._origin, leave), allow_redirects=False) as answer:
            return _location(answer)

    async def _get(self, url: str) -> _Reading:
        """A page, over redirects within the service. Raises _Left where one leads elsewhere."""
        for _ in range(MOST_REDIRECTS):
            if _origin(url) != self._origin:
                raise _Left(url)
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status in {301, 302, 303, 307, 308} and "Location" in answer.headers:
                    url = urljoin(url, answer.headers["Location"])
                    continue
                return _Reading(await answer.text(errors="replace"))
        raise WalkStopped(f"{url} redirects without end")

    async def _json(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """What a script of the page reads; an answer that is no JSON object says nothing, as the scripts take it."""
        url = urljoin(self._origin, path)
        headers = {} if body is None else {"Origin": self._origin, "Sec-Fetch-Site": "same-origin"}
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            try:
                value = await answer.json(content_type=None)
            except ValueError:
                value = None
        return value if isinstance(value, dict) else {}

    async def _post(self, path: str, body: bytes, kind: str) -> str | None:
        headers = {"Origin": self._origin, "Sec-Fetch-Site": "same-origin", "Content-Type": kind}
        url = urljoin(self._origin, path)
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            location = _location(answer)
            return None if location is None else urljoin(url, location)


def _location(answer: aiohttp.ClientResponse) -> str | None:
    location: str | None = answer.headers.get("Location")
    return location


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


async def walk(link_url: str, wishes: Wishes) -> Walked:
    """Plays one customer with a fresh browser. Raises WalkStopped."""
    if not _is_http(link_url):
        raise WalkStopped(f"this is no http or https address: {link_url}")
    jar = aiohttp.CookieJar(unsafe=True)  # unsafe: cookies of addresses such as 127.0.0.1 are kept
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"User-Agent": AGENT}, timeout=timeout) as session:
        return await Walker(session, link_url, wishes).walk(link_url)
