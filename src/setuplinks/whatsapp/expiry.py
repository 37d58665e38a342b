"""When a token's end is told: 14, 7 and 1 day before, and at the end itself. Pure: instants (µs) in, instants out.

Owns the days and which of them counts where several were slept through. It does not own the telling.
"""

from setuplinks.core.clock import DAY

DAYS_BEFORE = (14, 7, 1)


def next_word(expires_at: int | None, after: int) -> int | None:
    """The first instant later than `after` at which something is to be said; None for a token that never ends.

    Days that were over when the token was granted are not told; at the end itself there is always a word.
    """
    if expires_at is None:
        return None
    told = (expires_at - days * DAY for days in DAYS_BEFORE)
    return next((at for at in told if at > after), max(expires_at, after + 1))


def days_left(expires_at: int, now: int) -> int | None:
    """Which warning is the right one now: the nearest of those that are due. None before the first, 0 at the end."""
    if now >= expires_at:
        return 0
    return next((days for days in reversed(DAYS_BEFORE) if expires_at - days * DAY <= now), None)


# The same as `next_word`, for the row that a grant writes: $4 is the end, $5 the grant.
_ENDS, _GRANTED = "CAST($4 AS BIGINT)", "CAST($5 AS BIGINT)"
FIRST_WORD = (
    "CASE "
    + " ".join(f"WHEN {_ENDS} - {days * DAY} > {_GRANTED} THEN {_ENDS} - {days * DAY}" for days in DAYS_BEFORE)
    + f" ELSE {_ENDS} END"
)
