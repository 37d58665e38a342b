"""What the gateway passes on and what it refuses: a pure decision over a call and its target.

Owns the rules of `docs/decisions/0010-what-the-gateway-refuses.md`. The names of edges and parameters are `meta`'s.
"""

from collections.abc import Iterable

from setuplinks.gateway import refusals
from setuplinks.gateway.models import Grant, Kind
from setuplinks.gateway.refusals import Refusal
from setuplinks.meta import gateway_language as graph
from setuplinks.meta import gateway_params as params
from setuplinks.meta.gateway_language import GraphPath, Use
from setuplinks.meta.gateway_params import Parameters

REGISTERED = "This service registers the number and keeps its PIN; use its setup and reconnect links."
SUBSCRIBED = "This service's own subscription brings the webhooks; add an endpoint to it instead."
CONNECTED = "Numbers are connected by a setup link and taken off by off-boarding, never by way of the gateway."
USERS = "Who may work on the account is settled in the customer's own Business Manager."


def refusal_of_path(method: str, kind: Kind, path: GraphPath) -> Refusal | None:
    """What would cut the service's own connection; None where the call may go on."""
    if kind == "upload" and path.edge and method != "POST":
        return refusals.not_yours(path.node, method)  # the app's uploads are everybody's: one is begun, none is listed
    if method in graph.READS:
        return None
    if kind == "phone_number" and path.edge in graph.REGISTRATION:
        return refusals.kept_by_us(REGISTERED)
    if path.edge == graph.SUBSCRIPTION:
        return refusals.kept_by_us(SUBSCRIBED)
    if path.edge == graph.USERS:
        return refusals.kept_by_us(USERS)
    adds_number = kind == "waba" and path.edge == graph.NUMBERS
    takes_off = method == "DELETE" and kind in {"waba", "phone_number"} and not path.edge
    return refusals.kept_by_us(CONNECTED) if adds_number or takes_off else None


def refusal_of_parameters(method: str, kind: Kind, path: GraphPath, said: Iterable[Parameters]) -> Refusal | None:
    """Parameters that lead to other objects, other calls, or that would cut the connection."""
    for one in said:
        if not one.names:
            continue
        if elsewhere := one.names & params.ELSEWHERE:
            name = min(elsewhere)
            return refusals.bad_request(
                f"The parameter {name} is not taken by this gateway.",
                details="Make one call for one object, with the method that it needs.",
            )
        if (away := params.leads_away(one.fields)) is not None:
            return refusals.bad_request(
                f"The field {away} leads to other objects than the one asked for.",
                details="Ask for each object by its own path.",
            )
        if method in graph.READS:
            continue
        if one.names & {params.CALLBACK, params.WEBHOOKS}:
            return refusals.kept_by_us(SUBSCRIBED)
        if kind == "phone_number" and not path.edge and params.PIN in one.names:
            return refusals.kept_by_us(REGISTERED)
    return None


def refusal_of_scope(grant: Grant, kind: Kind, method: str, path: GraphPath) -> Refusal | None:
    """Whether the key may do this kind of thing."""
    use = use_of(kind, method, path)
    return None if use in grant.scopes else refusals.lacks_scope(use)


def use_of(kind: Kind, method: str, path: GraphPath) -> Use:
    """What a call does; a file that was sent or received is a conversation's, also when it is deleted."""
    use = graph.use_of(method, path)
    return "send" if use == "manage" and kind == "media" else use
