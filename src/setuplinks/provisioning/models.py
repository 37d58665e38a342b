"""What a provisioning knows: one typed row, and the facts that its steps have found.

Owns the shapes and their storage as JSON. A fact is only what Meta said or what this run did; what a browser said
stands apart, as claims.
"""

from dataclasses import dataclass, field

import msgspec

from setuplinks.core.db.unit import Row
from setuplinks.core.problems import Conflict
from setuplinks.core.vault import Sealer
from setuplinks.provisioning.machine import Run, Step
from setuplinks.provisioning.question import Question


class RunMoved(Conflict):
    """Another worker or request recorded first; this one's outcome is dropped."""

    code = "provisioning_moved"
    title = "The provisioning was changed at the same moment."


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the popup's message said: only hints, each proven by a call before it counts."""

    event: str | None = None
    meta_waba_id: str | None = None
    meta_phone_number_id: str | None = None
    business_id: str | None = None
    meta_waba_ids: tuple[str, ...] = ()  # of a signup that granted several
    only_waba: bool = False  # Meta itself told of this WABA, no browser did: no other one is looked at


class SeenWaba(msgspec.Struct, frozen=True, omit_defaults=True):
    """A WABA that the token reaches, as Meta answered."""

    id: str
    name: str | None = None
    currency: str | None = None
    timezone_id: str | None = None
    business_id: str | None = None
    account_review_status: str | None = None


class SeenNumber(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number of such a WABA, as Meta answered."""

    id: str
    waba: str
    display: str | None = None
    verified_name: str | None = None
    name_status: str | None = None
    quality: str | None = None
    throughput: str | None = None
    limit: str | None = None
    status: str | None = None
    can_send: str | None = None
    coexistence: bool = False
    official: bool = False
    needs_registration: bool = False

    @property
    def connection_type(self) -> str:
        """As Graph has it, whatever the customer had chosen."""
        return "coexistence" if self.coexistence else "dedicated"


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the steps have found and done so far."""

    granted: tuple[str, ...] = ()  # WABA ids that the token names
    user_id: str | None = None
    wabas: tuple[SeenWaba, ...] = ()  # proven by a call
    numbers: tuple[SeenNumber, ...] = ()
    picked: tuple[str, ...] = ()  # Meta's ids of the numbers that the customer ticked
    chosen: tuple[str, ...] = ()  # Meta's ids of the numbers to connect
    subscribed_by_us: tuple[str, ...] = ()  # WABAs; noted before the call, so that a clean-up knows
    subscribed: tuple[str, ...] = ()  # WABAs
    registered: tuple[str, ...] = ()  # numbers
    put_off: tuple[str, ...] = ()  # numbers whose registration goes on after the link has completed
    registrations: dict[str, int] = {}  # number → how often this run asked Meta to register it
    pins_given: tuple[str, ...] = ()  # the numbers whose PIN the customer entered
    wrong_pins: dict[str, int] = {}  # number → how many of these were wrong
    register_trouble: str | None = None
    synced: tuple[str, ...] = ()  # "type of synchronisation:number"
    checked_at: int = 0  # when the customer had us look again, the last time
    asked: Question | None = None  # what was asked last, open or answered
    done_at: dict[str, int] = {}  # step → instant, for the page's list and the timeline

    def without_person(self) -> "Facts":
        """What may stay when the run has ended: who signed in stands beside the token only."""
        return msgspec.structs.replace(self, user_id=None)

    def chosen_numbers(self) -> tuple[SeenNumber, ...]:
        """The chosen numbers, in the order in which they were chosen."""
        by_id = {number.id: number for number in self.numbers}
        return tuple(by_id[number] for number in self.chosen if number in by_id)

    def number(self) -> SeenNumber:
        """The first of the chosen numbers. Raises LookupError before any is chosen."""
        for number in self.chosen_numbers():
            return number
        raise LookupError("no number is chosen")

    def chosen_wabas(self) -> tuple[SeenWaba, ...]:
        """The WABAs of the chosen numbers, the first number's first."""
        by_id = {waba.id: waba for waba in self.wabas}
        return tuple(by_id[waba] for waba in dict.fromkeys(n.waba for n in self.chosen_numbers()) if waba in by_id)

    def is_registered(self, number: SeenNumber) -> bool:
        """True where Meta takes messages for the number: it needed no registration, or this run has registered it."""
        return number.coexistence or not number.needs_registration or number.id in self.registered


@dataclass(frozen=True)
class Provisioning:
    """One row of `provisioning`."""

    tenant_id: int
    id: int
    link_id: str
    visit_id: int
    customer_id: int
    plan: str
    step: Step
    status: str  # running · cleanup · done · rejected · failed · revoked
    version: int
    due_at: int | None
    tries: int
    token: bytes | None = field(repr=False)
    token_expires_at: int | None
    claims: Claims
    facts: Facts
    question: Question | None  # open now: the link is `action_required`
    pin: bytes | None = field(repr=False)
    last_error: str | None
    started_at: int
    working_since: int  # a run that works has 24 h from here; an answered question begins them anew
    ended_at: int | None

    @classmethod
    def of(cls, row: Row) -> "Provisioning":
        """The typed row."""
        values = {name: row[name] for name in cls.__dataclass_fields__}
        values["step"] = Step(row["step"])
        values["claims"] = msgspec.json.decode(row["claims"], type=Claims)
        values["facts"] = msgspec.json.decode(row["facts"], type=Facts)
        if row["question"] is not None:
            values["question"] = msgspec.json.decode(row["question"], type=Question)
        return cls(**values)

    @property
    def run(self) -> Run:
        """What the machine decides on."""
        return Run(self.plan, self.step, self.tries, self.working_since, self.question)


def as_text(value: Facts | Claims | Question) -> str:
    """Facts, claims or a question as they are stored."""
    return msgspec.json.encode(value).decode()


def opened_pins(sealer: Sealer, run: Provisioning) -> dict[str, str]:
    """The PINs of a run by Meta's id of their number; none before they are made."""
    if run.pin is None:
        return {}
    return msgspec.json.decode(sealer.open(run.pin, "provisioning", run.id, "pin"), type=dict[str, str])


def sealed_pins(sealer: Sealer, run_id: int, pins: dict[str, str]) -> bytes:
    """The PINs of a run as its row keeps them."""
    return sealer.seal(msgspec.json.encode(pins), "provisioning", run_id, "pin")
