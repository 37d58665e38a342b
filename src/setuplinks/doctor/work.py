"""What waits: due work that nobody does, tokens that end, things that only the operator can decide."""

from setuplinks.core.clock import DAY, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.problems import Problem
from setuplinks.core.wire import instant
from setuplinks.doctor.models import Check

LATE, STOPPED = 2 * MINUTE, 15 * MINUTE
SOON = 14 * DAY

# Work that is due and that nobody holds. A queue that stands still is one whose oldest row is old.
DUE = """
SELECT 'provisioning' AS queue, COUNT(*) AS waiting, MIN(due_at) AS oldest FROM provisioning
 WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
UNION ALL
SELECT 'notifications', COUNT(*), MIN(due_at) FROM notification
 WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
UNION ALL
SELECT 'deliveries', COUNT(*), MIN(next_due) FROM endpoint_state
 WHERE next_due <= $1 AND (lease_until IS NULL OR lease_until <= $1)
UNION ALL
SELECT 'links', COUNT(*), MIN(due_at) FROM setup_link
 WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
UNION ALL
SELECT 'numbers', COUNT(*), MIN(due_at) FROM phone_number
 WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
UNION ALL
SELECT 'off-boarding', COUNT(*), MIN(due_at) FROM offboarding
 WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
"""
TOKENS = """
SELECT COUNT(*) AS held,
 MIN(CASE WHEN token_expires_at > $1 THEN token_expires_at END) AS next,
 SUM(CASE WHEN token_expires_at <= $1 THEN 1 ELSE 0 END) AS ended,
 SUM(CASE WHEN token_expires_at > $1 AND token_expires_at <= $2 THEN 1 ELSE 0 END) AS soon
 FROM credential
"""


async def of_work(db: Database, clock: Clock) -> list[Check]:
    """Workers and tokens."""
    return [await workers(db, clock), await tokens(db, clock)]


async def workers(db: Database, clock: Clock) -> Check:
    """Whether somebody does what is due."""
    name, now = "Workers", clock.now()
    try:
        rows = [row for row in await db.read(DUE, now) if row["waiting"]]
    except Problem as problem:
        return Check(name, "warn", f"not looked at: {problem.title}")
    if not rows:
        return Check(name, "pass", "nothing waits that is due")
    worst = min(rows, key=lambda row: int(row["oldest"]))
    age = now - int(worst["oldest"])
    waiting = sum(int(row["waiting"]) for row in rows)
    if age < LATE:
        return Check(name, "pass", f"{waiting} due, the oldest for {age // SECOND} seconds")
    said = f"{waiting} due that nobody takes, the oldest ({worst['queue']}) for {age // MINUTE} minutes"
    fix = "`setuplinks serve` or `setuplinks worker`: is one running, and does its log show failures?"
    return Check(name, "fail" if age >= STOPPED else "warn", said, fix)


async def tokens(db: Database, clock: Clock) -> Check:
    """When the customers' tokens end; there is no renewal but their own sign-in."""
    name, now = "Tokens", clock.now()
    try:
        [row] = await db.read(TOKENS, now, now + SOON)
    except Problem as problem:
        return Check(name, "warn", f"not looked at: {problem.title}")
    held, ended, soon = int(row["held"]), int(row["ended"] or 0), int(row["soon"] or 0)
    fix = "a reconnect link for each; a configuration whose tokens never expire ends this (docs/guides/meta-app.md)"
    if ended or soon:
        parts = [f"{ended} have ended"] if ended else []
        parts += [f"{soon} end within 14 days, the first at {instant(int(row['next']))}"] if soon else []
        return Check(name, "warn", f"of {held} customers' tokens {' and '.join(parts)}", fix)
    if not held:
        return Check(name, "pass", "none is held yet")
    if row["next"] is None:
        return Check(name, "pass", f"{held} held; none of them ends")
    return Check(name, "pass", f"{held} held; the next one ends at {instant(int(row['next']))}")
