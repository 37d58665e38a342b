"""What each step does: one or two calls to Meta, and what their answers mean for the run.

Owns the translation of Meta's answers into outcomes and facts. No unit of work is open here: the runner loads before
and records after. Every step may run twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from setuplinks.core.clock import SECOND
from setuplinks.meta.error_table import Kind
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.payloads import PhoneNumber, Waba, hears
from setuplinks.meta.secret import Secret
from setuplinks.provisioning.machine import Again, Ask, Done, Lost, Outcome, Part, Refused, Step
from setuplinks.provisioning.models import Claims, Facts, SeenNumber, SeenWaba
from setuplinks.provisioning.question import MOST_REGISTRATIONS, Option, ask

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
    now: int  # µs
    held_elsewhere: frozenset[str] = frozenset()  # numbers that other customers hold
    waits_for_cleanup: bool = False  # somebody is just taking a subscription off one of these WABAs
    pins: Mapping[str, Secret] = field(default_factory=dict)  # by Meta's id of the number


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
    facts, claims = context.facts, context.claims
    claimed = [*filter(None, [claims.meta_waba_id]), *claims.meta_waba_ids]
    candidates = list(dict.fromkeys([*facts.granted, *claimed]))[:MOST_WABAS]
    if context.target_waba is not None:
        candidates = [context.target_waba]
    elif claims.only_waba and claims.meta_waba_id is not None:
        candidates = [claims.meta_waba_id]
    if not candidates:
        candidates = await _of_the_portfolio(context)
    if not candidates:
        return _no_number(context, "no_waba")
    answers = await asyncio.gather(*(_waba_or_none(context, waba_id) for waba_id in candidates))
    proven = tuple(_seen_waba(waba) for waba in answers if waba is not None)
    if not proven:
        if not facts.granted and not claimed and context.target_waba is None:
            return _no_number(context, "no_waba")  # only the portfolio named them: none of them was granted
        code = "number_mismatch" if context.target_waba is not None else "permission_missing"
        return Result(Refused(code), facts)
    return Result(Done(), msgspec.structs.replace(facts, wabas=proven))


async def _of_the_portfolio(context: Context) -> list[str]:
    """Where neither the token nor a message names a WABA: those of the portfolio that granted it. Undocumented for such
    tokens, so whatever Meta refuses here only means that nothing more is known."""
    try:
        return (await context.graph.portfolios_wabas(context.token))[:MOST_WABAS]
    except GraphError as error:
        if error.retryable or error.kind in {Kind.OUTCOME_UNKNOWN, Kind.RETRY, Kind.RELOGIN}:
            raise
        return []


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
    if not found and context.target_number is None:
        return _no_number(replace(context, facts=facts), "no_number")
    return Result(Done(), facts)


async def _choose(context: Context) -> Result:
    facts = context.facts
    chosen = _decided(context)
    if chosen is None:
        return Result(Refused("number_mismatch"), facts)
    allowed = [number for number in chosen if number.connection_type in context.allowed_types]
    if not allowed or (len(allowed) < len(chosen) and facts.picked):
        return Result(Refused("connection_type_not_allowed"), facts)
    decided = facts.picked or context.target_number or len(allowed) == 1
    if not decided:
        if all(number.id in context.held_elsewhere for number in allowed):
            return Result(Refused("number_in_use"), facts)
        return _asked(context, "choose_number", options=_options(context, allowed))
    facts = msgspec.structs.replace(facts, chosen=tuple(number.id for number in allowed))
    return Result(Done(plan=context.plan if context.plan == "reconnect" else _plan_of(allowed)), facts)


def _decided(context: Context) -> list[SeenNumber] | None:
    """The numbers of which one is to be chosen; all of them where the customer has ticked, or a reconnect or Meta's
    message has named one. None where a reconnect's number is not there."""
    facts, claims = context.facts, context.claims
    by_id = {number.id: number for number in facts.numbers}
    if context.target_number is not None:
        return [by_id[context.target_number]] if context.target_number in by_id else None
    if picked := [by_id[number] for number in facts.picked if number in by_id]:
        return picked
    if claims.meta_phone_number_id in by_id:
        return [by_id[claims.meta_phone_number_id]]
    claimed = [number for number in facts.numbers if number.waba == claims.meta_waba_id]
    return claimed if len(claimed) == 1 else list(facts.numbers)


def _plan_of(numbers: list[SeenNumber]) -> str:
    kinds = {number.connection_type for number in numbers}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _options(context: Context, numbers: list[SeenNumber]) -> tuple[Option, ...]:
    names = {waba.id: waba.name for waba in context.facts.wabas}
    return tuple(
        Option(n.id, n.waba, n.display, n.verified_name, names.get(n.waba), n.id in context.held_elsewhere)
        for n in numbers
    )


async def _note_subscription(context: Context) -> Result:
    """Notes what the next step will do before it does it; also the place where a number held elsewhere is refused."""
    facts = context.facts
    if context.held_elsewhere.intersection(facts.chosen):
        return Result(Refused("number_in_use"), facts)
    if context.waits_for_cleanup:
        return Result(Again(wait_s=2), facts)
    ids = [waba.id for waba in facts.chosen_wabas()]
    lists = await asyncio.gather(*(context.graph.subscribed_apps(context.token, waba_id) for waba_id in ids))
    already = [waba for waba, apps in zip(ids, lists, strict=True) if hears(apps, context.graph.app_id)]
    ours = tuple(waba for waba in ids if waba in facts.subscribed_by_us or waba not in already)
    return Result(Done(), msgspec.structs.replace(facts, subscribed_by_us=ours, subscribed=tuple(already)))


async def _subscribe(context: Context) -> Result:
    facts = context.facts
    missing = [waba.id for waba in facts.chosen_wabas() if waba.id not in facts.subscribed]
    if missing and context.waits_for_cleanup:
        return Result(Again(wait_s=2), facts)
    for waba_id in missing:
        await context.graph.subscribe(context.token, waba_id)
    return Result(Done(), msgspec.structs.replace(facts, subscribed=(*facts.subscribed, *missing)))


async def _register(context: Context) -> Result:
    """One number at a time: each try counts at Meta, so each is recorded."""
    facts = context.facts
    left = [n for n in facts.chosen_numbers() if not facts.is_registered(n) and n.id not in facts.put_off]
    if not left:
        return Result(Done(), facts)
    number, rest = left[0], Part() if left[1:] else Done()
    tried = facts.registrations.get(number.id, 0) + 1
    facts = msgspec.structs.replace(facts, registrations={**facts.registrations, number.id: tried})
    try:
        await context.graph.register(context.token, number.id, context.pins[number.id])
    except GraphError as error:
        trouble = f"meta {error.code}" if error.code is not None else str(error.kind)
        facts = msgspec.structs.replace(facts, register_trouble=trouble)
        return _not_registered(replace(context, facts=facts), number, error, rest)
    done = (*facts.registered, number.id)
    return Result(rest, msgspec.structs.replace(facts, registered=done, register_trouble=None))


def _not_registered(context: Context, number: SeenNumber, error: GraphError, rest: Outcome) -> Result:
    """A PIN that differs is the customer's to give. What Meta locks goes on without the link, unless the PIN was asked
    for and the lock ends in time: a PIN that nobody knows cannot be tried later either."""
    facts = context.facts
    asked = facts.asked is not None and facts.asked.kind == "pin" and facts.asked.number_id == number.id
    if error.code == PIN_DIFFERS:
        wrong = facts.wrong_pins.get(number.id, 0) + (1 if number.id in facts.pins_given else 0)
        tries_left = MOST_REGISTRATIONS - facts.registrations[number.id]
        facts = msgspec.structs.replace(facts, wrong_pins={**facts.wrong_pins, number.id: wrong})
        if tries_left <= 0:
            return Result(Lost("pin_mismatch"), facts)
        return _asked_pin(replace(context, facts=facts), number, tries_left=tries_left)
    if error.locks_registration and asked and facts.asked is not None:
        locked_until = context.now + (error.wait_s or 0) * SECOND
        if locked_until < facts.asked.until:
            tries_left = max(MOST_REGISTRATIONS - facts.registrations[number.id], 1)
            return _asked_pin(context, number, tries_left=tries_left, locked_until=locked_until)
    outcome = of_error(Step.REGISTER, error)
    if isinstance(outcome, Done):
        return Result(rest, msgspec.structs.replace(facts, put_off=(*facts.put_off, number.id)))
    return Result(outcome, facts)


def _asked_pin(context: Context, number: SeenNumber, **more: Any) -> Result:
    wrong = context.facts.wrong_pins.get(number.id, 0)
    return _asked(context, "pin", number=number.display or number.id, number_id=number.id, wrong=wrong, **more)


def _no_number(context: Context, reason: str) -> Result:
    return _asked(context, "no_number", reason=reason)


def _asked(context: Context, kind: str, **more: Any) -> Result:
    """The question, and the facts that remember it: asked again, its time goes on."""
    question = ask(kind, context.now, context.facts.asked, **more)
    return Result(Ask(question), msgspec.structs.replace(context.facts, asked=question))


async def _sync_contacts(context: Context) -> Result:
    return await _sync(context, "smb_app_state_sync")


async def _sync_history(context: Context) -> Result:
    return await _sync(context, "history") if context.sync_history else Result(Done(), context.facts)


async def _sync(context: Context, sync_type: str) -> Result:
    """Each type once for each number, within 24 hours; "done before" and "too late" are both an end of it, never of the
    link."""
    facts = context.facts
    left = [n for n in facts.chosen_numbers() if n.coexistence and f"{sync_type}:{n.id}" not in facts.synced]
    if not left:
        return Result(Done(), facts)
    try:
        await context.graph.sync_app_data(context.token, left[0].id, sync_type)
    except GraphError as error:
        if error.code not in {ALREADY_SYNCED, TOO_LATE_TO_SYNC}:
            raise
    facts = msgspec.structs.replace(facts, synced=(*facts.synced, f"{sync_type}:{left[0].id}"))
    return Result(Part() if left[1:] else Done(), facts)


async def _read_metadata(context: Context) -> Result:
    chosen = context.facts.chosen_numbers()
    answers = await asyncio.gather(*(context.graph.phone_number(context.token, number.id) for number in chosen))
    fresh = {old.id: _seen_number(new, old.waba) for old, new in zip(chosen, answers, strict=True)}
    numbers = tuple(fresh.get(number.id, number) for number in context.facts.numbers)
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
