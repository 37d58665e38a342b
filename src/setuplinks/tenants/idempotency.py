"""The same POST twice has the effect of one: answers are kept for 24 hours under the caller's `Idempotency-Key`.

Owns the table `idempotency`. The row is written in the unit of the change that it stands for, its answer sealed. A POST
that calls out is recorded as running before the call, since what it did is unknown after a crash.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from setuplinks.core import wire
from setuplinks.core.clock import DAY, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.problems import Conflict, Problem, RaceLost
from setuplinks.core.vault import Sealer, Vault
from setuplinks.tenants.auth import Caller

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
KEPT_FOR = DAY
LONGEST = 255
TABLE = "idempotency"

FIND = (
    "SELECT request_hash, status, http_status, answer, created_at, expires_at FROM idempotency "
    "WHERE tenant_id = $1 AND actor = $2 AND idempotency_key = $3"
)
# A row whose day is over does not count: it is overwritten in place.
KEEP = (
    "INSERT INTO idempotency (tenant_id, actor, idempotency_key, request_hash, status, http_status, answer, "
    "created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
    "ON CONFLICT (tenant_id, actor, idempotency_key) DO UPDATE SET request_hash = excluded.request_hash, "
    "status = excluded.status, http_status = excluded.http_status, "
    "answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at "
    "WHERE idempotency.expires_at <= excluded.created_at"
)
FINISH = (
    "UPDATE idempotency SET status = 'done', http_status = $4, answer = $5 "
    "WHERE tenant_id = $1 AND actor = $2 AND idempotency_key = $3 AND status = 'running'"
)
DROP = "DELETE FROM idempotency WHERE tenant_id = $1 AND actor = $2 AND idempotency_key = $3 AND status = 'running'"
OVER = "SELECT 1 AS found FROM idempotency WHERE expires_at <= $1 LIMIT 1"
ERASE = (
    "DELETE FROM idempotency WHERE (tenant_id, actor, idempotency_key) IN "
    "(SELECT tenant_id, actor, idempotency_key FROM idempotency WHERE expires_at <= $1 LIMIT 500)"
)


class KeyReused(Conflict):
    """The Idempotency-Key was used for another request within 24 hours."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for another request."


class OutcomeUnknown(Conflict):
    """A request with this key was begun, and its end was never recorded."""

    code = "outcome_unknown"
    title = "A request with this Idempotency-Key was begun; its outcome is not recorded."
    begun_at = 0
    """When (µs) the request was begun that may still be running."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body, as it is sent and as it is kept."""

    status: int
    body: bytes = field(default=b"", repr=False)
    replayed: bool = False


Verb = Callable[[Unit], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Kept:
    """One request's place in the table, and how its answer is sealed."""

    tenant_id: int
    actor: str
    key: str
    request_hash: bytes
    sealer: Sealer

    @property
    def row(self) -> tuple[int, str, str]:
        """The table's key."""
        return self.tenant_id, self.actor, self.key

    def sealed(self, answer: Answer) -> bytes:
        """The answer's bytes as stored."""
        return self.sealer.seal(answer.body, TABLE, f"{self.actor}/{self.key}", "answer")

    def stored(self, row: Row) -> Answer:
        """The stored answer of this very request. Raises KeyReused or OutcomeUnknown."""
        if bytes(row["request_hash"]) != self.request_hash:
            raise KeyReused("Use a new Idempotency-Key for each new request.")
        if row["status"] != "done":
            unknown = OutcomeUnknown(
                "The first request with this key is still running, or was cut off. Read the object before you try "
                "again with a new key."
            )
            unknown.begun_at = int(row["created_at"])
            raise unknown
        body = self.sealer.open(row["answer"], TABLE, f"{self.actor}/{self.key}", "answer")
        return Answer(int(row["http_status"]), body, replayed=True)


class Idempotency:
    """Runs a POST's verb once for each key."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        self._db, self._vault, self._clock = db, vault, clock

    async def unit(self, request: Request, caller: Caller, body: bytes, verb: Verb) -> Answer:
        """Runs `verb` in one unit, or answers as the first request with the same key did."""
        kept = await self._kept(request, caller, body)
        if kept is None:
            return await self._db.unit(verb)
        return await self._db.unit(self._once, kept, verb)

    async def calling_out(
        self, request: Request, caller: Caller, body: bytes, work: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Runs `work`, which opens its own units and calls others' servers in between.

        A Problem below 500 that `work` raises is a known outcome and frees the key; any other end leaves it as running,
        and the same request is told `outcome_unknown`.
        """
        kept = await self._kept(request, caller, body)
        if kept is None:
            return await work()
        begun = await self.begin(kept)
        if begun is not None:
            return begun
        try:
            answer = await work()
        except Problem as known:
            if known.status >= 500:
                raise
            await self.free(kept)
            raise
        await self.finish(kept, answer)
        return answer

    async def place(self, tenant_id: int, actor: str, key: str, request_hash: bytes) -> Kept:
        """One request's place, for callers that speak another language than the API. Raises Invalid for a bad key."""
        if not 0 < len(key) <= LONGEST or not (key.isascii() and key.isprintable()):
            raise wire.invalid("Idempotency-Key", f"expected 1 to {LONGEST} printable ASCII characters")
        sealer = await (self._vault.tenant(tenant_id) if tenant_id else self._vault.installation())
        return Kept(tenant_id, actor, key, request_hash, sealer)

    async def begin(self, kept: Kept) -> Answer | None:
        """Records the request as running and gives None, or the first one's answer. Raises KeyReused, OutcomeUnknown.

        What was begun ends by `finish` or `free`; where neither is reached, its outcome stays unknown.
        """
        return await self._db.unit(self._begin, kept)

    async def finish(self, kept: Kept, answer: Answer) -> None:
        """Keeps the answer of what was begun."""
        async with self._db.transaction() as tx:
            tx.add(FINISH, *kept.row, answer.status, kept.sealed(answer))

    async def free(self, kept: Kept) -> None:
        """What was begun had no effect: the key may be used again."""
        async with self._db.transaction() as tx:
            tx.add(DROP, *kept.row)

    async def erase(self) -> int:
        """Erases up to 500 answers whose 24 hours are over; how many."""
        now = self._clock.now()
        if await self._db.one(OVER, now) is None:  # most looks find nothing, and a read takes no lock
            return 0
        return await self._db.bulk(ERASE, now)

    async def _once(self, tx: Unit, kept: Kept, verb: Verb) -> Answer:
        row = await self._find(tx, kept)
        if row is not None:
            return kept.stored(row)
        answer = await verb(tx)
        self._keep(tx, kept, "done", answer)
        return answer

    async def _begin(self, tx: Unit, kept: Kept) -> Answer | None:
        row = await self._find(tx, kept)
        if row is not None:
            return kept.stored(row)
        self._keep(tx, kept, "running", None)
        return None

    async def _find(self, tx: Unit, kept: Kept) -> Row | None:
        row = await tx.one(FIND, *kept.row)
        return row if row is not None and row["expires_at"] > self._clock.now() else None

    def _keep(self, tx: Unit, kept: Kept, status: str, answer: Answer | None) -> None:
        now = self._clock.now()
        http_status, sealed = (None, None) if answer is None else (answer.status, kept.sealed(answer))
        lost = RaceLost("Another request with this Idempotency-Key came first; send it again.")
        tx.must(lost, KEEP, *kept.row, kept.request_hash, status, http_status, sealed, now, now + KEPT_FOR)

    async def _kept(self, request: Request, caller: Caller, body: bytes) -> Kept | None:
        key = request.headers.get(HEADER)
        if key is None:
            return None
        # From the scope: Starlette would build a whole URL to take it apart again.
        path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
        target = f"{request.method} {path}?{query}\n".encode()
        return await self.place(caller.home, caller.actor, key, hashlib.sha256(target + body).digest())
