"""What Meta tells of our own app: its settings, what it subscribed to, which permissions were approved.

Owns these reads and their shapes; nothing here changes anything. Each raises GraphError and nothing else.
"""

from typing import Self

import msgspec

from setuplinks.meta import errors
from setuplinks.meta.errors import Call
from setuplinks.meta.lenient import Raw, as_flag, as_object, as_rows, as_text
from setuplinks.meta.secret import Secret
from setuplinks.meta.transport import Transport

WHATSAPP = "whatsapp_business_account"

_APP = Call("/{app_id}")
_SUBSCRIPTIONS = Call("/{app_id}/subscriptions")
_PERMISSIONS = Call("/{app_id}/permissions")
_PORTFOLIO = Call("/{business_id}")
_FIELDS = "id,name,app_domains,deauth_callback_url,privacy_policy_url"


class MetaApp(msgspec.Struct, frozen=True):
    """Some of what stands in the app's basic settings. Whether it is live is not told by any field."""

    name: str | None = None
    domains: tuple[str, ...] = ()
    deauthorize_url: str | None = None
    privacy_url: str | None = None

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Never fails."""
        domains = raw.get("app_domains")
        found = [as_text(domain) for domain in domains] if isinstance(domains, list) else []
        return cls(
            as_text(raw.get("name")),
            tuple(domain.lower() for domain in found if domain),
            as_text(raw.get("deauth_callback_url")),
            as_text(raw.get("privacy_policy_url")),
        )


class AppSubscription(msgspec.Struct, frozen=True):
    """One object that the app hears of, at which address, and which fields of it."""

    object: str | None
    callback_url: str | None
    active: bool
    fields: frozenset[str]

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Never fails. Meta writes fields as objects with `name`, and in older answers as plain text."""
        rows = raw.get("fields")
        names = [as_text(as_object(row).get("name")) or as_text(row) for row in rows] if isinstance(rows, list) else []
        return cls(
            as_text(raw.get("object")),
            as_text(raw.get("callback_url")),
            as_flag(raw.get("active")) is not False,
            frozenset(name for name in names if name),
        )


async def read_app(graph: Transport) -> MetaApp:
    """The app's settings. https://developers.facebook.com/docs/graph-api/reference/application"""
    answer = await graph.call(
        _APP, (graph.app_id,), timeout=graph.timeouts.read, token=graph.app_token, query={"fields": _FIELDS}
    )
    return MetaApp.of(answer)


async def whatsapp_subscription(graph: Transport) -> AppSubscription | None:
    """What the app hears of WhatsApp accounts; None where it is not subscribed to them at all.

    https://developers.facebook.com/docs/graph-api/reference/app/subscriptions
    """
    rows = [AppSubscription.of(row) for row in await _data(graph, _SUBSCRIPTIONS)]
    return next((row for row in rows if row.object == WHATSAPP), None)


async def permissions(graph: Transport) -> dict[str, str]:
    """Permission → its state after Meta's review (`live`, `approved`, `declined`, …); an open list.

    https://developers.facebook.com/docs/graph-api/reference/application/permissions
    """
    found = {as_text(row.get("permission")): as_text(row.get("status")) for row in await _data(graph, _PERMISSIONS)}
    return {name: status or "" for name, status in found.items() if name}


async def portfolio(graph: Transport, business_id: str, token: Secret) -> str | None:
    """The name of a business portfolio that the token reaches; `not_found` where it does not.

    https://developers.facebook.com/docs/marketing-api/reference/business
    """
    query = {"fields": "id,name"}
    answer = await graph.call(_PORTFOLIO, (business_id,), timeout=graph.timeouts.read, token=token, query=query)
    return as_text(answer.get("name"))


async def _data(graph: Transport, call: Call) -> list[Raw]:
    answer = await graph.call(call, (graph.app_id,), timeout=graph.timeouts.read, token=graph.app_token)
    if not isinstance(answer.get("data"), list):
        raise errors.unreadable(call, 200)
    return as_rows(answer["data"])
