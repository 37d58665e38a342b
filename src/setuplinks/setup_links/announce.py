"""How the life of a link is told in events.

Owns the data of `setup_link.*` events. Which of them is due is decided where the link moves.
"""

from typing import Any

from setuplinks.core.db.unit import Unit
from setuplinks.core.wire import instant
from setuplinks.setup_links.machine import STATUS, Phase
from setuplinks.setup_links.models import SetupLink
from setuplinks.webhooks.service import Audience, Events

EXTERNAL_ID = "SELECT external_id FROM customer WHERE tenant_id = $1 AND id = $2"


async def announce(
    events: Events,
    tx: Unit,
    audience: Audience,
    event_type: str,
    link: SetupLink,
    now: int,
    *,
    phase: Phase | None = None,
    **more: Any,
) -> str:
    """Writes one `setup_link.*` event into the unit of the change; answers the event's id.

    `phase` where the unit moves the link and the caller holds it as it was read. The customer's `external_id` is read
    here unless the caller knows it.
    """
    if "external_id" not in more:
        row = await tx.one(EXTERNAL_ID, link.tenant_id, link.customer_id)
        more["external_id"] = row["external_id"] if row else None
    phase = phase or link.seen(now)
    data: dict[str, Any] = {
        "setup_link_id": link.id,
        "customer_id": link.customer_id,
        "external_id": more["external_id"],
        "purpose": link.purpose,
        "status": STATUS[phase],
        "phase": phase.value,
        "expires_at": instant(link.expires_at),
        "state": link.state,
        "metadata": link.metadata,
    }
    if link.failure_code:
        data["failure"] = {
            "code": link.failure_code,
            "message": link.failure_message,
            "step": link.failure_step,
            "retryable": bool(link.failure_retryable),
        }
    data |= more
    return events.emit(
        tx, audience, event_type, data, customer_id=link.customer_id, link_id=link.id, secret="url" in more
    )
