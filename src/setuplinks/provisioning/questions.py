"""What a customer may answer while a connection waits for them: tick numbers, give a PIN, have us look again.

Owns row 10 of the transition table. Each verb appends to the unit of its caller and raises QuestionClosed where this is
not (or no longer) asked. What is asked and when stands in `steps`; the pages are `signup`'s.
"""

import re
from collections.abc import Sequence

import msgspec

from setuplinks.core.clock import Clock
from setuplinks.core.db.unit import Unit
from setuplinks.core.problems import Conflict, Problem
from setuplinks.core.vault import Vault
from setuplinks.provisioning import store
from setuplinks.provisioning.machine import Step
from setuplinks.provisioning.models import Facts, Provisioning, opened_pins, sealed_pins
from setuplinks.provisioning.question import LOOKS_APART, Option, Question
from setuplinks.provisioning.service import CHANNEL, Provisionings
from setuplinks.setup_links import store as links
from setuplinks.setup_links.machine import Act, Phase, after
from setuplinks.setup_links.models import SetupLink

__all__ = ["AnswerRefused", "Option", "Question", "QuestionClosed", "Questions"]

_PIN = re.compile(r"[0-9]{6}", re.ASCII)


class QuestionClosed(Conflict):
    """Nothing of this kind is asked (any more): answered before, in another browser, or the link has ended."""

    code = "question_closed"
    title = "This question is no longer open."


class AnswerRefused(Problem):
    """The answer cannot be taken as it is. `why`: `nothing_chosen`, `not_offered`, `taken`, `not_six_digits` or
    `locked`."""

    status = 422
    code = "answer_refused"
    title = "This answer cannot be taken."

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class Questions:
    """The verbs."""

    def __init__(self, clock: Clock, vault: Vault, provisionings: Provisionings) -> None:
        self._clock, self._vault, self._provisionings = clock, vault, provisionings

    async def answer_numbers(self, tx: Unit, tenant_id: int, link_id: str, ids: Sequence[str]) -> None:
        """The customer ticked these numbers (Meta's ids). Raises AnswerRefused: nothing_chosen, not_offered, taken."""
        link, run, question = await self._open(tx, tenant_id, link_id, "choose_number")
        ticked = tuple(dict.fromkeys(ids))
        offered = {option.id: option for option in question.options}
        if not ticked:
            raise AnswerRefused("nothing_chosen", "No number was ticked; tick one or more.")
        if any(number not in offered for number in ticked):
            raise AnswerRefused("not_offered", "A number was ticked that is not in the list; load the page again.")
        if any(offered[number].taken for number in ticked):
            raise AnswerRefused("taken", "A ticked number is connected elsewhere; whoever holds it must let it go.")
        self._go_on(tx, link, run, Step.CHOOSE, msgspec.structs.replace(run.facts, picked=ticked))

    async def answer_pin(self, tx: Unit, tenant_id: int, link_id: str, pin: str) -> None:
        """The customer entered the number's PIN; it is tried once. Raises AnswerRefused: not_six_digits, locked."""
        link, run, question = await self._open(tx, tenant_id, link_id, "pin")
        if question.locked_until is not None and self._clock.now() < question.locked_until:
            raise AnswerRefused("locked", "Meta takes no PIN for this number yet; the last one is tried by itself.")
        if not _PIN.fullmatch(pin) or question.number_id is None:
            raise AnswerRefused("not_six_digits", "The PIN has six digits.")
        sealer = await self._vault.tenant(tenant_id)
        pins = {**opened_pins(sealer, run), question.number_id: pin}
        given = tuple(dict.fromkeys((*run.facts.pins_given, question.number_id)))
        facts = msgspec.structs.replace(run.facts, pins_given=given)
        self._go_on(tx, link, run, Step.REGISTER, facts, pin=sealed_pins(sealer, run.id, pins))

    async def check_again(self, tx: Unit, tenant_id: int, link_id: str) -> None:
        """The customer says that there is a number now: Meta is asked at once, or 10 seconds after the last time."""
        link, run, _ = await self._open(tx, tenant_id, link_id, "no_number")
        now = self._clock.now()
        allowed_at = run.facts.checked_at + LOOKS_APART
        if now < allowed_at:
            store.change(tx, run, now, due_at=min(run.due_at or allowed_at, allowed_at), lease_until=None)
            return
        self._go_on(tx, link, run, Step.INSPECT, msgspec.structs.replace(run.facts, checked_at=now))

    async def start_over(self, tx: Unit, tenant_id: int, link_id: str) -> None:
        """Row 12: the customer would rather choose another business or number at Facebook. The grant is given back,
        the visit ends with the question's code and the link waits as after any visit that stopped."""
        _, run, question = await self._open(tx, tenant_id, link_id, None)
        code = "cancelled" if question.kind == "choose_number" else question.code
        await self._provisionings.send_back(tx, tenant_id, run.id, code, run.facts, version=run.version)

    async def look_again(self, tx: Unit, meta_waba_id: str) -> None:
        """Meta told something of this WABA: whoever waits for a number in it is looked at now. Names no tenant."""
        tx.add(store.LOOK_AT_WATCHING, meta_waba_id, self._clock.now())
        tx.wake(CHANNEL)

    async def _open(
        self, tx: Unit, tenant_id: int, link_id: str, kind: str | None
    ) -> tuple[SetupLink, Provisioning, Question]:
        link = await links.find(tx, tenant_id, link_id)
        if link is None or link.provisioning_id is None or after(link.phase, Act.ANSWER) is None:
            raise QuestionClosed()
        run = await store.find(tx, tenant_id, link.provisioning_id)
        if run is None or run.status != "running" or run.question is None:
            raise QuestionClosed()
        if self._clock.now() >= run.question.until or kind not in {None, run.question.kind}:
            raise QuestionClosed()
        return link, run, run.question

    def _go_on(
        self, tx: Unit, link: SetupLink, run: Provisioning, step: Step, facts: Facts, **more: bytes | None
    ) -> None:
        """The answer and the link's way back to `provisioning`, where both still are as they were read."""
        now = self._clock.now()
        kind = run.question.kind if run.question else None
        store.change(
            tx, run, now, step=step.value, question=None, facts=facts, tries=0, due_at=now, lease_until=None,
            working_since=now, **more,
        )  # fmt: skip
        links.change(tx, link, now, phase=Phase.PROVISIONING, action_required=None)
        links.add_step(tx, link, now, "answered", question=kind)
        tx.wake(CHANNEL)
