"""What the signup routes share: the parts that the composition root builds once, and the few answers that all give.

Owns no route. `link_pages`, `visit_pages` and `callback` are its users.
"""

import hmac
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.ids import CROCKFORD, digest
from setuplinks.provisioning.offboard import Offboarding
from setuplinks.provisioning.questions import Questions
from setuplinks.provisioning.service import Provisionings
from setuplinks.settings import Settings
from setuplinks.setup_links.visits import Visits
from setuplinks.signup.answers import Answers
from setuplinks.signup.browser import Browsers
from setuplinks.signup.limits import Limits
from setuplinks.signup.returns import Returns
from setuplinks.signup.showing import Showing, Shown
from setuplinks.signup.views import NoLink, Trouble

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINK = re.compile(rf"({_UUID})-([{CROCKFORD}]{{26}})")
_ID = re.compile(_UUID)
MOST_FORM, MOST_JSON, MOST_FIELDS = 8_192, 65_536, 250


@dataclass(frozen=True)
class Room:
    """The parts."""

    settings: Settings
    db: Database
    clock: Clock
    browsers: Browsers
    answers: Answers
    limits: Limits
    showing: Showing
    returns: Returns
    visits: Visits
    provisionings: Provisionings
    offboarding: Offboarding
    questions: Questions

    def unknown(self, request: Request) -> Response:
        """The same 404 for unknown, malformed and wrong-secret addresses; misses are counted more strictly."""
        wait = self.limits.wait("miss", self.limits.address(request))
        return self.too_many(wait) if wait is not None else self.answers.page(NoLink(), 404)

    def too_many(self, wait_s: int) -> Response:
        """429 with the seconds to wait."""
        response = self.answers.page(Trouble("rate_limited", wait_seconds=wait_s), 429)
        response.headers["Retry-After"] = str(wait_s)
        return response

    def form_refused(self, retry_url: str | None = None) -> Response:
        """403: the post did not come from one of our pages, or the page was open for more than a day."""
        return self.answers.page(Trouble("form_expired", retry_url=retry_url), 403)

    async def by_secret(self, request: Request) -> Shown | None:
        """The link that the address with its secret names; None for whatever is not exactly right."""
        found = _LINK.fullmatch(request.path_params["link"])
        if found is None:
            return None
        shown = await self.showing.link(found[1])
        if shown is None or shown.gone:
            hmac.compare_digest(digest(found[2]), digest(found[1]))  # the same work for unknown and for wrong
            return None
        return shown if hmac.compare_digest(bytes(shown.link.secret_hash), digest(found[2])) else None

    async def by_id(self, request: Request) -> Shown | None:
        """The link that an address without the secret names; the browser's cookie is checked by the caller."""
        link_id = request.path_params["link"]
        shown = await self.showing.link(link_id) if _ID.fullmatch(link_id) else None
        return None if shown is None or shown.gone else shown


async def body_of(request: Request, most: int) -> bytes | None:
    """The request's body, read no further than `most` bytes; None where it is longer or was cut off."""
    read = bytearray()
    try:
        async for chunk in request.stream():
            read += chunk
            if len(read) > most:
                return None
    except ClientDisconnect:
        return None
    return bytes(read)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form; empty where it is none."""
    return {name: values[0] for name, values in (await lists_of(request)).items()}


async def lists_of(request: Request) -> dict[str, list[str]]:
    """The same with all values of each name: a list of ticks has several of one. Kept on the request, since a body can
    be read once."""
    if not hasattr(request.state, "form"):
        request.state.form = _fields(await body_of(request, MOST_FORM))
    form: dict[str, list[str]] = request.state.form
    return form


def _fields(body: bytes | None) -> dict[str, list[str]]:
    if not body:
        return {}
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except (UnicodeDecodeError, ValueError):
        return {}
