"""Meta's two callbacks about a person: the app was removed, and "delete what you hold of me" (contract 4.7).

Composes `signed_request`, posts it to the service and says what came back, with what Meta would not like of it.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

import aiohttp

from setuplinks.sandbox.world import Token, World

PATHS = {"deauthorize": "/meta/deauthorize", "data_deletion": "/meta/data-deletion"}
DEAUTHORIZED = 458
SECONDS = 15


def signed_request(secret: str, payload: dict[str, Any]) -> str:
    """`signature.payload`, both base64url without padding; signed is the encoded payload, not its JSON."""
    encoded = _unpadded(json.dumps(payload).encode())
    return _unpadded(hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest()) + "." + encoded


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def post(world: World, kind: str, user_id: str, *, forged: bool = False) -> dict[str, Any]:
    """Posts one for this person and waits for the answer; what the person had granted is dead afterwards.

    `forged` signs with another secret: the service must refuse it, and nothing dies.
    """
    payload = {"user_id": user_id, "algorithm": "HMAC-SHA256", "issued_at": int(world.clock.now())}
    signed = signed_request("forged" if forged else world.app_secret, payload)
    if not forged:
        for token in of_person(world, user_id):
            token.dead_subcode = DEAUTHORIZED
    url = world.config.service_url(PATHS[kind])
    if url is None:
        return {"userId": user_id, "status": None, "answer": None, "problem": "no public address is set"}
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    form = {"signed_request": signed}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=form, allow_redirects=False) as answer,
        ):
            text, status = await answer.text(errors="replace"), answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {"userId": user_id, "status": None, "answer": None, "problem": type(error).__name__}
    return {"userId": user_id, "status": status, "answer": text[:2_000], "problem": _problem(kind, status, text)}


def of_person(world: World, user_id: str) -> list[Token]:
    """The tokens that this person granted."""
    return [token for token in world.tokens.values() if token.user_id == user_id]


def _problem(kind: str, status: int, text: str) -> str | None:
    """What Meta would complain of, or None."""
    if status != 200:
        return "Meta wants 200"
    if kind == "deauthorize":
        return None
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not said.get("url") or not said.get("confirmation_code"):
        return "Meta wants JSON with url and confirmation_code"
    return None
