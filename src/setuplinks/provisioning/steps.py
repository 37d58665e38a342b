"""What each step does: one or two calls to Meta, and what their answers mean for the run.

Owns the translation of Meta's answers into outcomes and facts. No unit of work is open here: the runner loads before
and records after. Every step may run twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from setuplinks.meta.error_table import Kind
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.payloads import PhoneNumber, Waba, hears
from setuplinks.meta.secret import Secret
from setuplinks.provisioning.machine import Again, Done, Lost, Outcome, Refused, Step
from setuplinks.provisioning.models import Claims, Facts, SeenNumber, SeenWaba

MOST_WABAS = 20
PIN_DIFFERS = 133005
NUMBER_NOT_VERIFIED = 133006
NAME_IN_REVIEW = frozenset({131037, 131045})
ALREADY_SYNCED = 2593107
TOO_LATE_TO_SYNC = 2593108


@dataclass(frozen=True)
class Context:
    """What a step may look at: the run's facts and claims, the link's rules, and what our own rows say."""

    graph: Graph
    token: Secret
    facts: Facts
    claims: Claims
    plan: str
    allowed_types: tuple[str, ...]
    sync_history: bool
    target_waba: str | None  # a reconnect's
    target_number: str | None
    held_elsewhere: bool  # the chosen number belongs to another customer; known from `choose` on
    waits_for_cleanup: bool  # another run is just taking its subscription off the same WABA
    pin: Secret | None


@dataclass(frozen=True)
class Result:
    """A step's outcome and the facts as they are after it. `token_expires_at` (µs) where the step learnt it."""

    outcome: Outcome
    facts: Facts
    token_expires_at: int | None = None


async def perform(step: Step, context: Context) -> Result:
    """Runs one step. Never raises GraphError: what Meta refuses is an outcome."""
    try:
        return await _STEPS[step](context)
    except GraphError as error:
        return Result(of_error(step, error), context.facts)


def of_error(step: Step, error: GraphError) -> Outcome:
    """What a failed call means at this step."""
    if step is Step.REGISTER and (outcome := _of_registration(error)) is not None:
        return outcome
    if error.retryable or error.kind in {Kind.OUTCOME_UNKNOWN, Kind.UNREADABLE, Kind.RETRY}:
        return Again(wait_s=error.wait_s)
    if error.kind in {Kind.RELOGIN, Kind.PERMISSION, Kind.NOT_FOUND}:
        return Refused("permission_missing")
    if error.kind is Kind.ACCOUNT:
        return Lost("account_restricted")
    if error.kind is Kind.CONFIGURATION:  # the operator's app or secret: theirs to mend, the token keeps
        return Again(code="meta_refused", wait_s=300)
    return Lost("meta_refused")


def _of_registration(error: GraphError) -> Outcome | None:
    """Registration trouble after a good grant is never "sign in again": the token is fine."""
    if error.code == PIN_DIFFERS:
        return Refused("pin_mismatch")
    if error.code == NUMBER_NOT_VERIFIED:
        return Refused("verification_failed")
    if error.kind in {Kind.RELOGIN, Kind.ACCOUNT, Kind.PERMISSION, Kind.NOT_FOUND}:
        return None
    if error.locks_registration or error.code in NAME_IN_REVIEW:
        return Done()  # a name's review takes weeks and never holds a link: the number stays pending
    return Again(wait_s=error.wait_s)


async def _inspect(context: Context) -> Result:
    info = await context.graph.debug_token(context.token)
    if not info.is_valid or (info.app_id is not None and info.app_id != context.graph.app_id):
        return Result(Refused("permission_missing"), context.facts)
    facts = msgspec.structs.replace(context.facts, granted=info.waba_ids, user_id=info.user_id)
    return Result(Done(), facts, info.expires_at_us)


async def _find_wabas(context: Context) -> Result:
    """Scope names are no proof, nor is what a popup said: a WABA counts when a call with this token reads it."""
    facts = context.facts
    candidates = list(dict.fromkeys([*facts.granted, *filter(None, [context.claims.meta_waba_id])]))[:MOST_WABAS]
    if context.target_waba is not None:
        candidates = [context.target_waba]
    elif context.claims.only_waba and context.claims.meta_waba_id is not None:
        candidates = [context.claims.meta_waba_id]
    if not candidates:
        return Result(Refused("no_business_portfolio"), facts)
    answers = await asyncio.gather(*(_waba_or_none(context, waba_id) for waba_id in candidates))
    proven = tuple(_seen_waba(waba) for waba in answers if waba is not None)
    if not proven:
        code = "number_mismatch" if context.target_waba is not None else "permission_missing"
        return Result(Refused(code), facts)
    return Result(Done(), msgspec.structs.replace(facts, wabas=proven))


async def _waba_or_none(context: Context, waba_id: str) -> Waba | None:
    try:
        return await context.graph.waba(context.token, waba_id)
    except GraphError as error:
        if error.kind in {Kind.NOT_FOUND, Kind.PERMISSION, Kind.FIX_REQUEST}:
            return None  # not reached by this token; another candidate may be
        raise


async def _list_numbers(context: Context) -> Result:
    lists = await asyncio.gather(*(context.graph.phone_numbers(context.token, w.id) for w in context.facts.wabas))
    found = [_seen_number(n, w.id) for w, numbers in zip(context.facts.wabas, lists, strict=True) for n in numbers]
    facts = msgspec.structs.replace(context.facts, numbers=tuple(found))
    return Result(Done() if found else Refused("no_phone_number"), facts)


async def _choose(context: Context) -> Result:
    facts, claims = context.facts, context.claims
    by_id = {number.id: number for number in facts.numbers}
    if context.target_number is not None:
        if context.target_number not in by_id:
            return Result(Refused("number_mismatch"), facts)
        chosen = by_id[context.target_number]
    elif claims.meta_phone_number_id in by_id:
        chosen = by_id[claims.meta_phone_number_id]
    else:
        likely = [n for n in facts.numbers if n.waba == claims.meta_waba_id] or list(facts.numbers)
        if len(likely) != 1:
            return Result(Refused("no_phone_number"), facts)
        chosen = likely[0]
    facts = msgspec.structs.replace(facts, chosen=chosen.id)
    if chosen.connection_type not in context.allowed_types:
        return Result(Refused("connection_type_not_allowed"), facts)
    plan = context.plan if context.plan == "reconnect" else chosen.connection_type
    return Result(Done(plan=plan), facts)


async def _note_subscription(context: Context) -> Result:
    """Notes what the next step will do before it does it; also the place where a number held elsewhere is refused."""
    if context.held_elsewhere:
        return Result(Refused("number_in_use"), context.facts)
    if context.waits_for_cleanup:
        return Result(Again(wait_s=2), context.facts)
    waba_id = context.facts.waba().id
    apps = await context.graph.subscribed_apps(context.token, waba_id)
    already = hears(apps, context.graph.app_id)
    ours = context.facts.subscribed_by_us or not already
    return Result(Done(), msgspec.structs.replace(context.facts, subscribed_by_us=ours, subscribed=already))


async def _subscribe(context: Context) -> Result:
    if context.facts.subscribed:
        return Result(Done(), context.facts)
    if context.waits_for_cleanup:
        return Result(Again(wait_s=2), context.facts)
    await context.graph.subscribe(context.token, context.facts.waba().id)
    return Result(Done(), msgspec.structs.replace(context.facts, subscribed=True))


async def _register(context: Context) -> Result:
    number = context.facts.number()
    if number.coexistence or not number.needs_registration:
        return Result(Done(), msgspec.structs.replace(context.facts, registered=True))
    if context.pin is None:
        raise LookupError("the PIN is made before the call")
    try:
        await context.graph.register(context.token, number.id, context.pin)
    except GraphError as error:
        outcome = of_error(Step.REGISTER, error)
        trouble = f"meta {error.code}" if error.code is not None else str(error.kind)
        return Result(outcome, msgspec.structs.replace(context.facts, register_trouble=trouble))
    return Result(Done(), msgspec.structs.replace(context.facts, registered=True, register_trouble=None))


async def _sync_contacts(context: Context) -> Result:
    return await _sync(context, "smb_app_state_sync")


async def _sync_history(context: Context) -> Result:
    return await _sync(context, "history") if context.sync_history else Result(Done(), context.facts)


async def _sync(context: Context, sync_type: str) -> Result:
    """Each type once, within 24 hours; "done before" and "too late" are both an end of it, never of the link."""
    facts = context.facts
    if sync_type not in facts.synced:
        try:
            await context.graph.sync_app_data(context.token, context.facts.number().id, sync_type)
        except GraphError as error:
            if error.code not in {ALREADY_SYNCED, TOO_LATE_TO_SYNC}:
                raise
        facts = msgspec.structs.replace(facts, synced=(*facts.synced, sync_type))
    return Result(Done(), facts)


async def _read_metadata(context: Context) -> Result:
    chosen = context.facts.number()
    fresh = _seen_number(await context.graph.phone_number(context.token, chosen.id), chosen.waba)
    numbers = tuple(fresh if number.id == fresh.id else number for number in context.facts.numbers)
    return Result(Done(), msgspec.structs.replace(context.facts, numbers=numbers))


async def _finish(context: Context) -> Result:
    return Result(Done(), context.facts)


_STEPS: dict[Step, Callable[[Context], Awaitable[Result]]] = {
    Step.INSPECT: _inspect,
    Step.FIND_WABAS: _find_wabas,
    Step.LIST_NUMBERS: _list_numbers,
    Step.CHOOSE: _choose,
    Step.NOTE_SUBSCRIPTION: _note_subscription,
    Step.SUBSCRIBE: _subscribe,
    Step.REGISTER: _register,
    Step.SYNC_CONTACTS: _sync_contacts,
    Step.SYNC_HISTORY: _sync_history,
    Step.READ_METADATA: _read_metadata,
    Step.FINISH: _finish,
}


def _seen_waba(waba: Waba) -> SeenWaba:
    return SeenWaba(
        id=waba.id,
        name=waba.name,
        currency=waba.currency,
        timezone_id=waba.timezone_id,
        business_id=waba.business_id,
        account_review_status=waba.account_review_status,
    )


def _seen_number(number: PhoneNumber, waba_id: str) -> SeenNumber:
    return SeenNumber(
        id=number.id,
        waba=waba_id,
        display=number.display_phone_number,
        verified_name=number.verified_name,
        name_status=number.name_status,
        quality=number.quality_rating,
        throughput=number.throughput_level,
        limit=number.messaging_limit,
        status=number.status,
        can_send=number.health.can_send_message if number.health else None,
        coexistence=number.is_coexistence,
        official=bool(number.is_official_business_account),
        needs_registration=number.needs_registration,
    )
