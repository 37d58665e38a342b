"""Meta's notifications in tests: samples with their ids filled in, signed over the raw body, posted as Meta does.

Owns reading the samples (`tests/unit/notifications/samples`, composed from Meta's documented fields) and the POST.
"""

import base64
import hashlib
import hmac
import io
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.sandbox import APP_SECRET

SAMPLES = Path(__file__).parents[1] / "unit" / "notifications" / "samples"
WABA, NUMBER, DISPLAY = "524126980791429", "106540352242922", "15550783881"


def sample(name: str, *, waba: str = WABA, number: str = NUMBER, display: str = DISPLAY) -> dict[str, Any]:
    """A sample with these ids in place of its own."""
    text = (SAMPLES / f"{name}.json").read_text(encoding="utf-8")
    digits = "".join(character for character in display if character.isdigit())
    found: dict[str, Any] = json.loads(text.replace(WABA, waba).replace(NUMBER, number).replace(DISPLAY, digits))
    return found


def body_of(notification: dict[str, Any]) -> bytes:
    """The raw bytes, with unicode escaped as Meta does."""
    return json.dumps(notification, separators=(",", ":")).encode()


def signature_of(body: bytes, secret: str = APP_SECRET) -> str:
    """The value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed_request(user_id: str, issued_at: int, secret: str = APP_SECRET) -> str:
    """Meta's `signed_request` for this app-scoped person; `issued_at` in unix seconds."""
    payload = {"user_id": user_id, "algorithm": "HMAC-SHA256", "issued_at": issued_at}
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=")
    mark = hmac.new(secret.encode(), encoded, hashlib.sha256).digest()
    return (base64.urlsafe_b64encode(mark).rstrip(b"=") + b"." + encoded).decode()


async def post(service_url: str, body: bytes, signature: str | None = None) -> int:
    """Posts a notification; the answer's status."""
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature or signature_of(body)}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{service_url}/meta/notifications", data=io.BytesIO(body), headers=headers) as answer,
    ):
        return answer.status
