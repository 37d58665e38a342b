"""Everything that the stand-in Meta knows, in memory: businesses, WABAs, numbers, codes, tokens, signups, calls.

Records and look-ups only; what a signup makes stands in `grants`, the dialog's moves in `flow`.
"""

import asyncio
import contextlib
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from setuplinks.sandbox.agenda import Agenda
from setuplinks.sandbox.app_state import WHATSAPP, WHATSAPP_FIELDS, settings_at_start, subscriptions_at_start
from setuplinks.sandbox.bad_weather import Forecast
from setuplinks.sandbox.clock import Clock
from setuplinks.sandbox.config import SandboxConfig, Settings
from setuplinks.sandbox.conversations import Conversations
from setuplinks.sandbox.message_limits import Meter
from setuplinks.sandbox.scenarios import DEFAULT, SCENARIOS, FlowError, Scenario
from setuplinks.sandbox.spool import Kept, Spool

CALLS_KEPT = 20_000
SIGNUPS_KEPT = 5_000


@dataclass(slots=True)
class Business:
    id: str
    name: str
    person: str
    created: float
    wabas: list["Waba"] = field(default_factory=list)


@dataclass(slots=True)
class Waba:
    id: str
    name: str
    business: Business
    created: float
    namespace: str
    currency: str = "USD"
    timezone_id: str = "1"
    country: str = "US"
    review_status: str = "APPROVED"
    numbers: list["Number"] = field(default_factory=list)
    subscriptions: dict[str, dict[str, str]] = field(default_factory=dict)  # app id → {} or its override
    templates: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Number:
    id: str
    waba: Waba
    display: str
    verified_name: str
    created: float
    name_status: str = "APPROVED"
    name_blocks_register: bool = False
    status: str = "PENDING"
    code_verification_status: str = "VERIFIED"
    quality_rating: str = "GREEN"
    platform_type: str = "NOT_APPLICABLE"
    throughput: str = "NOT_APPLICABLE"
    messaging_limit: str = "TIER_250"
    on_biz_app: bool = False
    official: bool = False
    pin: str | None = None
    pin_misses: int = 0
    pin_guessed_at: float | None = None
    pin_locked_until: float | None = None
    pin_gap: float = 0.0
    left_behind: bool = False  # an earlier deregistration is incomplete
    history: str = "shared"  # shared, declined, reversed
    last_onboarded: float | None = None
    register_tries: list[float] = field(default_factory=list)
    override: dict[str, str] | None = None
    synced: set[str] = field(default_factory=set)
    sent_code: str | None = None
    profile: dict[str, Any] = field(default_factory=dict)
    qr_codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    own_settings: dict[str, Any] = field(default_factory=dict)
    automation: dict[str, Any] = field(default_factory=dict)
    commerce: dict[str, bool] = field(default_factory=dict)
    public_key: str | None = None
    blocked: set[str] = field(default_factory=set)  # end users whom the business does not want to hear
    preverified: bool = False  # it was the partner's before the customer took it


@dataclass(slots=True)
class Media:
    """A file that was uploaded, or written by an end user. `number` is missing for a flow's file."""

    id: str
    waba: Waba
    number: Number | None
    mime_type: str
    content: Kept
    filename: str | None = None


@dataclass(slots=True)
class PartnerNumber:
    """A number that the partner offers to customers; gone once one of them has taken it."""

    id: str
    display: str
    verified: float | None = None
    sent_code: str | None = None


@dataclass(slots=True)
class Token:
    value: str
    app_id: str
    user_id: str
    business: Business | None
    wabas: list[Waba]
    scenario: Scenario
    issued: float
    expires: float | None
    dead_subcode: int | None = None
    dies_at: str | None = None  # the call that finds it dead
    faults_left: dict[int, int] = field(default_factory=dict)  # position in scenario.faults → answers left


@dataclass(slots=True)
class Code:
    value: str
    app_id: str
    redirect_uri: str | None  # None: a popup's
    page_url: str | None
    token: Token
    issued: float | None  # None: its 30 seconds have not begun
    used: bool = False
    faults_left: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Signup:
    """One go at the dialog, from its opening to its end."""

    id: str
    version: str
    client_id: str
    config_id: str
    redirect_uri: str | None  # None: the popup of the SDK
    state: str | None
    extras: dict[str, Any]
    person: str
    scenario: Scenario
    opened: float
    opener_origin: str | None = None
    page_url: str | None = None
    channel: str = ""
    coexistence: bool = False
    path: tuple[str, ...] = ()
    step: str = "business"
    business: Business | None = None
    number: Number | None = None
    kind: str = "new"  # new, existing, 555, none
    answers: dict[str, str] = field(default_factory=dict)
    outcome: str | None = None  # finished, cancelled, denied, vanished
    message: dict[str, Any] | None = None
    code: Code | None = None
    granted: list[Waba] = field(default_factory=list)
    blocked: FlowError | None = None  # one of Meta's caps was reached on the way


@dataclass(slots=True)
class InjectedFault:
    """An answer set over HTTP for the next `times` calls of this name; `code` None sends `status` and `body` bare."""

    call: str  # a call's name, or * for every call
    times: int | None = 1
    method: str | None = None  # GET, POST or DELETE where reading and writing have one name; None: any
    object_id: str | None = None
    code: int | None = None
    subcode: int | None = None
    message: str | None = None
    status: int | None = None
    body: str | None = None
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    at: float
    method: str
    path: str
    call: str
    status: int
    code: int | None


def digits_of(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


class World:
    """The state of one sandbox. One process, one event loop: nothing here is locked."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.clock = Clock()
        self.agenda = Agenda(self.clock)
        self.spool = Spool()
        self.notify: Callable[[str, str, dict[str, Any]], None] = lambda _field, _entry_id, _value: None
        self.tell_of_number: Callable[[Number, str, dict[str, Any]], int] = lambda _number, _field, _value: 0
        self._waiting: dict[str, asyncio.Event] = {}  # a fault's call → set once the calls that wait by it may go on
        self._counter = int(time.time() * 1000)  # ids never repeat over restarts: the service may remember older ones
        self.clear()

    def clear(self) -> None:
        """Forgets everything but the configuration; ids go on counting."""
        self.settings = Settings()
        self.app = settings_at_start(self.config)
        self.app_subscriptions = subscriptions_at_start(self.config)
        self.clock.reset()
        self.businesses: dict[str, Business] = {}
        self.by_person: dict[str, list[Business]] = {}
        self.wabas: dict[str, Waba] = {}
        self.numbers: dict[str, Number] = {}
        self.app_numbers: dict[str, Number] = {}
        self.partner_numbers: dict[str, PartnerNumber] = {}
        self.media: dict[str, Media] = {}
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Token] = {}
        self.signups: dict[str, Signup] = {}
        self.queue: deque[Scenario] = deque()
        self.by_state: dict[str, Scenario] = {}
        self.standing: Scenario = DEFAULT
        self.onboarded: dict[str, float] = {}  # business id → when it was first connected
        self.faults: list[InjectedFault] = []
        self._let_go(None)
        self.forecast = Forecast()
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.call_counts: Counter[str] = Counter()
        self.flows: dict[str, Any] = {}  # id → graph_flows.Flow
        self.conversations = Conversations()
        self.meter = Meter(self.clock)
        self.agenda.clear()
        self.spool.clear()
        self.last_secret: str | None = None

    def end_faults(self, call: str | None = None) -> None:
        """Ends the faults of a call, or all of them and the weather; what waits by one goes on at once."""
        self.faults[:] = [fault for fault in self.faults if call is not None and fault.call != call]
        self._let_go(call)
        if call is None:
            self.forecast.set(None)

    async def wait_by(self, fault: InjectedFault) -> None:
        """Waits as long as the fault says, or until it is ended."""
        ended = self._waiting.setdefault(fault.call, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), fault.delay_ms / 1000)

    def _let_go(self, call: str | None) -> None:
        for name in [name for name in self._waiting if call in (None, name)]:
            self._waiting.pop(name).set()

    def next_id(self, prefix: str) -> str:
        self._counter += 1 + secrets.randbelow(3)
        return f"{prefix}{self._counter}"

    def next_local_number(self) -> int:
        """Seven digits that no earlier number of this process has."""
        self._counter += 1
        return self._counter % 10_000_000

    @property
    def app_secret(self) -> str:
        """The secret that signs notifications: the configured one, else the last that an exchange used."""
        return self.config.app_secret or self.last_secret or "sandbox"

    @property
    def callback_url(self) -> str | None:
        """The app's own address for notifications of WhatsApp accounts; None where the app is not subscribed."""
        held = self.app_subscriptions.get(WHATSAPP)
        return held.callback_url if held is not None and held.active else None

    def hears(self, field_name: str) -> bool:
        """Whether Meta tells of this field; an override changes the address, not the fields."""
        held = self.app_subscriptions.get(WHATSAPP)
        return held is None or (held.active and (field_name in held.fields or field_name not in WHATSAPP_FIELDS))

    def business_of(self, person: str) -> Iterator[Business]:
        """This person's businesses, newest first. A load test makes thousands: take the few that are needed."""
        return reversed(self.by_person.get(person, []))

    def on_app(self, display: str) -> Number | None:
        """The number that is used in the WhatsApp Business app under these digits."""
        return self.app_numbers.get(digits_of(display))

    def keep_signup(self, signup: Signup) -> None:
        self.signups[signup.id] = signup
        while len(self.signups) > SIGNUPS_KEPT:
            del self.signups[next(iter(self.signups))]

    def scenario_for(self, state: str | None, name: str | None = None) -> Scenario:
        """By name; else what was set for this `state`; else the queue's next; else the standing one."""
        if name is not None:
            return SCENARIOS[name]
        if state and state in self.by_state:
            return self.by_state.pop(state)
        return self.queue.popleft() if self.queue else self.standing

    def record(self, method: str, path: str, call: str, status: int, code: int | None) -> None:
        self.calls.append(Call(self.clock.now(), method, path, call, status, code))
        self.call_counts[f"{method} {call}"] += 1

    def tokens_of(self, waba_ids: Iterable[str]) -> list[Token]:
        wanted = set(waba_ids)
        return [token for token in self.tokens.values() if wanted & {waba.id for waba in token.wabas}]
