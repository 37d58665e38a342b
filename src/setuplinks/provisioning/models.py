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
    chosen: str | None = None  # Meta's id of the number to connect
    subscribed_by_us: bool = False  # noted before the call, so that a clean-up knows
    subscribed: bool = False
    registered: bool = False
    register_trouble: str | None = None
    synced: tuple[str, ...] = ()
    picked: tuple[str, ...] = ()  # the numbers that the customer ticked
    pins_given: tuple[str, ...] = ()  # the numbers whose PIN the customer entered
    asked: Question | None = None  # what was asked last, open or answered
    done_at: dict[str, int] = {}  # step → instant, for the page's list and the timeline

    def without_person(self) -> "Facts":
        """What may stay when the run has ended: who signed in stands beside the token only."""
        return msgspec.structs.replace(self, user_id=None)

    def number(self) -> SeenNumber:
        """The chosen number. Raises LookupError before one is chosen."""
        for number in self.numbers:
            if number.id == self.chosen:
                return number
        raise LookupError("no number is chosen")

    def waba(self) -> SeenWaba:
        """The chosen number's WABA. Raises LookupError before one is chosen."""
        wanted = self.number().waba
        for waba in self.wabas:
            if waba.id == wanted:
                return waba
        raise LookupError("the chosen number's WABA was not seen")


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
    meta_waba_id: str | None
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
        return Run(self.plan, self.step, self.tries, self.started_at)


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
