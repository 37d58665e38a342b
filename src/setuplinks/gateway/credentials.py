"""The customer's real token behind a WABA, opened once and kept in this process for a short while.

Owns that cache and the rule when a token counts as dead. Where a credential, a number or its owner changes, every
process forgets at once.
"""

from dataclasses import dataclass, field

from setuplinks.core.clock import SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.vault import Vault
from setuplinks.gateway import store
from setuplinks.meta.secret import Secret
from setuplinks.meta.signatures import appsecret_proof

KEPT_FOR = 30 * SECOND
MOST = 50_000


@dataclass(frozen=True, slots=True)
class Credential:
    """A token and its proof. `dead` says for what reason Meta no longer takes it; None while it does.

    `which` of the account's credentials it is: its version and when it was obtained.
    """

    tenant_id: int
    waba_id: int
    which: tuple[int, int]
    token: Secret
    proof: str = field(repr=False)
    dead: str | None
    read_at: int


class Credentials:
    """Finds the token of a WABA."""

    def __init__(self, db: Database, clock: Clock, vault: Vault, app_secret: Secret) -> None:
        self._db, self._clock, self._vault, self._app_secret = db, clock, vault, app_secret
        self._kept: dict[tuple[int, int], Credential] = {}
        self._dead: dict[tuple[int, int], tuple[tuple[int, int], str, int]] = {}
        self._era = 0

    def forget(self) -> None:
        """Drops what is kept. What Meta has just said of a token stays: the database may not know it yet."""
        self._era += 1
        self._kept.clear()

    def bury(self, credential: Credential, reason: str) -> None:
        """Meta said that this token is dead: nobody asks with it again until the database has surely been told. From
        then on the database's word counts, since a look at the account may find the token well after all."""
        if len(self._dead) >= MOST:
            self._dead.clear()
        self._dead[credential.tenant_id, credential.waba_id] = (
            credential.which, reason, self._clock.now() + KEPT_FOR,
        )  # fmt: skip
        self._kept.pop((credential.tenant_id, credential.waba_id), None)

    async def of(self, tenant_id: int, waba_id: int) -> Credential | None:
        """The WABA's credential; None where it has none. Raises a Problem (database away, vault closed)."""
        place, now = (tenant_id, waba_id), self._clock.now()
        kept = self._kept.get(place)
        if kept is not None and 0 <= now - kept.read_at < KEPT_FOR:
            return kept
        era = self._era
        row = await self._db.one(store.CREDENTIAL, tenant_id, waba_id)
        if row is None:
            self._kept.pop(place, None)
            return None
        sealer = await self._vault.tenant(tenant_id)
        token = Secret(sealer.open(row["token"], "credential", waba_id, "token").decode())
        which = (row["version"], row["obtained_at"])
        dead = self._buried(place, which, now) or (row["dead"] if not row["alive"] else None)
        found = Credential(
            tenant_id, waba_id, which, token, appsecret_proof(self._app_secret, token), dead, now
        )  # fmt: skip
        if era == self._era:
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[place] = found
        return found

    def _buried(self, place: tuple[int, int], which: tuple[int, int], now: int) -> str | None:
        buried = self._dead.get(place)
        if buried is None:
            return None
        if buried[0] == which and 0 < buried[2] - now <= KEPT_FOR:
            return buried[1]
        del self._dead[place]
        return None
