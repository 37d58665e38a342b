"""How a signup goes, by name: each scenario is a small piece of data that dialog, exchange and Graph read.

A scenario never acts by itself. `docs/reference/sandbox.md` lists every one; a test holds the two together.
"""

from dataclasses import dataclass, field

from setuplinks.sandbox.steps import STEPS

SIXTY_DAYS = 5_184_000
OTHER_APP = "700000000000999"


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer of one call. `times` None means always."""

    call: str  # exchange, debug_token, waba, phone_numbers, phone, subscribed_apps, register, messages, …
    code: int
    subcode: int | None = None
    times: int | None = None
    message: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class FlowError:
    """An error that the dialog itself shows; reported as CANCEL with these fields (contract 1.3)."""

    step: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """What differs from the plain good signup."""

    name: str
    summary: str
    # the customer's things
    wabas: int = 1
    numbers: int = 1
    reuse: bool = False  # the newest WABA and number of this person are used again, or made as if they had been there
    ignore_prefill: bool = False  # another business than the one asked for
    coexistence: bool | None = None  # None: as `extras` says
    history: str = "shared"  # shared, declined, reversed (the chunks come last one first)
    pin: str | None = None  # two-step PIN from an earlier registration
    verified: bool = True
    name_status: str = "APPROVED"
    name_blocks_register: bool = False
    # how the dialog ends
    cancel_at: str | None = None  # a step of the flow
    flow_error: FlowError | None = None
    denied: bool = False
    denied_after_consent: bool = False  # app in development mode: everything clicked, still denied
    vanish_at: str | None = None  # the person closes the browser; nothing comes back
    # what reaches the page
    code_first: bool = False
    send_code: bool = True
    send_message: bool = True
    # the code and the token
    code_state: str = "fresh"  # fresh, expired, used
    expires_in: int | None = SIXTY_DAYS
    target_ids: bool = True
    scope_names: str = "usual"  # usual, june_2026
    token_app: str | None = None
    without_management: bool = False
    dead_subcode: int | None = None
    dies_at: str | None = None  # the first call of this name finds the token dead, and all after it: 190/460
    tells_life: bool = True  # whether the exchange says expires_in and token_type
    granular: bool = True  # whether debug_token has granular_scopes at all
    # Meta's caps, counted
    customers_a_week: int | None = None
    numbers_a_business: int | None = None
    # registration
    pin_gap: float = 0.0  # seconds that must lie between two guesses, else 133009
    left_behind: bool = False  # an earlier deregistration is incomplete: 133000 until it is done again
    # what the popup's message says in place of FINISH
    finish_event: str | None = None
    more_ids: bool = False
    faults: tuple[Fault, ...] = field(default_factory=tuple)


def _twice(*calls: str) -> tuple[Fault, ...]:
    return tuple(Fault(call, code=2, times=2) for call in calls)


_CANCELS = tuple(
    Scenario(f"cancel_at_{step}", f"The person closes the dialog at the step {meta}.", cancel_at=step)
    for step, meta in STEPS.items()
    if step != "finish"
)

_ALL = (
    Scenario(
        "default", "A fresh business, one WABA with the approved template hello_world, one number to be registered."
    ),
    Scenario(
        "coexistence", "The number stays in the WhatsApp Business app, whatever `extras` ask for.", coexistence=True
    ),
    Scenario(
        "history_declined",
        "Coexistence, and the chats are not shared: the history webhook says 2593109.",
        coexistence=True,
        history="declined",
    ),
    Scenario(
        "history_out_of_order",
        "Coexistence, and the chunks of the history come last one first.",
        coexistence=True,
        history="reversed",
    ),
    Scenario(
        "existing_waba", "The person picks the WABA and number that she has already (the newest one).", reuse=True
    ),
    Scenario("several_numbers", "One WABA with three numbers.", numbers=3),
    Scenario("several_wabas", "Two WABAs with one number each; both are granted.", wabas=2),
    Scenario("many_numbers", "One WABA with thirty numbers: the list has two pages.", numbers=30),
    Scenario("no_number", "The person ends without a number (FINISH_ONLY_WABA).", numbers=0),
    Scenario("no_waba", "The token reaches no WABA at all.", wabas=0, numbers=0),
    Scenario(
        "already_registered_pin", "The number has the PIN 654321 from before: 133005 until it is given.", pin="654321"
    ),
    Scenario(
        "pin_guessed_fast",
        "As already_registered_pin; two guesses within a minute answer 133009.",
        pin="654321",
        pin_gap=60.0,
    ),
    Scenario(
        "left_behind",
        "An earlier deregistration is incomplete: register answers 133000 until the number is deregistered again.",
        left_behind=True,
    ),
    Scenario(
        "just_deleted",
        "register answers 133015 once: the number was deleted a moment ago.",
        faults=(Fault("register", 133015, times=1),),
    ),
    Scenario("unverified_number", "The number was never verified: register answers 133006.", verified=False),
    Scenario(
        "name_in_review",
        "The display name is in review; register answers 131045 until it is approved.",
        name_status="PENDING_REVIEW",
        name_blocks_register=True,
    ),
    Scenario(
        "name_in_review_registers",
        "The display name is in review; register works, sending answers 131037.",
        name_status="PENDING_REVIEW",
    ),
    Scenario(
        "wrong_account", "Another business than the one asked for by prefill or known from before.", ignore_prefill=True
    ),
    *_CANCELS,
    Scenario(
        "cancel_with_error",
        "The dialog fails and the person reports it: CANCEL with an error code.",
        flow_error=FlowError("phone", "2388091", "We could not send the code to this number."),
    ),
    Scenario(
        "number_registered_elsewhere",
        "CANCEL with 3441049: the number is already registered.",
        flow_error=FlowError("phone", "3441049", "This phone number is already registered."),
    ),
    Scenario(
        "account_restricted",
        "CANCEL with 2655089: the account is restricted.",
        flow_error=FlowError("number", "2655089", "This WhatsApp Business Account is restricted."),
    ),
    Scenario(
        "waba_cap",
        "CANCEL with 2388098: no more accounts before the business is verified.",
        flow_error=FlowError("number", "2388098", "You have reached the limit of WhatsApp Business Accounts."),
    ),
    Scenario(
        "onboarding_cap",
        "The app has onboarded its 10 customers of this week (Meta's code is unknown; 9990010 is ours).",
        flow_error=FlowError("business", "9990010", "This app cannot onboard more businesses this week."),
    ),
    Scenario(
        "number_cap",
        "The portfolio has its two numbers (Meta's code is unknown; 9990002 is ours).",
        flow_error=FlowError("number", "9990002", "This business portfolio cannot add more phone numbers."),
    ),
    Scenario(
        "caps_unverified",
        "Caps are counted: ten new customers in seven days (9990010), two numbers in a portfolio (9990002).",
        customers_a_week=10,
        numbers_a_business=2,
    ),
    Scenario(
        "caps_verified",
        "Caps are counted as for a verified business: 200 new customers in seven days, twenty numbers.",
        customers_a_week=200,
        numbers_a_business=20,
    ),
    Scenario(
        "dialog_error",
        "The popup's message is ERROR with a code, and no code follows.",
        flow_error=FlowError("permissions", "2655093", "This business already has a partner."),
        finish_event="ERROR",
    ),
    Scenario("denied", "The person declines on the permissions screen.", denied=True),
    Scenario(
        "dev_mode_denial",
        "Everything is clicked through, yet the redirect says access_denied (app not live).",
        denied_after_consent=True,
    ),
    Scenario(
        "walked_away",
        "The person closes the browser on the permissions screen; nothing comes back.",
        vanish_at="permissions",
    ),
    Scenario("code_expired", "The code is too old when it arrives: 36007.", code_state="expired"),
    Scenario("code_used", "The code has been used when it arrives: 36009.", code_state="used"),
    Scenario(
        "message_before_code", "Popup: the message comes first, the code after (also the default).", code_first=False
    ),
    Scenario("code_before_message", "Popup: the code comes first, the message after.", code_first=True),
    Scenario("code_without_message", "Popup: only the code comes.", send_message=False),
    Scenario(
        "message_without_code", "Popup: only the message comes; the SDK's callback reads as cancelled.", send_code=False
    ),
    Scenario(
        "app_only_install",
        "Popup: the message is FINISH_GRANT_ONLY_API_ACCESS.",
        finish_event="FINISH_GRANT_ONLY_API_ACCESS",
    ),
    Scenario(
        "obo_migration",
        "Popup: the message is FINISH_OBO_MIGRATION.",
        finish_event="FINISH_OBO_MIGRATION",
    ),
    Scenario(
        "more_ids",
        "Popup: the message names waba_ids, page_ids, catalog_ids and others beside the usual three.",
        more_ids=True,
    ),
    Scenario("never_expiring", "A token without an end: no expires_in, expires_at 0.", expires_in=None),
    Scenario("sixty_days", "A token of 60 days (also the default)."),
    Scenario(
        "life_not_told", "A token of 60 days, but the exchange answers nothing beside access_token.", tells_life=False
    ),
    Scenario("no_granular_scopes", "debug_token has no granular_scopes at all.", granular=False),
    Scenario("no_target_ids", "debug_token names the scopes without target_ids.", target_ids=False),
    Scenario(
        "june_2026_scopes",
        "whatsapp_business_manage_events stands where whatsapp_business_management was.",
        scope_names="june_2026",
    ),
    Scenario("wrong_app", "The token belongs to another app.", token_app=OTHER_APP),
    Scenario(
        "permission_missing",
        "The token lacks whatsapp_business_management: calls on the WABA answer 200.",
        without_management=True,
    ),
    Scenario("dead_token", "The token is invalid right after the exchange: 190/460.", dead_subcode=460),
    Scenario("expired_token", "The token is invalid right after the exchange: 190/463.", dead_subcode=463),
    Scenario("register_rate_limited", "register answers 133016, every time.", faults=(Fault("register", 133016),)),
    Scenario("register_pin_guesses", "register answers 133008, every time.", faults=(Fault("register", 133008),)),
    Scenario(
        "register_flaky", "register answers 133004 twice, then works.", faults=(Fault("register", 133004, times=2),)
    ),
    Scenario(
        "exchange_unavailable", "The exchange answers 500, code 2, once.", faults=(Fault("exchange", 2, times=1),)
    ),
    Scenario(
        "transient_errors",
        "Each call after the exchange answers code 2 twice, then works.",
        faults=_twice("debug_token", "waba", "phone_numbers", "phone", "subscribed_apps", "register", "smb_app_data"),
    ),
    Scenario("transient_debug_token", "debug_token answers code 2 twice, then works.", faults=_twice("debug_token")),
    Scenario("transient_phone_numbers", "The list of numbers answers code 2 twice.", faults=_twice("phone_numbers")),
    Scenario("transient_subscribed_apps", "Subscribing answers code 2 twice.", faults=_twice("subscribed_apps")),
    Scenario("transient_register", "register answers code 2 twice.", faults=_twice("register")),
    Scenario(
        "throttled",
        "The list of numbers answers 80007 twice, then works.",
        faults=(Fault("phone_numbers", 80007, times=2),),
    ),
    Scenario(
        "app_throttled",
        "The list of numbers answers 4 twice, then works.",
        faults=(Fault("phone_numbers", 4, times=2),),
    ),
    Scenario(
        "messages_rate_limited",
        "The first two messages answer 130429.",
        faults=(Fault("messages", 130429, times=2),),
    ),
    Scenario(
        "pair_rate_limited",
        "The first two messages answer 131056: too many to one person.",
        faults=(Fault("messages", 131056, times=2),),
    ),
    Scenario("token_dies_at_message", "The token works until the first message: 190/460.", dies_at="messages"),
    Scenario("subscribe_refused", "Subscribing answers 200, every time.", faults=(Fault("subscribed_apps", 200),)),
)

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
DEFAULT = SCENARIOS["default"]
