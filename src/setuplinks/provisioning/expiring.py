"""Tells that a token is about to end, 14, 7 and 1 day before, and cuts its numbers off when it has ended.

Owns the runner over `credential.warn_at`. No call to Meta is made: the end was told with the token. A word is said
once: it stands in one unit with the next word's time. After a downtime the nearest word is said, the others are not.
"""

import logging
from typing import Any

from setuplinks.core.clock import HOUR, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Conflict, Problem, RaceLost, Unavailable
from setuplinks.core.wire import instant
from setuplinks.customers import store as customers
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import SetupLink
from setuplinks.webhooks.service import Events
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.expiry import days_left, next_word
from setuplinks.whatsapp.models import NumberMoved, PhoneNumber
from setuplinks.whatsapp.tell import number_data

CHANNEL = "token-expiry"
AT_ONCE = 32
AFTER_CRASH = HOUR

log = logging.getLogger("setuplinks.expiring")


class ExpiryRunner:
    """One of the worker's runners."""

    name = "token-expiry"
    channel = CHANNEL

    def __init__(self, db: Database, clock: Clock, events: Events, disconnects: Disconnects) -> None:
        self._db, self._clock, self._events, self._disconnects = db, clock, events, disconnects

    async def run_once(self) -> int:
        """Says what is due; how many tokens that were."""
        rows = await self._db.read(whatsapp.DUE_WORDS, self._clock.now(), AT_ONCE)
        return sum([await self._say(row) for row in rows])

    async def _say(self, row: Row) -> bool:
        """One token; whatever goes wrong with it holds up no other. False where nothing was done."""
        try:
            await self._db.unit(self._word, row["tenant_id"], row["waba_id"])
        except (Unavailable, Conflict, RaceLost) as error:  # the database is away, or others write: the next round
            act(log, "expiring.put_off", logging.WARNING, waba=row["waba_id"], why=error.code)
            return False
        except Exception:
            log.exception("expiring.crashed", extra={"fields": {"waba": row["waba_id"]}})
            return await self._put_off(row)
        return True

    async def _put_off(self, row: Row) -> bool:
        try:
            async with self._db.transaction() as tx:
                self._said(tx, row, self._clock.now() + AFTER_CRASH)
        except Problem as error:
            act(log, "expiring.put_off", logging.WARNING, waba=row["waba_id"], why=error.code)
            return False
        return True

    async def _word(self, tx: Unit, tenant_id: int, waba_id: int) -> None:
        """The word that is due for this token, and the next one's time. Another process may have been first."""
        now = self._clock.now()
        row = await tx.one(whatsapp.FIND_CREDENTIAL, tenant_id, waba_id)
        if row is None or row["warn_at"] is None or row["warn_at"] > now:
            return
        expires_at = row["token_expires_at"]
        days = None if expires_at is None else days_left(expires_at, now)
        if days == 0:
            self._said(tx, row, None)
            await self._disconnects.disconnect(tx, tenant_id, waba_id, "token_expired")
            act(log, "expiring.ended", waba=waba_id, tenant=tenant_id)
            return
        self._said(tx, row, next_word(expires_at, now))
        numbers = await whatsapp.numbers(tx, whatsapp.NUMBERS_OF_WABA, tenant_id, waba_id)
        living = [number for number in numbers if number.status in {"pending", "active"}]
        if days is not None and living:
            await self._tell(tx, living, expires_at, days)
            act(log, "expiring.told", waba=waba_id, tenant=tenant_id, days=days, numbers=len(living))

    def _said(self, tx: Unit, row: Row, following: int | None) -> None:
        key = (row["tenant_id"], row["waba_id"], row["version"])
        tx.must(NumberMoved(), whatsapp.WORD_SAID, *key, row["warn_at"], following)

    async def _tell(self, tx: Unit, numbers: list[PhoneNumber], expires_at: int, days: int) -> None:
        """One event for each number; all carry the account's one reconnect link."""
        first = numbers[0]
        waba = await whatsapp.waba(tx, first.tenant_id, first.waba_id)
        customer = await customers.find(tx, first.tenant_id, first.customer_id)
        if waba is None or customer is None:
            return
        way_back = await self._disconnects.way_back(tx, first)
        audience = await self._events.load(tx, first.tenant_id)
        more: dict[str, Any] = {"expires_at": instant(expires_at), "days_left": days, **way_back}
        for number in numbers:
            row = await tx.one(links.FIND_LINK, number.tenant_id, number.link_id) if number.link_id else None
            data = number_data(number, waba, customer, SetupLink.of(row) if row else None)
            self._events.emit(
                tx, audience, "whatsapp.phone_number.token_expiring", {**data, **more}, customer_id=customer.id,
                phone_id=number.id, link_id=number.link_id, secret=True,
            )  # fmt: skip
