"""From one change of a notification to events: whose it is, what kind, and never twice.

Owns the table of Meta's fields and the units in which items are told, where `messages` does not. Each item stands in a
unit of its own with the row that remembers it, so that a batch that is cut off goes on where it stopped, and a bad item
holds up no other.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.meta import history
from setuplinks.meta.notices import ACCOUNT_UPDATE, OF_A_NUMBER, Change, body_of
from setuplinks.notifications import store
from setuplinks.notifications.accounts import Accounts
from setuplinks.notifications.authorisations import Authorisations
from setuplinks.notifications.history import HistoryProgress
from setuplinks.notifications.news import TEMPLATE_FIELDS, AlreadyTold, News, digest_of, news_of
from setuplinks.notifications.owners import Owner, Owners, Round
from setuplinks.webhooks.models import META, Listener
from setuplinks.webhooks.service import Audience, Events, MetaChange

AT_ONCE = 64  # units of one shape; PostgreSQL commits them together

Verb = Callable[[Unit, Owner, Change], Awaitable[str | None]]


@dataclass
class Handled:
    """What became of the changes of one notification. `waits`: somebody is just being connected; look again."""

    told: int = 0
    repeated: int = 0
    noticed: int = 0  # authorisations that came or went
    unrouted: list[Change] = field(default_factory=list)  # nobody's
    gone: int = 0  # of an account whose last customer has left
    waits: bool = False
    failures: list[Exception] = field(default_factory=list)

    def add(self, results: Iterable[bool | BaseException]) -> None:
        """Counts items that were told (True), repeated (False), or failed."""
        for result in results:
            if isinstance(result, Exception):
                self.failures.append(result)
            elif isinstance(result, BaseException):
                raise result
            elif result:
                self.told += 1
            else:
                self.repeated += 1


class Router:
    """Brings changes to the customers that they are about."""

    def __init__(
        self, db: Database, clock: Clock, events: Events, accounts: Accounts, authorisations: Authorisations
    ) -> None:
        self._db, self._clock, self._events, self._accounts = db, clock, events, accounts
        self._authorisations = authorisations
        self._owners, self._history = Owners(db), HistoryProgress(db, clock)
        self._verbs: dict[str, Verb] = {
            ACCOUNT_UPDATE: accounts.account_event,
            "account_review_update": accounts.review,
            "phone_number_name_update": accounts.number_news,
            "phone_number_quality_update": accounts.number_news,
            "business_capability_update": accounts.capability,
        }
        self._marks = tuple(f'"{name}"'.encode() for name in self._verbs)

    def changes_something(self, body: bytes) -> bool:
        """Whether a raw notification may hold a field that changes our rows; a first look, without reading it."""
        return any(mark in body for mark in self._marks)

    async def take(self, changes: list[Change], round_: Round | None = None) -> Handled:
        """All changes, in Meta's order. Never raises for an item's own fault: that stands in `failures`.

        Notifications that are taken together may share a `round_`, where none of them changes what it looks up.
        """
        handled, shared = Handled(), round_ or Round()
        for change in changes:
            try:
                await self._take(change, handled, shared)
            except Exception as error:
                handled.failures.append(error)
        return handled

    async def _take(self, change: Change, handled: Handled, round_: Round) -> None:
        verb, noticed = self._verbs.get(change.field), False
        if verb is not None:
            owners = await self._owners_of(change)
            # One after the other: two units may change the same customer's row.
            for owner in owners:
                handled.add([await self._changed(verb, owner, change)])
            noticed = await self._authorisations.heard(change)
            handled.noticed += noticed
        else:
            owners = await self._owners.of_any(change, round_)
            if change.field in OF_A_NUMBER and change.meta_phone_number_id is not None:
                owners = [owner for owner in owners if owner.number is not None]
            await self._tell_all(change, news_of(change, owners), handled, round_)
            if change.field == history.FIELD:
                for owner in owners:
                    await self._history.note(owner, change)
        if owners or noticed:
            return
        waits = await self._authorisations.may_be_connected(change)
        if not waits and await self._authorisations.has_left(change):
            handled.gone += 1
            return
        handled.unrouted.append(change)
        handled.waits = handled.waits or waits

    async def _owners_of(self, change: Change) -> list[Owner]:
        if change.field == ACCOUNT_UPDATE:
            return await self._owners.of_account_event(change)
        return await self._owners.of_waba(change.meta_waba_id) if change.meta_waba_id is not None else []

    async def _changed(self, verb: Verb, owner: Owner, change: Change) -> bool | Exception:
        digest = digest_of(owner, change)

        async def unit(tx: Unit) -> None:
            event_id = await verb(tx, owner, change)
            self._remember(tx, owner.tenant_id, digest, event_id)

        try:
            await self._db.unit(unit)
        except AlreadyTold:
            return False
        except Exception as error:
            return error
        return True

    async def _tell_all(self, change: Change, news: list[News[Owner]], handled: Handled, round_: Round) -> None:
        """In Meta's order, and many at once: units of one shape share commits."""
        if not news:
            return
        audiences: dict[int, Audience] = {}
        for tenant_id in {one.owner.tenant_id for one in news}:
            look = partial(self._events.load, self._db, tenant_id)
            audiences[tenant_id] = await round_.once(("audience", tenant_id), look)
        told = await self._tell_as_sent(audiences, change, news)
        handled.add([True] * len(told))
        # Where an order is kept, they are recorded in Meta's order, too.
        at_once = 1 if any(audience.keeps_order for audience in audiences.values()) else AT_ONCE
        rest = iter([one for one in news if id(one) not in told])
        while batch := list(islice(rest, at_once)):
            telling = (self._tell(audiences[one.owner.tenant_id], one) for one in batch)
            handled.add(await asyncio.gather(*telling, return_exceptions=True))

    async def _tell_as_sent(self, audiences: dict[int, Audience], change: Change, news: list[News[Owner]]) -> set[int]:
        """The change in Meta's own format, for those who take it so; the `id()`s of the items told with it.

        It stands in one unit with its first new item: so it is told once, and never without a new item. What is raised
        here leaves all of the change to the next try.
        """
        told = set()
        if change.field in OF_A_NUMBER or change.field.startswith(TEMPLATE_FIELDS):
            for tenant_id, audience in audiences.items():
                if audience.takes_changes:
                    theirs = [one for one in news if one.owner.tenant_id == tenant_id]
                    first = await self._db.unit(self._with_first, audience, change, theirs)
                    told |= set() if first is None else {id(first)}
        return told

    async def _with_first(
        self, tx: Unit, audience: Audience, change: Change, news: list[News[Owner]]
    ) -> News[Owner] | None:
        heard = _heard(audience, news)
        name = hashlib.sha256(b"change" + b"".join(one.digest for one in news)).digest()
        if not heard or await tx.one(store.FIND_ITEM, audience.tenant_id, name) is not None:
            return None
        for first in news:
            if await tx.one(store.FIND_ITEM, audience.tenant_id, first.digest) is None:
                break
        else:
            return None
        self._emit(tx, audience, first)
        body, event_id = body_of([change]), None
        for owner, listeners in heard:
            sent = MetaChange(first.event_type, body, owner.customer_id, owner.phone_id)
            event_id = self._events.emit_change(tx, audience.tenant_id, sent, listeners)
        self._remember(tx, audience.tenant_id, name, event_id)
        return first

    async def _tell(self, audience: Audience, news: News[Owner]) -> bool:
        try:
            async with self._db.transaction() as tx:
                self._emit(tx, audience, news)
        except AlreadyTold:
            return False
        return True

    def _emit(self, tx: Unit, audience: Audience, news: News[Owner]) -> None:
        owner = news.owner
        event_id = self._events.emit(
            tx, audience, news.event_type, news.data, customer_id=owner.customer_id, phone_id=owner.phone_id
        )
        self._remember(tx, owner.tenant_id, news.digest, event_id)

    def _remember(self, tx: Unit, tenant_id: int, digest: bytes, event_id: str | None) -> None:
        tx.must(AlreadyTold(), store.ADD_ITEM, tenant_id, digest, event_id, self._clock.now())


def _heard(audience: Audience, news: list[News[Owner]]) -> list[tuple[Owner, list[Listener]]]:
    """Who takes the change in Meta's format; each once, also where several of its customers have the account."""
    found: list[tuple[Owner, list[Listener]]] = []
    taken: set[int] = set()
    for owner in {one.owner.customer_id: one.owner for one in news}.values():
        types = {one.event_type for one in news if one.owner is owner}
        listeners = [
            listener
            for listener in audience.listeners
            if listener.format == META
            and listener.id not in taken
            and any(listener.hears(name, owner.customer_id, owner.phone_id) for name in types)
        ]
        taken |= {listener.id for listener in listeners}
        if listeners:
            found.append((owner, listeners))
    return found
