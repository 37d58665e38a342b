"""How far Meta is with the chat history of a number in coexistence, read from one `history` notification.

Owns the reading. Chunks come in any order, so which of two is further is told here too.
https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/onboarding-business-app-users
"""

from collections.abc import Mapping

import msgspec

from setuplinks.meta.lenient import as_int, as_object, as_rows

FIELD = "history"
DECLINED = 2593109
PHASES = range(3)  # the last day, up to 90 days, up to 180 days
COMPLETE = 100


class Progress(msgspec.Struct, frozen=True):
    """`phase` 0 to 2 and `progress` 0 to 100 (percent of all); both None where the business shares no history."""

    phase: int | None
    progress: int | None
    declined: bool = False

    @property
    def is_over(self) -> bool:
        """Nothing more is to come."""
        return self.declined or self.progress == COMPLETE


def progress_of(value: Mapping[str, object]) -> Progress | None:
    """The furthest that a notification's value tells of; None where it tells of none (media that follows later)."""
    found: Progress | None = None
    for row in as_rows(value.get(FIELD)):
        if any(as_int(error.get("code")) == DECLINED for error in as_rows(row.get("errors"))):
            return Progress(None, None, declined=True)
        told = as_object(row.get("metadata"))
        phase, progress = as_int(told.get("phase")), as_int(told.get("progress"))
        if phase in PHASES and progress is not None and 0 <= progress <= COMPLETE:
            found = further(found, Progress(phase, progress))
    return found


def further(one: Progress | None, other: Progress) -> Progress:
    """Which of the two is further; a refusal ends it."""
    if one is None or other.declined:
        return other
    if one.declined:
        return one
    return other if (other.phase or 0, other.progress or 0) > (one.phase or 0, one.progress or 0) else one
