"""The scenarios as a person looks for them: in groups, each with what the service is expected to make of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """A heading, and scenario name → what to expect."""

    title: str
    expect: dict[str, str]


GROUPS = (
    Group(
        "All goes well",
        {
            "default": "The link completes, the number is ready.",
            "coexistence": "The link completes without registration; contacts and chats follow.",
            "existing_waba": "The link completes with the account that is there already.",
            "never_expiring": "The link completes; the token has no end.",
            "sixty_days": "The link completes; warnings come 14, 7 and 1 day before the token ends.",
            "life_not_told": "The link completes; the token's end is read from debug_token.",
            "no_target_ids": "The link completes: the portfolio names the account where the token does not.",
            "no_granular_scopes": "The same.",
            "june_2026_scopes": "The link completes: scope names prove nothing.",
            "more_ids": "The link completes; ids that nobody needs change nothing.",
            "app_only_install": "The link completes as after FINISH.",
            "obo_migration": "The link completes as after FINISH.",
        },
    ),
    Group(
        "Somebody leaves",
        {
            "cancel_at_business": "Popup: the visit ends as cancelled, one button goes on. Full page: meta_refused.",
            "cancel_at_number": "The same.",
            "cancel_at_profile": "The same.",
            "cancel_at_phone": "The same.",
            "cancel_at_verify": "The same.",
            "cancel_at_permissions": "The same.",
            "denied": "The same.",
            "walked_away": "Silence. The link stays usable; abandoned is told after an hour.",
        },
    ),
    Group(
        "The customer has to do something",
        {
            "no_number": "The page asks for a number; it looks again by itself and by a button.",
            "no_waba": "The page asks for an account with a number.",
            "several_numbers": "Full page: the page asks which. Popup: the chosen one is connected.",
            "several_wabas": "The same.",
            "many_numbers": "The same, of thirty.",
            "already_registered_pin": "The page asks for the PIN; 654321 is right.",
            "pin_guessed_fast": "The same; a second quick guess has to wait a little.",
        },
    ),
    Group(
        "Registration",
        {
            "name_in_review": "The link completes, the number is pending; approve the name and it is ready.",
            "name_in_review_registers": "The link completes; sending waits for the name.",
            "unverified_number": "The visit ends with verification_failed.",
            "left_behind": "The link completes: the number is deregistered again, then registered.",
            "just_deleted": "It waits five minutes and goes on.",
            "register_rate_limited": "The link completes, the number is pending for 72 hours.",
            "register_pin_guesses": "The link completes, the number is pending until the lock ends.",
            "register_flaky": "The link completes a little later.",
        },
    ),
    Group(
        "Coexistence",
        {
            "history_declined": "The link completes; the history is shown as declined.",
            "history_out_of_order": "The link completes; the progress never goes back.",
        },
    ),
    Group(
        "Meta refuses",
        {
            "cancel_with_error": "Popup: verification_failed. Full page: meta_refused.",
            "dialog_error": "The visit ends with meta_refused.",
            "number_registered_elsewhere": "Popup: number_in_use. Full page: meta_refused.",
            "account_restricted": "Popup: account_restricted. Full page: meta_refused.",
            "waba_cap": "Popup: waba_limit_reached. Full page: meta_refused.",
            "onboarding_cap": "The visit ends with meta_refused.",
            "number_cap": "The visit ends with meta_refused.",
            "caps_unverified": "Ten signups go well, the eleventh does not; a week later they do again.",
            "caps_verified": "Two hundred go well.",
            "dev_mode_denial": "Full page: meta_refused, worded without a guess. Popup: silence.",
        },
    ),
    Group(
        "The code and the token",
        {
            "code_expired": "The visit ends with code_exchange_failed; one button goes on.",
            "code_used": "The same.",
            "exchange_unavailable": "The same: an exchange is never tried twice.",
            "wrong_app": "The visit ends with permission_missing.",
            "permission_missing": "The visit ends with permission_missing.",
            "dead_token": "The visit ends with permission_missing.",
            "expired_token": "The visit ends with permission_missing.",
            "token_dies_at_message": "The link completes; the first message is refused, the number disconnected.",
            "wrong_account": "A reconnect ends its visit with number_mismatch, its token is kept; others complete.",
        },
    ),
    Group(
        "The popup's two results",
        {
            "message_before_code": "The link completes.",
            "code_before_message": "The link completes.",
            "code_without_message": "The link completes.",
            "message_without_code": "The page waits and offers to check again. Full page: the link completes.",
        },
    ),
    Group(
        "Meta stumbles",
        {
            "transient_errors": "The link completes, some seconds later.",
            "transient_debug_token": "The same.",
            "transient_phone_numbers": "The same.",
            "transient_subscribed_apps": "The same.",
            "transient_register": "The same.",
            "throttled": "The link completes after the wait that Meta wants.",
            "app_throttled": "The same.",
            "messages_rate_limited": "The link completes; the first messages are refused.",
            "pair_rate_limited": "The link completes; the first messages are refused.",
            "subscribe_refused": "The visit ends with permission_missing.",
        },
    ),
)
