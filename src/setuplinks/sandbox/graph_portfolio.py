"""A customer's own portfolio, as a token of its system user reads it: the accounts that the portfolio owns."""

from collections.abc import Awaitable, Callable

from setuplinks.sandbox.graph_call import Answer, GraphCall
from setuplinks.sandbox.graph_errors import missing_object
from setuplinks.sandbox.graph_fields import WABA_DEFAULT, paged, shown, waba_fields

OWNED = "owned_whatsapp_business_accounts"


def edge(call: GraphCall, name: str) -> Callable[[GraphCall], Awaitable[Answer]] | None:
    """The handler, where the path names a portfolio and this edge."""
    return owned if call.parts[0] in call.world.businesses and (call.method, name) == ("GET", OWNED) else None


async def owned(call: GraphCall) -> Answer:
    """All accounts of the portfolio, those too that were not granted: only a call on one tells."""
    business, token = call.world.businesses[call.parts[0]], call.token()
    if token.business is not business:
        raise missing_object(business.id, call.method)
    rows = {waba.id: waba for waba in business.wabas}
    fields = call.text("fields")
    return paged(
        call, list(rows), lambda i: shown(waba_fields(rows[i]), WABA_DEFAULT, fields, "WhatsAppBusinessAccount")
    )
