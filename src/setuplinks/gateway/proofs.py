"""Whose a file, a template or a flow is: their ids stand in no table of ours, so Meta is asked, and yes is remembered.

Owns the proofs and what is remembered of them. A proof is a read with the customer's own token; without one nothing is
passed on, though the token would reach it: one customer's token may reach accounts that this key does not.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

from setuplinks.gateway import refusals
from setuplinks.gateway.credentials import Credentials
from setuplinks.gateway.models import Grant, Kind, Target
from setuplinks.gateway.objects import Objects
from setuplinks.gateway.refusals import Refusal
from setuplinks.meta import ownership
from setuplinks.meta.errors import GraphError
from setuplinks.meta.gateway_language import OF_A_FLOW, UPLOAD, UPLOADS, GraphPath
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret

REMEMBERED = 50_000
MOST_TRIED = 8  # numbers of which Meta is asked whether a file is theirs


@dataclass(frozen=True, slots=True)
class _Proven:
    kind: Kind
    meta_waba_id: str
    meta_number: str | None


class Proofs:
    """Finds what only Meta knows."""

    def __init__(self, objects: Objects, credentials: Credentials, graph: Graph) -> None:
        self._objects, self._credentials, self._graph = objects, credentials, graph
        self._proven: OrderedDict[tuple[int, str], _Proven] = OrderedDict()

    def forget(self) -> None:
        """Drops what was proven; it is proven anew where it is asked for."""
        self._proven.clear()

    def remember(self, target: Target, kind: Kind, meta_id: str) -> None:
        """Meta has said that this object is that target's: nobody asks again."""
        place = (target.tenant_id, meta_id)
        self._proven[place] = _Proven(kind, target.meta_waba_id, target.meta_phone_number_id)
        self._proven.move_to_end(place)
        if len(self._proven) > REMEMBERED:
            self._proven.popitem(last=False)

    async def find(self, grant: Grant, path: GraphPath, number: str | None) -> Target | None:
        """The object, where it is proven to be this key's. `number` is the one that the client names for a file.

        Raises Refusal.
        """
        known = self._proven.get((grant.tenant_id, path.node))
        if known is not None:
            self._proven.move_to_end((grant.tenant_id, path.node))
            if path.edge and not (known.kind == "flow" and path.edge in OF_A_FLOW):
                return None  # an edge of something else: what is sent there is no file, template or flow
            return await self._of(grant, known, path.node)
        if path.node.startswith(UPLOAD) or (path.node == self._graph.app_id and path.edge == UPLOADS):
            return await self._upload(grant, path.node)
        # An edge of a number or a WABA, and this id is neither; and the app's settings are its own token's.
        if (path.edge and path.edge not in OF_A_FLOW) or path.node == self._graph.app_id:
            return None
        return await self._ask(grant, path, number)

    async def _of(self, grant: Grant, known: _Proven, meta_id: str) -> Target | None:
        if known.meta_number is not None:
            owner = await self._objects.number(grant, known.meta_number)
        else:
            owner = await self._objects.waba(grant, known.meta_waba_id)
        return None if owner is None else replace(owner, kind=known.kind, meta_id=meta_id)

    async def _upload(self, grant: Grant, meta_id: str) -> Target | None:
        """A file for a template or a profile goes to the app, whichever token brings it. A session's id is Meta's own
        signed secret, given to whoever began it: that is the proof."""
        if grant.meta_waba_id is not None:
            owner = await self._objects.waba(grant, grant.meta_waba_id)
        else:
            ids = await self._objects.numbers_of_tenant(grant, 0)
            owner = await self._objects.number(grant, ids[0]) if ids else None
        if owner is None:
            return None
        return Target("upload", meta_id, owner.tenant_id, owner.customer_id, owner.waba_id, owner.meta_waba_id)

    async def _ask(self, grant: Grant, path: GraphPath, number: str | None) -> Target | None:
        asked: set[int] = set()
        for owner in await self._candidates(grant, number):
            credential = await self._credentials.of(owner.tenant_id, owner.waba_id)
            if credential is None or credential.dead is not None:
                continue
            try:
                found = await self._file(owner, credential.token, path)
                if found is None and owner.waba_id not in asked:
                    asked.add(owner.waba_id)
                    found = await self._of_account(owner, credential.token, path)
            except GraphError as error:
                raise _failed(error) from None
            if found is not None:
                self.remember(found, found.kind, path.node)
                return found
        if grant.meta_waba_id is None and number is None:
            raise refusals.not_yours(
                path.node, "GET", details="Name the number of a file (phone_number_id=…), or use the key of the WABA."
            )
        return None

    async def _candidates(self, grant: Grant, number: str | None) -> list[Target]:
        """The numbers whose the object may be; of an account without numbers the account itself."""
        if number is not None:
            named = await self._objects.number(grant, number)
            return [] if named is None else [named]
        if grant.meta_waba_id is not None:
            waba = await self._objects.waba(grant, grant.meta_waba_id)
            ids = [] if waba is None else await self._objects.numbers_of(grant, waba)
            if waba is not None and not ids:
                return [waba]
        else:
            ids = await self._objects.numbers_of_tenant(grant, MOST_TRIED)
            if len(ids) > MOST_TRIED:
                return []
        found = [await self._objects.number(grant, meta_id) for meta_id in ids[:MOST_TRIED]]
        return [target for target in found if target is not None]

    async def _file(self, owner: Target, token: Secret, path: GraphPath) -> Target | None:
        if owner.meta_phone_number_id is None or path.edge:
            return None
        is_file = await ownership.media_is_of(self._graph, token, path.node, owner.meta_phone_number_id)
        return replace(owner, kind="media", meta_id=path.node) if is_file else None

    async def _of_account(self, owner: Target, token: Secret, path: GraphPath) -> Target | None:
        kind: Kind
        if await ownership.waba_of_flow(self._graph, token, path.node) == owner.meta_waba_id:
            kind = "flow"
        elif not path.edge and await ownership.template_is_of(self._graph, token, path.node, owner.meta_waba_id):
            kind = "template"
        else:
            return None
        # Not the number's but the account's.
        return Target(kind, path.node, owner.tenant_id, owner.customer_id, owner.waba_id, owner.meta_waba_id)


def _failed(error: GraphError) -> Refusal:
    """Meta could not say whose it is."""
    if error.token_death is not None:
        return refusals.dead_token("Meta no longer accepts the customer's token; the customer has to reconnect.")
    if error.throttled:
        return Refusal(
            error.status or 429, error.code or 80007, error.message or "Meta asks to slow down.",
            transient=True, retry_after=error.wait_s,
        )  # fmt: skip
    return refusals.unreachable() if error.retryable else refusals.away()
