"""The gateway's parts put together, and what wakes their caches. No rules live here."""

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.vault import Vault
from setuplinks.gateway.access import Access
from setuplinks.gateway.credentials import Credentials
from setuplinks.gateway.dead_tokens import DeadTokens
from setuplinks.gateway.forward import Forward
from setuplinks.gateway.media import FileAddresses
from setuplinks.gateway.objects import Objects
from setuplinks.gateway.pace import Pace
from setuplinks.gateway.proofs import Proofs
from setuplinks.gateway.routes import Gateway
from setuplinks.gateway.sends import Sends
from setuplinks.meta.graph import Graph
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.settings import Settings
from setuplinks.tenants.auth import Auth
from setuplinks.tenants.idempotency import Idempotency
from setuplinks.tenants.key_memory import CHANNEL as KEYS
from setuplinks.whatsapp.store import CREDENTIALS


class GatewayParts:
    """Built once; `start` before the first request, `stop` after the last."""

    def __init__(
        self, settings: Settings, db: Database, clock: Clock, vault: Vault, auth: Auth, kept: Idempotency,
        graph: Graph, disconnects: Disconnects,
    ) -> None:  # fmt: skip
        self._db = db
        self.sends = Sends(kept, clock)
        self.access = Access(db, clock, auth, settings.proxy_networks)
        self.objects = Objects(db, clock)
        self.credentials = Credentials(db, clock, vault, graph.app_secret)
        self.forward = Forward(graph.base_url, clock, graph.usage)
        self.proofs = Proofs(self.objects, self.credentials, graph)
        self.calls = Gateway(
            self.access, self.objects, self.proofs, self.credentials, self.forward,
            DeadTokens(db, self.credentials, disconnects),
            FileAddresses(settings.key_ring, settings.public_url, graph.base_url), self.sends, Pace(clock),
            f"{settings.public_url}/graph",
        )  # fmt: skip

    async def start(self) -> None:
        """Begins to listen for whatever ends a key, an owner or a token."""
        await self.access.start()
        await self._db.listen(KEYS, self.forget)
        await self._db.listen(CREDENTIALS, self.forget)
        self._db.on_listen_lost(self.forget)

    def forget(self) -> None:
        """Drops what is kept of objects and tokens."""
        self.objects.forget()
        self.credentials.forget()

    async def stop(self) -> None:
        """Finishes what is under way and closes every connection."""
        await self.sends.settle()
        await self.access.settle()
        await self.forward.close()
