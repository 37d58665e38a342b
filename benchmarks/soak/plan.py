"""What each person of the soak does and what happens to them, drawn by seed: values only, nothing is done here."""

import random
from dataclasses import dataclass

# How a signup goes at Meta, and how often of 100; what is not named is `default`.
SCENARIOS = {
    "coexistence": 6, "several_numbers": 4, "several_wabas": 2, "many_numbers": 1, "no_number": 2, "no_waba": 1,
    "already_registered_pin": 4, "name_in_review": 3, "name_in_review_registers": 2, "unverified_number": 1,
    "denied": 2, "cancel_at_number": 2, "cancel_with_error": 1, "walked_away": 2, "dev_mode_denial": 1,
    "code_expired": 1, "code_used": 1, "wrong_app": 1, "permission_missing": 1, "dead_token": 1, "expired_token": 1,
    "june_2026_scopes": 2, "no_target_ids": 2, "never_expiring": 2, "life_not_told": 1, "register_rate_limited": 1,
    "register_flaky": 2, "transient_errors": 3, "throttled": 2, "subscribe_refused": 1, "left_behind": 1,
    "existing_waba": 2, "more_ids": 1,
}  # fmt: skip
# What a person does beside signing in, and how often of 100.
HABITS = {
    "looks_and_leaves": 3,  # opens the page, comes back later
    "second_click": 3,  # presses the button twice at once, and Meta's way back is taken twice at once
    "gone_at_callback": 3,  # closes the browser while the callback is being answered
    "never_returns": 3,  # is done at Meta, and the browser dies before it is sent back
    "two_browsers": 3,  # goes through with two browsers at the same moment
}
POPUP = 20  # of 100 sign in by popup
GOES = 3  # so often a person tries, then somebody helps
RATES = {
    "500": 0.02, "503": 0.01, "reset": 0.015, "lost": 0.015, "cut": 0.01, "empty": 0.01, "html": 0.01,
    "throttle": 0.005, "stall": 0.005,
}  # fmt: skip
RECEIVER = {"500": 0.03, "429": 0.01, "reset": 0.02, "lost": 0.02, "slow": 0.02}


@dataclass(frozen=True)
class Go:
    """One try of a person."""

    scenario: str
    popup: bool
    habit: str | None


def _drawn(chance: random.Random, shares: dict[str, int]) -> str | None:
    point = chance.random() * 100
    for name, share in shares.items():
        if point < share:
            return name
        point -= share
    return None


def goes(seed: int, person: int) -> list[Go]:
    """What this person does, go by go; the later ones are mostly plain."""
    chance = random.Random(f"{seed}:{person}")
    found: list[Go] = []
    for number in range(GOES):
        scenario = _drawn(chance, SCENARIOS) if number == 0 or chance.random() < 0.3 else None
        popup = chance.random() * 100 < POPUP
        habit = None if popup else _drawn(chance, HABITS)
        found.append(Go(scenario or "default", popup, habit))
    return found


def receiver_fault(seed: int, number: int) -> str | None:
    """What the tenant's server does with its n-th request."""
    return _drawn(random.Random(f"{seed}:receiver:{number}"), {kind: round(r * 100) for kind, r in RECEIVER.items()})
