"""What follows when Meta says that a token is dead: the account is cut off at once, with an event and a way back.

Owns the reading of that answer and the refusal that later calls get. Cutting off itself is `provisioning/disconnect`'s.
"""

import logging

from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Unit
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.gateway import refusals
from setuplinks.gateway.credentials import Credential, Credentials
from setuplinks.gateway.refusals import Refusal
from setuplinks.meta import errors
from setuplinks.meta.errors import Call
from setuplinks.meta.gateway_answers import error_of
from setuplinks.provisioning.disconnect import Disconnects
from setuplinks.provisioning.health import Overtaken
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp.disconnection import REASONS, Reason

_ANY = Call("/{object}", repeatable=False)
_SUBCODES = {"token_expired": 463, "app_removed": 458, "token_revoked": 467}
_WORDS = {
    "token_expired": "the customer's token has expired",
    "app_removed": "the customer has removed the app",
    "token_revoked": "the customer's token was revoked",
}

log = logging.getLogger("setuplinks.gateway")


class DeadTokens:
    """Marks them."""

    def __init__(self, db: Database, credentials: Credentials, disconnects: Disconnects) -> None:
        self._db, self._credentials, self._disconnects = db, credentials, disconnects

    async def look(self, credential: Credential, status: int, body: bytes) -> None:
        """Takes an answer's error: where the token is dead, nobody asks Meta with it again."""
        reason = death(status, body)
        if reason is None:
            return
        self._credentials.bury(credential, reason)
        told: str | None = None
        try:
            await self._db.unit(self._cut_off, credential, reason)
        except Problem as problem:  # the client hears Meta's answer in any case; the next look at the account repeats
            told = problem.code
        act(
            log, "gateway.dead_token", logging.WARNING, tenant=credential.tenant_id, waba=credential.waba_id,
            reason=reason, not_written=told,
        )  # fmt: skip

    async def _cut_off(self, tx: Unit, credential: Credential, reason: Reason) -> None:
        key = (credential.tenant_id, credential.waba_id)
        tx.must(Overtaken(), whatsapp.SAME_CREDENTIAL, *key, *credential.which)
        await self._disconnects.disconnect(tx, *key, reason)


def death(status: int, body: bytes) -> Reason | None:
    """Why the token is dead, by what Meta answered; None where it is not."""
    error = error_of(body) if status >= 400 or b'"error"' in body[:20] else None
    if error is None:
        return None
    told = errors.from_answer(_ANY, status, error).token_death
    return next((reason for reason in REASONS if reason == told), None)


def refusal(reason: str) -> Refusal:
    """What a call is told whose token is known to be dead."""
    words = _WORDS.get(reason, "the customer's token is no longer valid")
    return refusals.dead_token(
        f"{words}. The customer has to reconnect the number: the link stood in the event "
        "whatsapp.phone_number.disconnected, and POST /admin/phone-numbers/{id}/reconnect-link makes one.",
        _SUBCODES.get(reason),
    )  # fmt: skip
