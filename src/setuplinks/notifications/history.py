"""How far the chat history of a number has come: kept with the number, told in its link's timeline when it is over.

Owns the one column and its race: chunks come in any order and several at once. The chats themselves are passed on as
events by `routing`; nothing of them is kept here.
"""

import json
import logging
from typing import Any

from setuplinks.core.clock import DAY, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Conflict
from setuplinks.meta.history import Progress, further, progress_of
from setuplinks.meta.notices import Change
from setuplinks.notifications.owners import Owner
from setuplinks.setup_links import store as links
from setuplinks.whatsapp import store as whatsapp

TRIES = 8
# Meta sends a number's history once for each onboarding: what comes so long after its end belongs to another one.
ANEW_AFTER = DAY

log = logging.getLogger("setuplinks.notifications")


class HistoryMoved(Conflict):
    """Another chunk was written at the same moment; this one is held against it."""

    code = "history_moved"
    title = "Another part of the history was written at the same moment."


class HistoryProgress:
    """The verb for one notification of a history."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def note(self, owner: Owner, change: Change) -> None:
        """Keeps what is further than what is known. Raises HistoryMoved where many chunks press in at once."""
        told = progress_of(change.value)
        if told is None or owner.number is None:
            return
        for left in reversed(range(TRIES)):
            try:
                await self._db.unit(self._note, owner.tenant_id, owner.number.id, told)
            except HistoryMoved:
                if not left:
                    raise
            else:
                return

    async def _note(self, tx: Unit, tenant_id: int, phone_id: int, told: Progress) -> None:
        row = await tx.one(whatsapp.FIND_NUMBER, tenant_id, phone_id)
        if row is None or row["status"] == "deleted":
            return
        now, stored = self._clock.now(), row["history"] or ""
        known = _known(stored, now)
        now_known = further(known, told)
        if now_known == known:
            return
        written = {**_plain(now_known), "updated_at": now}
        tx.must(HistoryMoved(), whatsapp.MOVE_HISTORY, tenant_id, phone_id, json.dumps(written), stored)
        if now_known.is_over:
            link = await links.find(tx, tenant_id, row["link_id"]) if row["link_id"] else None
            if link is not None:
                kind = "history_declined" if now_known.declined else "history_synced"
                links.add_step(tx, link, now, kind, number=row["display_phone_number"])
            act(log, "history.over", phone=phone_id, tenant=tenant_id, declined=now_known.declined or None)


def _known(stored: str, now: int) -> Progress | None:
    if not stored:
        return None
    kept = json.loads(stored)
    known = Progress(kept["phase"], kept["progress"], declined=kept["declined"])
    return None if known.is_over and now - kept["updated_at"] > ANEW_AFTER else known


def _plain(progress: Progress) -> dict[str, Any]:
    return {"phase": progress.phase, "progress": progress.progress, "declined": progress.declined}
