"""Takes off again what a run that came to nothing had set up at Meta, then erases its token.

Owns the end of `cleanup:…` runs: unsubscribe where this run subscribed and nobody else needs it. Why a run ended stands
in `service`; who looks at whom, and in which order, in decision 6.
"""

import logging

import msgspec

from setuplinks.core.clock import HOUR, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.logs import act
from setuplinks.core.vault import Vault
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.provisioning import store
from setuplinks.provisioning.machine import BACKOFF
from setuplinks.provisioning.models import Provisioning
from setuplinks.whatsapp import store as whatsapp

CLEANUP_LIVES = 24 * HOUR

log = logging.getLogger("setuplinks.provisioning")


class CleanUps:
    """Ends runs that are being cleaned up."""

    def __init__(self, db: Database, clock: Clock, vault: Vault, graph: Graph) -> None:
        self._db, self._clock, self._vault, self._graph = db, clock, vault, graph

    async def end(self, run: Provisioning) -> None:
        """Unsubscribes WABA by WABA; where Meta cannot now, the rest is tried again, for a day at most."""
        now = self._clock.now()
        left = list(run.facts.subscribed_by_us) if run.token is not None else []
        error_code: str | None = None
        while left:
            try:
                await self._leave(run, left[0])
            except GraphError as error:
                error_code = str(error)
                if error.retryable and now - run.working_since < CLEANUP_LIVES:
                    await self._again(run, left, error.wait_s)
                    return
            left.pop(0)
        async with self._db.transaction() as tx:
            store.change(
                tx, run, now, status=run.status.removeprefix("cleanup:"), due_at=None, lease_until=None, token=None,
                pin=None, ended_at=now,
            )  # fmt: skip
        act(log, "provisioning.cleaned_up", provisioning=run.id, link=run.link_id, error=error_code)

    async def _leave(self, run: Provisioning, meta_waba_id: str) -> None:
        if await self._db.one(whatsapp.HELD_OF_WABA, meta_waba_id) is not None:
            return
        if await others_on(self._db, run, meta_waba_id, "running") or run.token is None:
            return
        sealer = await self._vault.tenant(run.tenant_id)
        token = Secret(sealer.open(run.token, "provisioning", run.id, "token").decode())
        await self._graph.unsubscribe(token, meta_waba_id)

    async def _again(self, run: Provisioning, left: list[str], wait_s: int | None) -> None:
        now = self._clock.now()
        wait = (wait_s or BACKOFF[min(run.tries, len(BACKOFF) - 1)]) * SECOND
        facts = msgspec.structs.replace(run.facts, subscribed_by_us=tuple(left))
        async with self._db.transaction() as tx:
            store.change(tx, run, now, facts=facts, due_at=now + wait, tries=run.tries + 1, lease_until=None)


async def others_on(db: Database, run: Provisioning, meta_waba_id: str, status: str) -> int:
    """How many other runs have this WABA; both sides commit what they are about to do before they look."""
    row = await db.one(store.OTHERS_ON_WABA, meta_waba_id, status, run.tenant_id, run.id)
    return int(row["n"]) if row else 0
