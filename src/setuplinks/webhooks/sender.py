"""One try of one delivery: open, sign, send, judge. It writes nothing.

Owns the request's headers and what an answer means for the delivery. It does not own when a try is made (`runner`),
what becomes of the result (`ledger`) nor the way out (`core/outbound`).
"""

import logging
import re
from dataclasses import dataclass, field

import msgspec

from setuplinks.core.clock import DAY, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.logs import act
from setuplinks.core.outbound.client import Answer, Outbound, Route
from setuplinks.core.outbound.failures import FailureKind
from setuplinks.core.vault import Sealer, Vault, VaultClosed
from setuplinks.webhooks import retry, signing, store
from setuplinks.webhooks.endpoints import opened_endpoint, signing_keys, signing_secrets
from setuplinks.webhooks.models import META, Endpoint, Parcel, Payload
from setuplinks.webhooks.retry import Verdict
from setuplinks.webhooks.service import opened
from setuplinks.webhooks.service import payload as payload_of
from setuplinks.webhooks.signing import Signer

log = logging.getLogger("setuplinks.webhooks")

KEEP = 30 * SECOND
KEPT = 4_096
"""Endpoints that are kept open."""
JSON = {"content-type": "application/json"}
_FINAL = frozenset({FailureKind.BAD_URL, FailureKind.REFUSED_ADDRESS, FailureKind.TLS_NAME})
# A receiver that echoes what it got must not put a link's secret into the log.
_LINK_SECRET = re.compile(rb"(/signup/[0-9a-fA-F-]{36}-)[0-9a-zA-Z]{26}")


class Result(msgspec.Struct, frozen=True):
    """How a try ended. `words` and `detail` are None where it was delivered.

    `counts` is False where the endpoint had no part in it (our own fault, an erased payload).
    """

    parcel: Parcel
    verdict: Verdict
    started_at: int
    duration: int = 0
    http_status: int | None = None
    words: str | None = None
    detail: str | None = None
    address: str | None = None
    response_start: bytes | None = None
    retry_after: int | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Destination:
    """An endpoint as one version of its row has it, opened, with what signs until `good_until` (µs)."""

    endpoint: Endpoint
    good_until: int
    route: Route
    signer: Signer = field(repr=False)
    sealer: Sealer

    def signed(self, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The signature's headers. Meta's format carries Meta's own as well; that one holds a single signature."""
        found = self.signer.headers(event_id, timestamp, body)
        if self.endpoint.format == META:
            found[signing.META_HEADER] = signing.meta_signature(self.endpoint.secret, body)
        return found


class Sender:
    """Built once by the composition root."""

    def __init__(self, db: Database, vault: Vault, clock: Clock, outbound: Outbound) -> None:
        self._db, self._vault, self._clock, self._outbound = db, vault, clock, outbound
        self._known: dict[tuple[int, int], Destination] = {}

    async def destination(self, tenant_id: int, endpoint_id: int, version: int | None) -> Destination | None:
        """What is needed to send to an endpoint whose row has this version; None where it or its tenant's key is gone.

        Opened once for each version, and anew after half a minute, so that a key that was taken away is not used on.
        """
        known, now = self._known.get((tenant_id, endpoint_id)), self._clock.now()
        if known is not None and known.endpoint.version == version and now < known.good_until:
            return known
        found = await self._open(tenant_id, endpoint_id, now)
        if len(self._known) >= KEPT:
            self._known.clear()
        if found is not None:
            self._known[tenant_id, endpoint_id] = found
        return found

    async def _open(self, tenant_id: int, endpoint_id: int, now: int) -> Destination | None:
        row = await self._db.one(store.ENDPOINT, tenant_id, endpoint_id)
        if row is None:
            return None
        try:
            sealer = await self._vault.tenant(tenant_id)
            lapses = row["secret_previous_until"] or now + DAY
            endpoint = opened_endpoint(row, sealer)
            return Destination(
                endpoint, min(now + KEEP, lapses if lapses > now else now + KEEP),
                self._outbound.route("POST", endpoint.url, {**endpoint.headers, **JSON}),
                Signer(signing_secrets(row, sealer, now), signing_keys(row, sealer, now)), sealer,
            )  # fmt: skip
        except VaultClosed as closed:
            act(log, "delivery.sealed_shut", logging.ERROR, endpoint_id=endpoint_id, detail=closed.detail)
            return None

    async def send(self, parcel: Parcel, payload: Payload | None, destination: Destination | None) -> Result:
        """Makes the try. Never raises for what the other side does; a fault of ours is a result too."""
        started_at = self._clock.now()
        try:
            result = await self._send(parcel, payload, destination, started_at)
        except Exception as error:
            log.exception("delivery.fault")
            words = "not sent: a fault of the service"
            result = Result(parcel, Verdict.RETRY, started_at, words=words, detail=type(error).__name__, counts=False)
        act(
            log, "delivery.attempted", tenant_id=parcel.tenant_id, endpoint_id=parcel.endpoint_id,
            delivery_id=parcel.delivery_id, event_id=parcel.event_id, type=parcel.event_type, attempt=parcel.attempt,
            verdict=result.verdict.value, http_status=result.http_status, error=result.words,
            address=result.address, duration_us=result.duration,
        )  # fmt: skip
        return result

    async def _stored(self, parcel: Parcel) -> Payload | None:
        """The payload of an event that is too old to have come with its delivery; None once it was erased."""
        row = await payload_of(self._db, parcel.tenant_id, parcel.event_id, parcel.event_type)
        return None if row is None else Payload(bool(row["sealed"]), row["body"])

    async def _send(
        self, parcel: Parcel, payload: Payload | None, destination: Destination | None, started_at: int
    ) -> Result:
        if destination is None:
            if await self._db.one(store.ENDPOINT, *parcel.key) is None:
                return Result(parcel, Verdict.FINAL, started_at, words="endpoint is gone", counts=False)
            # A process may lack a master key that another has: what it cannot open is tried again.
            return Result(parcel, Verdict.RETRY, started_at, words="not sent: its secrets stay closed", counts=False)
        payload = payload or await self._stored(parcel)
        if payload is None:
            return Result(parcel, Verdict.FINAL, started_at, words="payload erased", counts=False)
        body = opened(payload.body, payload.sealed, destination.sealer, parcel.event_id)
        stamps = destination.signed(parcel.event_id, started_at // SECOND, body)
        answer = await self._outbound.post(destination.route, body, stamps)
        return judged(parcel, answer, started_at, self._clock.now())


def judged(parcel: Parcel, answer: Answer, started_at: int, now: int) -> Result:
    """What an answer means: any 2xx is success, 410 wants no more, what can never go better is final."""
    status, failure = answer.status, answer.failure
    if failure is not None:
        verdict = Verdict.FINAL if failure.kind in _FINAL else Verdict.RETRY
        words, detail = failure.words, _storable(failure.detail) or None
    elif status is not None and 200 <= status < 300:
        verdict, words, detail = Verdict.DELIVERED, None, None
    else:
        verdict = Verdict.GONE if status == 410 else Verdict.RETRY
        words, detail = f"answered {status}", None
    start = _LINK_SECRET.sub(rb"\1...", answer.body) if answer.body else None
    wait = None if verdict is Verdict.DELIVERED else retry.retry_after(answer.headers.get("retry-after"), now)
    return Result(parcel, verdict, started_at, answer.duration, status, words, detail, answer.address, start, wait)


def _storable(text: str) -> str:
    """Text of a library's error as both databases store it: no NUL, no half characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
