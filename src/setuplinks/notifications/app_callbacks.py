"""Meta's two callbacks about a person: the app was removed, and "delete what you hold of me".

Owns `/meta/deauthorize`, `/meta/data-deletion` and the page that says how a deletion stands. Both come with a
`signed_request`; its person is app-scoped, and what we hold of one is the id beside a token that was granted.
https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback
"""

import html
import logging
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.ids import crockford
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.core.wire import instant
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import BadSignedRequest, SignedRequest, read_signed_request
from setuplinks.notifications import store
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.settings import Settings
from setuplinks.whatsapp import store as whatsapp

LARGEST_FORM = 64_000
CODE_BITS = 130
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

log = logging.getLogger("setuplinks.notifications")


class AppCallbacks:
    """The routes, around the verbs."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, disconnects: Disconnects) -> None:
        self._db, self._clock, self._disconnects = db, clock, disconnects
        self._secret = Secret(settings.meta_app_secret.get_secret_value())
        self._public_url = settings.public_url

    def routes(self) -> list[BaseRoute]:
        """Plain routes: Meta is the only caller."""
        return [
            Route("/meta/deauthorize", self.deauthorize, methods=["POST"]),
            Route("/meta/data-deletion", self.delete_data, methods=["POST"]),
            Route("/meta/data-deletion/{code}", self.show_deletion, methods=["GET"]),
        ]

    async def deauthorize(self, request: Request) -> Response:
        """The person has removed the app: what was granted by this person is cut off."""
        try:
            signed = await self._signed(request)
            await self._cut_off(signed, "meta.deauthorized")
        except ValueError as error:
            return _refused("meta.deauthorize_refused", error)
        except Problem as problem:
            return PlainTextResponse(problem.title, problem.status)
        return JSONResponse({"success": True})

    async def delete_data(self, request: Request) -> Response:
        """Erases what names the person, and the tokens; answers where to look and a code, as Meta wants it."""
        try:
            signed = await self._signed(request)
            cut = await self._cut_off(signed, "meta.data_deletion")
            code = crockford(CODE_BITS)
            async with self._db.transaction() as tx:
                for tenant_id, waba_id in cut:
                    tx.add(whatsapp.ERASE_CREDENTIAL, tenant_id, waba_id)  # the token, and whose it was
                    tx.wake(whatsapp.CREDENTIALS)
                tx.add(store.ADD_DELETION, code, self._clock.now())
        except ValueError as error:
            return _refused("meta.data_deletion_refused", error)
        except Problem as problem:
            return PlainTextResponse(problem.title, problem.status)
        act(log, "meta.data_deleted")
        return JSONResponse({"url": f"{self._public_url}/meta/data-deletion/{code}", "confirmation_code": code})

    async def show_deletion(self, request: Request) -> Response:
        """How a deletion stands; only who has the code finds it."""
        row = await self._db.one(store.FIND_DELETION, request.path_params["code"].lower())
        if row is None:
            return _page("No such request", "There is no deletion request with this code.", 404)
        done = row["done_at"] is not None
        told = (
            f"We received your request on {instant(row['requested_at'])}. "
            + ("It is done: " if done else "We are at it: ")
            + "your Facebook id and the access that you had granted are erased here. "
            "Data that belongs to a business is deleted by that business, or by whoever connected it."
        )
        return _page("Deletion of your data", told, 200)

    async def _signed(self, request: Request) -> SignedRequest:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_FORM:
                raise BadSignedRequest("too long")
        fields = parse_qs(body.decode("ascii", "replace"), max_num_fields=100)
        return read_signed_request(self._secret, fields.get("signed_request", [""])[0], now=self._clock.now())

    async def _cut_off(self, signed: SignedRequest, why: str) -> list[tuple[int, int]]:
        """Disconnects the WABAs whose token this person granted; their ids. A token of after the request stays."""
        told_at = None if signed.issued_at is None else signed.issued_at * SECOND
        cut: list[tuple[int, int]] = []
        for row in await self._db.read(whatsapp.CREDENTIALS_OF_USER, signed.user_id):
            outcome = await self._db.unit(
                self._disconnects.disconnect, row["tenant_id"], row["waba_id"], "app_removed", told_at=told_at,
                detail={"event": "deauthorized"},
            )  # fmt: skip
            if not outcome.stale:
                cut.append((row["tenant_id"], row["waba_id"]))
        act(log, why, accounts=len(cut))
        return cut


def _refused(name: str, error: ValueError) -> Response:
    act(log, name, logging.WARNING, why=str(error))
    return PlainTextResponse("the signed_request is not good", 400)


def _page(title: str, told: str, status: int) -> Response:
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>{html.escape(title)}</h1><p>{html.escape(told)}</p></main></body></html>"
    )
    return HTMLResponse(body, status, headers=PAGE_HEADERS)
