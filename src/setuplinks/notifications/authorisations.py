"""What a notification says of our app's access to an account: it came, it went, or it may be on its way.

Owns the way from Meta's words into row 20 and the questions whether an account is just being connected, or has left us.
What becomes of an authorisation that nobody awaits stands in `provisioning/orphans`.
"""

from setuplinks.core.clock import DAY, Clock
from setuplinks.core.db.database import Database
from setuplinks.meta.notices import CONNECTS, LEAVES, Change, is_about_app
from setuplinks.provisioning import orphans
from setuplinks.provisioning import store as runs
from setuplinks.provisioning.orphans import Notice, Orphans
from setuplinks.provisioning.questions import Questions
from setuplinks.whatsapp import store as whatsapp

HELD_FOR = DAY  # what is told of an account that the operator may still assign waits so long for it


class Authorisations:
    """The verbs; each opens its own unit."""

    def __init__(self, db: Database, clock: Clock, known: Orphans, questions: Questions, app_id: str) -> None:
        self._db, self._clock, self._orphans, self._questions = db, clock, known, questions
        self._app_id = app_id

    async def heard(self, change: Change) -> bool:
        """News of an account: whoever waits for a number in it is looked at; True where it is about our access."""
        meta_waba_id = change.meta_waba_id
        if meta_waba_id is None:
            return False
        await self._db.unit(self._questions.look_again, meta_waba_id)
        if change.event not in CONNECTS | LEAVES or not is_about_app(change, self._app_id):
            return False
        told_at = self._clock.now() if change.told_at is None else change.told_at
        notice = Notice(meta_waba_id, change.owner_business_id, change.event or "", told_at)
        verb = self._orphans.added if change.event in CONNECTS else self._orphans.removed
        await self._db.unit(verb, notice, await self._db.next_id("orphan_authorisation"))
        return True

    async def may_be_connected(self, change: Change) -> bool:
        """True while a run works on the account, or its authorisation is new: what is told of it meanwhile is held."""
        meta_waba_id = change.meta_waba_id
        if meta_waba_id is None:
            return False
        if await self._db.one(runs.RUNNING_WITH_WABA, meta_waba_id, f'%"{meta_waba_id}"%') is not None:
            return True
        row = await self._db.one(orphans.FIND_BY_WABA, meta_waba_id)
        return row is not None and row["closed_at"] is None and self._clock.now() - row["noticed_at"] < HELD_FOR

    async def has_left(self, change: Change) -> bool:
        """True for an account that was connected once and whose last customer is off-boarded: nothing of it is kept."""
        if change.meta_waba_id is None:
            return False
        rows = await self._db.read(whatsapp.KNOWN_OF_META, change.meta_waba_id)
        return bool(rows) and all(row["status"] == "deleted" for row in rows)
