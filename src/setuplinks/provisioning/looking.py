"""One look at a WABA at Meta: token, subscription by our own app, all its numbers in one call, the account.

Owns which calls a look makes (three for the account, however many numbers it has, and one for the app) and what their
answers and failures say. It writes nothing and knows no unit: `health` does.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from setuplinks.core.clock import Clock
from setuplinks.meta import payloads
from setuplinks.meta.error_table import Kind
from setuplinks.meta.errors import GraphError, dead_token_reason
from setuplinks.meta.graph import Graph
from setuplinks.meta.payloads import TokenInfo, hears
from setuplinks.meta.secret import Secret
from setuplinks.whatsapp.disconnection import REASONS, Reason
from setuplinks.whatsapp.models import PhoneNumber

T = TypeVar("T")
DEAD_TOKEN = 190
MOST_SINGLES = 20  # numbers of one account that are asked for by themselves, since the list did not show them
TOO_SLOW = "Meta did not answer in time."
_OF_A_NUMBER = ("registered", "name", "can_send")
CHECKS = ("token", "subscribed", *_OF_A_NUMBER)


@dataclass
class Look:
    """What a look came to. `sent_at` (µs): when its first question left.

    `dead`: why the token is dead; then nothing else was asked. `unasked`: checks that could not be made, each with a
    sentence. `seen` and `missing` are by Meta's id; a number that is in neither could not be asked about.
    `expires_at` is µs, None for never; it counts only where `knows_end`. `repaired`: the app was missing and is
    subscribed again; `unmended`: it could not be.
    """

    sent_at: int
    dead: Reason | None = None
    token_valid: bool | None = None
    knows_end: bool = False
    expires_at: int | None = None
    subscribed: bool | None = None
    repaired: bool = False
    unmended: bool = False
    seen: dict[str, payloads.PhoneNumber] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    waba: payloads.Waba | None = None
    unasked: dict[str, str] = field(default_factory=dict)
    wait_s: int = 0

    @classmethod
    def failed(cls, sent_at: int, sentence: str = TOO_SLOW) -> "Look":
        """A look that came to nothing."""
        return cls(sent_at, unasked=dict.fromkeys(CHECKS, sentence))

    @property
    def failed_somewhere(self) -> bool:
        """Some of it has to be done again, soon."""
        return bool(self.unasked) or self.unmended

    def note(self, error: GraphError, *checks: str) -> None:
        """A call failed: these checks could not be made, or the token is dead."""
        reason = next((known for known in REASONS if known == error.token_death), None)
        self.dead = self.dead or reason
        self.unasked.update(dict.fromkeys(checks, error.sentence))
        self.wait_s = max(self.wait_s, error.wait_s or 0)


async def look_at(
    graph: Graph, clock: Clock, token: Secret, meta_waba_id: str, numbers: list[PhoneNumber], *, with_account: bool
) -> Look:
    """Asks Meta. Never raises GraphError: what Meta refuses stands in the look.

    `numbers` are those that must be there; the account itself is read only `with_account`.
    """
    look = Look(clock.now())
    info = await _answer(graph.debug_token(token))
    _take_token(look, info)
    if look.dead is not None:
        return look
    apps, listed, account = await asyncio.gather(
        _answer(graph.subscribed_apps(token, meta_waba_id)),
        _answer(graph.phone_numbers(token, meta_waba_id)),
        _answer(graph.waba(token, meta_waba_id)) if with_account else _nothing(),
    )
    if isinstance(apps, GraphError):
        look.note(apps, "subscribed")
    else:
        look.subscribed = hears(apps, graph.app_id)
    if isinstance(account, GraphError):
        look.note(account)
    else:
        look.waba = account
    await _take_numbers(look, graph, token, listed, numbers)
    if look.dead is None and not all(isinstance(one, GraphError) for one in (info, apps, listed)):
        look.token_valid = True
        look.unasked.pop("token", None)  # Meta took it for another call, whatever became of the question about it
    return look


def _take_token(look: Look, info: TokenInfo | GraphError) -> None:
    """An error is about our own app's token, never about the customer's: that one's death stands in the answer."""
    if isinstance(info, GraphError):
        look.unasked["token"] = info.sentence
        look.wait_s = max(look.wait_s, info.wait_s or 0)
    elif info.is_valid:
        look.knows_end, look.expires_at = True, info.expires_at_us
    elif info.error_code == DEAD_TOKEN:
        told = dead_token_reason(info.error_subcode, info.error_message)
        look.dead = next(known for known in REASONS if known == told)


async def _take_numbers(
    look: Look, graph: Graph, token: Secret, listed: list[payloads.PhoneNumber] | GraphError, numbers: list[PhoneNumber]
) -> None:
    wanted = {number.meta_phone_number_id for number in numbers}
    if isinstance(listed, GraphError) and listed.kind is not Kind.NOT_FOUND:
        look.note(listed, *_OF_A_NUMBER)
        return
    if not isinstance(listed, GraphError):
        look.seen = {number.id: number for number in listed if number.id in wanted}
    # Off the list is not gone: the number itself is asked for, and its own answer counts.
    absent = sorted(wanted - set(look.seen))[:MOST_SINGLES]
    answers = await asyncio.gather(*(_answer(graph.phone_number(token, meta_id)) for meta_id in absent))
    for meta_id, answer in zip(absent, answers, strict=True):
        if not isinstance(answer, GraphError):
            look.seen[meta_id] = answer
        elif answer.kind is Kind.NOT_FOUND:
            look.missing.add(meta_id)
        else:
            look.note(answer, *_OF_A_NUMBER)


async def _answer(call: Awaitable[T]) -> T | GraphError:
    try:
        return await call
    except GraphError as error:
        return error


async def _nothing() -> None:
    return None
