"""The yardstick: the least that a Starlette handler can do with the same SQL, the same rows and the same `core/db`.

Owns two routes. They check nothing, decide nothing, log nothing and build no objects; the reads and the writes are the
service's own texts (a test holds the two lists against each other). What must stand in the rows is made as the service
makes it: ids, the link's secret, its hash, the two events' JSON, three sealed values.
Run: `python -m benchmarks.bare PORT TENANT:KEY,…`, with the database by `SETUPLINKS_DATABASE_URL` or `…_DATA_DIR`.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from setuplinks.branding.theme import build_palette
from setuplinks.core import ids, wire
from setuplinks.core.clock import DAY, SystemClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import open_database
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import Conflict
from setuplinks.core.vault import Sealer
from setuplinks.core.wire import instant
from setuplinks.customers import store as customers
from setuplinks.setup_links import store
from setuplinks.signup.rendering import Renderer
from setuplinks.signup.showing import SHOWN
from setuplinks.signup.views import Landing, make_brand
from setuplinks.tenants import audit, idempotency
from setuplinks.tenants import store as tenants
from setuplinks.webhooks import store as webhooks

ACTOR = "bare"
REVOKE = (
    "UPDATE setup_link SET version = version + 1, updated_at = $4, phase = $5, due_at = $6, ended_at = $7, "
    "ended_reason = $8, url_secret = $9 WHERE tenant_id = $1 AND id = $2 AND version = $3"
)
THEME, METADATA = '{"primaryColor": "#0F766E", "companyName": "Acme SaaS"}', '{"plan": "pro"}'
DETAIL = '{"customerId":1000000}'
SUPERSEDED = '{"reason": "superseded", "supersededBy": "00000000-0000-0000-0000-000000000000"}'


ANSWER: dict[str, Any] = {
    "status": "pending", "phase": "pending", "purpose": "connect", "tenantId": 1, "expiresAt": "2026-05-25T23:59:59Z",
    "usedAt": None, "openedAt": None, "completedAt": None, "resultingWabaId": None, "resultingPhoneNumberIds": [],
    "successRedirectUrl": "https://your-app.com/onboarding/success",
    "failureRedirectUrl": "https://your-app.com/onboarding/failed", "allowedConnectionTypes": ["dedicated"],
    "themeConfig": {"primaryColor": "#0F766E", "companyName": "Acme SaaS"}, "phoneProvisioningEnabled": False,
    "phoneNumberCountryIsos": [], "reconnectPhoneNumberId": None, "language": "en", "state": None,
    "metadata": {"plan": "pro"}, "prefill": {}, "syncHistory": False, "issueApiKey": False, "failure": None,
    "endedReason": None, "warnings": [],
}  # fmt: skip


class Bare:
    """The handlers around one database; `keys` are bearer tokens and their tenants."""

    def __init__(self, db: Database, keys: dict[str, int]) -> None:
        self._db, self._keys, self._clock = db, keys, SystemClock()
        self._renderer = Renderer()
        self._sealer = Sealer(1, {1: AESGCM(AESGCM.generate_key(256))})
        self._brand = make_brand(build_palette({"primaryColor": "#0F766E"}, "Acme SaaS"), asked_by="Acme SaaS")

    async def create(self, request: Request) -> Response:
        """The reads and writes of creating a link, and two fields as the answer."""
        tenant_id = self._keys[request.headers["authorization"]]
        customer_id = int(request.path_params["customerId"])
        raw = await request.body()
        key = request.headers[idempotency.HEADER]
        body = await self._db.unit(self.write, tenant_id, customer_id, raw, key, ids.uuid4())
        return Response(body, 201, media_type="application/json")

    async def write(self, tx: Unit, tenant_id: int, customer_id: int, raw: bytes, key: str, link_id: str) -> bytes:
        """Six reads, then what they lead to."""
        now = self._clock.now()
        asked = msgspec.json.decode(raw)
        await tx.one(idempotency.FIND, tenant_id, ACTOR, key)
        await tx.one(tenants.FIND, tenant_id)
        await tx.one(customers.FIND, tenant_id, customer_id)
        listeners = await tx.all(webhooks.LISTENERS, tenant_id)
        place = (tenant_id, customer_id, "connect", 0)
        slot = await tx.one(store.FIND_SLOT, *place)
        assert slot is not None
        older = await tx.one(store.FIND_LINK, tenant_id, slot["link_id"])
        assert older is not None
        tx.must(
            Conflict(), REVOKE, tenant_id, older["id"], older["version"], now, "revoked", None, now, "superseded", None
        )
        tx.add(store.ADD_STEP, tenant_id, older["id"], ids.uuid7(now), now, "revoked", SUPERSEDED)
        told = {"type": "setup_link.revoked", "timestamp": instant(now), "data": _told(older["id"], customer_id, now)}
        self._tell(
            tx, tenant_id, customer_id, older["id"], now, "setup_link.revoked", wire.encode(told), listeners[0]["id"]
        )
        tx.must(Conflict(), store.TAKE_SLOT, *place, link_id, slot["version"])
        secret = ids.crockford(130)
        sealed = self._sealer.seal(secret.encode(), "setup_link", link_id, "url_secret")
        tx.add(
            store.ADD_LINK, tenant_id, link_id, customer_id, "connect", ids.digest(secret), sealed, now + 7 * DAY, now,
            "dedicated", asked["successRedirectUrl"], asked["failureRedirectUrl"], THEME, "en", None, METADATA, "{}",
            0, "[]", 0, 0, None, None, "[]", ACTOR,
        )  # fmt: skip
        url = f"http://127.0.0.1:8080/signup/{link_id}-{secret}"
        told = {"type": "setup_link.created", "timestamp": instant(now), "data": _told(link_id, customer_id, now)}
        event = self._sealer.seal(wire.encode({**told, "url": url}), "event_payload", link_id, "body")
        self._tell(tx, tenant_id, customer_id, link_id, now, "setup_link.created", event, listeners[0]["id"])
        tx.add(audit.ADD, tenant_id, ids.uuid7(now), now, ACTOR, "setup_link.created", "setup_link", link_id, DETAIL)
        body = wire.encode(ANSWER | {"id": link_id, "url": url, "customerId": customer_id, "createdAt": instant(now)})
        answer = self._sealer.seal(body, "idempotency", key, "answer")
        hashed = hashlib.sha256(raw).digest()
        tx.must(
            Conflict(), idempotency.KEEP, tenant_id, ACTOR, key, hashed, "done", 201, answer, now, now + DAY
        )  # fmt: skip
        tx.add(webhooks.EARLIER_DUE, tenant_id, listeners[0]["id"], now)
        return body

    def _tell(
        self, tx: Unit, tenant_id: int, customer_id: int, link_id: str, now: int, kind: str, body: bytes, endpoint: int
    ) -> None:
        event_id = ids.uuid7(now)
        tx.add(webhooks.ADD_EVENT, tenant_id, event_id, kind, now, customer_id, None, link_id)
        tx.add(webhooks.ADD_PAYLOAD, tenant_id, event_id, customer_id, 1, body)
        tx.add(webhooks.ADD_DELIVERY, tenant_id, ids.uuid7(now), endpoint, event_id, kind, now, now, None, None)

    async def landing(self, request: Request) -> Response:
        """The page's read and the page's drawing."""
        row = await self._db.one(SHOWN, request.path_params["link"][:36])
        assert row is not None
        here = request.url.path
        page = Landing(
            self._brand, row["customer_name"], False, here, "6578a0f0.0123456789abcdef0123456789abcdef",
            f"{here}/opened", "25 May 2026",
        )  # fmt: skip
        return HTMLResponse(self._renderer.render(page, "AbCdEfGhIjKlMnOpQrStUvWx"))

    def routes(self) -> list[Route]:
        """Both."""
        return [
            Route("/admin/customers/{customerId}/setup-links", self.create, methods=["POST"]),
            Route("/signup/{link}", self.landing, methods=["GET"]),
        ]


def _told(link_id: str, customer_id: int, now: int) -> dict[str, Any]:
    """The data of a link's event."""
    return {
        "tenant_id": 1, "setup_link_id": link_id, "customer_id": customer_id, "purpose": "connect",
        "status": "pending", "phase": "pending", "expires_at": instant(now + 7 * DAY), "state": None,
        "metadata": {"plan": "pro"}, "external_id": "clinic_000001",
    }  # fmt: skip


async def serve(port: int, keys: dict[str, int]) -> None:
    """Serves until SIGTERM."""
    db = await open_database(
        os.environ.get("SETUPLINKS_DATABASE_URL"), Path(os.environ.get("SETUPLINKS_DATA_DIR", "data"))
    )
    app = Starlette(routes=Bare(db, keys).routes())
    config = uvicorn.Config(app, port=port, ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=2)
    await uvicorn.Server(config).serve()
    await db.close()


def main() -> None:
    """Reads the command line."""
    import uvloop  # noqa: PLC0415 - as uvicorn does where it is there

    pairs = (pair.partition(":") for pair in sys.argv[2].split(","))
    uvloop.run(serve(int(sys.argv[1]), {f"Bearer {key}": int(tenant) for tenant, _, key in pairs}))


if __name__ == "__main__":
    main()
